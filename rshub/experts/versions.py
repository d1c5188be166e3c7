"""Released versions: git tags of the form ``v1.2.3``, ordered as semantic versioning orders them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from rshub.errors import InvalidInput

_NUMBER = r"(?:0|[1-9]\d{0,8})"
_WORD = r"(?:0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*)"
_PATTERN = re.compile(
    rf"v?({_NUMBER})\.({_NUMBER})\.({_NUMBER})(?:-((?=.{{1,64}}$){_WORD}(?:\.{_WORD})*))?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?"
)


@dataclass(frozen=True, kw_only=True)
class Version:
    """A semantic version, and the git tag it was read from."""

    tag: str
    numbers: tuple[int, int, int]
    prerelease: str = ""

    @property
    def order(self) -> tuple[tuple[int, int, int], bool, tuple[tuple[bool, int, str], ...]]:
        """Give the key to sort by; a release follows its pre-releases.

        Source: Semantic Versioning 2.0.0, item 11.
        """
        parts = tuple(
            (not part.isdigit(), int(part) if part.isdigit() else 0, part)
            for part in self.prerelease.split(".")
            if part
        )
        return self.numbers, not self.prerelease, parts


def parse_tag(tag: str) -> Version | None:
    """Read a git tag as a release; None when it is none. A release tag begins with ``v``."""
    found = _PATTERN.fullmatch(tag)
    if not found or not tag.startswith("v"):
        return None
    return Version(tag=tag, numbers=(int(found[1]), int(found[2]), int(found[3])), prerelease=found[4] or "")


def released(tags: Iterable[str]) -> list[Version]:
    """Give the releases among git tags, newest first."""
    found = [version for version in map(parse_tag, tags) if version is not None]
    return sorted(found, key=lambda version: version.order, reverse=True)


def tag_for(version: str | None, existing: Iterable[str]) -> str:
    """Give the git tag of the next release.

    Args:
        version: ``1.2.3`` or ``v1.2.3``; None takes 1.0.0 for a first release, and the next minor version after that.
        existing: The git tags that are there.

    Raises:
        InvalidInput: The version is malformed or taken.
    """
    tags = set(existing)
    if version is None:
        newest = next(iter(released(tags)), None)
        return f"v{newest.numbers[0]}.{newest.numbers[1] + 1}.0" if newest else "v1.0.0"
    if not _PATTERN.fullmatch(version):
        raise InvalidInput(
            f"{version!r} is no version", where="--version", remedy="write it as X.Y.Z, for instance 1.0.0"
        )
    tag = "v" + version.removeprefix("v")
    if tag in tags:
        raise InvalidInput(f"{tag} is released already", where="--version", remedy="choose a higher version")
    return tag
