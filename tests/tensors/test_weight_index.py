"""An index and its shards say the same, or the model is refused: in a folder and by headers, as base and expert."""

import json
import time

import numpy as np
import pytest

from rshub.deltas.expert_tensors import read_expert
from rshub.errors import IntegrityError
from rshub.tensors.checkpoint import Checkpoint
from rshub.tensors.weight_files import weight_files
from tests.tiny_models import dump, load

INDEX = "model.safetensors.index.json"
FIRST, SECOND = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"


def remote(folder):
    """Read a base by its headers, as from a hub."""
    names = [path.name for path in folder.iterdir()]
    found = weight_files(names, lambda name: (folder / name).read_bytes(), source="org/base")
    headers = {shard: ((folder / shard).read_bytes(), (folder / shard).stat().st_size) for shard in found.shards}
    return Checkpoint.from_headers(headers, configs={}, source="org/base", placed=found.placed)


READERS = pytest.mark.parametrize("read", [Checkpoint.open, read_expert, remote])


def refused(read, folder, *words):
    with pytest.raises(IntegrityError) as caught:
        read(folder)
    assert all(word in caught.value.message for word in words), caught.value.message
    assert caught.value.remedy
    return caught.value


def remap(folder, change):
    index = json.loads((folder / INDEX).read_text())
    change(index["weight_map"])
    (folder / INDEX).write_text(json.dumps(index))
    return folder


@READERS
def test_a_tensor_that_the_index_promises_is_missed_by_name(tiny, read):
    folder = tiny.base(shards=2)
    tensors = load(folder / SECOND)
    name = min(tensors)
    del tensors[name]
    dump(folder / SECOND, tensors)
    refused(read, folder, name, SECOND)


@READERS
def test_a_tensor_in_another_shard_than_the_index_says_is_refused(tiny, read):
    folder = tiny.base(shards=2)
    name = min(load(folder / FIRST))
    refused(read, remap(folder, lambda placed: placed.update({name: SECOND})), name)


@READERS
def test_a_tensor_of_which_the_index_says_nothing_is_refused(tiny, read):
    folder = tiny.base(shards=2)
    name = min(load(folder / FIRST))
    refused(read, remap(folder, lambda placed: placed.pop(name)), name, FIRST)


@READERS
def test_a_shard_of_which_the_index_says_nothing_is_refused(tiny, read):
    folder = tiny.base(shards=2)
    gone = set(load(folder / SECOND))
    refused(read, remap(folder, lambda placed: [placed.pop(name) for name in gone]), SECOND)


@READERS
@pytest.mark.parametrize("left", [(FIRST,), (SECOND,), (FIRST, SECOND)])
def test_shards_without_their_index_are_parts_of_a_whole(tiny, read, left):
    folder = tiny.base(shards=2)
    for name in {INDEX, FIRST, SECOND} - set(left):
        (folder / name).unlink()
    assert INDEX in refused(read, folder, left[0], "one part of 2").remedy


@READERS
def test_the_only_part_of_one_is_the_whole(tiny, read):
    folder = tiny.base()
    (folder / "model.safetensors").rename(folder / "model-00001-of-00001.safetensors")
    assert read(folder)


def test_an_index_of_a_component_is_held_against_its_own_shards(tiny):
    folder = tiny.path("expert")
    unet = folder / "unet"
    tiny.base(shards=2).rename(unet)
    names = sorted(load(unet / FIRST))
    (folder / "vae").mkdir()
    dump(folder / "vae" / "model.safetensors", {names[0]: np.zeros(1, np.float32)})
    assert read_expert(folder)
    remap(unet, lambda placed: placed.pop(names[0]))
    refused(read_expert, folder, f"unet/{names[0]}")


def test_a_map_of_invented_names_is_refused_at_once(tiny):
    folder = tiny.base(shards=2)
    names = {f"model.layers.{number}.mlp.up_proj.weight": FIRST for number in range(300_000)}
    remap(folder, lambda placed: placed.update(names))
    start = time.process_time()
    refused(read_expert, folder, "model.layers.0.mlp.up_proj.weight", "does not hold it")
    assert time.process_time() - start < 4
