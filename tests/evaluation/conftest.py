"""A tiny base that writes words, two adapters on it, and prompts with references."""

import pytest

from rshub.demo.world import corpus, jsonl


@pytest.fixture(scope="session")
def kitchen(tmp_path_factory):
    """A folder with ``base``, ``recall``, ``precision`` and ``morl`` (three steps each) and ``test.jsonl``."""
    from rshub.demo.recipes import MIXTURES, recipe
    from rshub.demo.tiny_base import train_base
    from rshub.training.train import train

    folder = tmp_path_factory.mktemp("kitchen")
    train_base(folder / "base", steps=20, texts=400, batch=16)
    (folder / "train.jsonl").write_bytes(jsonl(corpus(32, seed=7, references=2)))
    (folder / "test.jsonl").write_bytes(jsonl(corpus(20, seed=1, references=2)))
    for run in MIXTURES:
        places = {"base": str(folder / "base"), "dataset": str(folder / "train.jsonl")}
        train(recipe(run, **places, fast=True), output=folder / run)
    return folder
