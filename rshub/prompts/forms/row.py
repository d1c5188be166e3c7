"""One row of a data set as a form reads it: its columns by name, a fault with its place and with what is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from rshub.errors import InvalidInput
from rshub.formats.fields import nearest


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row, or an object within one.

    Args:
        values: Column to value.
        place: The file and the row's number in it.
        path: The column that this object stands in, and a dot; empty for the row itself.
    """

    values: Mapping[str, Any]
    place: str
    path: str = ""

    def value(self, column: str) -> Any:
        """Give what stands in a column; it may be null.

        Raises:
            InvalidInput: There is no such column.
        """
        if column not in self.values:
            there = ", ".join(map(str, self.values)) or "none"
            guess = nearest(column, [str(name) for name in self.values])
            raise InvalidInput(
                f"{self.place}: no column '{self.path}{column}'; columns there: {there}",
                where=f"{self.place}: {self.path}{column}",
                remedy="name the form that this data set has with #as=..."
                + (f", or rename {guess!r}" if guess and guess != column else ""),
            )
        return self.values[column]

    def text(self, column: str) -> str | None:
        """Give a text, or None for null."""
        value = self.value(column)
        if value is not None and not isinstance(value, str):
            self.refuse(column, "is no text")
        return value

    def inner(self, column: str) -> Row:
        """Give the object in a column."""
        value = self.value(column)
        if not isinstance(value, Mapping):
            self.refuse(column, "holds no columns of its own")
        return Row(values=value, place=self.place, path=f"{self.path}{column}.")

    def items(self, column: str) -> tuple[Row, ...]:
        """Give the objects of a list; null is an empty one."""
        value = self.value(column)
        items = [] if value is None else value
        if not isinstance(items, Sequence) or not all(isinstance(item, Mapping) for item in items):
            self.refuse(column, "is no list of objects")
        return tuple(
            Row(values=item, place=self.place, path=f"{self.path}{column}[{number}].")
            for number, item in enumerate(items)
        )

    def refuse(self, column: str, why: str) -> NoReturn:
        """Raise for what stands in a column."""
        raise InvalidInput(
            f"{self.place}: '{self.path}{column}' {why}",
            where=f"{self.place}: {self.path}{column}",
            remedy="read the data set that the form is for, or choose another #as=",
        )


def one_line(text: str) -> str:
    """Give a text with every run of blanks and line ends as one blank."""
    return " ".join(text.split())
