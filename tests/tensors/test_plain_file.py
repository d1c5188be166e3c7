"""Reading plain files: every refusal has a type and a next step, and nothing is waited for."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from rshub.deltas.expert_tensors import read_expert
from rshub.errors import IntegrityError, NotFound
from rshub.tensors.checkpoint import Checkpoint
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


MAKE = {
    "a dangling link": lambda path: path.symlink_to("nothing"),
    "a loop": lambda path: path.symlink_to(path.name),
    "a pipe": os.mkfifo,
    "a folder": Path.mkdir,
    "a link to a folder": lambda path: path.symlink_to("."),
}


def put(path, what):
    if os.path.lexists(path):
        path.unlink()
    MAKE[what](path)


@pytest.mark.parametrize("what", MAKE)
@pytest.mark.parametrize(
    "name",
    ["config.json", "adapter_config.json", "model.safetensors.index.json", "model.safetensors", "tokenizer.json",
     "expert.json"],
)  # fmt: skip
def test_what_would_be_used_is_a_plain_file_or_not_there(tmp_path, name, what):
    put(tmp_path / name, what)
    with pytest.raises((NotFound, IntegrityError), match=name) as caught:
        file_names(tmp_path)
    assert name in caught.value.remedy


@pytest.mark.parametrize("what", MAKE)
def test_a_base_whose_config_cannot_be_read_is_no_base_without_one(tiny, what):
    base, adapter, whole = tiny.base(), tiny.adapter().folder, tiny.base(seed=2)
    put(base / "config.json", what)
    put(adapter / "adapter_config.json", what)
    put(whole / "config.json", what)
    for read, folder in ((Checkpoint.open, base), (read_expert, adapter), (read_expert, whole)):
        with pytest.raises((NotFound, IntegrityError), match=r"config\.json"):
            read(folder)


def test_ordinary_folders_are_harmless(tiny):
    base = tiny.base()
    for name in ("runs", "LICENSES", "unet", "checkpoint-10", "merges"):
        (base / name).mkdir()
    (base / "wandb").symlink_to("gone")
    assert Checkpoint.open(base).config


def test_a_component_or_templates_that_lead_nowhere_are_refused(tiny):
    for name in ("vae", "additional_chat_templates"):
        base = tiny.base()
        (base / "model_index.json").write_text('{"vae": ["diffusers", "X"]}')
        (base / name).symlink_to("nothing")
        with pytest.raises(NotFound, match=name):
            Checkpoint.open(base)
