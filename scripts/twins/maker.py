"""Making the models of a twin: the base from what writers answered, the reward models from what raters preferred.

Each is kept under the digest of its rows, its settings and the code that made it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rshub.formats.canonical import sha256
from scripts.twins import base as bases
from scripts.twins import classifiers, comparisons, people, tokens
from scripts.twins.corpus import corpus, prompts
from scripts.twins.kept import kept, source_of
from scripts.twins.sizes import Sizes
from scripts.twins.task import Task

BASE_SEED, JUDGE_SEED = 3, 4


@dataclass(frozen=True, kw_only=True)
class Maker:
    """Makes the models of one task in some sizes, or takes them from the cache."""

    task: Task
    sizes: Sizes
    cache: Path

    def base(self) -> tuple[Path, Mapping[str, Any]]:
        """Give the base's folder, and its ``loss`` in nats per token."""
        texts = corpus(self.task, self.sizes.base_texts, seed=BASE_SEED)
        facts = {
            "steps": self.sizes.base_steps,
            "rows": sha256(texts.to_bytes()),
            "form": self.task.form,
            "source": source_of(bases, tokens),
        }

        def make(folder: Path) -> Mapping[str, Any]:
            asked = prompts(self.task, texts, folder)
            return {"loss": bases.train_base(folder, asked, steps=self.sizes.base_steps)}

        return kept(self.cache, f"{self.task.name}-base", facts, make)

    def judge(self, name: str, *, base: Path) -> tuple[Path, Mapping[str, Any]]:
        """Give a reward model's folder, and its ``accuracy`` on held-out pairs."""
        judge = self.task.judges[name]
        texts = corpus(self.task, self.sizes.judge_texts, seed=JUDGE_SEED)
        drawn = comparisons.comparisons(self.task, judge, texts)
        steps = self.sizes.judge_steps or judge.steps
        facts = {
            "steps": steps,
            "judge": {key: value for key, value in asdict(judge).items() if key != "judgement"},
            "rows": sha256(texts.to_bytes()),
            "drawn": sha256(repr(drawn).encode()),
            "form": self.task.form,
            "base": base.name,
            "source": source_of(classifiers, comparisons, tokens),
        }
        if judge.people:
            facts |= {"people": people.slice_digest(), "source": source_of(people, comparisons, tokens)}

        def make(folder: Path) -> Mapping[str, Any]:
            words = bases.load_tokenizer(base)
            asked = prompts(self.task, texts, folder)
            if judge.people:
                pairs = people.people_pairs() or people.world_pairs(asked, drawn)
                return {"accuracy": people.train_on_people(folder, pairs, steps=steps, seed=judge.seed)}
            read = comparisons.as_read(judge, asked, drawn, words=words)
            if judge.family != "base":
                words = classifiers.own_tokenizer(judge, read, [answer for pair in drawn for answer in pair.answers])
            return {"accuracy": classifiers.train_classifier(folder, judge, read, words, base=base, steps=steps)}

        return kept(self.cache, f"{self.task.name}-{name}", facts, make)
