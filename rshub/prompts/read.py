"""Prompts read from where they lie: a file, or a split of a dataset repo, in a form of their own or a public one.

A row of plain prompts is an object with ``prompt`` (a text, or messages with ``role`` and ``content``) and, where there
are any, ``references`` and ``rejected`` (a list of texts, or one text). The rows of a public data set are read by its
form, which leaves out what has nothing to ask, is too short or too long, or asks what was asked before. The order is
that of the files, nothing is drawn by chance, and nothing is executed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rshub.errors import InvalidInput, NotFound
from rshub.formats.canonical import digest
from rshub.hub.client import Hub
from rshub.prompts.forms.form import Exercise
from rshub.prompts.forms.registry import FORMS, PLAIN
from rshub.prompts.forms.row import Row
from rshub.prompts.forms.writing import written
from rshub.prompts.place import Place, Reading, parse_place
from rshub.prompts.prompt import Prompt, PromptSet, said
from rshub.prompts.rows import MAX_BYTES, rows_of, too_large
from rshub.prompts.splits import files_of, splits_in
from rshub.rewards.samples import Turn
from rshub.types import Digest


def read_prompts(
    place: str | Path, *, limit: int | None = None, endpoint: str | None = None, token: str | None = None
) -> PromptSet:
    """Read prompts from where they lie.

    Args:
        place: A file, or ``owner/repo[@revision]:split``, with ``#as=FORM`` for the form of a public data set.
        limit: Take only the first so many.
        endpoint: The hub's address.
        token: Who is asking.

    Raises:
        InvalidInput: The place or a row has another form, with the row's number; or the limit is below 1.
        NotFound: There is no such file, repo or split.
        MissingExtra: A Parquet file, and the library that reads these is not installed.
    """
    if limit is not None and limit < 1:
        raise InvalidInput(f"a limit of {limit} leaves no prompt", where="limit", remedy="use at least 1")
    parsed = parse_place(place)
    least = min((bound for bound in (limit, parsed.reading.limit) if bound is not None), default=None)
    name, split, files = _files(parsed, endpoint, token)
    return _read(files, parsed.reading, name=name, split=split, limit=least)


def _files(place: Place, endpoint: str | None, token: str | None) -> tuple[str, str, Iterator[tuple[str, Path]]]:
    """Give how the prompts are called, their split, and their files, fetched one by one as they are read."""
    if place.repo is None:
        path = place.path or Path()
        return path.name, path.name.partition(".")[0], iter([(path.name, path)])
    hub = Hub(endpoint, token)
    repo = place.repo.repo_id
    info = hub.info(repo, place.repo.revision, repo_type="dataset")
    names = files_of(place.split, info.files)
    if not names:
        splits = splits_in(info.files)
        raise NotFound(
            f"{repo}: no split {place.split!r}",
            where=f"{place.repo}:{place.split}",
            remedy=f"splits there: {', '.join(splits)}" if splits else "add a file like test.jsonl to the dataset",
        )
    called = f"{repo}@{info.commit}"

    def fetched() -> Iterator[tuple[str, Path]]:
        for name in names:
            if info.files[name].size > MAX_BYTES:
                raise too_large(f"{called}/{name}")
            folder = hub.download(repo, [name], commit=info.commit, repo_type="dataset")
            yield f"{called}/{name}" if len(names) > 1 or place.reading.form != PLAIN else called, folder / name

    return called, place.split, fetched()


def _read(
    files: Iterator[tuple[str, Path]], reading: Reading, *, name: str, split: str, limit: int | None
) -> PromptSet:
    prompts: list[Prompt] = []
    digests: list[Digest] = []
    rows = 0
    asked: set[str] = set()
    for file, path in files:
        for number, row in rows_of(path, name=file):
            rows += 1
            prompt = _prompt(row, f"{file}:{number}", reading, asked)
            if prompt is not None:
                prompts.append(prompt)
            if len(prompts) == limit:
                break
        digests.append(_digest_of(path))
        if len(prompts) == limit:
            break
    if not prompts:
        why = f"none of its {rows} rows asks what {reading.form} prompts ask" if rows else "there is no prompt in it"
        raise InvalidInput(f"{name}: {why}", where=name, remedy='write lines like {"prompt": "..."}')
    return PromptSet(
        prompts=tuple(prompts),
        name="#".join(filter(None, [name, str(reading)])),
        split=split,
        digest=digests[0] if len(digests) == 1 else digest(digests),
    )


def _digest_of(path: Path) -> Digest:
    with path.open("rb") as file:
        return Digest(hashlib.file_digest(file, "sha256").hexdigest())


def _prompt(values: Mapping[str, Any], place: str, reading: Reading, asked: set[str]) -> Prompt | None:
    """Read one row; None where it is left out."""
    if reading.form == PLAIN:
        return _plain(values, place)
    form = FORMS[reading.form]
    exercise = form.exercise(Row(values=values, place=place))
    if exercise is None or not _fits(exercise, *(reading.chars or form.lengths)):
        return None
    if exercise.identity is not None:
        if exercise.identity in asked:
            return None
        asked.add(exercise.identity)
    return written(exercise, style=reading.style, begin=reading.begin)


def _fits(exercise: Exercise, more: int, fewer: int | None) -> bool:
    return more < len(exercise.measured) and (fewer is None or len(exercise.measured) < fewer)


def _plain(row: Mapping[str, Any], place: str) -> Prompt:
    asked = row.get("prompt")
    references, rejected = (_texts(row.get(key, []), key, place) for key in ("references", "rejected"))
    if isinstance(asked, str) and asked:
        return Prompt(text=asked, references=references, rejected=rejected)
    if isinstance(asked, list) and asked:
        turns = tuple(_turn(message, place) for message in asked)
        return Prompt(text=said(turns), references=references, rejected=rejected, turns=turns)
    remedy = 'write lines like {"prompt": "..."}'
    if "prompt" not in row:
        there = ", ".join(map(str, row)) or "none"
        raise InvalidInput(
            f"{place}: 'prompt' is no text: columns there: {there}",
            where=place,
            remedy=f"{remedy}, or name the form of the data set with #as=...",
        )
    raise InvalidInput(f"{place}: 'prompt' is no text", where=place, remedy=remedy)


def _turn(message: Any, place: str) -> Turn:
    known = message if isinstance(message, Mapping) else {}
    role, content = known.get("role"), known.get("content")
    if not isinstance(role, str) or not role or not isinstance(content, str):
        raise InvalidInput(
            f"{place}: a message of 'prompt' has no role and content",
            where=place,
            remedy='write messages like {"role": "user", "content": "..."}',
        )
    return Turn(role=role, content=content)


def _texts(value: Any, key: str, place: str) -> tuple[str, ...]:
    texts = [value] if isinstance(value, str) else [] if value is None else value
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise InvalidInput(f"{place}: {key!r} is no list of texts", where=place, remedy=f'write "{key}": ["..."]')
    return tuple(texts)
