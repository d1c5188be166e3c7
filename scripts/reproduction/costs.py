"""What a run costs in CPU seconds, its children included, and what kept pieces cost when they were made."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rshub.formats.canonical import file_bytes, load_json
from rshub.tensors.writer import write_whole


def cpu_seconds() -> float:
    """Give the CPU seconds that this process and its finished children have used."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


class Costs:
    """A book of what each piece cost, kept in a file: a second run that finds the pieces still knows.

    Args:
        file: The book; made when the first piece is written down.

    Attributes:
        spent: What pieces took this time, found or made (CPU seconds).
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self.spent = 0.0
        self._book: dict[str, float] = {}
        if file.is_file():
            self._book = load_json(file.read_bytes(), source=str(file))

    @contextmanager
    def of(self, piece: str) -> Iterator[None]:
        """Write down what the block costs, unless the piece was dearer before: found again it costs nothing."""
        began = cpu_seconds()
        try:
            yield
        finally:
            used = cpu_seconds() - began
            self.spent += used
            self._note(piece, used)

    def _note(self, piece: str, used: float) -> None:
        if round(used, 2) > self._book.get(piece, 0.0):
            self._book[piece] = round(used, 2)
            write_whole(self._file, file_bytes(self._book))

    def of_one(self, piece: str) -> float:
        """Give what a piece cost, 0 if it was never written down (CPU seconds)."""
        return self._book.get(piece, 0.0)

    def total(self) -> float:
        """Give what all pieces cost when they were made (CPU seconds)."""
        return sum(self._book.values())
