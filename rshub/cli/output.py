"""What every verb shares: the output options, and the two streams they steer.

stdout is data: lines for people, one line of JSON with ``--json``, the bare essential with ``-q``. stderr is talk,
hints and bars, and silent with either option. Text from elsewhere loses its control
characters before a terminal sees it.
"""

from __future__ import annotations

import functools
import json
import os
import shlex
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TextIO

import click

SECONDS_BETWEEN_LINES = 5.0
BAR_DELAY = 0.5  # seconds


class Progress(Protocol):
    """Told how much is done, and of how much; and where things stand, in a few words."""

    def __call__(self, done: int, total: int, note: str = "") -> None:
        """Show it."""


@dataclass(frozen=True, kw_only=True)
class Output:
    """Where a verb's result goes, and how much is said beside it."""

    as_json: bool = False
    quiet: bool = False

    @property
    def talking(self) -> bool:
        """Say whether a person is listening on stderr."""
        return not (self.as_json or self.quiet)

    def show(
        self, value: Any, *, lines: Callable[[], Iterable[str]], brief: Callable[[], Iterable[str]] = tuple
    ) -> None:
        """Print a result on stdout.

        Args:
            value: The result as JSON.
            lines: The result as a person reads it.
            brief: The result's essential, for ``-q``.
        """
        if self.as_json:
            print(json.dumps(value, allow_nan=False), flush=True)
            return
        for line in brief() if self.quiet else lines():
            print(plain(line), flush=False)
        sys.stdout.flush()

    def talk(self, line: str) -> None:
        """Say something beside the result."""
        if self.talking:
            print(plain(line), file=sys.stderr, flush=True)

    def hint(self, *words: str | os.PathLike[str] | None) -> None:
        """Say what to type next; a word that is None is left out."""
        self.talk(f"Next: {shlex.join(os.fspath(word) for word in words if word is not None)}")

    @property
    def asking(self) -> bool:
        """Say whether a person sits at the keyboard to be asked."""
        return self.talking and sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()

    @contextmanager
    def progress(self, doing: str, *, unit: str = "B") -> Iterator[Progress | None]:
        """Give a callback that shows progress: a bar on a terminal, elsewhere a line every few seconds.

        Args:
            doing: What is going on, in a word or two.
            unit: What is counted, in the singular; bytes (``B``) are shown with their prefixes.
        """
        if not self.talking:
            yield None
        elif sys.stderr.isatty():
            with _bar(doing, unit) as tell:
                yield tell
        else:
            yield _lines(doing, unit)


def output_options(*, hub: bool = True) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a verb the shared options; it receives ``output``, and ``endpoint`` and ``token`` for a hub."""
    options = [
        click.option("--json", "as_json", is_flag=True, help="Print the result as one line of JSON."),
        click.option("-q", "--quiet", is_flag=True, help="Print the bare essential."),
        click.option("--debug", is_flag=True, expose_value=False, help="Show the traceback of an error."),
    ]
    if hub:
        options[2:2] = [
            click.option(
                "--endpoint", metavar="URL", help="The hub to talk to.  [default: $HF_ENDPOINT or huggingface.co]"
            ),
            click.option("--token", metavar="TOKEN", help="Who is asking.  [default: $HF_TOKEN or the stored login]"),
        ]

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def verb(*, as_json: bool, quiet: bool, **rest: Any) -> None:
            output = Output(as_json=as_json, quiet=quiet)
            for name in ("HF_HUB_VERBOSITY", "HF_HUB_DISABLE_PROGRESS_BARS"):
                if os.environ.get(name) == "":  # nothing was said, but the client takes it for a decision
                    del os.environ[name]
            for name, value in _client_settings(output).items():
                os.environ.setdefault(name, value)  # read when huggingface_hub is imported
            command(output=output, **rest)

        for option in reversed(options):
            verb = option(verb)
        return verb

    return decorate


def _client_settings(output: Output) -> dict[str, str]:
    """Say how much the Hub's own client may write on stderr: bars on a terminal only, retries to people only."""
    silent = {} if output.talking else {"HF_HUB_VERBOSITY": "error"}
    bars = output.talking and sys.stderr.isatty()
    return silent | ({} if bars else {"HF_HUB_DISABLE_PROGRESS_BARS": "1"})


def as_argument(path: Path) -> str:
    """Write a path so that it is read as one, and never as a name."""
    return str(path) if path.is_absolute() else f"./{path}"


def same_hub(endpoint: str | None) -> tuple[str, ...]:
    """Repeat the endpoint for a hint, if one was given."""
    return () if endpoint is None else ("--endpoint", endpoint)


def plain(text: str) -> str:
    """Make text from anywhere safe for a terminal: one line, no control, no direction marks."""
    joined = " ".join(text.splitlines()) if len(text.splitlines()) > 1 else text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in joined)


def colour_on(stream: TextIO) -> bool:
    """Say whether colour is welcome: on a terminal, unless NO_COLOR is set."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


@contextmanager
def _bar(doing: str, unit: str) -> Iterator[Progress]:
    from tqdm import tqdm

    with tqdm(desc=doing, unit=unit, unit_scale=True, file=sys.stderr, leave=False, delay=BAR_DELAY) as bar:

        def tell(done: int, total: int, note: str = "") -> None:
            if note:
                bar.set_postfix_str(note, refresh=False)
            bar.update(done - bar.n)
            if bar.total != total:  # the total is known with the first step only
                bar.total = total
                bar.refresh()

        yield tell


def _lines(doing: str, unit: str) -> Progress:
    last = time.monotonic()

    def tell(done: int, total: int, note: str = "") -> None:
        nonlocal last
        if (now := time.monotonic()) - last >= SECONDS_BETWEEN_LINES:
            last = now
            how_far = f"{size(done)} of {size(total)}" if unit == "B" else f"{done} of {total} {unit}s"
            print(f"{doing}: {how_far}" + (f", {note}" if note else ""), file=sys.stderr, flush=True)

    return tell


def size(count: float) -> str:
    """Write a number of bytes with the decimal prefix that fits."""
    for prefix in ("", "k", "M", "G"):
        if count < 1000:
            return f"{count:.3g} {prefix}B"
        count /= 1000
    return f"{count:.3g} TB"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lay out rows under their heads; nothing is cut off."""
    cells = [[plain(cell) for cell in row] for row in (heads, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]


def sheet(facts: Sequence[tuple[str, str]]) -> list[str]:
    """Lay out name and value, one pair a line."""
    width = max((len(name) for name, _ in facts), default=0)
    return [f"{name:{width}}  {plain(value)}".rstrip() for name, value in facts]
