"""What models are asked when they are measured or trained: a JSONL file, or a split of a dataset repo.

Each line is an object with ``prompt`` and, where there are any, ``references`` (a list of texts, or one text). Read
strictly up to a size; a repo's split is the file ``SPLIT.jsonl``, at the root or in ``data/``. Nothing is executed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rshub.errors import InvalidInput, NotFound
from rshub.formats.address import parse_repo
from rshub.formats.canonical import load_json, sha256
from rshub.hub.client import Hub
from rshub.types import Digest

MAX_BYTES = 256 * 1024 * 1024
MAX_LINE_BYTES = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """One prompt with what people wrote for it."""

    text: str
    references: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PromptSet:
    """Prompts with their origin.

    Args:
        prompts: In the order of the file.
        name: How they were named, the commit included when they come from a repo.
        split: The split of a repo, or the file's name without its ending.
        digest: The sha256 of the file's bytes.
    """

    prompts: tuple[Prompt, ...]
    name: str
    split: str
    digest: Digest

    def facts(self) -> dict[str, Any]:
        """Describe the origin for a scores file or a manifest."""
        return {"name": self.name, "split": self.split, "sha256": self.digest}

    def references(self) -> tuple[tuple[str, ...], ...]:
        """Give the references of every prompt: what a reward fits its statistics on."""
        return tuple(prompt.references for prompt in self.prompts)

    def rows(self) -> list[dict[str, Any]]:
        """Give the prompts as the rows of a training set."""
        return [{"prompt": prompt.text, "references": list(prompt.references)} for prompt in self.prompts]


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
    text, references = row.get("prompt"), row.get("references", [])
    if not isinstance(text, str) or not text:
        raise InvalidInput(f"{place}: 'prompt' is no text", where=place, remedy='write lines like {"prompt": "..."}')
    if isinstance(references, str):
        references = [references]
    if not isinstance(references, Sequence) or not all(isinstance(reference, str) for reference in references):
        raise InvalidInput(f"{place}: 'references' is no list of texts", where=place)
    return Prompt(text=text, references=tuple(references))
