"""One tiny base and its prompts for all tests of training; three steps are enough to see what a run leaves behind."""

import pytest

from rshub.demo.world import corpus, jsonl


@pytest.fixture(scope="session")
def restaurant(tmp_path_factory):
    """A folder with ``base`` (hardly trained) and ``train.jsonl``."""
    from rshub.demo.tiny_base import train_base

    folder = tmp_path_factory.mktemp("restaurant")
    train_base(folder / "base", steps=20, texts=400, batch=16)
    (folder / "train.jsonl").write_bytes(jsonl(corpus(32, seed=7, references=2)))
    return folder


@pytest.fixture(scope="session")
def recipe(restaurant):
    """The recipe of a run of three steps."""
    from rshub.demo.recipes import recipe

    return recipe("recall", base=str(restaurant / "base"), dataset=str(restaurant / "train.jsonl"), fast=True)


@pytest.fixture(scope="session")
def recall(restaurant, recipe):
    """That run."""
    from rshub.training.train import train

    return train(recipe, output=restaurant / "recall")
