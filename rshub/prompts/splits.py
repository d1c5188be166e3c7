"""Which files of a dataset repo are a split, by the names that the Hub's own tools give them. Names only.

A split ``test`` is ``test.EXT``, its numbered parts ``test-00000-of-00003.EXT`` (also with a hash before the ending),
or the parts in a folder ``test/``, at the root or in ``data/``; ``folder/test`` looks in that folder, and ``*/test``
joins the split of every folder.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from rshub.prompts.place import ENDINGS

_PART = re.compile(r"(?P<split>.+?)-[0-9]{5}-of-[0-9]{5}(?:-[0-9a-f]+)?")
_NUMBERED = re.compile(r"[0-9]{4,5}|part-[0-9]+|[0-9]{5}-of-[0-9]{5}")


def files_of(split: str, names: Collection[str]) -> list[str]:
    """Give the files of a split, in order; none if there is no such split."""
    folder, _, bare = split.rpartition("/")
    folders = _folders(names) if folder == "*" else [folder]
    return [name for one in folders for name in _files_in(one, bare, names)]


def splits_in(names: Collection[str]) -> list[str]:
    """Name the splits that there are, as they would be asked for."""
    found = set()
    for name in names:
        stem, ending = _taken_apart(name)
        if not ending:
            continue
        folder, _, bare = stem.removeprefix("data/").rpartition("/")
        part = _PART.fullmatch(bare)
        if _NUMBERED.fullmatch(bare):
            found.add(folder)
        else:
            found.add("/".join(filter(None, [folder, part["split"] if part else bare])))
    return sorted(filter(None, found))


def _folders(names: Collection[str]) -> list[str]:
    """Name the folders at the root and in ``data/``."""
    inner = (name.removeprefix("data/").partition("/") for name in names)
    return sorted({folder for folder, slash, _ in inner if slash})


def _files_in(folder: str, split: str, names: Collection[str]) -> list[str]:
    """Give the files of a split in one folder: of one kind, and from the root where it is there and in ``data/``."""
    for place in (f"{folder}/", f"data/{folder}/") if folder else ("", "data/"):
        found = {name: ending for name in names if (ending := _belongs(name, place, split))}
        for ending in ENDINGS:
            if kept := sorted(name for name, other in found.items() if other == ending):
                return kept
    return []


def _belongs(name: str, place: str, split: str) -> str:
    """Give the ending of a file that belongs to a split in a place, or an empty text."""
    stem, ending = _taken_apart(name)
    if not stem.startswith(place):
        return ""
    stem = stem.removeprefix(place)
    part = _PART.fullmatch(stem)
    whole = stem == split or (part is not None and part["split"] == split)
    inner = stem.startswith(f"{split}/") and _NUMBERED.fullmatch(stem.removeprefix(f"{split}/")) is not None
    return ending if whole or inner else ""


def _taken_apart(name: str) -> tuple[str, str]:
    ending = next((ending for ending in ENDINGS if name.endswith(ending)), "")
    return name.removesuffix(ending), ending
