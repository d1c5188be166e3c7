"""Pointers and attributes, compared with what git itself makes of the same lines."""

import subprocess

import pytest

from rshub.localhub.pointers import (
    DEFAULT_ATTRIBUTES,
    Pointer,
    parse_attributes,
    parse_pointer,
    wants_pointer,
    with_lines_for,
)

OID = "ab" * 32


def git_says(directory, attributes, paths):
    """What `git check-attr` says of each path."""
    subprocess.run(["git", "init", "--quiet", directory], check=True)
    (directory / ".gitattributes").write_bytes(attributes)
    done = subprocess.run(
        ["git", "check-attr", "-z", "--stdin", "filter"],
        input="\0".join(paths).encode(),
        capture_output=True,
        cwd=directory,
        check=True,
    )
    fields = done.stdout.decode().split("\0")
    return dict(zip(fields[0::3], [value == "lfs" for value in fields[2::3]], strict=False))


def ours(attributes, paths):
    parsed = parse_attributes(attributes)
    return {path: bool(wants_pointer(parsed, path)) for path in paths}


def test_a_pointer_is_read_as_it_was_written():
    pointer = Pointer(oid=OID, size=12)
    assert parse_pointer(pointer.encoded()) == pointer
    assert (
        pointer.encoded() == b"version https://git-lfs.github.com/spec/v1\noid sha256:" + OID.encode() + b"\nsize 12\n"
    )


@pytest.mark.parametrize(
    "data",
    [b"", b"text", Pointer(oid=OID, size=1).encoded() + b"more", Pointer(oid="x" * 64, size=1).encoded(), b"\0" * 5000],
)
def test_what_is_no_pointer(data):
    assert parse_pointer(data) is None


def test_the_default_attributes_mean_to_git_what_they_mean_here(tmp_path):
    paths = [
        "model.safetensors", "a/b/m.safetensors", "x.bin", "x.bin.1", "README.md", "config.json", "a.tar", "a.tar.z",
        "saved_model/a/b", "saved_model/a", "events.out.tfevents.1", "model", "safetensors", "a.safetensors.json",
    ]  # fmt: skip
    assert ours(DEFAULT_ATTRIBUTES, paths) == git_says(tmp_path, DEFAULT_ATTRIBUTES, paths)


@pytest.mark.parametrize(
    "path",
    [
        "a.blob",
        "with space.x",
        "d/[brackets]",
        "star*",
        "what?",
        "#hash",
        "!not",
        '"quoted',
        "tab\tbed",
        "äö/ü",
        "a\\b",
    ],
)
def test_a_line_for_a_path_matches_it_for_git_and_here(tmp_path, path):
    attributes = with_lines_for(b"*.md text", [path])
    assert ours(attributes, [path]) == {path: True}
    assert git_says(tmp_path, attributes, [path]) == {path: True}
    assert ours(attributes, ["other"]) == {"other": False}


def test_later_lines_win(tmp_path):
    attributes = b"*.bin filter=lfs\nsmall/*.bin -filter\nsmall/x.bin filter=lfs\n"
    paths = ["a.bin", "small/a.bin", "small/x.bin"]
    assert ours(attributes, paths) == git_says(tmp_path, attributes, paths)
    assert wants_pointer(parse_attributes(attributes), "a.txt") is None
