"""The commits behind a revision: who said what, and which one last touched a path. Reads only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from dulwich.objects import Commit

from rshub.localhub.store import GitStore


@dataclass(frozen=True, kw_only=True)
class CommitInfo:
    """What the history shows of a commit."""

    id: str
    title: str
    body: str
    author: str
    time: int


def commits_before(store: GitStore, commit: str) -> Iterator[CommitInfo]:
    """Yield a commit and its ancestors, children before parents."""
    for step in store.dulwich.get_walker([commit.encode()], order="topo"):
        yield _described(step.commit)


def last_commits(store: GitStore, commit: str, paths: Iterable[str]) -> dict[str, CommitInfo]:
    """Return for each path the commit that last changed it, walking back only as far as needed."""
    wanted = {path: store.lookup(commit, path) for path in paths}
    found: dict[str, CommitInfo] = {}
    while wanted:
        parents = store.parents(commit)
        info = _described(store.dulwich[commit.encode()])
        for path, here in list(wanted.items()):
            if not parents or store.lookup(parents[0], path) != here:
                found[path] = info
                del wanted[path]
        if parents:
            commit = parents[0]
    return found


def _described(commit: Commit) -> CommitInfo:
    title, _, body = commit.message.decode("utf-8", "replace").partition("\n")
    author = commit.author.decode("utf-8", "replace").rpartition(" <")[0]
    return CommitInfo(id=commit.id.decode(), title=title, body=body.strip(), author=author, time=commit.commit_time)
