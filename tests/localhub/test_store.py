"""Trees, refs and merges, compared with what the git command says of the same repository."""

import subprocess
import threading

import pytest

from rshub.localhub import merging
from rshub.localhub.edits import TreeEdit
from rshub.localhub.errors import Refusal
from rshub.localhub.history import last_commits
from rshub.localhub.store import MAIN, GitStore


@pytest.fixture
def path(tmp_path):
    GitStore.create(tmp_path / "x.git", {"README.md": b"hello\n"}, author="alice")
    return tmp_path / "x.git"


@pytest.fixture
def store(path):
    with GitStore(path) as opened:
        yield opened


def git(path, *arguments):
    return subprocess.run(["git", *arguments], cwd=path, capture_output=True, text=True, check=True).stdout


def change(store, files, *, ref=MAIN, message="change"):
    """Commit files (None deletes) on a ref."""
    head = store.ref_target(ref)
    edit = TreeEdit(store, head)
    for name, data in files.items():
        edit.delete(name) if data is None else edit.put(name, store.write_blob(data))
    commit = store.write_commit(edit.write(), [head], message, author="alice")
    store.move_ref(ref, head, commit)
    return commit


def listed(path, revision="main"):
    return git(path, "ls-tree", "-r", "--name-only", revision).split()


def test_a_new_repository_is_what_git_expects(path, store):
    assert git(path, "symbolic-ref", "HEAD") == "refs/heads/main\n"
    assert git(path, "log", "--format=%s|%an|%P") == "initial commit|alice|\n"
    assert git(path, "show", "main:README.md") == "hello\n"


def test_edits_nest_and_empty_directories_vanish(path, store):
    change(store, {"a/b/c.txt": b"1", "a/b/d.txt": b"2", "a/e.txt": b"3", "a-b": b"4", "a.b": b"5"})
    assert listed(path) == ["README.md", "a-b", "a.b", "a/b/c.txt", "a/b/d.txt", "a/e.txt"]
    change(store, {"a/b": None})
    assert listed(path) == ["README.md", "a-b", "a.b", "a/e.txt"]
    change(store, {"a/e.txt": None})
    assert listed(path) == ["README.md", "a-b", "a.b"]
    change(store, {"a": b"now a file"})
    assert git(path, "fsck", "--full", "--strict") == ""


def test_only_what_changed_is_rewritten(path, store):
    change(store, {"kept/x.txt": b"1", "touched/y.txt": b"2"})
    before = git(path, "rev-parse", "main:kept", "main:touched").split()
    change(store, {"touched/y.txt": b"3"})
    after = git(path, "rev-parse", "main:kept", "main:touched").split()
    assert before[0] == after[0]
    assert before[1] != after[1]


@pytest.mark.parametrize(("first", "second"), [("a", "a/b"), ("a/b", "a"), ("a/b", "a/b/c")])
def test_a_path_is_a_file_or_a_directory(store, first, second):
    change(store, {first: b"1"})
    with pytest.raises(Refusal, match="at once"):
        change(store, {second: b"2"})


def test_deleting_what_is_not_there(store):
    for name in ("absent", "README.md/x", "a/b/c"):
        with pytest.raises(Refusal) as caught:
            change(store, {name: None})
        assert caught.value.code == "EntryNotFound"


def test_deleting_everything_leaves_an_empty_tree(path, store):
    change(store, {"README.md": None})
    assert listed(path) == []
    assert git(path, "fsck", "--full", "--strict") == ""


def test_revisions(path, store):
    first = store.ref_target(MAIN)
    second = change(store, {"a": b"1"})
    store.move_ref("refs/heads/side", None, first)
    store.move_ref("refs/tags/light", None, first)
    store.move_ref("refs/tags/heavy", None, store.write_tag("heavy", first, "message", author="alice"))
    store.move_ref("refs/pr/3", None, first)
    assert git(path, "rev-parse", "heavy^{commit}").strip() == first
    for name, ref in {
        "main": MAIN, "side": "refs/heads/side", "light": "refs/tags/light", "heavy": "refs/tags/heavy",
        "refs/pr/3": "refs/pr/3", "refs/heads/side": "refs/heads/side",
    }.items():  # fmt: skip
        assert store.resolve(name) == (second if name == "main" else first, ref)
    assert store.resolve(second) == store.resolve(second[:7]) == (second, None)
    blob = git(path, "rev-parse", "main:README.md").strip()
    for absent in ("absent", "0" * 40, "", "..", blob, first[:3], "HEAD/x"):
        with pytest.raises(Refusal) as caught:
            store.resolve(absent)
        assert caught.value.code == "RevisionNotFound"


def test_a_ref_moves_only_from_where_the_caller_saw_it(path):
    with GitStore(path) as store:
        head = store.ref_target(MAIN)
    wins, losses = [], []

    def rival(number):
        with GitStore(path) as mine:
            commit = mine.write_commit(mine.tree_id(head), [head], str(number), author="alice")
            try:
                mine.move_ref(MAIN, head, commit)
                wins.append(commit)
            except Refusal as refusal:
                losses.append(refusal.status)

    threads = [threading.Thread(target=rival, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wins == [git(path, "rev-parse", "main").strip()]
    assert losses == [412] * 7


def test_the_last_commit_of_each_path(path, store):
    change(store, {"a/x": b"1", "b": b"1"}, message="one")
    change(store, {"a/y": b"1"}, message="two")
    head = change(store, {"b": b"2"}, message="three")
    found = last_commits(store, head, ["a", "a/x", "a/y", "b", "README.md"])
    for name, commit in found.items():
        assert commit.id == git(path, "log", "-1", "--format=%H", "--", name).strip()
    assert found["a"].title == "two"


def diverge(store, ours, theirs):
    start = change(store, {"f": b"0\n", "g": b"0\n", "d/h": b"0\n"})
    store.move_ref("refs/pr/1", None, start)
    return change(store, ours), change(store, theirs, ref="refs/pr/1")


def test_merges_take_both_sides(path, store):
    ours, theirs = diverge(store, {"f": b"ours", "new-ours": b"1"}, {"g": b"theirs", "d/h": None, "e/new": b"2"})
    tree = merging.merged_tree(store, ours, theirs)
    names = git(path, "ls-tree", "-r", "--name-only", tree).split()
    assert names == ["README.md", "e/new", "f", "g", "new-ours"]
    merged = git(path, "merge-tree", "--write-tree", ours, theirs).split()[0]
    assert tree == merged


@pytest.mark.parametrize(
    ("ours", "theirs", "clash"),
    [
        ({"f": b"1"}, {"f": b"2"}, ["f"]),
        ({"f": None}, {"f": b"2"}, ["f"]),
        ({"f": b"1"}, {"f": None}, ["f"]),
        ({"n": b"1"}, {"n": b"2"}, ["n"]),
        ({"f": b"1"}, {"f": b"1"}, []),
        ({"f": None}, {"f": None}, []),
    ],
)
def test_conflicts_are_those_that_git_sees(path, store, ours, theirs, clash):
    mine, other = diverge(store, ours, theirs)
    assert merging.conflicts(store, mine, other) == clash
    command = ["git", "merge-tree", "--write-tree", mine, other]
    assert subprocess.run(command, cwd=path, capture_output=True, check=False).returncode == bool(clash)


def test_both_sides_attribute_lines_are_kept(path, store):
    ours, theirs = diverge(store, {".gitattributes": b"a x\n"}, {".gitattributes": b"b y\n"})
    tree = merging.merged_tree(store, ours, theirs)
    assert git(path, "show", f"{tree}:.gitattributes") == "a x\nb y\n"


def test_a_diff_is_one_that_git_can_apply(path, store, tmp_path):
    old = change(store, {"f": b"one\ntwo\n", "gone": b"1\n"})
    new = change(store, {"f": b"one\nthree\n", "gone": None, "d/new": b"2\n"})
    git(tmp_path, "clone", "--quiet", str(path), "work")
    git(tmp_path / "work", "checkout", "--quiet", old)
    (tmp_path / "p.diff").write_text(merging.diff_text(store, old, new))
    git(tmp_path / "work", "apply", "--index", str(tmp_path / "p.diff"))
    assert git(tmp_path / "work", "write-tree").strip() == store.tree_id(new)
