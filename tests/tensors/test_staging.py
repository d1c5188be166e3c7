"""Hidden folders of outputs: swept when their process is gone, left alone while it lives."""

import fcntl
import os
import signal
import subprocess
import sys

import pytest

from rshub.tensors import staging
from rshub.tensors.writer import fresh_folder

FILLER = """
import os, sys, time
from pathlib import Path
from rshub.tensors.writer import fresh_folder
with fresh_folder(Path(sys.argv[1])) as staging:
    (staging / "a").write_text("one")
    print("ready", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def filler(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", FILLER, str(tmp_path / "out")], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"ready\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def partials(folder):
    return sorted(path.name for path in folder.iterdir() if path.name.endswith(".partial"))


def test_what_a_living_process_fills_stays_and_what_a_killed_one_left_goes(tmp_path, filler):
    (before,) = partials(tmp_path)
    staging.sweep(tmp_path / "out")
    assert partials(tmp_path) == [before]
    assert (tmp_path / before / "a").read_text() == "one"
    filler.send_signal(signal.SIGKILL)
    filler.wait()
    assert partials(tmp_path) == [before]
    with fresh_folder(tmp_path / "out") as folder:
        (folder / "a").write_text("two")
        assert before not in partials(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_only_what_is_ours_is_swept(tmp_path):
    mine = [".out.0123456789ab.partial", ".out.ba9876543210.partial"]
    others = [
        ".other.0123456789ab.partial",
        ".out.0123456789.partial",
        ".out.0123456789ab.partial.bak",
        ".out.0123456789zz.partial",
        "out.0123456789ab.partial",
        "kept",
    ]
    for name in mine + others:
        (tmp_path / name).mkdir()
        (tmp_path / name / "deep").mkdir()
        (tmp_path / name / "deep" / "file").write_text("x")
    (tmp_path / ".out.aaaaaaaaaaaa.partial").symlink_to(tmp_path / "kept")
    (tmp_path / ".out.bbbbbbbbbbbb.partial").write_text("a file")
    staging.sweep(tmp_path / "out")
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {*others, ".out.aaaaaaaaaaaa.partial", ".out.bbbbbbbbbbbb.partial"}
    assert (tmp_path / "kept" / "deep" / "file").exists()


def test_names_with_signs_of_patterns_are_taken_as_they_are(tmp_path):
    for name in (".a+b[1].0123456789ab.partial", ".aab1.0123456789ab.partial"):
        (tmp_path / name).mkdir()
    staging.sweep(tmp_path / "a+b[1]")
    assert partials(tmp_path) == [".aab1.0123456789ab.partial"]


def test_a_folder_that_is_swept_before_it_is_locked_is_made_anew(tmp_path, monkeypatch):
    real = os.open
    met = []

    def late(path, flags, *more):
        if not met and str(path).endswith(".partial"):
            met.append(path)
            path.rmdir()
        return real(path, flags, *more)

    monkeypatch.setattr(os, "open", late)
    folder, handle = staging.claim(tmp_path / "out")
    os.close(handle)
    assert folder.is_dir()
    assert folder != met[0]


def test_where_there_are_no_locks_nothing_is_swept_and_everything_is_written(tmp_path, monkeypatch):
    def none(*_):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", none)
    (tmp_path / ".out.0123456789ab.partial").mkdir()
    with fresh_folder(tmp_path / "out") as folder:
        (folder / "a").write_text("one")
    assert partials(tmp_path) == [".out.0123456789ab.partial"]
    assert (tmp_path / "out" / "a").exists()
