"""Reading plain files: every refusal has a type and a next step, and nothing is waited for."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from rshub.errors import IntegrityError, NotFound
from rshub.tensors.plain_file import file_names, open_plain, read_plain
from rshub.tensors.tensor_file import TensorFile


@pytest.fixture
def odd(tmp_path):
    (tmp_path / "file").write_bytes(b"data")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    return tmp_path


def test_plain_files_and_links_to_them_are_read_and_listed(odd):
    assert read_plain(odd / "file") == read_plain(odd / "link") == b"data"
    assert file_names(odd) == ["file", "link"]


@pytest.mark.parametrize("name", ["nothing", "file/below", "loop", "nul\0", "n" * 300], ids=ascii)
@pytest.mark.parametrize("read", [read_plain, TensorFile.open, file_names])
def test_what_is_not_there_is_not_found(odd, read, name):
    with pytest.raises(NotFound) as caught:
        read(odd / name)
    assert caught.value.remedy


@pytest.mark.parametrize("path", ["folder", "pipe", "/dev/zero"])
@pytest.mark.parametrize("read", [read_plain, TensorFile.open])
def test_what_is_no_plain_file_is_not_opened(odd, read, path):
    with pytest.raises(IntegrityError, match="not a file") as caught:
        read(odd / path)
    assert caught.value.remedy


def test_a_file_is_no_folder(odd):
    with pytest.raises(NotFound, match="no such folder"):
        file_names(odd / "file")


def test_an_error_of_ours_inside_the_block_stays_as_it_is(odd):
    with pytest.raises(IntegrityError, match="mine"), open_plain(odd / "file"):
        raise IntegrityError("mine")


def test_what_may_not_be_read_is_said_so(odd):
    code = """
        import os, sys
        from pathlib import Path
        from rshub.errors import NotFound
        from rshub.tensors.file_digest import file_digest
        from rshub.tensors.plain_file import file_names
        from rshub.tensors.tensor_file import TensorFile
        if os.geteuid() == 0:
            os.setuid(65534)
        for read, name in ((TensorFile.open, "file"), (file_digest, "file"), (file_names, "folder")):
            try:
                read(Path(sys.argv[1]) / name)
            except NotFound as fault:
                print(fault.remedy)
    """
    for parent in [odd, *odd.parents]:
        if parent.owner() == odd.owner() and str(parent).startswith("/tmp/"):
            parent.chmod(parent.stat().st_mode | 0o055)
    (odd / "file").chmod(0)
    (odd / "folder").chmod(0)
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(odd)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    said = ["check the rights of the file"] * 2 + ["check the rights of the folder"]
    assert done.stdout.splitlines() == said, done.stderr
