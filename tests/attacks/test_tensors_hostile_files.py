"""Hostile adapters and bases: each ends in a typed refusal, quickly and in little memory."""

import json
import os
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest

from rshub.deltas.adapters import read_adapter
from rshub.errors import IntegrityError, RshubError
from rshub.tensors.checkpoint import Checkpoint
from tests.tiny_models import MODULES, dump

SECONDS = 5.0


def refuse(call, *arguments):
    began = time.process_time()
    with pytest.raises(RshubError) as caught:
        call(*arguments)
    assert time.process_time() - began < SECONDS
    return caught.value


@pytest.mark.parametrize("length", [0, 1, 9 << 20, 100 << 20, 2**63, 2**64 - 1])
def test_absurd_header_lengths(tiny, length):
    folder = tiny.adapter().folder
    with (folder / "adapter_model.safetensors").open("wb") as file:
        file.write(length.to_bytes(8, "little"))
        file.truncate(min(length + 100, 200 << 20))
    assert isinstance(refuse(read_adapter, folder), IntegrityError)


def test_a_header_of_very_many_empty_tensors(tiny):
    folder = tiny.adapter().folder
    entry = '{"dtype":"F32","shape":[0],"data_offsets":[0,0]}'
    text = ("{" + ",".join(f'"{n:x}":{entry}' for n in range(120_000)) + "}").encode()
    (folder / "adapter_model.safetensors").write_bytes(len(text).to_bytes(8, "little") + text)
    assert isinstance(refuse(read_adapter, folder), IntegrityError)


@pytest.mark.parametrize("depth", [100, 100_000, 1_000_000])
def test_a_header_that_nests_without_end(tiny, depth):
    folder = tiny.adapter().folder
    text = b'{"a":' + b"[" * depth + b"]" * depth + b"}"
    (folder / "adapter_model.safetensors").write_bytes(len(text).to_bytes(8, "little") + text)
    assert isinstance(refuse(read_adapter, folder), IntegrityError)


def test_a_number_without_end(tiny):
    folder = tiny.adapter().folder
    text = b'{"a":{"dtype":"F32","shape":[' + b"9" * 1_000_000 + b'],"data_offsets":[0,0]}}'
    (folder / "adapter_model.safetensors").write_bytes(len(text).to_bytes(8, "little") + text)
    assert isinstance(refuse(read_adapter, folder), IntegrityError)


@pytest.mark.parametrize(
    "config",
    [
        b"", b"[]", b"{", b"\xff\xfe", b'{"peft_type":"LORA","peft_type":"LORA"}', b"null", b'{"r": NaN}',
        b"[" * 100_000, b'{"peft_type":"LORA","r":' + b"9" * 10_000 + b"}",
        json.dumps({"peft_type": "LORA", "r": 2**31}).encode(),
        json.dumps({"peft_type": "LORA", "rank_pattern": {"(a+)+$": 1}}).encode(),
        json.dumps({"peft_type": "LORA", "rank_pattern": {"a" * 100_000 + "!": 1}}).encode(),
    ],
)  # fmt: skip
def test_configs_that_are_none(tiny, config):
    folder = tiny.adapter().folder
    (folder / "adapter_config.json").write_bytes(config)
    refuse(read_adapter, folder)


def test_a_pattern_and_a_module_that_are_very_long_take_no_time(tiny):
    module = "a." * 20_000 + "q"
    rng = np.random.default_rng(0)
    folder = tiny.path("adapter")
    dump(folder / "adapter_model.safetensors", {
        f"{module}.lora_A.weight": rng.standard_normal((2, 3)).astype(np.float32),
        f"{module}.lora_B.weight": rng.standard_normal((3, 2)).astype(np.float32),
    })  # fmt: skip
    patterns = {"." * count + "q": 2 for count in range(1, 200)}
    (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": 2, "rank_pattern": patterns}))
    began = time.process_time()
    read_adapter(folder)
    assert time.process_time() - began < SECONDS


def test_a_claimed_shape_never_decides_how_much_is_allocated(tiny):
    folder = tiny.adapter().folder
    header = {
        f"base_model.model.{MODULES[0]}.lora_{side}.weight": {
            "dtype": "F32", "shape": [2**20, 2**20], "data_offsets": [0, 2**42],
        }
        for side in "AB"
    }  # fmt: skip
    text = json.dumps(header).encode()
    (folder / "adapter_model.safetensors").write_bytes(len(text).to_bytes(8, "little") + text)
    assert isinstance(refuse(read_adapter, folder), IntegrityError)


def test_a_hostile_header_costs_little_memory(tiny):
    folder = tiny.adapter().folder
    text = b'{"__metadata__":{' + b",".join(b'"%d":"x"' % n for n in range(600_000)) + b"}}"
    assert len(text) < 8 << 20
    (folder / "adapter_model.safetensors").write_bytes(len(text).to_bytes(8, "little") + text)
    code = """
        import resource, sys
        from pathlib import Path
        from rshub.errors import RshubError
        from rshub.deltas.adapters import read_adapter
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        try:
            read_adapter(Path(sys.argv[1]))
        except RshubError as fault:
            print(type(fault).__name__)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(folder)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    kind, grown = done.stdout.split()
    assert kind == "IntegrityError"
    assert int(grown) < 400 * 1024


def test_very_many_modules_of_which_two_change_one_tensor(tiny):
    names = [f"m{number:05d}" for number in range(20_000)]
    one = np.ones((1, 1), np.float32)
    folder = tiny.path("adapter")
    dump(folder / "adapter_model.safetensors", {
        f"{name}.lora_{side}.weight": one for name in [*names, f"model.{names[-1]}"] for side in "AB"
    })  # fmt: skip
    (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": 1, "lora_alpha": 1}))
    base = Checkpoint.open(tiny.base(shapes={f"{name}.weight": (1, 1) for name in names}))
    adapter = read_adapter(folder)
    fault = refuse(adapter.place, base)
    assert fault.where == "m19999.weight"


def test_names_that_are_half_characters(tiny):
    folder = tiny.adapter().folder
    text = (folder / "adapter_config.json").read_text().replace("q_proj", "\\ud800")
    (folder / "adapter_config.json").write_text(text)
    assert isinstance(refuse(read_adapter, folder), IntegrityError)
    base = tiny.base()
    (base / "config.json").write_text('{"model_type": "\\udfff"}')
    assert isinstance(refuse(Checkpoint.open, base), IntegrityError)


def test_a_folder_where_a_file_should_be(tiny):
    folder = tiny.adapter().folder
    (folder / "adapter_model.safetensors").unlink()
    (folder / "adapter_model.safetensors").mkdir()
    refuse(read_adapter, folder)
    base = tiny.base(shards=2)
    shard = min(base.glob("*.safetensors"))
    shard.unlink()
    shard.mkdir()
    refuse(Checkpoint.open, base)


def test_a_pipe_where_a_file_should_be_is_not_waited_for(tiny):
    folder = tiny.adapter().folder
    (folder / "adapter_model.safetensors").unlink()
    os.mkfifo(folder / "adapter_model.safetensors")
    refuse(read_adapter, folder)


@pytest.mark.parametrize("name", ["../evil", "/etc/passwd", "a\x00b", "\n", "𝔘"])
def test_names_that_are_paths_are_only_names(tiny, name):
    folder = tiny.path("adapter")
    dump(folder / "adapter_model.safetensors", {
        f"{name}.lora_A.weight": np.ones((1, 2), np.float32), f"{name}.lora_B.weight": np.ones((2, 1), np.float32),
    })  # fmt: skip
    (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": 1, "lora_alpha": 1}))
    base = Checkpoint.open(tiny.base())
    fault = refuse(lambda: read_adapter(folder).place(base))
    assert name in fault.where
