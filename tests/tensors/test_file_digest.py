"""Digests of files and the memory of them."""

import hashlib
import json
import os

import pytest

from rshub.errors import IntegrityError, NotFound
from rshub.tensors import file_digest as room
from rshub.tensors.file_digest import file_digest, remember_digests
from rshub.types import Digest

LARGE = 16 * 1024 * 1024


@pytest.fixture
def memory(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "rshub" / "digests.json"


@pytest.fixture
def large(tmp_path):
    path = tmp_path / "large"
    path.write_bytes(bytes(LARGE))
    return path


TRUE = hashlib.sha256(bytes(LARGE)).hexdigest()


def test_a_large_file_is_remembered_until_it_changes(memory, large):
    assert file_digest(large) == TRUE
    ((key, value),) = json.loads(memory.read_bytes()).items()
    assert value == TRUE
    memory.write_text(json.dumps({key: "1" * 64}))
    assert file_digest(large) == "1" * 64
    assert file_digest(large, afresh=True) == TRUE
    assert json.loads(memory.read_bytes()) == {key: TRUE}
    assert list(memory.parent.iterdir()) == [memory]
    large.write_bytes(b"1" + bytes(LARGE))
    assert file_digest(large) == hashlib.sha256(b"1" + bytes(LARGE)).hexdigest()


@pytest.mark.parametrize("value", ["trust me", "A" * 64, "1" * 63, "", 7, None, ["1" * 64]])
def test_what_is_no_digest_is_never_given_out(memory, large, value):
    file_digest(large)
    (key,) = json.loads(memory.read_bytes())
    memory.write_text(json.dumps({key: value, "other": "2" * 64}))
    assert file_digest(large) == TRUE
    assert json.loads(memory.read_bytes()) == {key: TRUE, "other": "2" * 64}


@pytest.mark.parametrize("damage", [b"", b"\xff", b"[]", b"[" * 200_000, b'{"a"'])
def test_a_damaged_memory_costs_time_only(memory, large, damage):
    memory.parent.mkdir(parents=True)
    memory.write_bytes(damage)
    assert file_digest(large) == TRUE
    assert list(json.loads(memory.read_bytes()).values()) == [TRUE]


def test_without_a_place_for_the_memory_digests_are_taken_all_the_same(memory, large):
    memory.parent.parent.write_text("a file")
    assert file_digest(large) == TRUE
    memory.parent.parent.unlink()
    memory.mkdir(parents=True)
    assert file_digest(large) == TRUE


@pytest.mark.parametrize("name", ["nothing", "large/below", "loop"])
def test_what_is_not_there_is_not_found(memory, large, name):
    (large.parent / "loop").symlink_to("loop")
    with pytest.raises(NotFound) as caught:
        file_digest(large.parent / name)
    assert caught.value.remedy


@pytest.mark.parametrize("path", ["/dev/zero", ".", "pipe"])
def test_only_plain_files_are_hashed(memory, large, path):
    os.mkfifo(large.parent / "pipe")
    with pytest.raises(IntegrityError):
        file_digest(large.parent / path)


def test_what_was_hashed_while_writing_is_remembered_until_the_file_changes(memory, large, tmp_path):
    small = tmp_path / "small"
    small.write_bytes(b"small")
    given = Digest("a" * 64)
    remember_digests({large: given, small: given, tmp_path / "gone": given})
    assert len(json.loads(memory.read_text())) == 1
    assert file_digest(large) == given
    assert file_digest(small) == hashlib.sha256(b"small").hexdigest()
    with large.open("r+b") as file:
        file.write(b"x")
    os.utime(large, ns=(1, 1))
    assert file_digest(large) == hashlib.sha256(b"x" + bytes(LARGE - 1)).hexdigest()


def test_of_a_path_only_the_newest_digest_is_kept(memory, large):
    memory.parent.mkdir(parents=True)
    other = {f"{large}:more:1:2:3": "3" * 64, f"{large.parent}/a:b:1:2:3": "4" * 64}
    memory.write_text(json.dumps({f"{large}:1:2:3": "1" * 64, **other}))
    file_digest(large)
    os.utime(large, ns=(1, 1))
    file_digest(large)
    os.utime(large, ns=(2, 2))
    remember_digests({large: Digest("5" * 64)})
    known = json.loads(memory.read_bytes())
    assert list(known.values()) == ["3" * 64, "4" * 64, "5" * 64]
    assert file_digest(large) == "5" * 64


def test_the_oldest_of_many_digests_are_forgotten(memory, large, monkeypatch):
    monkeypatch.setattr(room, "MOST_REMEMBERED", 3)
    memory.parent.mkdir(parents=True)
    memory.write_text(json.dumps({f"/{number}:1:2:3": str(number) * 64 for number in range(5)}))
    file_digest(large)
    assert list(json.loads(memory.read_bytes()).values()) == ["3" * 64, "4" * 64, TRUE]
