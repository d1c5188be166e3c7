"""A recipe is read strictly: every fault with its path, every override by the same rules."""

import pytest
import yaml

from rshub.errors import InvalidInput, NotFound
from rshub.training.recipe import LoraSettings
from rshub.training.recipe_file import read_recipe

WHOLE = """
method: rloo
base: org/base@v1.0
dataset: ./prompts.jsonl
rewards:
  recall: metric:rouge1.recall
  short: -metric:length
reward_weights:
  recall: 1
lora:
  r: 4
  alpha: 8
  target_modules: [q_proj, v_proj]
seed: 3
steps: 12
learning_rate: 1e-3
batch: 8
num_generations: 4
"""


def least():
    return {
        "method": "rloo",
        "base": "org/base",
        "dataset": "./prompts.jsonl",
        "rewards": {"recall": "metric:rouge1.recall"},
    }


def faults(recipe, **overrides):
    with pytest.raises(InvalidInput) as caught:
        read_recipe(recipe, overrides=overrides)
    return "\n".join(caught.value.problems)


def test_a_file_reads_as_it_is_written(tmp_path):
    (tmp_path / "recipe.yaml").write_text(WHOLE)
    recipe = read_recipe(tmp_path / "recipe.yaml")
    assert recipe.base == "org/base@v1.0"
    assert {name: reward.spec for name, reward in recipe.rewards.items()} == {
        "recall": "metric:rouge1.recall",
        "short": "-metric:length",
    }
    assert recipe.reward_weights == {"recall": 1.0, "short": 0.0}
    assert recipe.mixture() == {"recall": 1.0}
    assert recipe.lora == LoraSettings(r=4, alpha=8.0, dropout=None, target_modules=("q_proj", "v_proj"))
    assert (recipe.seed, recipe.steps, recipe.learning_rate, recipe.batch) == (3, 12, 1e-3, 8)


def test_a_recipe_written_out_reads_back_as_the_same(tmp_path):
    (tmp_path / "recipe.yaml").write_text(WHOLE)
    recipe = read_recipe(tmp_path / "recipe.yaml")
    again = read_recipe(recipe.to_json())
    assert again.to_json() == recipe.to_json()
    (tmp_path / "again.yaml").write_text(yaml.safe_dump(recipe.to_json()))
    assert read_recipe(tmp_path / "again.yaml").to_json() == recipe.to_json()


def test_a_single_reward_needs_no_weight_and_a_mixture_is_normalised():
    assert read_recipe(least()).mixture() == {"recall": 1.0}
    two = least() | {"rewards": {"recall": "metric:rouge1.recall", "precision": "metric:rouge1.precision"}}
    assert read_recipe(two | {"reward_weights": {"recall": 3, "precision": 1}}).mixture() == {
        "precision": 0.25,
        "recall": 0.75,
    }
    assert "reward_weights: give a weight to one of recall, precision" in faults(two)


def test_overrides_go_by_the_rules_of_the_file():
    recipe = read_recipe(
        least(),
        overrides={
            "steps": "7",
            "learning_rate": "2e-5",
            "lora.r": "2",
            "rewards.rouge.f": "metric:rouge1.fmeasure",
            "reward_weights.rouge.f": "0.5",
            "reward_weights.recall": "0.5",
        },
    )
    assert (recipe.steps, recipe.learning_rate, recipe.lora.r) == (7, 2e-5, 2)
    assert recipe.mixture() == {"recall": 0.5, "rouge.f": 0.5}
    assert "stepz: no such key; did you mean 'steps'?" in faults(least(), stepz="7")
    assert "lora.rr: no such key" in faults(least(), **{"lora.rr": "7"})
    assert "steps: a whole number is expected, not str" in faults(least(), steps="many")
    for key, text in (("steps", "[1"), ("steps", "1\nseed: 2"), ("base.x", "1"), ("", "1"), ("lora.", "1")):
        with pytest.raises(InvalidInput, match="--set"):
            read_recipe(least(), overrides={key: text})


def test_the_mapping_that_was_given_is_left_alone():
    given = least() | {"lora": {"r": 4}}
    read_recipe(given, overrides={"lora.r": "2"})
    assert given["lora"] == {"r": 4}


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"learning_rat": 1}, "learning_rat: no such key; did you mean 'learning_rate'?"),
        ({"lora": {"rank": 8}}, "lora.rank: no such key"),
        ({"lora": {"r": 0}}, "lora.r: 0 is outside 1"),
        ({"lora": {"dropout": 1.0}}, "lora.dropout: 1.0 is not below 1"),
        ({"lora": {"target_modules": "q_proj"}}, "lora.target_modules: all-linear or a list"),
        ({"lora": {"target_modules": []}}, "lora.target_modules: all-linear or a list"),
        ({"lora": {"target_modules": [1]}}, "lora.target_modules: all-linear or a list"),
        ({"lora": "big"}, "lora: an object is expected"),
        ({"method": "ppo"}, "method: 'ppo' is none of dpo, grpo, rloo, sft"),
        ({"method": None}, "method: missing"),
        ({"base": None}, "base: missing"),
        ({"dataset": 3}, "dataset: a string is expected"),
        ({"rewards": {}}, "reward"),
        ({"rewards": None}, "rewards: missing"),
        ({"rewards": {"recall": 1}}, "rewards.recall: a reward like metric:length is expected"),
        (
            {"rewards": {"recall": "metric:rouge"}},
            "rewards.recall: reward 'metric:rouge', column 1: there is no reward",
        ),
        ({"rewards": {"Re call": "metric:length"}}, "rewards.Re call: a name is lower-case"),
        ({"rewards": {"init": "metric:length"}}, "rewards.init: a name is lower-case"),
        ({"reward_weights": {"precision": 1}}, "reward_weights.precision: no such key"),
        ({"reward_weights": {"recall": 0}}, "reward_weights: give a weight to one of recall"),
        ({"reward_weights": {"recall": 1e308}}, "reward_weights.recall: 1e+308 is beyond 1e+09"),
        ({"reward_weights": {"recall": "one"}}, "reward_weights.recall: a number is expected"),
        ({"steps": 0}, "steps: 0 is outside 1"),
        ({"steps": 1.5}, "steps: a whole number is expected"),
        ({"seed": -1}, "seed: -1 is outside"),
        ({"learning_rate": 0}, "learning_rate: 0.0 is not above zero"),
        ({"beta": -0.1}, "beta: -0.1 is below zero"),
        ({"temperature": 0}, "temperature: 0.0 is not above zero"),
        ({"batch": 10, "num_generations": 4}, "batch: 10 is no multiple of num_generations, 4"),
        ({"num_generations": 1}, "num_generations: 1 is outside 2"),
        ({"schedule": "linaer"}, "schedule: 'linaer' is none of constant, cosine, linear; linear?"),
        ({"normalize_advantages": "yes"}, "normalize_advantages: true or false is expected"),
    ],
)
def test_each_fault_is_named_with_its_path(change, fault):
    assert fault in faults({key: value for key, value in (least() | change).items() if value is not None})


def test_all_faults_are_gathered_before_one_is_raised():
    found = faults(least() | {"stepps": 1, "seed": -1, "lora": {"alhpa": 1}})
    assert "stepps" in found
    assert "seed" in found
    assert "lora.alhpa: no such key; did you mean 'alpha'?" in found


def test_a_file_that_is_not_there_is_not_found(tmp_path):
    with pytest.raises(NotFound, match="no such recipe"):
        read_recipe(tmp_path / "none.yaml")
    with pytest.raises(NotFound, match="cannot be read"):
        read_recipe(tmp_path)
