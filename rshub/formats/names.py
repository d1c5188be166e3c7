"""How names are written: of rewards, and of repos on a hub. One rule for every file and string in which they stand."""

from __future__ import annotations

import re

REWARD_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")

_REPO_PART = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?")


def is_repo_part(text: str) -> bool:
    """Say whether this may be an owner's or a model's name: at most 96 characters, no two dots or dashes in a row."""
    return bool(_REPO_PART.fullmatch(text)) and "--" not in text and ".." not in text


def is_repo_id(text: str) -> bool:
    """Say whether this has the form ``owner/name``."""
    owner, slash, name = text.partition("/")
    return bool(slash) and is_repo_part(owner) and is_repo_part(name)
