"""What the story leaves behind is what was done, and what it says to type can be typed."""

import dataclasses
import json
import shlex
from contextlib import nullcontext

import pytest
import yaml

from rshub.demo.story import BASE, Told, run
from rshub.errors import OutputError


def told(**known):
    return Told(**dict.fromkeys(field.name for field in dataclasses.fields(Told)) | known)


def test_commands_can_be_typed_whatever_the_places_are_called(tmp_path):
    story = told(out=tmp_path / "my story; $HOME", program=("/opt/my tools/rshub",))
    serve, ls, compose = (shlex.split(line) for line in story.next_commands())
    assert {serve[0], ls[0], compose[0]} == {"/opt/my tools/rshub"}
    assert serve[1:5] == ["hub", "serve", "--root", str(tmp_path / "my story; $HOME" / "hub")]
    assert compose[1:5] == ["compose", "recall=0.8, precision=0.2", "--base", BASE]


@pytest.mark.parametrize("place", ["file", "file/story", "taken"])
def test_a_place_that_cannot_take_the_story_is_refused(tmp_path, place):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "thing").write_text("mine")
    with pytest.raises(OutputError, match=r"no folder can be made there|not empty"):
        run(tmp_path / place, fast=True, say=lambda _: None, bar=lambda *_: nullcontext())
    assert (tmp_path / "file").read_text() == "mine"


def test_two_forms_are_compared_without_opening_a_pickle(tmp_path):
    import torch
    from safetensors.torch import load_file

    from rshub.demo.proof import same_function
    from rshub.demo.tiny_base import train_base

    base = tmp_path / "base"
    train_base(base, steps=1, texts=32, batch=4)
    torch.save(load_file(base / "model.safetensors"), base / "pytorch_model.bin")
    (base / "model.safetensors").unlink()
    with pytest.raises(OSError, match="safetensors"):
        same_function(base=base, checkpoint=base, adapter=base)


@pytest.mark.slow
def test_the_recipes_that_are_written_are_those_that_were_used(tmp_path):
    run(tmp_path / "story", fast=True, say=lambda _: None, bar=lambda *_: nullcontext())
    used = sorted((tmp_path / "story/experts").iterdir())
    assert {folder.name for folder in used} == {"early-recall", "morl", "precision", "recall"}
    for folder in used:
        written = yaml.safe_load((tmp_path / f"story/recipes/{folder.name}.yaml").read_text())
        trained = json.loads((folder / "training.json").read_text())
        assert written["steps"] == trained["steps"], folder.name
