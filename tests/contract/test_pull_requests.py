"""Who cannot write can propose; who can write decides."""

import os
from pathlib import Path

import pytest
from huggingface_hub import CommitOperationAdd, CommitOperationDelete
from huggingface_hub.errors import BadRequestError, HfHubHTTPError, RevisionNotFoundError


def propose(api, repo, *operations, title="a proposal"):
    commit = api.create_commit(repo, operations, commit_message=title, create_pr=True)
    return int(commit.pr_num)


def test_a_stranger_proposes_and_the_owner_merges(route, alice, bob, repo):
    weights = os.urandom(50_000)
    num = propose(bob, repo, CommitOperationAdd("new.bin", weights), CommitOperationAdd("new.txt", b"1"))
    assert "new.txt" not in alice.list_repo_files(repo)
    details = alice.get_discussion_details(repo, num)
    assert (details.title, details.author, details.status, details.is_pull_request) == (
        "a proposal",
        "bob",
        "open",
        True,
    )
    assert "+1" in details.diff
    with pytest.raises(HfHubHTTPError) as caught:
        bob.merge_pull_request(repo, num)
    assert caught.value.response.status_code == 403
    alice.merge_pull_request(repo, num, comment="thank you")
    assert {"new.bin", "new.txt"} <= set(alice.list_repo_files(repo))
    assert Path(alice.hf_hub_download(repo, "new.bin")).read_bytes() == weights
    details = alice.get_discussion_details(repo, num)
    assert details.status == "merged"
    assert details.merge_commit_oid == alice.model_info(repo).sha
    assert [event.type for event in details.events] == ["comment", "commit", "status-change", "comment"]
    with pytest.raises(BadRequestError):
        alice.merge_pull_request(repo, num)


def test_the_ref_is_a_revision(alice, bob, repo):
    num = propose(bob, repo, CommitOperationAdd("new.txt", b"1"))
    assert "new.txt" in alice.list_repo_files(repo, revision=f"refs/pr/{num}")
    refs = alice.list_repo_refs(repo, include_pull_requests=True)
    assert [ref.ref for ref in refs.pull_requests] == [f"refs/pr/{num}"]
    assert alice.list_repo_refs(repo).pull_requests is None


def test_its_author_adds_commits_and_others_do_not(alice, bob, api_for, repo):
    num = propose(bob, repo, CommitOperationAdd("new.txt", b"1"))
    bob.upload_file(path_or_fileobj=b"2", path_in_repo="more.txt", repo_id=repo, revision=f"refs/pr/{num}")
    with pytest.raises(HfHubHTTPError):
        api_for("carol").upload_file(
            path_or_fileobj=b"3", path_in_repo="x.txt", repo_id=repo, revision=f"refs/pr/{num}"
        )
    alice.upload_file(path_or_fileobj=b"4", path_in_repo="owner.txt", repo_id=repo, revision=f"refs/pr/{num}")
    alice.merge_pull_request(repo, num)
    assert {"new.txt", "more.txt", "owner.txt"} <= set(alice.list_repo_files(repo))
    assert [commit.title for commit in alice.list_repo_commits(repo)] == [f"a proposal (#{num})", "initial commit"]


def test_a_branch_that_looks_like_a_pull_request_is_none(alice, bob, repo):
    num = propose(bob, repo, CommitOperationAdd("new.txt", b"1"))
    alice.create_branch(repo, branch=f"pr/{num}")
    for revision in (f"pr/{num}", f"refs/heads/pr/{num}", f"{num}"):
        with pytest.raises(HfHubHTTPError) as caught:
            bob.upload_file(path_or_fileobj=b"2", path_in_repo="x.txt", repo_id=repo, revision=revision)
        assert caught.value.response.status_code == 403


def test_both_sides_changes_are_kept(alice, bob, repo):
    alice.upload_file(path_or_fileobj=b"1", path_in_repo="gone.txt", repo_id=repo)
    num = propose(bob, repo, CommitOperationAdd("d/theirs.txt", b"1"), CommitOperationDelete("gone.txt"))
    odd = propose(bob, repo, CommitOperationAdd("theirs.odd", b"\0"))
    alice.upload_file(path_or_fileobj=b"\0", path_in_repo="ours.peculiar", repo_id=repo)
    alice.merge_pull_request(repo, num)
    alice.merge_pull_request(repo, odd)
    assert set(alice.list_repo_files(repo)) == {".gitattributes", "d/theirs.txt", "ours.peculiar", "theirs.odd"}
    added = Path(alice.hf_hub_download(repo, ".gitattributes")).read_text(encoding="utf-8").splitlines()[-2:]
    assert {line.split()[0] for line in added} == {"ours.peculiar", "theirs.odd"}


def test_a_conflict_stops_the_merge(alice, bob, repo):
    alice.upload_file(path_or_fileobj=b"0", path_in_repo="a.txt", repo_id=repo)
    num = propose(bob, repo, CommitOperationAdd("a.txt", b"theirs"))
    alice.upload_file(path_or_fileobj=b"ours", path_in_repo="a.txt", repo_id=repo)
    assert alice.get_discussion_details(repo, num).conflicting_files == ["a.txt"]
    with pytest.raises(HfHubHTTPError, match="conflicts") as caught:
        alice.merge_pull_request(repo, num)
    assert caught.value.response.status_code == 409
    assert Path(alice.hf_hub_download(repo, "a.txt")).read_bytes() == b"ours"


def test_a_folder_proposed_at_once_is_a_draft_until_published(route, alice, bob, repo, tmp_path):
    (tmp_path / "a.txt").write_text("1")
    (tmp_path / "a.bin").write_bytes(os.urandom(2000))
    bob.upload_folder(repo_id=repo, folder_path=tmp_path, create_pr=True)
    (listed,) = alice.get_repo_discussions(repo, discussion_type="pull_request")
    if listed.status == "draft":
        with pytest.raises(BadRequestError, match="draft"):
            alice.merge_pull_request(repo, listed.num)
        bob.change_discussion_status(repo, listed.num, "open")
    alice.merge_pull_request(repo, listed.num)
    assert {"a.txt", "a.bin"} <= set(alice.list_repo_files(repo))


def test_discussions(alice, bob, api_for, repo):
    talk = bob.create_discussion(repo, "a question", description="why?")
    assert (talk.num, talk.status, talk.is_pull_request) == (1, "open", False)
    said = alice.comment_discussion(repo, 1, "because")
    alice.edit_discussion_comment(repo, 1, said.id, "because of this")
    with pytest.raises(HfHubHTTPError):
        bob.edit_discussion_comment(repo, 1, said.id, "something else")
    bob.rename_discussion(repo, 1, "a good question")
    with pytest.raises(HfHubHTTPError):
        api_for("carol").change_discussion_status(repo, 1, "closed")
    alice.change_discussion_status(repo, 1, "closed")
    details = bob.get_discussion_details(repo, 1)
    assert (details.title, details.status) == ("a good question", "closed")
    assert [event.content for event in details.events if event.type == "comment"] == ["why?", "because of this"]
    assert list(alice.get_repo_discussions(repo, discussion_status="open")) == []
    assert [item.num for item in alice.get_repo_discussions(repo, author="bob")] == [1]


def test_a_pull_request_is_against_a_branch(bob, alice, repo):
    alice.create_branch(repo, branch="side")
    operation = CommitOperationAdd("a.txt", b"1")
    commit = bob.create_commit(repo, [operation], commit_message="x", create_pr=True, revision="side")
    num = int(commit.pr_num)
    assert alice.get_discussion_details(repo, num).target_branch == "refs/heads/side"
    alice.merge_pull_request(repo, num)
    assert "a.txt" in alice.list_repo_files(repo, revision="side")
    assert "a.txt" not in alice.list_repo_files(repo)
    head = alice.model_info(repo).sha
    with pytest.raises(RevisionNotFoundError):
        bob.create_commit(repo, [CommitOperationAdd("b.txt", b"1")], commit_message="x", create_pr=True, revision=head)


def test_many_discussions_come_in_pages(alice, bob, repo):
    for number in range(55):
        bob.create_discussion(repo, f"number {number}")
    assert [item.num for item in alice.get_repo_discussions(repo)] == list(range(55, 0, -1))
