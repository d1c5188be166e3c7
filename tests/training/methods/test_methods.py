"""Each method learns what it says, logs what it measures and nothing else, and is told all that its recipe says."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from rshub.errors import InvalidInput
from rshub.training.recipe import KEYS
from rshub.training.recipe_file import read_recipe
from rshub.training.train import train

WEIGHTS = "adapter_model.safetensors"
SHARED = {"step", "steps", "learning_rate", "grad_norm"}


@pytest.fixture(scope="module")
def supervised(plain, tmp_path_factory):
    """A supervised run that sees little and learns a lot of it."""
    folder = tmp_path_factory.mktemp("supervised") / "sft"
    return train(plain("sft", steps=12, micro_batch=4), output=folder)


def test_grpo_logs_all_rewards_and_learns_from_the_weighted_sum(recipe, tmp_path):
    wanted = {key: value for key, value in recipe.items() if key != "normalize_advantages"}
    half = {"recall": 0.5, "precision": 0.25}
    done = train(wanted | {"method": "grpo", "reward_weights": half, "micro_batch": 4}, output=tmp_path / "grpo")
    assert (done.training["method"], done.training["objective"]) == ("grpo", "rl")
    assert done.training["mixture"] == {"precision": pytest.approx(1 / 3), "recall": pytest.approx(2 / 3)}
    assert done.training["settings"]["scale_rewards"] == "none"
    for line in done.log:
        sum_of_rewards = 0.5 * line["rewards"]["recall"] + 0.25 * line["rewards"]["precision"]
        assert line["reward"] == pytest.approx(sum_of_rewards, abs=1e-6)
        assert line["kl"] >= -1e-6  # an estimate that cannot be negative
        assert "loss" not in line


def test_sft_learns_the_references_and_logs_no_reward(supervised, restaurant):
    """The loss of the base without a step is worked out here, token by token, from the base itself."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    assert all(set(line) == SHARED | {"loss", "accuracy"} for line in supervised.log)
    assert supervised.log[-1]["loss"] < supervised.log[0]["loss"] - 0.1
    assert (supervised.training["objective"], supervised.training["kl"]) == ("ce", None)
    assert (supervised.reward, supervised.spec) == ("sft", None)
    tokenizer = AutoTokenizer.from_pretrained(restaurant / "base")
    model = AutoModelForCausalLM.from_pretrained(restaurant / "base")
    losses = []
    for text in (restaurant / "pairs.jsonl").read_text().splitlines():
        row = json.loads(text)
        prompt = tokenizer(row["prompt"])["input_ids"]
        answer = [*tokenizer(row["references"][0], add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
        with torch.no_grad():
            logits = model(torch.tensor([prompt + answer])).logits[0, len(prompt) - 1 : -1]
        losses += torch.nn.functional.cross_entropy(logits, torch.tensor(answer), reduction="none").tolist()
    assert supervised.log[0]["loss"] == pytest.approx(np.mean(losses), abs=0.15)  # of one batch out of four


def test_sft_in_one_piece_is_the_same_as_in_small_ones(plain, supervised, tmp_path):
    whole = train(plain("sft", steps=12), output=tmp_path / "whole")
    theirs, ours = (load_file(done.folder / WEIGHTS) for done in (whole, supervised))
    for key, value in theirs.items():
        np.testing.assert_allclose(ours[key], value, atol=2e-4)


def test_dpo_tells_the_pairs_apart_and_logs_by_how_much(plain, tmp_path):
    done = train(plain("dpo", steps=6), output=tmp_path / "dpo")
    assert all(set(line) == SHARED | {"loss", "accuracy", "margin"} for line in done.log)
    first, last = done.log[0], done.log[-1]
    assert first["loss"] == pytest.approx(np.log(2), abs=1e-5)  # nothing is preferred before the first step
    assert (first["margin"], last["margin"] > 0.01) == (0.0, True)
    assert (done.training["objective"], done.training["settings"]["beta"]) == ("dpo", 0.1)


def test_the_papers_table_can_be_written_down_and_is_what_trl_is_told(recipe, tmp_path):
    """Rewarded soups, Table 1: LoRA 16/16/.05 on q, k, v, o; Adam 1.41e-5; batch 128, mini-batch 4; 16 to 32 tokens."""
    from rshub.training.methods.arguments import arguments
    from rshub.training.methods.lesson import Lesson
    from rshub.training.methods.models import fresh
    from rshub.training.methods.rloo import settings

    table = {
        "lora": {"r": 16, "alpha": 16, "dropout": 0.05, "target_modules": ["q_proj", "k_proj", "v_proj", "o_proj"]},
        "optimizer": "adam", "learning_rate": 1.41e-5, "schedule": "constant", "batch": 128, "mini_batch": 4,
        "num_generations": 4, "num_iterations": 4, "min_completion_length": 16, "max_completion_length": 32,
        "beta": 0.2, "epochs": 2, "seed": 0, "temperature": 1.0,
    }  # fmt: skip
    wanted = {key: value for key, value in recipe.items() if key not in {"steps", "warmup_steps"}} | table
    read = read_recipe(wanted)
    steps = read.steps_over(640)
    assert steps == 2 * (640 * 4 // 128) * (128 // 4) * 4  # epochs, batches, mini-batches, times each is learned from
    lesson = Lesson(
        recipe=read, base=tmp_path, tokenizer=None, rows=[], steps=steps, output=tmp_path, log=tmp_path / "log"
    )
    told = settings(lesson, tmp_path, [1.0, 0.0])
    adapter = fresh(read.lora)
    assert (adapter.r, adapter.lora_alpha, adapter.lora_dropout) == (16, 16, 0.05)
    assert set(adapter.target_modules) == {"q_proj", "k_proj", "v_proj", "o_proj"}
    assert (told.optim, told.weight_decay, told.learning_rate) == ("adamw_torch_fused", 0.0, 1.41e-5)
    assert (told.generation_batch_size, told.per_device_train_batch_size, told.gradient_accumulation_steps) == (
        128,
        4,
        1,
    )
    assert (told.steps_per_generation, told.num_iterations, told.num_generations) == (32, 4, 4)
    assert (told.beta, told.max_completion_length, told.max_steps) == (0.2, 32, steps)
    assert (told.temperature, told.top_k, told.top_p, told.disable_dropout) == (1.0, 0, 1.0, False)
    assert (told.report_to, told.push_to_hub, told.bf16) == ([], False, False)
    small = read_recipe(wanted | {"mini_batch": None, "micro_batch": 4})
    told = arguments(type(told), Lesson(**{**vars(lesson), "recipe": small}), tmp_path, generation_batch_size=128)
    assert (told.per_device_train_batch_size, told.gradient_accumulation_steps) == (4, 32)
    assert small.steps_over(640) == 2 * 20 * 4


def test_completions_are_cut_off_evenly_and_the_same_way_every_time():
    from types import SimpleNamespace

    from rshub.training.methods.trainers import CutOff

    class Endless:
        def _generate_single_turn(self, prompts):
            return [list(range(32)) for _ in prompts]

    class Trainer(CutOff, Endless):
        shortest, max_completion_length, args = 16, 32, SimpleNamespace(seed=3)

        def __init__(self, step):
            self.state = SimpleNamespace(global_step=step)

    drawn = [len(tokens) for tokens in Trainer(5)._generate_single_turn(range(4000))]
    assert drawn == [len(tokens) for tokens in Trainer(5)._generate_single_turn(range(4000))]
    assert drawn != [len(tokens) for tokens in Trainer(6)._generate_single_turn(range(4000))]
    counts = np.bincount(drawn, minlength=33)
    assert (counts[:16].sum(), counts[16:].min() > 150, counts.max() < 330) == (0, True, True)  # 235 of each expected
    assert all(tokens == list(range(len(tokens))) for tokens in Trainer(5)._generate_single_turn(range(9)))


def test_a_run_with_lengths_from_a_range_keeps_to_it(recipe, tmp_path):
    wanted = {"min_completion_length": "4", "max_completion_length": "6", "mini_batch": "8", "steps": "4"}
    done = train(recipe, overrides=wanted, output=tmp_path / "short")
    assert [line["step"] for line in done.log] == [1, 3]  # a batch is sampled for every second step
    assert all(4 <= line["length"] <= 6 and line["clipped"] > 0.5 for line in done.log)
    assert done.training["steps"] == 4


@pytest.mark.parametrize("method", ["rloo", "sft", "dpo"])
def test_conversations_are_written_by_the_bases_template(recipe, plain, restaurant, tmp_path, method):
    rows = [json.loads(text) for text in (restaurant / "pairs.jsonl").read_text().splitlines()]
    for row in rows:
        row["prompt"] = [{"role": "user", "content": row["prompt"]}]
    data = tmp_path / "talk.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    wanted = recipe if method == "rloo" else plain(method)
    with pytest.raises(InvalidInput, match="no chat template"):
        train(wanted | {"dataset": str(data)}, output=tmp_path / "refused")
    base = copied(restaurant / "base", tmp_path / "base", chat_template=TEMPLATE)
    done = train(wanted | {"dataset": str(data), "base": str(base), "steps": 1}, output=tmp_path / "talk")
    if method == "rloo":  # the template writes just the text, so the run is that of the texts
        same = train(wanted | {"steps": 1}, output=tmp_path / "text")
        assert [line["rewards"] for line in done.log] == [line["rewards"] for line in same.log]
        theirs, ours = (load_file(run.folder / WEIGHTS) for run in (same, done))
        assert all((ours[key] == value).all() for key, value in theirs.items())


TEMPLATE = (
    "{% for message in messages %}{{ message.content }}{% if message.role == 'assistant' %}</s>{% endif %} {% endfor %}"
)


def copied(base: Path, place: Path, **settings):
    """Copy a base with other settings of its tokenizer; None takes one away."""
    place.mkdir()
    for path in base.iterdir():
        (place / path.name).write_bytes(path.read_bytes())
    config = json.loads((place / "tokenizer_config.json").read_text()) | settings
    kept = {key: value for key, value in config.items() if value is not None}
    (place / "tokenizer_config.json").write_text(json.dumps(kept))
    return place


def test_without_a_token_for_padding_the_one_that_ends_texts_serves_and_changes_nothing(
    recipe, recall, plain, restaurant, tmp_path
):
    base = str(copied(restaurant / "base", tmp_path / "base", pad_token=None))
    done = train(recipe | {"base": base}, output=tmp_path / "expert")
    assert "none of its own" in done.training["padding"]
    assert "padding" not in recall.training
    assert (done.folder / WEIGHTS).read_bytes() == (recall.folder / WEIGHTS).read_bytes()
    for method in ("sft", "dpo"):
        runs = [
            train(plain(method) | {"base": b}, output=tmp_path / f"{method}{n}")
            for n, b in enumerate((base, str(restaurant / "base")))
        ]
        assert runs[0].log == runs[1].log
    endless = copied(restaurant / "base", tmp_path / "endless", eos_token=None)
    with pytest.raises(InvalidInput, match="no token that ends a text"):
        train(recipe | {"base": str(endless)}, output=tmp_path / "refused")


def test_every_key_is_a_setting_and_belongs_to_a_method():
    from dataclasses import fields

    from rshub.training.recipe import Recipe

    assert {field.name for field in fields(Recipe)} == frozenset().union(*KEYS.values())
