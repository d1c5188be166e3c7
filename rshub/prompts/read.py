"""Prompts read from where they lie: a JSONL file, or a split of a dataset repo.

Each line is an object with ``prompt`` (a text, or messages with ``role`` and ``content``) and, where there are any,
``references`` and ``rejected`` (a list of texts, or one text). Read strictly up to a size; a repo's split is the file
``SPLIT.jsonl``, at the root or in ``data/``. Nothing is executed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rshub.errors import InvalidInput, NotFound
from rshub.formats.address import parse_repo
from rshub.formats.canonical import load_json, sha256
from rshub.hub.client import Hub
from rshub.prompts.prompt import Prompt, PromptSet, said
from rshub.rewards.samples import Turn

MAX_BYTES = 256 * 1024 * 1024
MAX_LINE_BYTES = 1024 * 1024


def read_prompts(
    place: str | Path, *, limit: int | None = None, endpoint: str | None = None, token: str | None = None
) -> PromptSet:
    """Read prompts from where they lie.

    Args:
        place: A ``.jsonl`` file, or ``owner/repo[@revision]:split``.
        limit: Take only the first so many.
        endpoint: The hub's address.
        token: Who is asking.

    Raises:
        InvalidInput: The place or a line has another form, with the line's number; or the limit is below 1.
        NotFound: There is no such file, repo or split.
    """
    if limit is not None and limit < 1:
        raise InvalidInput(f"a limit of {limit} leaves no prompt", where="limit", remedy="use at least 1")
    text = str(place)
    if isinstance(place, Path) or text.endswith(".jsonl") or text.startswith(("./", "/")):
        path = Path(text)
        return _parsed(_from_disk(path), name=path.name, split=path.stem, limit=limit)
    repo, colon, split = text.rpartition(":")
    if not colon or not split or "/" in split:
        raise InvalidInput(f"{text!r} names no prompts", where=text, remedy="write ./prompts.jsonl or owner/repo:split")
    address = parse_repo(repo)
    hub = Hub(endpoint, token)
    info = hub.info(address.repo_id, address.revision, repo_type="dataset")
    for name in (f"{split}.jsonl", f"data/{split}.jsonl"):
        if name in info.files:
            data = hub.read(address.repo_id, name, commit=info.commit, max_bytes=MAX_BYTES, repo_type="dataset")
            return _parsed(data, name=f"{address.repo_id}@{info.commit}", split=split, limit=limit)
    splits = sorted(Path(name).stem for name in info.files if name.endswith(".jsonl"))
    raise NotFound(
        f"{address.repo_id}: no split {split!r}",
        where=text,
        remedy=f"splits there: {', '.join(splits)}" if splits else "add a file like test.jsonl to the dataset",
    )


def _from_disk(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InvalidInput(f"{path}: more than the {MAX_BYTES} bytes that are read", where=str(path))
        return path.read_bytes()
    except FileNotFoundError as fault:
        raise NotFound(f"{path}: there are no such prompts", where=str(path), remedy="name a JSONL file") from fault
    except OSError as fault:
        raise NotFound(f"{path}: the prompts cannot be read: {fault.strerror}", where=str(path)) from fault


def _parsed(data: bytes, *, name: str, split: str, limit: int | None) -> PromptSet:
    prompts = []
    for number, line in enumerate(data.splitlines(), start=1):
        if line.strip():
            prompts.append(_prompt(line, f"{name}:{number}"))
        if limit is not None and len(prompts) == limit:
            break
    if not prompts:
        raise InvalidInput(f"{name}: there is no prompt in it", where=name, remedy='write lines like {"prompt": "..."}')
    return PromptSet(prompts=tuple(prompts), name=name, split=split, digest=sha256(data))


def _prompt(line: bytes, place: str) -> Prompt:
    row = load_json(line, source=place, max_bytes=MAX_LINE_BYTES)
    asked = row.get("prompt")
    references, rejected = (_texts(row.get(key, []), key, place) for key in ("references", "rejected"))
    if isinstance(asked, str) and asked:
        return Prompt(text=asked, references=references, rejected=rejected)
    if isinstance(asked, list) and asked:
        turns = tuple(_turn(message, place) for message in asked)
        return Prompt(text=said(turns), references=references, rejected=rejected, turns=turns)
    raise InvalidInput(f"{place}: 'prompt' is no text", where=place, remedy='write lines like {"prompt": "..."}')


def _turn(message: Any, place: str) -> Turn:
    known = message if isinstance(message, dict) else {}
    role, content = known.get("role"), known.get("content")
    if not isinstance(role, str) or not role or not isinstance(content, str):
        raise InvalidInput(
            f"{place}: a message of 'prompt' has no role and content",
            where=place,
            remedy='write messages like {"role": "user", "content": "..."}',
        )
    return Turn(role=role, content=content)


def _texts(value: Any, key: str, place: str) -> tuple[str, ...]:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise InvalidInput(f"{place}: {key!r} is no list of texts", where=place)
    return tuple(texts)
