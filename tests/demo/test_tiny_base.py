"""The tiny base is an ordinary model folder that learns the world's language, and the recipes train on it."""

import json

import pytest
import yaml

from rshub.demo import recipes, world
from rshub.training.recipe_file import read_recipe


def test_a_trained_base_loads_anywhere_and_has_learned_something(tmp_path):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from rshub.demo.tiny_base import train_base

    state = torch.get_rng_state()
    told = []
    loss = train_base(tmp_path / "one", steps=30, texts=500, batch=16, progress=lambda *line: told.append(line))
    assert torch.equal(torch.get_rng_state(), state)
    assert told[-1] == (30, 30, loss)
    assert loss < 3  # a uniform guess costs log(83) = 4.4 nats per word
    names = {path.name for path in (tmp_path / "one").iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"} <= names
    assert train_base(tmp_path / "two", steps=30, texts=500, batch=16) == loss
    first, second = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("one", "two"))
    assert first == second
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "one")
    words = AutoTokenizer.from_pretrained(tmp_path / "one")
    assert sum(parameter.numel() for parameter in model.parameters()) < 200_000
    assert words.padding_side == "left"
    for row in world.corpus(20, seed=1, references=1):
        for text in (row["prompt"], row["references"][0]):
            ids = words(text)["input_ids"]
            assert len(ids) == len(text.split())
            assert words.unk_token_id not in ids


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize("run", list(recipes.MIXTURES))
def test_a_recipe_as_yaml_is_the_recipe_of_the_demo(run, fast):
    places = {"base": "ada/base@0123abc", "dataset": "ada/prompts:train"}
    for steps in (None, 2):
        wanted = recipes.recipe(run, **places, fast=fast, steps=steps)
        assert read_recipe(yaml.safe_load(recipes.recipe_yaml(wanted))).to_json() == read_recipe(wanted).to_json()
        assert steps is None or wanted["steps"] == steps


def test_the_written_recipe_is_read_by_the_strict_reader(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text(recipes.recipe_yaml(recipes.recipe("morl", base="./my base", dataset='./a "b" \\ c.jsonl')))
    recipe = read_recipe(path)
    assert (recipe.base, recipe.dataset) == ("./my base", './a "b" \\ c.jsonl')
    assert recipe.mixture() == {"precision": 0.5, "recall": 0.5}


@pytest.mark.slow
def test_soups_of_two_experts_lie_above_the_line_between_them(tmp_path):
    """The claim of the demo, in full: both rewards hold at every lambda, and mixed training is hardly better."""
    from rshub.demo.tiny_base import train_base
    from rshub.evaluation.evaluator import Evaluator
    from rshub.evaluation.points import line
    from rshub.evaluation.sampling import Sampling
    from rshub.prompts.read import read_prompts
    from rshub.rewards.spec import reward_from_spec
    from rshub.training.train import train

    train_base(tmp_path / "base")
    for name, count, seed in (("train", 2000, 7), ("test", 512, 1)):
        (tmp_path / f"{name}.jsonl").write_bytes(world.jsonl(world.corpus(count, seed=seed, references=4)))
    places = {"base": str(tmp_path / "base"), "dataset": str(tmp_path / "train.jsonl")}
    folders = {run: train(recipes.recipe(run, **places), output=tmp_path / run).folder for run in recipes.MIXTURES}
    rewards = {name: reward_from_spec(spec) for name, spec in recipes.REWARDS.items()}
    grid = [*line("recall", "precision", 8), {"morl": 1.0}, {}]
    prompts, sampling = read_prompts(tmp_path / "test.jsonl"), Sampling(max_new_tokens=32)
    with Evaluator.open(
        folders, base=str(tmp_path / "base"), rewards=rewards, prompts=prompts, sampling=sampling
    ) as evaluator:
        measured = [evaluator.point(coefficients) for coefficients in grid]
    points = [{name: score.mean for name, score in point.rewards.items()} for point in measured]
    (*soups, morl, init), first, last = points, points[0], points[8]
    assert first["recall"] > init["recall"] + 0.1
    assert last["precision"] > init["precision"] + 0.08
    for number, soup in enumerate(soups):
        share = number / 8
        for name in rewards:
            straight = (1 - share) * first[name] + share * last[name]
            assert soup[name] > straight - 0.01, json.dumps(points)
    assert (
        soups[4]["recall"] + soups[4]["precision"]
        > (first["recall"] + last["recall"]) / 2 + (first["precision"] + last["precision"]) / 2 + 0.05
    )
    assert max(sum(soup.values()) for soup in soups) > sum(morl.values()) - 0.06
