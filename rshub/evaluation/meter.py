"""Measuring mixtures by content: completions that are in the ledger are not written again, scores not taken again.

Prompts are dealt into stretches of ``STRETCH``, each an entry of its own: a killed run goes on where it was, and one
on the first prompts of a set leaves what one on all of them can use. Nothing is loaded for what is known, neither the
base nor a reward.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from rshub.evaluation.ledger import Ledger
from rshub.evaluation.lineup import Voices
from rshub.evaluation.points import measured_on, score_of
from rshub.evaluation.sampling import Sampling
from rshub.evaluation.workbench import Workbench
from rshub.formats.canonical import digest
from rshub.preferences.scores import RewardScore
from rshub.prompts.prompt import Prompt, PromptSet
from rshub.rewards.samples import TextSample
from rshub.rewards.spec import Reward
from rshub.types import Digest

STRETCH = 64
"""Prompts in one entry of the ledger."""
WRITING = 2
"""Raised whenever the same key would give other texts than before."""
KINDS: Mapping[str, tuple[type, ...]] = {"completions": (str,), "scores": (float, int, type(None))}
"""What an entry of the ledger is a list of."""
LIBRARIES = ("torch", "transformers", "tokenizers")
"""What decides the texts beside rshub itself."""

Row = TypeVar("Row")

Told = Callable[[int], None]
"""Told how many completions were just written or found."""


def counted(progress: Callable[[int, int], None] | None, total: int) -> Told | None:
    """Turn what shows how many of ``total`` are done into what is told of each few more."""
    if progress is None:
        return None
    done = 0

    def told(count: int) -> None:
        nonlocal done
        done += count
        progress(done, total)

    return told


class Meter:
    """Measures mixtures on prompts by rewards.

    Args:
        base: The identity of the base that the workbench loads.
        workbench: Writes the texts.
        prompts: What is asked.
        rewards: Name to reward, pinned; all are scored on the same texts.
        sampling: How texts are sampled.
        ledger: What was measured before; None remembers nothing.
        told: Told how many completions were just written or found.
    """

    def __init__(
        self,
        *,
        base: Digest,
        workbench: Workbench,
        prompts: PromptSet,
        rewards: Mapping[str, Reward],
        sampling: Sampling,
        ledger: Ledger | None,
        told: Told | None = None,
    ) -> None:
        self._base = base
        self._workbench = workbench
        self.rewards = rewards
        self._asked = prompts
        self._prompts = prompts.prompts
        self._sampling = sampling
        self._ledger = ledger
        self._told = told
        self._corpus = prompts.references()
        self._corpus_digest = digest(self._corpus)
        self._ready: set[str] = set()
        self._versions = {name: _version(name) for name in LIBRARIES}

    def measure(self, voices: Voices) -> dict[str, RewardScore]:
        """Score one model on every reward.

        Args:
            voices: One mixture, or several whose predictions are averaged.

        Raises:
            InvalidInput: Nothing could be scored.
            Incompatible: A conversation that the base has no chat template for; a mixture that overflows.
            RshubError: A reward or the device failed.
        """
        columns: dict[str, list[NDArray[np.float64]]] = {name: [] for name in self.rewards}
        for seed in range(self._sampling.seeds):
            texts = self.completions(voices, seed=seed)
            for name in self.rewards:
                columns[name].append(self._scores(name, texts))
        return {name: score_of(name, np.stack(column)) for name, column in columns.items()}

    def completions(self, voices: Voices, *, seed: int) -> list[str]:
        """Give one completion for each prompt, from the ledger as far as they are there."""
        stretches = list(_stretches(self._prompts))
        keys = [self._key(voices, start, prompts, seed=seed) for start, prompts in stretches]
        found = [self._found("completions", key, len(rows)) for key, (_, rows) in zip(keys, stretches, strict=True)]
        self._tell(sum(len(texts) for texts in found if texts is not None))
        missing = [number for number, texts in enumerate(found) if texts is None]
        if missing:
            for name in self.rewards:
                self._make_ready(name)
            wanted = [stretches[number] for number in missing]
            for number, texts in zip(missing, self._written(voices, wanted, seed=seed), strict=True):
                self._keep("completions", keys[number], texts)
                found[number] = texts
        return [text for texts in found for text in texts or ()]

    def facts(self) -> dict[str, Any]:
        """Describe the prompts and the sampling for a scores file."""
        return measured_on(self._asked, self._sampling, dtype=self._workbench.dtype)

    def close(self) -> None:
        """Let go of the model."""
        self._workbench.close()

    def _written(
        self, voices: Voices, stretches: Sequence[tuple[int, Sequence[Prompt]]], *, seed: int
    ) -> Iterator[list[str]]:
        """Write the texts of some stretches, and give each as soon as it is whole."""
        rows = [(start + place, prompt) for start, prompts in stretches for place, prompt in enumerate(prompts)]
        batches = self._workbench.write(
            voices,
            [prompt for _, prompt in rows],
            [place for place, _ in rows],
            seed=seed,
            sampling=self._sampling,
        )
        texts: list[str] = []
        sizes = iter([len(prompts) for _, prompts in stretches])
        size = next(sizes)
        for batch in batches:
            texts += batch
            while size and len(texts) >= size:
                yield texts[:size]
                texts, size = texts[size:], next(sizes, 0)
            self._tell(len(batch))  # once what is whole was kept

    def _scores(self, name: str, texts: Sequence[str]) -> NDArray[np.float64]:
        """Score the texts by one reward; shape (texts,)."""
        stretches = list(_stretches(self._samples(texts)))
        keys = [self._score_key(name, samples) for _, samples in stretches]
        found = [self._found("scores", key, len(rows)) for key, (_, rows) in zip(keys, stretches, strict=True)]
        missing = [number for number, scores in enumerate(found) if scores is None]
        if missing:
            self._make_ready(name)
            samples = [sample for number in missing for sample in stretches[number][1]]
            scores = self.rewards[name](samples, self._context())
            start = 0
            for number in missing:
                end = start + len(stretches[number][1])
                found[number] = [float(value) if np.isfinite(value) else None for value in scores[start:end]]
                self._keep("scores", keys[number], found[number])
                start = end
        return np.array([np.nan if value is None else value for row in found for value in row or ()], dtype=np.float64)

    def _samples(self, texts: Sequence[str]) -> list[TextSample]:
        return [prompt.sample(text) for prompt, text in zip(self._prompts, texts, strict=True)]

    def _make_ready(self, name: str) -> None:
        """Load what a reward needs, before an hour is spent on texts that it could not score."""
        if name not in self._ready:
            self.rewards[name].make_ready(self._context())
            self._ready.add(name)

    def _context(self) -> dict[str, Any]:
        talk = any(prompt.turns for prompt in self._prompts)
        return {"corpus": self._corpus, "conversational": talk, "device": self._workbench.device}

    def _key(self, voices: Voices, start: int, prompts: Sequence[Prompt], *, seed: int) -> dict[str, Any]:
        """Say all that decides the texts of a stretch."""
        return {
            "base": self._base,
            "voices": sorted([share, sorted(map(list, voice.items()))] for share, voice in voices),
            "prompts": digest([prompt.asked() for prompt in prompts]),
            "start": start,
            "seed": seed,
            "max_new_tokens": self._sampling.max_new_tokens,
            "temperature": float(self._sampling.temperature),
            "dtype": self._workbench.dtype,
            "device": self._workbench.device.partition(":")[0],
            "versions": self._versions,
            "writing": WRITING,
        }

    def _score_key(self, name: str, samples: Sequence[TextSample]) -> dict[str, Any]:
        """Say all that decides the scores of a stretch."""
        shown = [
            [sample.prompt, sample.completion, sample.references, [[turn.role, turn.content] for turn in sample.turns]]
            + ([sample.question, sample.begun] if sample.question or sample.begun else [])
            for sample in samples
        ]
        return {"reward": self.rewards[name].digest, "samples": digest(shown), "corpus": self._corpus_digest}

    def _found(self, kind: str, key: Mapping[str, Any], count: int) -> list[Any] | None:
        """Look in the ledger; what is none of ours, and of other things than texts or scores, is as good as absent."""
        value = self._ledger.find(kind, key) if self._ledger is not None else None
        sound = isinstance(value, list) and len(value) == count and all(type(one) in KINDS[kind] for one in value)
        return value if sound else None

    def _keep(self, kind: str, key: Mapping[str, Any], value: Sequence[Any] | None) -> None:
        if self._ledger is not None:
            self._ledger.keep(kind, key, value)

    def _tell(self, count: int) -> None:
        if self._told is not None and count:
            self._told(count)


def _stretches(rows: Sequence[Row]) -> Iterator[tuple[int, Sequence[Row]]]:
    """Deal rows into stretches, each with the place of its first one."""
    for start in range(0, len(rows), STRETCH):
        yield start, rows[start : start + STRETCH]


def _version(library: str) -> str:
    """Give the version of a library without the name of its build, which the device says already."""
    try:
        return version(library).partition("+")[0]
    except PackageNotFoundError:
        return ""
