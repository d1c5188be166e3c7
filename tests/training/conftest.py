"""One tiny base and its prompts for all tests of training; three steps are enough to see what a run leaves behind."""

import pytest

from rshub.demo.world import corpus, jsonl


@pytest.fixture(scope="session")
def restaurant(tmp_path_factory):
    """A folder with ``base`` (hardly trained), ``train.jsonl`` and ``pairs.jsonl``, which has worse answers too."""
    from rshub.demo.tiny_base import train_base

    folder = tmp_path_factory.mktemp("restaurant")
    train_base(folder / "base", steps=20, texts=400, batch=16)
    rows = corpus(32, seed=7, references=2)
    (folder / "train.jsonl").write_bytes(jsonl(rows))
    others = corpus(32, seed=8, references=1)  # answers to other prompts
    (folder / "pairs.jsonl").write_bytes(
        jsonl([row | {"rejected": other["references"]} for row, other in zip(rows, others, strict=True)])
    )
    return folder


@pytest.fixture(scope="session")
def recipe(restaurant):
    """The recipe of a run of three steps."""
    from rshub.demo.recipes import recipe

    return recipe("recall", base=str(restaurant / "base"), dataset=str(restaurant / "train.jsonl"), fast=True)


@pytest.fixture(scope="session")
def plain(restaurant):
    """A recipe of three steps by a method that samples nothing."""

    def made(method, **more):
        return {
            "method": method,
            "base": str(restaurant / "base"),
            "dataset": str(restaurant / "pairs.jsonl"),
            "lora": {"r": 8, "alpha": 16, "target_modules": "all-linear"},
            "steps": 3,
            "batch": 8,
            "learning_rate": 3e-3,
        } | more

    return made


@pytest.fixture(scope="session")
def recall(restaurant, recipe):
    """That run."""
    from rshub.training.train import train

    return train(recipe, output=restaurant / "recall")
