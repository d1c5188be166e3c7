"""A folder that is whole or absent: real kills, real limits, real refusals."""

import errno
import os
import resource
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from rshub.errors import IntegrityError, OutputError
from rshub.tensors.writer import fresh_folder, write_whole


def run(code: str, *arguments: str, **options) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        **options,
    )


def leftovers(parent):
    return [path.name for path in parent.iterdir() if path.name.endswith(".partial")]


def test_what_is_written_appears_under_the_final_name(tmp_path):
    with fresh_folder(tmp_path / "deep" / "out") as staging:
        (staging / "a").write_text("one")
        (staging / "in").mkdir()
        (staging / "in" / "b").write_text("two")
        assert not (tmp_path / "deep" / "out").exists()
    assert (tmp_path / "deep" / "out" / "a").read_text() == "one"
    assert (tmp_path / "deep" / "out" / "in" / "b").read_text() == "two"
    assert not leftovers(tmp_path / "deep")


def test_an_empty_folder_may_be_filled(tmp_path):
    (tmp_path / "out").mkdir()
    with fresh_folder(tmp_path / "out") as staging:
        (staging / "a").write_text("one")
    assert (tmp_path / "out" / "a").read_text() == "one"


def test_a_relative_path_and_a_link_to_an_empty_folder_work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    with fresh_folder(tmp_path / "link") as staging:
        (staging / "a").write_text("one")
    assert (tmp_path / "real" / "a").exists()
    with fresh_folder(Path("plain")) as staging:
        (staging / "a").write_text("one")
    assert (tmp_path / "plain" / "a").exists()


def test_the_folder_has_the_rights_that_the_umask_gives(tmp_path):
    before = os.umask(0o022)
    try:
        with fresh_folder(tmp_path / "out"):
            pass
    finally:
        os.umask(before)
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("fault", [ValueError("x"), IntegrityError("x"), KeyboardInterrupt()])
def test_a_failure_leaves_nothing(tmp_path, fault):
    with pytest.raises(type(fault)), fresh_folder(tmp_path / "out") as staging:
        (staging / "a").write_text("one")
        raise fault
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(type(fault)), fresh_folder(tmp_path / "deep" / "deeper" / "out"):
        raise fault
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_never_overwritten(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("precious")
    with pytest.raises(OutputError, match="not empty") as caught, fresh_folder(tmp_path / "out"):
        pytest.fail("the block must not run")
    assert caught.value.remedy
    assert (tmp_path / "out" / "mine").read_text() == "precious"


def test_what_appears_meanwhile_is_not_overwritten(tmp_path):
    with pytest.raises(OutputError), fresh_folder(tmp_path / "out") as staging:
        (staging / "a").write_text("one")
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "mine").write_text("precious")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (tmp_path / "out" / "mine").read_text() == "precious"


def test_a_file_in_the_way_is_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    for out in (tmp_path / "file", tmp_path / "file" / "out", tmp_path / "file" / "deep" / "out"):
        with pytest.raises(OutputError) as caught, fresh_folder(out):
            pytest.fail("the block must not run")
        assert caught.value.remedy


def test_a_parent_that_cannot_be_written_is_refused():
    with pytest.raises(OutputError) as caught, fresh_folder(Path("/proc/rshub-out")):
        pytest.fail("the block must not run")
    assert caught.value.remedy


def test_a_parent_without_the_right_to_write_is_refused(tmp_path):
    (tmp_path / "locked").mkdir()
    (tmp_path / "locked").chmod(0o555)
    code = """
        import os, sys
        from pathlib import Path
        from rshub.errors import OutputError
        from rshub.tensors.writer import fresh_folder, write_whole
        if os.geteuid() == 0:
            os.setuid(65534)
        try:
            with fresh_folder(Path(sys.argv[1])):
                print("ran")
        except OutputError as fault:
            print(type(fault).__name__, fault.remedy)
    """
    for parent in [tmp_path, *tmp_path.parents]:
        if parent.owner() == tmp_path.owner() and str(parent).startswith("/tmp/"):
            parent.chmod(parent.stat().st_mode | 0o055)
    (tmp_path / "locked").chmod(0o555)
    done = run(code, str(tmp_path / "locked" / "out"))
    assert done.stdout.startswith("OutputError choose a folder"), done.stderr


def test_a_disk_that_is_full_is_said_so(tmp_path):
    code = """
        import resource, sys
        from pathlib import Path
        from rshub.errors import OutputError
        from rshub.tensors.writer import fresh_folder, write_whole
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
        try:
            with fresh_folder(Path(sys.argv[1])) as staging:
                (staging / "a").write_bytes(bytes(100_000))
        except OutputError as fault:
            print("refused:", fault, "|", fault.remedy)
    """
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    done = run(code, str(tmp_path / "out"))
    assert done.stdout.startswith("refused:"), done.stderr
    assert list(tmp_path.iterdir()) == []


def test_no_space_on_the_device_is_an_output_error(tmp_path):
    with pytest.raises(OutputError, match="No space left") as caught, fresh_folder(tmp_path / "out"):
        with Path("/dev/full").open("wb", buffering=0) as full:
            full.write(b"x")
    assert "space" in caught.value.remedy
    assert list(tmp_path.iterdir()) == []


def test_a_failure_to_read_something_else_is_not_called_an_output_error(tmp_path):
    with pytest.raises(FileNotFoundError) as caught, fresh_folder(tmp_path / "out"):
        (tmp_path / "not-there").read_bytes()
    assert not isinstance(caught.value, OutputError)
    assert caught.value.errno == errno.ENOENT


@pytest.mark.parametrize("point", ["begin", "half", "end"])
def test_a_killed_process_leaves_nothing_under_the_name(tmp_path, point):
    code = """
        import os, signal, sys
        from pathlib import Path
        from rshub.tensors import writer
        point = sys.argv[2]
        def die():
            os.kill(os.getpid(), signal.SIGKILL)
        if point == "end":
            writer._sync = lambda path: die()
        with writer.fresh_folder(Path(sys.argv[1])) as staging:
            if point == "begin":
                die()
            (staging / "a").write_text("one")
            if point == "half":
                die()
    """
    done = run(code, str(tmp_path / "out"), point)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert not (tmp_path / "out").exists()
    with fresh_folder(tmp_path / "out") as staging:
        (staging / "a").write_text("two")
    assert (tmp_path / "out" / "a").read_text() == "two"


def everything(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_file_appears_whole_and_takes_the_place_of_a_file(tmp_path, monkeypatch):
    write_whole(tmp_path / "deep" / "er" / "a.json", b"one")
    write_whole(tmp_path / "deep" / "er" / "a.json", b"two")
    assert (tmp_path / "deep" / "er" / "a.json").read_bytes() == b"two"
    longest = "n" * 255
    write_whole(tmp_path / longest, b"long")
    (tmp_path / "link").symlink_to("deep/er/a.json")
    write_whole(tmp_path / "link", b"three")
    assert (tmp_path / "deep" / "er" / "a.json").read_bytes() == b"three"
    assert (tmp_path / "link").is_symlink()
    monkeypatch.chdir(tmp_path / "deep")
    write_whole(Path("plain"), b"four")
    assert everything(tmp_path) == ["deep", "deep/er", "deep/er/a.json", "deep/plain", "link", longest]
    umask = os.umask(0)
    os.umask(umask)
    assert (tmp_path / "deep" / "plain").stat().st_mode & 0o777 == 0o666 & ~umask


def test_a_file_that_cannot_be_written_is_refused_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("kept")
    (tmp_path / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "pipe")
    before = everything(tmp_path)
    targets = [
        Path(),
        tmp_path,
        tmp_path / "file" / "below",
        tmp_path / "file" / "far" / "below",
        tmp_path / "loop",
        tmp_path / "pipe",
        tmp_path / "new" / ("n" * 256),
        tmp_path / "nul\0",
        tmp_path / "\ud800",
        Path("/proc/rshub-file"),
        Path("/dev/null"),
    ]
    for target in targets:
        with pytest.raises(OutputError) as caught:
            write_whole(target, b"data")
        assert caught.value.remedy, target
        assert everything(tmp_path) == before
    assert (tmp_path / "file").read_text() == "kept"


def test_a_full_disk_keeps_the_old_file(tmp_path):
    (tmp_path / "a").write_bytes(b"old")
    code = """
        import resource, signal, sys
        from pathlib import Path
        from rshub.errors import OutputError
        from rshub.tensors.writer import write_whole
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        try:
            write_whole(Path(sys.argv[1]), bytes(5000))
        except OutputError as fault:
            print(fault.remedy)
    """
    done = run(code, str(tmp_path / "a"))
    assert done.stdout.startswith("raise the limit"), done.stderr
    assert (tmp_path / "a").read_bytes() == b"old"
    assert everything(tmp_path) == ["a"]
