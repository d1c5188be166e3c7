"""Prompts of a world as everybody reads them: rows of the public schema in a file, and from there by their form."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rshub.prompts.prompt import Prompt
from rshub.prompts.read import read_prompts
from scripts.twins.task import Row, Task
from scripts.twins.world import Record, record, written


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """Records with their rows, in one order."""

    records: tuple[Record, ...]
    rows: tuple[Row, ...]

    def to_bytes(self) -> bytes:
        """Write the rows as JSON lines."""
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in self.rows).encode()


def corpus(task: Task, count: int, *, seed: int) -> Corpus:
    """Draw records, and rows with what two writers answered; the same for the same seed.

    The better answer is the one that all judges together prefer.
    """
    rng = random.Random(f"{task.name}-{seed}")
    records, rows = [], []
    for number in range(count):
        known = record(task.slots, rng)
        answers = [written(task.slots, known, rng) for _ in range(2)]
        answers.sort(key=lambda said: -sum(judge.judgement(known, said) for judge in task.judges.values()))
        better, worse = (task.answer(said) for said in answers)
        records.append(known)
        rows.append(task.row(known, better, worse, seed * 10_000_000 + number, rng))
    return Corpus(records=tuple(records), rows=tuple(rows))


def prompts(task: Task, texts: Corpus, folder: Path) -> Sequence[Prompt]:
    """Read a corpus as prompts, by the form of its public data set.

    Raises:
        ValueError: The form leaves rows out, so prompts and records would not go together.
    """
    file = folder / f"{task.name}.jsonl"
    file.write_bytes(texts.to_bytes())
    found = read_prompts(f"{file.resolve()}#{task.form}").prompts
    file.unlink()
    if len(found) != len(texts.rows):
        raise ValueError(f"{task.name}: {len(texts.rows) - len(found)} of its rows are no {task.form}")
    return found
