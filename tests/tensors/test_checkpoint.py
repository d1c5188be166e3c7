"""Opening bases: single, sharded, by headers; and what is refused."""

import json

import numpy as np
import pytest

from rshub.errors import IntegrityError
from rshub.tensors.checkpoint import Checkpoint
from rshub.tensors.tensor_file import TensorFile
from tests.tiny_models import SHAPES, dump, load_folder


@pytest.mark.parametrize("shards", [1, 3])
@pytest.mark.parametrize("dtype", ["F32", "BF16", "F16"])
def test_a_base_is_known_tensor_by_tensor(tiny, shards, dtype):
    folder = tiny.base(dtype=dtype, shards=shards)
    base = Checkpoint.open(folder)
    assert len(base.shards) == shards
    want = load_folder(folder)
    assert base.tensors.keys() == want.keys()
    for name, values in want.items():
        placed = base.tensors[name]
        assert base.path(placed.shard).read_bytes()[placed.start : placed.end] == values.tobytes()
        assert placed.dtype == dtype
        assert placed.shape == SHAPES[name]
    assert base.config["model_type"] == "llama"


def test_integers_are_not_read_as_numbers(tiny):
    file = TensorFile.open(tiny.base(extra={"ids": np.arange(3)}) / "model.safetensors")
    with pytest.raises(IntegrityError, match="I64"):
        file.read("ids")


def test_a_single_file_goes_before_an_index(tiny):
    folder = tiny.base()
    (folder / "model.safetensors.index.json").write_text("not even json")
    assert Checkpoint.open(folder).shards == ("model.safetensors",)


def test_a_single_file_may_have_any_name(tiny):
    folder = tiny.base()
    (folder / "model.safetensors").rename(folder / "policy.safetensors")
    assert Checkpoint.open(folder).shards == ("policy.safetensors",)
    dump(folder / "other.safetensors", {"x": np.zeros(1, np.float32)})
    with pytest.raises(IntegrityError, match="no index"):
        Checkpoint.open(folder)


def test_a_base_needs_no_config(tiny):
    folder = tiny.base()
    (folder / "config.json").unlink()
    assert Checkpoint.open(folder).config == {}


def edited(tiny, **changes):
    folder = tiny.base(shards=2)
    path = folder / "model.safetensors.index.json"
    index = json.loads(path.read_text())
    index["weight_map"] |= changes.pop("weight_map", {})
    path.write_text(json.dumps(index | changes))
    return folder


@pytest.mark.parametrize(
    "shard", ["../x.safetensors", "/etc/x.safetensors", "a/b.safetensors", "x.bin", "..\\x.safetensors", "", 3]
)
def test_an_index_that_leaves_the_folder_is_refused(tiny, shard):
    with pytest.raises(IntegrityError, match="no plain name"):
        Checkpoint.open(edited(tiny, weight_map={"model.norm.weight": shard}))


def test_an_index_that_does_not_fit_its_shards_is_refused(tiny):
    with pytest.raises(IntegrityError, match="not there"):
        Checkpoint.open(edited(tiny, weight_map={"model.norm.weight": "gone.safetensors"}))
    with pytest.raises(IntegrityError, match="does not hold it"):
        Checkpoint.open(edited(tiny, weight_map={"new": "model-00001-of-00002.safetensors"}))
    folder = tiny.base(shards=2)
    (folder / "model.safetensors.index.json").write_text("{}")
    with pytest.raises(IntegrityError, match="weight_map"):
        Checkpoint.open(folder)
    (folder / "more.safetensors.index.json").write_text("{}")
    with pytest.raises(IntegrityError, match="more than one index"):
        Checkpoint.open(folder)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "model.ckpt"])
def test_pickles_are_refused_with_the_way_out(tiny, name):
    folder = tiny.path("base")
    (folder / name).write_bytes(b"\x80\x04.")
    with pytest.raises(IntegrityError, match=name) as caught:
        Checkpoint.open(folder)
    assert "safetensors" in caught.value.remedy


@pytest.mark.parametrize("cut", [1, 100, 2000])
def test_a_truncated_file_is_refused(tiny, cut):
    folder = tiny.base()
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[:-cut])
    with pytest.raises(IntegrityError, match="truncated"):
        Checkpoint.open(folder)
    (folder / "model.safetensors").write_bytes(data[:cut])
    with pytest.raises(IntegrityError):
        Checkpoint.open(folder)


def test_headers_alone_make_a_base(tiny):
    folder = tiny.base(shards=2)
    headers = {path.name: (path.read_bytes(), path.stat().st_size) for path in folder.glob("*.safetensors")}
    remote = Checkpoint.from_headers(headers, configs={"config.json": {"a": 1}}, source="org/base")
    local = Checkpoint.open(folder)
    assert remote.tensors == local.tensors
    assert remote.folder is None
    assert remote.config == {"a": 1}
