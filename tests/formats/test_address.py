"""Repos and folders as people write them."""

from pathlib import Path

import pytest

from rshub.errors import InvalidInput
from rshub.formats.address import RepoAddress, as_typed, parse_address, parse_repo


@pytest.mark.parametrize(
    ("text", "repo_id", "revision"),
    [
        ("org/name", "org/name", None),
        ("org/name@v1.0.0", "org/name", "v1.0.0"),
        ("Or-g/na.me_2@refs/pr/1", "Or-g/na.me_2", "refs/pr/1"),
    ],
)
def test_a_repo_is_read_and_written_back(text, repo_id, revision):
    address = parse_repo(text)
    assert (address.repo_id, address.revision) == (repo_id, revision)
    assert str(address) == text


@pytest.mark.parametrize(
    "text", ["", "name", "a/b/c", "org/", "/x@", "org/na me", "org/..", "a..b/c", "org/name@", "a--b/c"]
)
def test_anything_else_is_no_repo(text):
    with pytest.raises(InvalidInput):
        parse_repo(text)


def test_a_folder_begins_with_a_dot_or_a_slash_and_nothing_is_guessed():
    assert parse_address("./a/b") == Path("a/b")
    assert parse_address("/a/b") == Path("/a/b")
    assert parse_address("a/b") == RepoAddress(repo_id="a/b")


@pytest.mark.parametrize("folder", ["a", "a/b", "../a", "/a/b", "."])
def test_a_folder_is_written_so_that_it_reads_back_as_one(folder):
    assert parse_address(as_typed(Path(folder))) == Path(folder)
