"""Names and paths that the hub lets in."""

import pytest
from huggingface_hub.utils import validate_repo_id

from rshub.localhub.errors import Refusal
from rshub.localhub.names import check_path, is_name, split_repo_id


@pytest.mark.parametrize("name", ["a", "A", "0", "_a", "a.b-c_d", "x" * 96, "Llama-3.1-8B"])
def test_names(name):
    assert is_name(name)
    validate_repo_id(f"ns/{name}")


@pytest.mark.parametrize(
    "name", ["", "-a", "a-", ".a", "a.", "a..b", "a--b", "x" * 97, "a b", "a/b", "a.git", "ü", "a\n"]
)
def test_no_names(name):
    assert not is_name(name)


@pytest.mark.parametrize("repo_id", ["a", "a/b/c", "/b", "a/", "", None, 7])
def test_no_repo_ids(repo_id):
    with pytest.raises(Refusal):
        split_repo_id(repo_id)


@pytest.mark.parametrize(
    "path", ["a", "a/b/c.txt", ".gitattributes", ".gitignore", "a b/ü [1].txt", "...", "-x", "git~x"]
)
def test_paths(path):
    assert check_path(path) == path


@pytest.mark.parametrize(
    "path",
    ["", "/", "/a", "a/", "a//b", ".", "..", "a/..", "../a", "a\\b", "a\0b", "a\x7fb", ".git", ".GIT/x", "a/.git/b",
     ".git ", ".git.", ".git\u200d", "GIT~1/x", ".git::$INDEX_ALLOCATION", ".gitmodules", "x" * 1025],
)  # fmt: skip
def test_no_paths(path):
    with pytest.raises(Refusal):
        check_path(path)
