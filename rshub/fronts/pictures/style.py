"""The house style of every picture, and how one is saved.

Colours that colour-blind readers and a black-and-white printer can tell apart, and never alone: what differs in colour
differs in shape or in the stroke of its line too. Labels cover nothing, the legend stands outside the data. matplotlib
is imported when a picture is drawn, through its objects and without the state of pyplot. The same input gives the same
bytes.

Refused: a suffix other than .png, .svg and .pdf.
"""

from __future__ import annotations

import io
import math
import textwrap
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from rshub.errors import InvalidInput, MissingExtra
from rshub.tensors.writer import write_whole

SUFFIXES = (".png", ".svg", ".pdf")
Target = Path | BinaryIO
"""Where a picture goes: a file whose suffix says what kind it is, or an open buffer, which gets SVG."""

BLUE, ORANGE, GREEN, INK, GREY, PALE = "#0072B2", "#D55E00", "#009E73", "#1b1b1b", "#767676", "#e9edf1"
DASHES, DOTS = (0, (5, 3)), (0, (1, 1.6))
SERIES: tuple[tuple[str, Any, str], ...] = (
    (BLUE, "-", "o"),
    (ORANGE, DASHES, "s"),
    (GREEN, DOTS, "^"),
    ("#7a3b69", (0, (6, 2, 1, 2)), "D"),
    ("#b8860b", (0, (3, 1.5)), "v"),
    ("#56789b", (0, (8, 2, 1, 2, 1, 2)), "P"),
    (INK, (0, (2, 3)), "X"),
    (GREY, (0, (9, 4)), "*"),
)
"""Colour, stroke and marker of what is shown side by side, in the order in which they are given out."""

_STYLE = {
    "font.family": "sans-serif",
    "font.size": 10.0,
    "text.color": INK,
    "text.parse_math": False,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "svg.fonttype": "path",
    "svg.hashsalt": "rshub",
    "pdf.fonttype": 42,
}
_LONGEST = 30
_IN_AN_INCH = 9.5  # letters of a headline
_LETTERS = 95
"""What fits beside one another in a legend of the usual width."""
MINUS = "\N{MINUS SIGN}"


@contextmanager
def sheet(target: Target, *, doing: str, size: tuple[float, float] = (7.2, 4.9)) -> Iterator[Any]:
    """Give an empty figure to draw on, which is saved when the block ends well.

    Args:
        target: Where the picture goes.
        doing: What is being done, for the error when matplotlib is not installed: "drawing a front".
        size: Width and height in inches.

    Raises:
        InvalidInput: The suffix is unknown.
        MissingExtra: matplotlib is not installed.
        OutputError: The file cannot be written.
    """
    kind = picture_kind(target)
    try:
        import matplotlib as mpl
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as fault:
        raise MissingExtra("plots", needed_for=doing) from fault
    with mpl.rc_context(), warnings.catch_warnings():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = Figure(figsize=size, dpi=200, layout="constrained", facecolor="white")
        FigureCanvasAgg(figure)
        yield figure
        _save(figure, target, kind)


def panel(axes: Any) -> None:
    """Give axes the look of the house: two sides, a pale grid behind the data."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color=PALE, linewidth=0.8)
    axes.set_axisbelow(True)


def headline(axes: Any, text: str) -> None:
    """Write the line above a picture."""
    axes.set_title(_folded(text, axes.figure.get_figwidth()), loc="left", fontsize=11.5, fontweight="bold", pad=10)


def headline_of(figure: Any, text: str) -> None:
    """Write the line above a picture of several panels."""
    figure.suptitle(_folded(text, figure.get_figwidth()), x=0.012, ha="left", fontsize=11.5, fontweight="bold")


def legend_below(figure: Any, entries: Sequence[Any]) -> None:
    """Put the legend below the data, in as many rows as it takes."""
    if not entries:
        return
    widths = [len(str(entry.get_label())) + 6 for entry in entries]
    letters = _LETTERS * figure.get_figwidth() / 7.2
    columns = math.ceil(len(entries) / math.ceil(sum(widths) / letters))
    while columns > 1 and _across(widths, columns) > letters:
        columns -= 1
    figure.legend(
        handles=list(entries),
        loc="outside lower center",
        ncols=columns,
        frameon=False,
        fontsize=9,
        handletextpad=0.5,
        columnspacing=1.6,
    )


def short(name: str, longest: int = _LONGEST) -> str:
    """Cut a long name in its middle, where names of one family differ least."""
    return name if len(name) <= longest else f"{name[: longest - 11]}…{name[-10:]}"


def digits(value: float) -> str:
    """Write a value with four digits and a real minus sign."""
    return f"{value:.4g}".replace("-", MINUS)


def better(direction: str) -> str:
    """Say which way a reward is to go."""
    return f"{'lower' if direction == 'min' else 'higher'} is better"


def _folded(text: str, inches: float) -> str:
    """Break a long headline into lines; what no three lines hold is left out."""
    letters = int(_IN_AN_INCH * inches)
    return text if len(text) <= letters else "\n".join(textwrap.wrap(text, letters, max_lines=3, placeholder=" …"))


def _across(widths: Sequence[int], columns: int) -> int:
    """Give the letters that a legend of so many columns takes; it is filled column by column, the first ones fuller."""
    rows, longer = divmod(len(widths), columns)
    total = at = 0
    for column in range(columns):
        height = rows + (column < longer)
        total += max(widths[at : at + height], default=0)
        at += height
    return total


def picture_kind(target: Target) -> str:
    """Say how a picture is written; an open buffer gets SVG.

    Raises:
        InvalidInput: The suffix of the file is unknown.
    """
    if not isinstance(target, Path):
        return "svg"
    suffix = target.suffix.lower()
    if suffix not in SUFFIXES:
        what = f"{target.suffix} is no suffix of a picture" if suffix else "no suffix says what kind of picture"
        raise InvalidInput(f"{target}: {what}", where=str(target), remedy=f"one of {' '.join(SUFFIXES)}")
    return suffix.removeprefix(".")


def _save(figure: Any, target: Target, kind: str) -> None:
    """Write the picture, whole or not at all."""
    stamp = {"png": {"Software": None}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}[kind]
    picture = io.BytesIO()
    figure.savefig(picture, format=kind, metadata=stamp)
    if isinstance(target, Path):
        write_whole(target, picture.getvalue())
    else:
        target.write(picture.getvalue())
