"""Repositories are made, found, renamed, hidden and removed."""

from pathlib import Path

import pytest
from huggingface_hub.errors import (
    BadRequestError,
    GatedRepoError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)


@pytest.mark.parametrize("kind", ["model", "dataset", "space"])
def test_each_kind_is_a_world_of_its_own(alice, fresh_id, kind):
    repo_id = fresh_id()
    url = alice.create_repo(repo_id, repo_type=kind, space_sdk="static" if kind == "space" else None)
    assert (url.repo_id, url.repo_type) == (repo_id, kind)
    alice.upload_file(path_or_fileobj=b"data", path_in_repo="data.txt", repo_id=repo_id, repo_type=kind)
    assert alice.repo_info(repo_id, repo_type=kind).id == repo_id
    assert Path(alice.hf_hub_download(repo_id, "data.txt", repo_type=kind)).read_bytes() == b"data"
    for other in {"model", "dataset", "space"} - {kind}:
        assert not alice.repo_exists(repo_id, repo_type=other)


def test_creating_twice(alice, repo):
    with pytest.raises(HfHubHTTPError) as caught:
        alice.create_repo(repo)
    assert caught.value.response.status_code == 409
    assert alice.create_repo(repo, exist_ok=True).repo_id == repo


def test_ids_are_found_whatever_their_case_and_keep_their_spelling(alice, fresh_id):
    repo_id = fresh_id() + "-MiXed"
    alice.create_repo(repo_id)
    assert alice.model_info(repo_id.lower()).id == repo_id
    with pytest.raises(HfHubHTTPError) as caught:
        alice.create_repo(repo_id.upper().replace("ALICE", "alice"))
    assert caught.value.response.status_code == 409


def test_a_new_repository_has_one_commit(alice, repo):
    assert [commit.title for commit in alice.list_repo_commits(repo)] == ["initial commit"]
    assert alice.list_repo_files(repo) == [".gitattributes"]


def test_deleting(alice, repo):
    alice.delete_repo(repo)
    assert not alice.repo_exists(repo)
    with pytest.raises(RepositoryNotFoundError):
        alice.delete_repo(repo)
    alice.delete_repo(repo, missing_ok=True)
    alice.create_repo(repo)
    assert len(alice.list_repo_commits(repo)) == 1


def test_a_moved_repository_answers_to_both_names(alice, fresh_id):
    old, new = fresh_id(), fresh_id("soups")
    alice.create_repo(old)
    alice.upload_file(path_or_fileobj=b"kept", path_in_repo="a.txt", repo_id=old)
    alice.move_repo(old, new)
    assert alice.model_info(new).id == alice.model_info(old).id == new
    assert Path(alice.hf_hub_download(old, "a.txt")).read_bytes() == b"kept"
    alice.create_repo(old)
    assert alice.model_info(old).id == old


def test_a_move_does_not_overwrite(alice, fresh_id):
    first, second = fresh_id(), fresh_id()
    alice.create_repo(first)
    alice.create_repo(second)
    with pytest.raises(HfHubHTTPError):
        alice.move_repo(first, second)
    assert alice.model_info(first).id == first


def test_a_private_repository_is_nowhere_for_others(alice, bob, nobody, fresh_id):
    repo_id = fresh_id()
    alice.create_repo(repo_id, private=True)
    alice.upload_file(path_or_fileobj=b"secret", path_in_repo="a.txt", repo_id=repo_id)
    alice.create_tag(repo_id, tag="v1")
    for other in (bob, nobody):
        assert not other.repo_exists(repo_id)
        assert repo_id not in {info.id for info in other.list_models(author="alice")}
        for call in (
            lambda api: api.model_info(repo_id),
            lambda api: api.list_repo_refs(repo_id),
            lambda api: api.list_repo_commits(repo_id),
            lambda api: list(api.list_repo_tree(repo_id)),
            lambda api: api.get_paths_info(repo_id, "a.txt"),
            lambda api: api.hf_hub_download(repo_id, "a.txt", revision="v1"),
            lambda api: list(api.get_repo_discussions(repo_id)),
            lambda api: api.auth_check(repo_id),
        ):
            with pytest.raises(RepositoryNotFoundError):
                call(other)
    assert repo_id in {info.id for info in alice.list_models(author="alice")}


def test_a_private_file_is_not_had_by_knowing_its_digest(alice, bob, fresh_id):
    secret, mine = fresh_id(), fresh_id("bob")
    alice.create_repo(secret, private=True)
    bob.create_repo(mine)
    alice.upload_file(path_or_fileobj=b"\0secret" * 99, path_in_repo="a.bin", repo_id=secret)
    digest = alice.get_paths_info(secret, "a.bin")[0].lfs
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest.sha256}\nsize {digest.size}\n"
    with pytest.raises(BadRequestError, match="does not exist"):
        bob.upload_file(path_or_fileobj=pointer.encode(), path_in_repo="a.txt", repo_id=mine)
    assert "a.txt" not in bob.list_repo_files(mine)


def test_visibility_can_change(alice, bob, repo):
    alice.update_repo_settings(repo, private=True)
    assert not bob.repo_exists(repo)
    alice.update_repo_settings(repo, private=False)
    assert bob.model_info(repo).private is False


def test_a_gated_repository_shows_its_page_and_keeps_its_files(alice, bob, nobody, repo):
    alice.upload_file(path_or_fileobj=b"x", path_in_repo="a.txt", repo_id=repo)
    alice.update_repo_settings(repo, gated="manual")
    for other in (bob, nobody):
        assert other.model_info(repo).gated == "manual"
        with pytest.raises(GatedRepoError):
            other.hf_hub_download(repo, "a.txt")
        with pytest.raises(GatedRepoError):
            other.auth_check(repo)
    alice.auth_check(repo, write=True)
    assert alice.hf_hub_download(repo, "a.txt")


def test_auth_check(alice, bob, repo):
    alice.auth_check(repo, write=True)
    bob.auth_check(repo)
    with pytest.raises(HfHubHTTPError) as caught:
        bob.auth_check(repo, write=True)
    assert caught.value.response.status_code == 403


def test_what_is_missing_is_named_for_what_it_is(alice, repo):
    with pytest.raises(RepositoryNotFoundError):
        alice.model_info("alice/absent")
    with pytest.raises(RevisionNotFoundError):
        alice.model_info(repo, revision="absent")
    assert not alice.file_exists(repo, "absent.txt")
    assert not alice.revision_exists(repo, "absent")


def test_ids_without_a_namespace_are_not_found(alice):
    for call in (alice.model_info, alice.list_repo_refs, alice.list_repo_commits):
        with pytest.raises(RepositoryNotFoundError):
            call("bert-base-uncased")
    assert not alice.revision_exists("bert-base-uncased", "main")


def test_what_one_has_and_the_room_it_takes(alice, bob, repo):
    alice.upload_file(path_or_fileobj=b"12345", path_in_repo="a.txt", repo_id=repo)
    listed = {item.id: item for item in alice.list_user_repos()}
    expected = sum(item.size for item in alice.model_info(repo, files_metadata=True).siblings)
    assert listed[repo].storage == expected
    assert listed[repo].visibility == "public"
    assert all(item.id.startswith("soups/") for item in alice.list_user_repos("soups"))
    with pytest.raises(HfHubHTTPError):
        list(bob.list_user_repos("soups"))


def test_what_the_hub_lacks_is_refused_in_words(alice):
    with pytest.raises(HfHubHTTPError, match="does not offer") as caught:
        alice.create_collection("soups", namespace="alice")
    assert caught.value.response.status_code == 501
