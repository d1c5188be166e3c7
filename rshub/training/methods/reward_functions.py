"""Rewards as the trainer wants them: callables with a name, a list of floats or None out.

Every reward of a recipe is handed over, those that are only watched with weight zero, so that each training log carries
all of them. A completion that a reward in use leaves unscored is unscored for all: the trainer would otherwise take the
missing score for a zero. Prompts and completions may be plain texts or conversations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rshub.errors import RshubError
from rshub.rewards.samples import TextSample, Turn
from rshub.rewards.spec import Reward

RewardFunction = Callable[..., list[float | None]]
Message = Mapping[str, Any]

FORMED = ("question", "begun")
"""Columns that prompts have which a form wrote."""


def reward_functions(
    rewards: Mapping[str, Reward], weights: Mapping[str, float], rows: Iterable[Mapping[str, Any]] = ()
) -> tuple[list[RewardFunction], list[float]]:
    """Give the callables for a trainer and their weights, in the order of ``rewards``.

    Args:
        rewards: Name to reward; the names are the keys of the training log.
        weights: Name to weight; a reward that is not named is only watched. A reward to be minimised gets the
            opposite sign.
        rows: The training set; statistics of rewards are fitted on its ``references``.
    """
    corpus = tuple(_references(row.get("references")) for row in rows)
    table = _ScoreTable(rewards, used=frozenset(name for name, weight in weights.items() if weight), corpus=corpus)
    signs = {name: -1.0 if reward.direction == "min" else 1.0 for name, reward in rewards.items()}
    return [table.function(name) for name in rewards], [signs[name] * weights.get(name, 0.0) for name in rewards]


class _ScoreTable:
    """The scores of the latest batch, worked out once and handed out reward by reward."""

    def __init__(
        self, rewards: Mapping[str, Reward], used: frozenset[str], corpus: tuple[tuple[str, ...], ...]
    ) -> None:
        self._rewards = rewards
        self._used = used
        self._context = {"corpus": corpus}
        self._batch: Any = None
        self._scores: dict[str, list[float | None]] = {}

    def function(self, name: str) -> RewardFunction:
        """Make the callable for one reward; its ``__name__`` becomes the key in the log."""

        def score(
            prompts: Sequence[Any], completions: Sequence[Any], references: Sequence[Any] | None = None, **columns: Any
        ) -> list[float | None]:
            if self._batch is not completions:
                known = {name: columns[name] for name in FORMED if name in columns}
                self._scores = self._score(prompts, completions, references, known)
                self._batch = completions
            return self._scores[name]

        score.__name__ = name
        return score

    def _score(
        self,
        prompts: Sequence[Any],
        completions: Sequence[Any],
        references: Sequence[Any] | None,
        known: Mapping[str, Sequence[str]],
    ) -> dict[str, list[float | None]]:
        samples = [
            text_sample(prompt, completion, wanted, **{name: column[place] for name, column in known.items()})
            for place, (prompt, completion, wanted) in enumerate(
                zip(prompts, completions, references or [None] * len(prompts), strict=True)
            )
        ]
        scores = {name: self._scores_of(name, samples) for name in self._rewards}
        scored = np.ones(len(samples), dtype=bool)
        for name in sorted(self._used):
            scored &= np.isfinite(scores[name])
            if not scored.any():
                raise RshubError(
                    f"reward {name}: none of the {len(samples)} completions of a batch has a score, so that nothing "
                    "can be learned from them",
                    where=f"rewards.{name}",
                    remedy="see that the prompts have what the reward needs, such as references",
                )
        return {
            name: [
                float(value) if known and np.isfinite(value) else None
                for value, known in zip(column, scored, strict=True)
            ]
            for name, column in scores.items()
        }

    def _scores_of(self, name: str, samples: Sequence[TextSample]) -> NDArray[np.float64]:
        """Ask one reward; whatever goes wrong in it is told with its name."""
        try:
            scores = np.asarray(self._rewards[name](samples, self._context), dtype=np.float64)
        except RshubError:
            raise
        except Exception as fault:  # a library or a model may raise anything
            raise RshubError(
                f"reward {name}: it raised {type(fault).__name__}: {fault}",
                where=f"rewards.{name}",
                remedy="try it alone: rshub evaluate ... --reward, or leave it out",
            ) from fault
        if scores.shape != (len(samples),):
            raise RshubError(
                f"reward {name}: it gave scores of the shape {scores.shape} for {len(samples)} samples",
                where=f"rewards.{name}",
                remedy="leave it out, or mend it",
            )
        return scores


def text_sample(
    prompt: Any, completion: Any, references: Any = None, *, question: str = "", begun: str = ""
) -> TextSample:
    """Make a sample of a row of the trainer: texts, or lists of messages with ``role`` and ``content``."""
    turns = [*_turns(prompt, "user"), *_turns(completion, "assistant")]
    if begun and [turn.role for turn in turns[-2:]] == ["assistant", "assistant"]:  # one turn, gone on with
        turns[-2:] = [Turn(role="assistant", content=turns[-2].content + turns[-1].content)]
    conversational = not (isinstance(prompt, str) and isinstance(completion, str))
    return TextSample(
        prompt=_text(prompt),
        completion=_text(completion),
        references=_references(references),
        turns=tuple(turns) if conversational else (),
        question=question,
        begun=begun,
    )


def _turns(messages: str | Sequence[Message], role: str) -> list[Turn]:
    """Give the turns of a prompt or completion; a plain text is one turn of ``role``."""
    if isinstance(messages, str):
        return [Turn(role=role, content=messages)]
    return [Turn(role=str(message["role"]), content=_content(message)) for message in messages]


def _text(messages: str | Sequence[Message]) -> str:
    """Give the text of a prompt or completion, plain or as a conversation."""
    return messages if isinstance(messages, str) else "\n".join(_content(message) for message in messages)


def _content(message: Message) -> str:
    """Give what a message says: a text, the texts among its parts, or nothing where it only calls a tool."""
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return "".join(str(part["text"]) for part in content if part.get("type") == "text")


def _references(references: Any) -> tuple[str, ...]:
    """Give references as a tuple; a data set may hold one text, a list, or nothing."""
    if references is None:
        return ()
    return (references,) if isinstance(references, str) else tuple(str(text) for text in references)
