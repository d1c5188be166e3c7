"""What every kind of reward has in common: a name that says it all, a direction, a range, and scores for samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from rshub.rewards.samples import Context, TextSample

Direction = Literal["max", "min"]
Range = tuple[float, float]
"""The least and the greatest score that are possible; infinite where there is no bound."""
UNBOUNDED: Range = (float("-inf"), float("inf"))


class RepoAtCommit(Protocol):
    """A repo at one commit, with the names of its files."""

    @property
    def commit(self) -> str:
        """The full commit."""

    @property
    def files(self) -> Mapping[str, object]:
        """Every file by its path."""


class ModelSource(Protocol):
    """Where the models of rewards come from: a hub, as much of it as is needed here."""

    @property
    def endpoint(self) -> str:
        """The hub's address."""

    def info(self, repo_id: str, revision: str | None = None) -> RepoAtCommit:
        """Look at a repo at a revision."""

    def download(self, repo_id: str, names: Sequence[str], *, commit: str) -> Path:
        """Fetch the named files at a commit; gives the folder that holds them."""


class Term(Protocol):
    """One reward without its coefficient."""

    @property
    def name(self) -> str:
        """The canonical text; with everything pinned it decides the scores, together with ``version``."""

    @property
    def version(self) -> int:
        """Raised whenever the same sample would score differently than before; part of the digest."""

    @property
    def pinned(self) -> bool:
        """Whether the name says all that decides the scores: no branch, no head, no installed version is asked for."""

    @property
    def direction(self) -> Direction:
        """Whether more is better."""

    @property
    def range(self) -> Range:
        """The scores that are possible."""

    @property
    def about(self) -> str:
        """What it measures, in one line."""

    @property
    def needs_references(self) -> bool:
        """Whether samples without references are not scored."""

    def pin(self, source: ModelSource | None) -> Term:
        """Give the same reward with its revision resolved, ready to fetch what it needs from there."""

    def make_ready(self, context: Context) -> None:
        """Load what scoring needs, so that what is missing is known before an hour is spent."""

    def score(self, samples: Sequence[TextSample], context: Context) -> NDArray[np.float64]:
        """Score samples: shape (samples,), nan where one is not scored."""
