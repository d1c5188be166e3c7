"""The evaluations of a selection on disk: read first, added to one by one, never lost.

``--scores`` is read and left alone. ``--out`` holds what was known when the selection began and every evaluation
since, written whole after each; a point that was measured for a request says for which (``select`` beside its rewards),
so that the same request, when it was ended, takes up what it had already spent. Evaluations are put together only where
they compare: equal directions, and equal digests of rewards, prompts, sampling, base and experts where both sides state
them. An expert that was trained anew under its old name is another one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rshub.errors import InvalidInput
from rshub.preferences.scores import Point, Scores
from rshub.tensors.writer import write_whole

MARK = "select"
"""The field of a point that says for which request it was measured, and why there."""
_FACTS = {"prompts": "with other prompts", "generation": "with other sampling", "base": "on another base"}
"""What decides every number, each with a digest in the scores, and how a difference is said."""
_EXPERTS = "experts"


@dataclass(kw_only=True)
class Store:
    """Evaluations that grow: what is known, where it is kept, and the request that is being served."""

    scores: Scores
    out: Path | None
    request: str

    @property
    def spent(self) -> int:
        """How many evaluations this request has cost so far, in this run or an earlier one."""
        marks = [point.unknown.get(MARK) for point in self.scores.points]
        return sum(isinstance(mark, Mapping) and mark.get("request") == self.request for mark in marks)

    def keep(self, point: Point, why: str) -> Scores:
        """Add a point, on the disk first.

        Raises:
            OutputError: It cannot be written.
        """
        marked = replace(point, unknown={**point.unknown, MARK: {"request": self.request, "why": why}})
        scores = replace(self.scores, points=(*self.scores.points, marked))
        if self.out is not None:
            write_whole(self.out, scores.to_bytes())
        self.scores = scores
        return scores

    def write(self) -> None:
        """Write what is known; a place that cannot take it is found before anything is measured."""
        if self.out is not None:
            write_whole(self.out, self.scores.to_bytes())


def read_known(
    scores: Scores | Path | str | None,
    out: Path | str | None,
    facts: Scores | None,
    *,
    names: Mapping[str, str] | None = None,
) -> Scores | None:
    """Put together what is known; None where nothing is.

    Args:
        scores: Evaluations that were stored, or their file.
        out: Where the new ones go; what is there already counts too.
        facts: The rewards, prompts, sampling, base and experts of new evaluations, without points; None where none can
            be made.
        names: What experts are called in this run, by other names that were stored.

    Raises:
        NotFound: A file is not there.
        InvalidInput: A file is malformed, or the evaluations do not compare.
    """
    found: list[tuple[str, Scores]] = []
    if scores is not None:
        found.append(("--scores", scores if isinstance(scores, Scores) else Scores.load(scores)))
    if out is not None and Path(out).is_file():
        found.append(("--out", Scores.load(out)))
    if facts is not None:
        found.append(("this run", facts))
    known: Scores | None = None
    before = ""
    for name, stored in found:
        one = _called(stored, names or {})
        known = one if known is None else _together(before, known, name, one)
        before = name
    return known


def _together(first: str, known: Scores, second: str, more: Scores) -> Scores:
    """Join two sets of evaluations; equal points count once."""
    for name in set(known.rewards) & set(more.rewards):
        if known.rewards[name] != more.rewards[name]:
            raise InvalidInput(
                f"select: {name} is {known.rewards[name]} in {first} and {more.rewards[name]} in {second}",
                where=name,
                remedy="mend the direction, or leave one of them out",
            )
        ours = known.unknown_of_rewards.get(name, {}).get("spec_digest")
        theirs = more.unknown_of_rewards.get(name, {}).get("spec_digest")
        if ours and theirs and ours != theirs:
            raise _do_not_compare(f"{name} in {first} is another reward than in {second}", name)
    for fact, said in _FACTS.items():
        ours, theirs = _digest_of(known.unknown.get(fact)), _digest_of(more.unknown.get(fact))
        if ours and theirs and ours != theirs:
            raise _do_not_compare(f"{first} was measured {said} than {second}", fact)
    for name in sorted(set(contents(known)) & set(contents(more))):
        if contents(known)[name] != contents(more)[name]:
            raise _do_not_compare(f"{name} in {first} is another expert than in {second}", name)
    there = [point.to_json() for point in known.points]
    return Scores(
        rewards={**known.rewards, **more.rewards},
        points=(*known.points, *(point for point in more.points if point.to_json() not in there)),
        unknown=_facts(known, more),
        unknown_of_rewards={**more.unknown_of_rewards, **known.unknown_of_rewards},
    )


def contents(scores: Scores) -> dict[str, str]:
    """Give what each expert holds, by its name, as far as the scores state it."""
    found = {name: _digest_of(one) for name, one in _experts(scores).items()}
    return {name: content for name, content in found.items() if content is not None}


def _experts(scores: Scores) -> Mapping[str, Any]:
    stated = scores.unknown.get(_EXPERTS)
    return stated if isinstance(stated, Mapping) else {}


def _facts(known: Scores, more: Scores) -> dict[str, Any]:
    """Join what both say of what was measured; of two statements the one with a digest counts, else the first."""
    said = {**more.unknown, **known.unknown}
    said |= {fact: more.unknown[fact] for fact in _FACTS if fact in more.unknown and not _digest_of(said[fact])}
    experts = {**_experts(more), **_experts(known)}
    experts |= {name: one for name, one in _experts(more).items() if not _digest_of(experts[name])}
    return said | ({_EXPERTS: experts} if experts else {})


def _called(scores: Scores, names: Mapping[str, str]) -> Scores:
    """Call experts by other names, in coefficients and in what is said of them."""
    experts = {names.get(name, name): one for name, one in _experts(scores).items()}
    return replace(scores.renamed(names), unknown={**scores.unknown} | ({_EXPERTS: experts} if experts else {}))


def _do_not_compare(why: str, where: str) -> InvalidInput:
    return InvalidInput(
        f"select: {why}, so their evaluations do not compare",
        where=where,
        remedy="leave one of them out, or measure all of them alike",
    )


def _digest_of(facts: Any) -> str | None:
    said = facts.get("digest") if isinstance(facts, Mapping) else None
    return said if isinstance(said, str) else None
