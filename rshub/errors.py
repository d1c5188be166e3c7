"""Every error that rshub raises on purpose, sorted by what the caller can do about it.

    RshubError                 failed: a full disk, a bug in a dependency, anything below    exit 1
    ├── InvalidInput           mend what was typed or written (also a ValueError)            exit 2
    ├── Incompatible           the parts do not fit, or the honest answer is no              exit 3
    ├── IntegrityError         bytes that are not what they claim to be                      exit 4
    ├── NotFound               nothing there, or no access (also a LookupError)              exit 5
    ├── HubError               the network or the hub failed                                 exit 6
    ├── OutputError            the output cannot be written (also an OSError)                exit 1
    └── MissingExtra           a part of rshub is not installed (also an ImportError)        exit 1

A message says what, where and why in one line; ``remedy`` says the next step in another. This module imports nothing of
ours and never ends the process: the command line turns ``exit_code`` into an exit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class RshubError(Exception):
    """The root of the tree.

    Args:
        message: What is wrong, where and why, in one line.
        remedy: What to do next, in one line; empty when there is nothing to do.
        where: The place of the fault: a repo, a file, a key path or a tensor name.
    """

    exit_code = 1

    def __init__(self, message: str, *, remedy: str = "", where: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.where = where

    def __str__(self) -> str:
        """Give the message alone: the remedy is shown on a line of its own."""
        return self.message

    def to_json(self) -> dict[str, Any]:
        """Describe the error for a program: kind, message, remedy, where and exit code."""
        return {
            "error": type(self).__name__,
            "message": self.message,
            "remedy": self.remedy,
            "where": self.where,
            "exit_code": self.exit_code,
        }


class InvalidInput(RshubError, ValueError):
    """Something typed or written by a person is wrong; ``problems`` lists every fault that was found."""

    exit_code = 2

    def __init__(self, message: str, *, remedy: str = "", where: str = "", problems: Sequence[str] = ()) -> None:
        super().__init__(message, remedy=remedy, where=where)
        self.problems = tuple(problems) or (message,)

    def to_json(self) -> dict[str, Any]:
        """Describe the error with every problem in it."""
        return super().to_json() | {"problems": list(self.problems)}


class Incompatible(RshubError):
    """The parts do not fit together, or a check that was asked for says no.

    ``verdicts`` holds one mapping for each rejected candidate:
    ``{"repo", "commit", "reasons": [{"code", "message"}]}``.
    """

    exit_code = 3

    def __init__(
        self, message: str, *, remedy: str = "", where: str = "", verdicts: Sequence[dict[str, Any]] = ()
    ) -> None:
        super().__init__(message, remedy=remedy, where=where)
        self.verdicts = tuple(verdicts)

    def to_json(self) -> dict[str, Any]:
        """Describe the error with the verdicts that led to it."""
        return super().to_json() | {"verdicts": list(self.verdicts)}


class IntegrityError(RshubError):
    """Bytes that are not what they claim: a digest, a truncated file, NaN, a pickle, a hostile header."""

    exit_code = 4


class NotFound(RshubError, LookupError):
    """There is no such repo, revision, file or folder, or the token gives no access to it."""

    exit_code = 5


class HubError(RshubError):
    """The network or the hub failed; ``can_retry`` says whether the same call may work later."""

    exit_code = 6

    def __init__(
        self,
        message: str,
        *,
        remedy: str = "",
        where: str = "",
        repo_id: str | None = None,
        revision: str | None = None,
        can_retry: bool = False,
    ) -> None:
        super().__init__(message, remedy=remedy, where=where or (repo_id or ""))
        self.repo_id = repo_id
        self.revision = revision
        self.can_retry = can_retry

    def to_json(self) -> dict[str, Any]:
        """Describe the error with the repo, the revision and whether a retry can help."""
        return super().to_json() | {"repo": self.repo_id, "revision": self.revision, "can_retry": self.can_retry}


class OutputError(RshubError, OSError):
    """The output cannot be written: a full disk, a read-only folder, a name that is taken."""


class MissingExtra(RshubError, ImportError):
    """A part of rshub is not installed; ``extra`` names what to install."""

    def __init__(self, extra: str, *, needed_for: str) -> None:
        super().__init__(
            f"{needed_for} needs the extra '{extra}', which is not installed",
            remedy=f"pip install 'rewarded-soups-hub[{extra}]'",
            where=extra,
        )
        self.extra = extra
