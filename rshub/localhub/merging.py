"""Three-way merges of file trees: whole files, no lines.

Two sides that changed the same file differently conflict. The one exception is `.gitattributes`, where the hub itself
adds lines for large files: there both sides' lines are kept.
"""

from __future__ import annotations

from io import BytesIO

from dulwich.diff_tree import tree_changes
from dulwich.graph import find_merge_base
from dulwich.objects import ObjectID
from dulwich.patch import write_object_diff

from rshub.localhub.commits import ATTRIBUTES
from rshub.localhub.edits import TreeEdit
from rshub.localhub.errors import Refusal
from rshub.localhub.store import GitStore

LARGEST_DIFFED = 64 * 1024  # bytes of a file whose lines are compared
LARGEST_DIFF = 1024 * 1024  # bytes

Change = tuple[str, str | None, str | None]  # path, blob before, blob after


def changes_between(store: GitStore, old: str, new: str) -> list[Change]:
    """Return the files that differ between two commits; a rename is a removal and an addition."""
    found: list[Change] = []
    trees = [ObjectID(store.tree_id(commit).encode()) for commit in (old, new)]
    for change in tree_changes(store.dulwich.object_store, *trees):
        before, after = change.old, change.new
        path = (after if after is not None and after.path is not None else before).path.decode()
        found.append(
            (
                path,
                before.sha.decode() if before is not None and before.sha else None,
                after.sha.decode() if after is not None and after.sha else None,
            )
        )
    return found


def merge_base(store: GitStore, ours: str, theirs: str) -> str:
    """Return the newest commit that both sides have; each repository has one first commit, so there is one."""
    sha: str = find_merge_base(store.dulwich, [ObjectID(ours.encode()), ObjectID(theirs.encode())])[0].decode()
    return sha


def conflicts(store: GitStore, ours: str, theirs: str) -> list[str]:
    """Return the files that keep `theirs` from being merged into `ours`."""
    base = merge_base(store, ours, theirs)
    mine = {path: after for path, _, after in changes_between(store, base, ours)}
    return [
        path
        for path, _, after in changes_between(store, base, theirs)
        if path in mine and mine[path] != after and (path != ATTRIBUTES or None in {mine[path], after})
    ]


def merged_tree(store: GitStore, ours: str, theirs: str) -> str:
    """Write the merged tree and return its id.

    Raises:
        Refusal: 409, files conflict.
    """
    clashing = conflicts(store, ours, theirs)
    if clashing:
        raise Refusal(409, f"The pull request has conflicts in {', '.join(clashing[:20])}.")
    edit = TreeEdit(store, ours)
    for path, _, after in changes_between(store, merge_base(store, ours, theirs), theirs):
        here = edit.get(path)
        if after is None:
            if here is not None:
                edit.delete(path)
        elif path == ATTRIBUTES and here is not None and here != after:
            edit.put(path, store.write_blob(_united(store.blob(here), store.blob(after))))
        else:
            edit.put(path, after)
    return edit.write()


def diff_text(store: GitStore, old: str, new: str) -> str:
    """Return a unified diff of two commits; large files are named without their lines."""
    output = BytesIO()
    for path, before, after in changes_between(store, old, new):
        if output.tell() > LARGEST_DIFF:
            output.write(b"... the rest of the diff is left out\n")
            break
        if any(blob is not None and len(store.blob(blob)) > LARGEST_DIFFED for blob in (before, after)):
            output.write(f"diff --git a/{path} b/{path}\nFiles differ; too large to show\n".encode())
            continue
        name = path.encode()
        write_object_diff(
            output,
            store.dulwich.object_store,
            (name if before else None, 0o100644 if before else None, ObjectID(before.encode()) if before else None),
            (name if after else None, 0o100644 if after else None, ObjectID(after.encode()) if after else None),
        )
    return output.getvalue().decode("utf-8", "replace")


def _united(ours: bytes, theirs: bytes) -> bytes:
    lines = ours.splitlines()
    lines += [line for line in theirs.splitlines() if line not in lines]
    return b"\n".join(lines) + b"\n"
