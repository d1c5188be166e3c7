"""Files go up over every route that the client takes, and come back bit for bit."""

import hashlib
import json
import os
import threading
from pathlib import Path

import pytest
from huggingface_hub import CommitOperationAdd, CommitOperationCopy, CommitOperationDelete
from huggingface_hub.errors import BadRequestError, EntryNotFoundError, HfHubHTTPError, RevisionNotFoundError

CARD = "---\nlibrary_name: peft\nbase_model: org/base\nlicense: mit\ntags:\n- rewarded-soup\n---\n# An expert\n"


def header_and(payload):
    """A safetensors file with one float32 tensor of these bytes."""
    tensors = {"w": {"dtype": "F32", "shape": [len(payload) // 4], "data_offsets": [0, len(payload)]}}
    header = json.dumps(tensors).encode()
    return len(header).to_bytes(8, "little") + header + payload


@pytest.fixture
def adapter(tmp_path):
    """A directory as PEFT saves one."""
    folder = tmp_path / "adapter"
    (folder / "logs").mkdir(parents=True)
    (folder / "README.md").write_text(CARD)
    (folder / "adapter_config.json").write_text(
        json.dumps({"peft_type": "LORA", "base_model_name_or_path": "org/base"})
    )
    (folder / "adapter_model.safetensors").write_bytes(header_and(os.urandom(3_000_000)))
    (folder / "logs" / "empty.txt").write_bytes(b"")
    (folder / "logs" / "notes äö [1].txt").write_text("Grüße\n", encoding="utf-8")
    return folder


def contents(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not {".cache", ".gitattributes"} & set(path.relative_to(folder).parts)
    }


def test_a_folder_comes_back_as_it_went_up(route, alice, repo, adapter, tmp_path):
    alice.upload_folder(repo_id=repo, folder_path=adapter)
    back = alice.snapshot_download(repo, local_dir=tmp_path / "back")
    assert contents(tmp_path / "back") == contents(adapter), back


def test_large_files_are_known_by_their_sha256(route, alice, repo, adapter):
    alice.upload_folder(repo_id=repo, folder_path=adapter)
    weights = (adapter / "adapter_model.safetensors").read_bytes()
    siblings = {item.rfilename: item for item in alice.model_info(repo, files_metadata=True).siblings}
    large = siblings["adapter_model.safetensors"]
    assert large.lfs.sha256 == hashlib.sha256(weights).hexdigest()
    assert large.size == large.lfs.size == len(weights)
    readme = siblings["README.md"]
    blob = b"blob %d\0" % len(CARD.encode()) + CARD.encode()
    assert readme.lfs is None
    assert readme.blob_id == hashlib.sha1(blob).hexdigest()


def test_the_parameters_of_safetensors_are_counted(alice, repo, adapter):
    alice.upload_folder(repo_id=repo, folder_path=adapter)
    assert alice.model_info(repo).safetensors.parameters == {"F32": 750_000}


def test_xet_rebuilds_a_file_from_parts_of_earlier_ones(route, alice, repo):
    first = os.urandom(6_000_000)
    alice.upload_file(path_or_fileobj=first, path_in_repo="first.bin", repo_id=repo)
    second = first[1_000_000:5_000_000] + os.urandom(100_000) + first[:2_000_000]
    alice.upload_file(path_or_fileobj=second, path_in_repo="second.bin", repo_id=repo)
    assert Path(alice.hf_hub_download(repo, "second.bin")).read_bytes() == second


def test_compressible_tensors_survive(route, alice, repo, tmp_path):
    import numpy as np

    smooth = np.linspace(0, 1, 500_000, dtype=np.float32).tobytes() + b"odd"
    path = tmp_path / "smooth.bin"
    path.write_bytes(smooth)
    alice.upload_file(path_or_fileobj=path, path_in_repo="smooth.bin", repo_id=repo)
    assert Path(alice.hf_hub_download(repo, "smooth.bin")).read_bytes() == smooth


def test_a_file_object_goes_up(route, alice, repo, tmp_path):
    path = tmp_path / "data.bin"
    path.write_bytes(b"\0" * 200_000)
    with path.open("rb") as file:
        alice.upload_file(path_or_fileobj=file, path_in_repo="data.bin", repo_id=repo)
    assert alice.get_paths_info(repo, "data.bin")[0].size == 200_000


def test_a_large_file_without_a_known_suffix_gets_an_attribute_line(alice, repo, tmp_path):
    alice.upload_file(path_or_fileobj=b"\0\1" * 500, path_in_repo="odd name.blob", repo_id=repo)
    assert (
        Path(alice.hf_hub_download(repo, ".gitattributes")).read_text(encoding="utf-8").splitlines()[-1]
        == "odd[[:space:]]name.blob filter=lfs diff=lfs merge=lfs -text"
    )


def test_one_commit_adds_and_deletes(alice, repo):
    alice.upload_file(path_or_fileobj=b"old", path_in_repo="old.txt", repo_id=repo)
    alice.create_commit(
        repo,
        [CommitOperationAdd("new.txt", b"new"), CommitOperationDelete("old.txt")],
        commit_message="swap",
        commit_description="one for the other",
    )
    assert set(alice.list_repo_files(repo)) == {".gitattributes", "new.txt"}
    newest = alice.list_repo_commits(repo)[0]
    assert (newest.title, newest.message, newest.authors) == ("swap", "one for the other", ["alice"])


def test_a_directory_and_a_file_change_places(alice, repo):
    alice.upload_file(path_or_fileobj=b"1", path_in_repo="a/b.txt", repo_id=repo)
    with pytest.raises(BadRequestError, match="file and a directory"):
        alice.upload_file(path_or_fileobj=b"2", path_in_repo="a", repo_id=repo)
    alice.create_commit(
        repo, [CommitOperationDelete("a/", is_folder=True), CommitOperationAdd("a", b"2")], commit_message="swap"
    )
    assert "a" in alice.list_repo_files(repo)


def test_deleting_files_and_folders(alice, repo):
    for name in ("a/x.txt", "a/b/y.txt", "c.txt"):
        alice.upload_file(path_or_fileobj=name.encode(), path_in_repo=name, repo_id=repo)
    alice.delete_file("c.txt", repo)
    alice.delete_folder("a/b", repo)
    assert set(alice.list_repo_files(repo)) == {".gitattributes", "a/x.txt"}
    with pytest.raises(EntryNotFoundError):
        alice.delete_file("c.txt", repo)


def test_copying_within_a_repository(alice, repo):
    alice.upload_file(path_or_fileobj=b"\0" * 1000, path_in_repo="a.bin", repo_id=repo)
    alice.create_commit(repo, [CommitOperationCopy("a.bin", "b.bin")], commit_message="copy")
    first, second = alice.get_paths_info(repo, ["a.bin", "b.bin"])
    assert first.lfs.sha256 == second.lfs.sha256


def test_a_commit_on_a_stale_parent_is_refused(alice, repo):
    parent = alice.model_info(repo).sha
    alice.create_commit(repo, [CommitOperationAdd("a.txt", b"1")], commit_message="1", parent_commit=parent)
    with pytest.raises(HfHubHTTPError) as caught:
        alice.create_commit(repo, [CommitOperationAdd("a.txt", b"2")], commit_message="2", parent_commit=parent)
    assert caught.value.response.status_code == 412
    head = alice.model_info(repo).sha
    alice.create_commit(repo, [CommitOperationAdd("a.txt", b"3")], commit_message="3", parent_commit=head[:7])


def test_threads_commit_without_losing_anything(alice, repo):
    failures = []

    def commit(number):
        try:
            alice.create_commit(repo, [CommitOperationAdd(f"{number}.txt", b"x")], commit_message=f"commit {number}")
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=commit, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    titles = [commit.title for commit in alice.list_repo_commits(repo)]
    assert sorted(titles) == sorted(["initial commit", *(f"commit {number}" for number in range(12))])
    assert {f"{number}.txt" for number in range(12)} <= set(alice.list_repo_files(repo))


def test_of_rivals_on_one_parent_exactly_one_wins(alice, repo):
    parent = alice.model_info(repo).sha
    statuses = []

    def commit(number):
        try:
            alice.create_commit(
                repo, [CommitOperationAdd("a.txt", b"%d" % number)], commit_message="race", parent_commit=parent
            )
            statuses.append(200)
        except HfHubHTTPError as error:
            statuses.append(error.response.status_code)

    threads = [threading.Thread(target=commit, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200] + [412] * 5


def test_commits_go_to_branches_and_never_to_tags(alice, repo):
    alice.create_branch(repo, branch="side")
    alice.create_tag(repo, tag="v1")
    alice.upload_file(path_or_fileobj=b"1", path_in_repo="a.txt", repo_id=repo, revision="side")
    assert "a.txt" in alice.list_repo_files(repo, revision="side")
    assert "a.txt" not in alice.list_repo_files(repo)
    for revision in ("v1", alice.model_info(repo).sha, "absent"):
        with pytest.raises(RevisionNotFoundError):
            alice.upload_file(path_or_fileobj=b"1", path_in_repo="a.txt", repo_id=repo, revision=revision)


def test_an_unchanged_file_makes_no_commit(route, alice, repo, adapter):
    alice.upload_folder(repo_id=repo, folder_path=adapter)
    before = alice.model_info(repo).sha
    alice.upload_folder(repo_id=repo, folder_path=adapter)
    assert alice.model_info(repo).sha == before


def test_ignored_files_stay_at_home(alice, repo):
    alice.upload_file(path_or_fileobj=b"*.log\n", path_in_repo=".gitignore", repo_id=repo)
    alice.create_commit(
        repo, [CommitOperationAdd("a.log", b"1"), CommitOperationAdd("a.txt", b"1")], commit_message="both"
    )
    assert set(alice.list_repo_files(repo)) == {".gitattributes", ".gitignore", "a.txt"}


def test_an_invalid_card_is_refused(alice, repo):
    with pytest.raises(ValueError, match="metadata"):
        alice.upload_file(path_or_fileobj=b"---\ntags: [a\n---\n", path_in_repo="README.md", repo_id=repo)
