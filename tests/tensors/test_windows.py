"""Files made of pieces, whatever the windows, the threads and the way to the disk."""

import hashlib
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from rshub.errors import IntegrityError
from rshub.tensors import output_file
from rshub.tensors.output_file import OutputFile
from rshub.tensors.pieces import FilePlan, Literal, Verbatim
from rshub.tensors.windows import write_files

DATA = np.random.default_rng(0).integers(0, 256, 50_001, dtype=np.uint8).tobytes()


def plan(folder, name="out"):
    """Lay out a header, two ranges in another order, and a tail."""
    source = folder / "source"
    source.write_bytes(DATA)
    pieces = [
        Literal(start=0, data=b"header"),
        Verbatim(start=6, end=20_006, source_start=30_000),
        Verbatim(start=20_006, end=20_006, source_start=0),
        Verbatim(start=20_006, end=45_009, source_start=3),
        Literal(start=45_009, data=b"tail"),
    ]
    return FilePlan(name=name, source=source, pieces=pieces), b"header" + DATA[30_000:50_000] + DATA[3:25_006] + b"tail"


@pytest.mark.parametrize("window", [1, 7, 4096, 45_013, 1 << 20])
@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("digests", [True, False])
def test_parts_come_out_in_order(tmp_path, window, workers, digests):
    if window == 1 and workers == 3:
        window = 13
    made, want = plan(tmp_path)
    (tmp_path / "to").mkdir()
    found = write_files([made], tmp_path / "to", window=window, workers=workers, digests=digests)
    assert (tmp_path / "to" / "out").read_bytes() == want
    assert found == {"out": hashlib.sha256(want).hexdigest() if digests else None}


@pytest.mark.parametrize("digests", [True, False])
@pytest.mark.parametrize("fails", [True, False])
def test_the_way_past_the_page_cache_writes_the_same(tmp_path, monkeypatch, digests, fails):
    monkeypatch.setattr(output_file, "DIRECT_BYTES", 0)
    if fails:  # a file system that opens such a file and then refuses to write it
        real = output_file._write

        def refuse(target, view, offset):
            if target in direct:
                raise OSError(22, "Invalid argument")
            real(target, view, offset)

        direct = set()
        opened = output_file._open_direct

        def note(path):
            handle = opened(path)
            direct.add(handle)
            return handle

        monkeypatch.setattr(output_file, "_open_direct", note)
        monkeypatch.setattr(output_file, "_write", refuse)
    made, want = plan(tmp_path)
    (tmp_path / "to").mkdir()
    write_files([made], tmp_path / "to", window=8192, workers=2, digests=digests)
    assert (tmp_path / "to" / "out").read_bytes() == want


def test_space_that_is_not_there_is_known_before_anything_is_written(tmp_path):
    with (tmp_path / "file").open("xb") as file:
        output_file.reserve(file.fileno(), 10_000)
        if not (tmp_path / "file").stat().st_size:
            pytest.skip("this file system has no such call")
        with pytest.raises(OSError, match=r"space|large") as caught:
            output_file.reserve(file.fileno(), 1 << 60)
        assert caught.value.errno in output_file.NO_SPACE


def test_many_files_are_written_together(tmp_path):
    plans = [plan(tmp_path, name)[0] for name in "abc"]
    (tmp_path / "to").mkdir()
    assert set(write_files(plans, tmp_path / "to", window=1000)) == {"a", "b", "c"}
    assert len({path.read_bytes() for path in (tmp_path / "to").iterdir()}) == 1


def test_an_empty_file_is_a_file(tmp_path):
    source = tmp_path / "source"
    source.write_bytes(b"")
    write_files([FilePlan(name="out", source=source, pieces=[])], tmp_path)
    assert (tmp_path / "out").read_bytes() == b""


@pytest.mark.parametrize("digests", [True, False])
def test_a_source_that_became_shorter_is_said_so(tmp_path, digests):
    made, _ = plan(tmp_path)
    made.source.write_bytes(DATA[:10_000])
    (tmp_path / "to").mkdir()
    with pytest.raises(IntegrityError, match="shorter than it was"):
        write_files([made], tmp_path / "to", window=4096, workers=3, digests=digests)


def test_what_is_there_is_not_overwritten(tmp_path):
    made, _ = plan(tmp_path)
    (tmp_path / "to").mkdir()
    (tmp_path / "to" / "out").write_text("mine")
    with pytest.raises(FileExistsError):
        write_files([made], tmp_path / "to")
    assert (tmp_path / "to" / "out").read_text() == "mine"


def test_no_file_stays_open(tmp_path):
    made, _ = plan(tmp_path)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for number in range(3):
        (tmp_path / str(number)).mkdir()
        write_files([made], tmp_path / str(number))
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.parametrize("digests", [True, False])
def test_no_file_stays_open_after_an_error(tmp_path, monkeypatch, digests):
    plans = [plan(tmp_path, name)[0] for name in "abcd"]
    (tmp_path / "to").mkdir()
    (tmp_path / "to" / "c").write_text("mine")
    before = sorted(Path("/proc/self/fd").iterdir())
    with pytest.raises(FileExistsError):
        write_files(plans, tmp_path / "to", window=10_000, workers=3, digests=digests)
    assert len(list(Path("/proc/self/fd").iterdir())) == len(before)
    assert (tmp_path / "to" / "c").read_text() == "mine"


@pytest.mark.parametrize("direct", [0, 1 << 30])
def test_few_of_many_files_are_open_at_once(tmp_path, monkeypatch, direct):
    monkeypatch.setattr(output_file, "DIRECT_BYTES", direct)
    live, most = set(), []
    opened, closed = OutputFile.open, OutputFile.close

    def note_open(file):
        opened(file)
        live.add(file.plan.name)
        most.append(len(live))

    def note_close(file):
        live.discard(file.plan.name)
        closed(file)

    monkeypatch.setattr(OutputFile, "open", note_open)
    monkeypatch.setattr(OutputFile, "close", note_close)
    plans = [plan(tmp_path, f"out-{number}")[0] for number in range(30)]
    (tmp_path / "to").mkdir()
    write_files(plans, tmp_path / "to", window=8192, workers=3)
    assert len(most) == 30
    assert max(most) <= 4
    assert live == set()


@pytest.mark.parametrize("megabytes", [100, 300])
def test_memory_does_not_grow_with_the_model(tmp_path, megabytes):
    code = """
        import json, sys
        from pathlib import Path
        import numpy as np
        from rshub.formats.header import render_header
        from rshub.soups.writing.build import write_soup
        from rshub.soups.plan import Term, plan_soup
        from rshub.tensors.checkpoint import Checkpoint

        def peak():
            return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))

        root, megabytes = Path(sys.argv[1]), int(sys.argv[2])
        count = megabytes // 4
        tensors = [(f"layers.{n}.q.weight", "BF16", (1024, 2048)) for n in range(count)]
        header = render_header(tensors)
        (root / "base").mkdir()
        with (root / "base" / "model.safetensors").open("wb") as file:
            file.write(header)
            file.truncate(len(header) + count * 4 * 1024 * 1024)
        factors = [(f"layers.{n}.q.lora_{s}.weight", "F32", shape) for n in range(count)
                   for s, shape in (("A", (16, 2048)), ("B", (1024, 16)))]
        (root / "expert").mkdir()
        with (root / "expert" / "adapter_model.safetensors").open("wb") as file:
            file.write(render_header(factors))
            for _, _, shape in factors:
                file.write(np.full(shape, 0.1, np.float32).tobytes())
        (root / "expert" / "adapter_config.json").write_text('{"peft_type": "LORA", "r": 16, "lora_alpha": 16}')
        before = peak()
        plan = plan_soup(
            base=Checkpoint.open(root / "base"), terms=[Term(label="a", folder=root / "expert", coefficient=0.5)]
        )
        (root / "out").mkdir()
        write_soup(plan, root / "out", base_model="b", base_revision=None)
        print(peak() - before)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(tmp_path), str(megabytes)],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 64 * 1024
