"""Publishing a soup: one commit with the model, its card and its lock, then a git tag."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rshub.errors import InvalidInput
from rshub.experts.versions import tag_for
from rshub.formats.address import parse_repo
from rshub.hub.client import Hub
from rshub.soups.lock import FILE_NAME, SoupLock


def check_target(repo_id: str, hub: Hub) -> None:
    """Look at a repo before anything is composed for it.

    Raises:
        InvalidInput: The name is malformed, or the repo holds something else than a soup.
        NotFound: The token may not write there.
        HubError: The hub or the network failed.
    """
    place = parse_repo(repo_id).repo_id
    hub.check_write(place)
    if hub.exists(place):
        files = hub.info(place).files
        if set(files) - {".gitattributes"} and FILE_NAME not in files:
            raise InvalidInput(
                f"{place} holds something else than a soup",
                where="--push",
                remedy="push to a repo of its own, or to one that holds an earlier soup",
            )


def push_soup(folder: Path, repo_id: str, lock: SoupLock, hub: Hub) -> dict[str, Any]:
    """Publish a composed folder; only the files that were composed, the card and the lock go up.

    A soup of anything private is private.

    Returns:
        ``{"repo", "commit", "tag", "url"}``.

    Raises:
        InvalidInput: The repo holds something else than a soup, or is public where the soup must not be.
        NotFound: The token gives no write access.
        HubError: The hub or the network failed; the folder stays as it is.
    """
    check_target(repo_id, hub)
    place = parse_repo(repo_id).repo_id
    pins = [lock.base, *(expert.pin for expert in lock.experts), *([lock.init] if lock.init else [])]
    private = any(hub.info(pin.repo_id).private for pin in pins if pin.repo_id)
    hub.create_repo(place, private=private)
    if private and not hub.info(place).private:
        raise InvalidInput(
            f"{place} is public, and something in this soup is private",
            where="--push",
            remedy="push to a private repo, or to one that is not there yet",
        )
    tag = tag_for(None, hub.refs(place).tags)
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    there = hub.info(place)
    stale = [name for name in there.files if name not in names and name != ".gitattributes"]
    done = hub.commit(
        place,
        {name: folder / name for name in names},
        message=f"Publish soup {lock.preference}, {tag}",
        parent_commit=there.commit,
        delete=stale,
    )
    hub.tag(place, tag, revision=done.commit, message=lock.preference)
    return {"repo": place, "commit": done.commit, "tag": tag, "url": done.url}
