"""Where prompts lie and how they are read, as it is typed: a file or a split of a repo, and after ``#`` the form.

    ./prompts.jsonl                             owner/repo:test        owner/repo@refs/convert/parquet:comparisons/train
    ./posts.parquet#as=reddit-summary           Anthropic/hh-rlhf:*/train#as=assistant,style=chat
    argilla/news-summary:test#as=news-summary,begin=2-7,limit=1000

    as=FORM          the form of the data set; plain, when it is left out
    style=text|chat  an instruction under heads, or turns for the base's chat template
    begin=2-7        the prompt ends in the first two to seven words of the answer
    chars=100-1500   use texts with more and fewer characters than these; by default what the form says
    limit=1000       the first so many prompts

Nothing is looked up here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from rshub.errors import InvalidInput
from rshub.formats.address import RepoAddress, parse_repo
from rshub.formats.fields import nearest
from rshub.prompts.forms.form import Lengths
from rshub.prompts.forms.registry import FORMS, PLAIN
from rshub.prompts.forms.writing import STYLES

ENDINGS = (".jsonl", ".jsonl.gz", ".json", ".csv", ".parquet")
"""The files that are read, the one that is taken first where a split has several."""

KEYS = ("as", "style", "begin", "chars", "limit")
_RANGE = re.compile(r"([0-9]{1,9})-([0-9]{1,9})?")
_SPLIT = re.compile(r"(?:[*]/)?(?:[A-Za-z0-9_][A-Za-z0-9._-]*/)*[A-Za-z0-9_][A-Za-z0-9._-]*")


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How rows become prompts.

    Args:
        form: Its name.
        style: One of the styles.
        begin: How many words of the answer a prompt ends in, at least and at most.
        chars: Bounds on the text that the form measures.
        limit: The first so many prompts.
    """

    form: str = PLAIN
    style: str = STYLES[0]
    begin: tuple[int, int] | None = None
    chars: Lengths | None = None
    limit: int | None = None

    def __str__(self) -> str:
        """Write what differs from plain prompts, without the limit; empty for these."""
        said = {
            "as": None if self.form == PLAIN else self.form,
            "style": None if self.style == STYLES[0] else self.style,
            "begin": self.begin and f"{self.begin[0]}-{self.begin[1]}",
            "chars": self.chars and f"{self.chars[0]}-{'' if self.chars[1] is None else self.chars[1]}",
        }
        return ",".join(f"{key}={value}" for key, value in said.items() if value)


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where prompts lie: a file, or a split of a repo.

    Args:
        path: The file on disk.
        repo: The dataset repo.
        split: Its split, folders before it.
        reading: How its rows become prompts.
    """

    path: Path | None = None
    repo: RepoAddress | None = None
    split: str = ""
    reading: Reading


def parse_place(text: str | Path) -> Place:
    """Read the name of prompts.

    Raises:
        InvalidInput: It has another form, or an option is not known or has a wrong value.
    """
    if isinstance(text, Path):
        return Place(path=text, reading=Reading())
    where, mark, options = text.partition("#")
    reading = _reading(options, text) if mark else Reading()
    if where.endswith(ENDINGS) or where.startswith(("./", "/")):
        return Place(path=Path(where), reading=reading)
    repo, colon, split = where.rpartition(":")
    if not colon or not _SPLIT.fullmatch(split):
        raise InvalidInput(f"{text!r} names no prompts", where=text, remedy="write ./prompts.jsonl or owner/repo:split")
    return Place(repo=parse_repo(repo), split=split, reading=reading)


def _reading(options: str, text: str) -> Reading:
    given: dict[str, str] = {}
    for option in options.split(","):
        key, equals, value = option.partition("=")
        if key not in KEYS:
            guess = nearest(key, KEYS)
            _refuse(text, f"no option {key!r}" + (f"; did you mean {guess!r}?" if guess else ""))
        if not equals or not value or key in given:
            _refuse(text, f"{key!r} is there twice" if key in given else f"{key!r} has no value")
        given[key] = value
    form = _choice(text, "as", given.get("as", PLAIN), (PLAIN, *FORMS))
    if form == PLAIN and (odd := sorted({"style", "begin", "chars"} & set(given))):
        _refuse(text, f"{odd[0]!r} needs the form of a data set; plain prompts are taken as they are")
    begin = _range(text, "begin", given)
    if begin is not None and (begin[1] is None or not 1 <= begin[0] <= begin[1]):
        _refuse(text, f"begin={given['begin']} is no range of words")
    limit = given.get("limit")
    if limit is not None and not (limit.isascii() and limit.isdigit() and int(limit) > 0):
        _refuse(text, f"limit={limit} is no number above zero")
    return Reading(
        form=form,
        style=_choice(text, "style", given.get("style", STYLES[0]), STYLES),
        begin=(begin[0], begin[1] or 0) if begin is not None else None,
        chars=_range(text, "chars", given),
        limit=int(limit) if limit is not None else None,
    )


def _choice(text: str, key: str, value: str, known: tuple[str, ...]) -> str:
    if value not in known:
        guess = nearest(value, known)
        _refuse(text, f"{key}={value} is none of {', '.join(known)}" + (f"; did you mean {guess}?" if guess else ""))
    return value


def _range(text: str, key: str, given: dict[str, str]) -> Lengths | None:
    """Read ``100-1500``, or ``200-`` without an upper bound."""
    if key not in given:
        return None
    match = _RANGE.fullmatch(given[key])
    if match is None:
        _refuse(text, f"{key}={given[key]} is no range like 2-7")
    low, high = match.groups()
    return int(low), int(high) if high is not None else None


def _refuse(text: str, why: str) -> NoReturn:
    raise InvalidInput(f"{text}: {why}", where=text, remedy="write it like owner/repo:test#as=news-summary,limit=200")
