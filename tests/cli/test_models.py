"""``rshub train`` and ``evaluate`` as processes, on a base of a few thousand weights."""

import json

import pytest

pytest.importorskip("trl", reason="needs the extra 'train'")

RECIPE = """
method: rloo
base: {base}
dataset: {prompts}
rewards:
  short: -metric:length
  recall: metric:rouge1.recall
reward_weights:
  short: 1.0
lora:
  r: 2
  alpha: 4
  target_modules: all-linear
seed: 0
steps: 5
learning_rate: 0.001
batch: 8
num_generations: 4
max_completion_length: 6
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A base that was trained for one step, and prompts to use it on."""
    from rshub.demo.tiny_base import train_base
    from rshub.demo.world import corpus, jsonl

    folder = tmp_path_factory.mktemp("world")
    train_base(folder / "base", steps=1, texts=64, batch=8)
    (folder / "prompts.jsonl").write_bytes(jsonl(corpus(12, seed=1, references=2)))
    text = RECIPE.format(base=folder / "base", prompts=folder / "prompts.jsonl")
    (folder / "recipe.yaml").write_text(text)
    return folder


def test_an_expert_is_trained_by_a_recipe_and_measured(process, world, tmp_path):
    expert = tmp_path / "short"
    done = process("train", world / "recipe.yaml", "--set", "steps=1", "--output", expert, env={"OMP_NUM_THREADS": "1"})
    assert done.code == 0, done.err
    assert done.out.startswith(f"{expert}  rloo, 1 steps")
    assert done.err.splitlines()[-1] == (
        f"Next: rshub publish {expert} OWNER/short --reward short --spec -metric:length --base OWNER/BASE"
    )
    assert (expert / "adapter_model.safetensors").is_file()

    done = process(
        "evaluate", expert, world / "base", "--base", world / "base", "--reward", "short=-metric:length",
        "--prompts", world / "prompts.jsonl", "--max-new-tokens", "6", "--limit", "4",
        "--out", tmp_path / "scores.json", "--json", env={"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.code == 0, done.err
    assert done.err == ""
    assert done.json == json.loads((tmp_path / "scores.json").read_text())
    assert done.json["rewards"]["short"]["direction"] == "max"
    assert [point["rewards"]["short"]["n"] for point in done.json["points"]] == [4, 4]
    assert all(-6 <= point["rewards"]["short"]["mean"] <= 0 for point in done.json["points"])


def test_people_read_a_table(process, world, tmp_path):
    done = process(
        "evaluate", world / "base", "--reward", "metric:length", "--prompts", world / "prompts.jsonl",
        "--max-new-tokens", "3", "--limit", "2", "--out", tmp_path / "scores.json", env={"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.code == 0, done.err
    head, row = done.out.splitlines()
    assert head.split() == ["POINT", "length", "(max)"]
    assert "base" in row
    assert done.err.splitlines()[-1] == f"Next: rshub front --scores {tmp_path / 'scores.json'}"


@pytest.mark.parametrize(
    ("setting", "code"), [("learning_rat=1", 2), ("steps=many", 2), ("method=ppo", 2), ("base=./nowhere", 5)]
)
def test_a_recipe_that_is_wrong_is_refused_before_anything_heavy(process, world, tmp_path, setting, code):
    done = process(
        "train", world / "recipe.yaml", "--set", setting, "--output", tmp_path / "out", "--json",
        code="import sys\nfrom rshub.cli.main import main\ntry:\n    main(sys.argv[1:])\nfinally:\n"
        "    assert not {'torch', 'trl'} & set(sys.modules) or sys.argv[4].startswith('base')",
    )  # fmt: skip
    assert done.code == code, done.err
    assert done.error["exit_code"] == code
    assert list(tmp_path.iterdir()) == []
