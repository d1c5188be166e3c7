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


@pytest.mark.parametrize(
    "more",
    [
        {"method": "rloo", "epochs": 1.5, "init": "stacked:./sft", "stop_at": {"recall": 0.9}, "report_to": ["wandb"]},
        {"method": "grpo", "scale_rewards": "group", "micro_batch": 8, "kl_budget": 0.2, "artefact": "full"},
        {"method": "sft", "max_length": 64, "init": "merged:org/sft@v1", "eval_prompts": "org/p:test", "eval_limit": 9},
        {"method": "dpo", "lora": {"dropout": 0.1}, "init": "adapter:org/sft@v1", "optimizer": "adam"},
    ],
)
def test_every_methods_recipe_written_out_reads_back_as_the_same(more):
    recipe = read_recipe(least() | more)
    again = read_recipe(recipe.to_json())
    assert again.to_json() == recipe.to_json()
    assert again.to_json().items() >= {key: value for key, value in more.items() if key != "lora"}.items()
    assert {**vars(again), "rewards": None} == {**vars(recipe), "rewards": None}


def test_methods_that_sample_nothing_need_no_reward_and_have_a_beta_of_their_own():
    bare = {key: value for key, value in least().items() if key != "rewards"}
    assert read_recipe(bare | {"method": "sft"}).mixture() == {}
    betas = [read_recipe(least() | {"method": method}).beta for method in ("rloo", "grpo", "dpo")]
    assert betas == [0.05, 0.05, 0.1]


@pytest.mark.parametrize(
    ("more", "prompts", "steps"),
    [
        ({}, 1000, 100),
        ({"epochs": 2, "batch": 16, "num_generations": 4}, 33, 16),  # 8 whole batches of 4 prompts in an epoch
        ({"epochs": 1, "batch": 16, "num_generations": 4, "mini_batch": 8, "num_iterations": 3}, 8, 12),
        ({"epochs": 0.5, "batch": 16, "num_generations": 4}, 4, 1),
        ({"method": "sft", "epochs": 2, "batch": 16}, 33, 6),  # the last batch is a small one
    ],
)
def test_epochs_are_counted_in_steps(more, prompts, steps):
    assert read_recipe(least() | more).steps_over(prompts) == steps


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
    assert faults(least(), learning_rate="fast") == "learning_rate: a number is expected, not str"
    assert "stepz: no such key; did you mean 'steps'?" in faults(least(), stepz="7")
    assert "lora.rr: no such key" in faults(least(), **{"lora.rr": "7"})
    for text in ("many", "1,2"):
        assert faults(least(), steps=text) == "steps: a whole number is expected, not str"
    for key, text in (
        ("steps", "[1"),
        ("steps", "1\nseed: 2"),
        ("base.x", "1"),
        ("", "1"),
        ("lora.", "1"),
        ("a..b", "1"),
    ):
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
        ({"lora": {"rank": 8}}, "lora.rank: no such key; there are alpha, dropout, r, target_modules"),
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
        (
            {"reward_weights": {"recall": -1}},
            "its own: write rewards: {less-recall: '-metric:rouge1.recall'} and give that the weight 1",
        ),
        ({"reward_weights": {"recall": "one"}}, "reward_weights.recall: a number is expected"),
        ({"steps": 0}, "steps: 0 is outside 1"),
        ({"steps": 1.5}, "steps: a whole number is expected"),
        ({"seed": -1}, "seed: -1 is outside"),
        ({"learning_rate": 0}, "learning_rate: 0.0 is not above zero"),
        ({"beta": -0.1}, "beta: -0.1 is below zero"),
        ({"method": "dpo", "beta": 0}, "beta: 0.0 is not above zero"),
        ({"temperature": 0}, "temperature: 0.0 is not above zero"),
        ({"batch": 10, "num_generations": 4}, "batch: 10 is no multiple of num_generations, 4"),
        ({"num_generations": 1}, "num_generations: 1 is outside 2"),
        ({"num_generations": 0}, "num_generations: 0 is outside 2"),
        ({"num_generations": "x"}, "num_generations: a whole number is expected"),
        ({"schedule": "linaer"}, "schedule: 'linaer' is none of constant, cosine, linear; linear?"),
        ({"normalize_advantages": "yes"}, "normalize_advantages: true or false is expected"),
        ({"scale_rewards": "none"}, "scale_rewards: rloo has no such key, only grpo"),
        ({"max_length": 64}, "max_length: rloo has no such key, only sft and dpo"),
        ({"method": "grpo", "normalize_advantages": True}, "normalize_advantages: grpo has no such key, only rloo"),
        ({"method": "grpo", "scale_rewards": "all"}, "scale_rewards: 'all' is none of batch, group, none"),
        ({"method": "sft", "num_generations": 4}, "num_generations: sft has no such key, only rloo and grpo"),
        ({"method": "dpo", "temperature": 1}, "temperature: dpo has no such key, only rloo and grpo"),
        ({"microbatch": 4}, "microbatch: no such key; did you mean 'micro_batch'?"),
        ({"init": "sft"}, "init: 'sft' is no start; say base, merged"),
        ({"init": "adapter:"}, "init: 'adapter:' is no start"),
        ({"init": "base:org/sft"}, "init: 'base:org/sft' is no start"),
        ({"init": "merged:./folder"}, "init: 'merged:./folder' is no start"),
        ({"init": "adapter:no repo"}, "init: 'adapter:no repo' is no start"),
        ({"artefact": "qlora"}, "artefact: 'qlora' is none of full, lora"),
        ({"artefact": "full", "lora": {"r": 4}}, "lora: with artefact full there is no adapter"),
        ({"artefact": "full", "init": "adapter:org/sft"}, "init: adapter starts an adapter; for artefact full"),
        ({"artefact": "full", "dtype": "bfloat16"}, "dtype: bfloat16 would round what is learned away"),
        ({"init": "stacked:org/sft", "dtype": "bfloat16"}, "dtype: bfloat16 would round what is learned away"),
        ({"dtype": "int8"}, "dtype: 'int8' is none of bfloat16, float32"),
        ({"steps": 3, "epochs": 1}, "epochs: give steps or epochs, not both"),
        ({"epochs": 0}, "epochs: 0.0 is not above zero"),
        ({"batch": 16, "mini_batch": 6}, "batch: 16 is no multiple of mini_batch, 6"),
        ({"mini_batch": 16, "micro_batch": 6}, "mini_batch: 16 is no multiple of micro_batch, 6"),
        ({"batch": 16, "micro_batch": 6}, "batch: 16 is no multiple of micro_batch, 6"),
        ({"save_steps": 3, "log_steps": 2}, "save_steps: 3 is no multiple of log_steps, 2"),
        ({"save_steps": 3, "num_iterations": 2}, "save_steps: 3 is no multiple of the 2 steps"),
        ({"optimizer": "adam", "weight_decay": 0.1}, "weight_decay: adam has none"),
        ({"optimizer": "adamm"}, "optimizer: 'adamm' is none of adafactor, adam, adamw, sgd"),
        ({"min_completion_length": 200}, "min_completion_length: it is above max_completion_length, 128"),
        ({"kl_budget": 0.1, "beta": 0}, "kl_budget: with beta 0 no divergence is measured"),
        ({"stop_at": {"precision": 1}}, "stop_at.precision: no such key"),
        ({"stop_at": {"recall": "high"}}, "stop_at.recall: a number is expected"),
        ({"report_to": ["wandb", "mlflow"]}, "report_to: a list out of tensorboard, trackio, wandb is expected"),
        ({"report_to": "all"}, "report_to: a list out of"),
        (
            {"method": "sft", "rewards": None, "eval_prompts": "./p.jsonl"},
            "eval_prompts: there is no reward to measure",
        ),
        ({"init": "stacked:org/sft", "eval_prompts": "./p.jsonl"}, "eval_prompts: an adapter that is stacked"),
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
    with pytest.raises(NotFound, match="cannot be read") as caught:
        read_recipe(tmp_path)
    assert caught.value.remedy == "name a YAML file that you may read"
