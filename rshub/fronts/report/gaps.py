"""What a page about a front begins and ends with: the few sentences that sum it up, and what nobody measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rshub.fronts.report.answers import CONNECTED, COVERED, NO, UNCHECKED, YES, Answer
from rshub.fronts.words import counted
from rshub.preferences.scores import SOUPS, Scores


def in_short(scores: Scores, result: Mapping[str, Any], said: Sequence[Answer]) -> list[str]:
    """Sum the page up in a few sentences."""
    experts = sorted({point.vertex for point in scores.points if point.vertex is not None})
    mixed = sum(point.kind in SOUPS and point.vertex is None for point in scores.points)
    first = f"{counted(len(experts), 'expert')} and {counted(mixed, 'mixture')} of them were measured"
    rewards = len(scores.rewards)
    found = [f"{first} on {counted(rewards, 'reward')}: {', '.join(scores.rewards)}."]
    best = len(result["front"])
    if best == len(experts) + mixed and best > 1:
        found.append("None of them is best for everybody: whichever is better in one reward is worse in another.")
    elif best:
        found.append(
            f"{best} of them {'is' if best == 1 else 'are'} worth choosing from: for every other one, one of these is "
            "as good in every reward and better in one."
        )
    lines = [one for one in said if one.code == CONNECTED]
    if lines and all(one.answer == YES for one in lines):
        found.append("Mixing cost nothing: no mixture was worse than the straight line between its experts.")
    elif any(one.answer == NO for one in lines):
        found.append("Mixing has a price: some mixtures are worse than the straight line between their experts.")
    if any(one.answer == NO and one.code == COVERED for one in said):
        found.append("Some model that was trained for a mixture of rewards is matched by no mixture of experts.")
    unchecked = sum(one.answer == UNCHECKED for one in said)
    if unchecked:
        found.append(f"{unchecked} of {len(said)} questions below could not be checked with what was measured.")
    return found


def unmeasured(scores: Scores, result: Mapping[str, Any]) -> list[str]:
    """List what nobody measured, so that nobody takes it for measured."""
    found = [
        "People's own judgement: every figure here was counted or predicted by a program; nobody judged the answers.",
        "Anything that no reward stands for: what is not among the rewards above may have got better or worse unseen.",
        "Settings between those of the table: lines and fillings in pictures only guide the eye.",
    ]
    found += list(_gaps(scores))
    kinds = {point.kind for point in scores.points}
    if "morl" not in kinds:
        found.append("Models trained for a mixture of rewards: there is nothing to say whether one would be better.")
    if "init" not in kinds:
        found.append("The start, that is the model before any expert was trained.")
    if "ensemble" not in kinds:
        found.append(
            "The experts run side by side with their predictions averaged, which costs more and may be better."
        )
    if "hypervolume" in result["reasons"]:
        found.append(f"One figure for the whole front, the hypervolume: {result['reasons']['hypervolume']}.")
    found += [f"{note[:1].upper()}{note[1:]}." for note in result["notes"] if note.startswith("left out")]
    return list(dict.fromkeys(found))


def _gaps(scores: Scores) -> Iterator[str]:
    """Say which rewards some models lack, and where chance is not known."""
    for reward in scores.rewards:
        lacking = sum(reward not in point.rewards for point in scores.points)
        if lacking:
            yield f"{reward} of {counted(lacking, 'model')} in the table."
    measured = [score for point in scores.points for score in point.rewards.values()]
    unsure = sum(score.stderr is None for score in measured)
    if unsure:
        which = "every figure" if unsure == len(measured) else f"{unsure} of {len(measured)} figures"
        yield f"How much of {which} is chance: no measurement error was given with it."
    counts = sorted({score.n for score in measured if score.n is not None})
    if counts:
        most = f"{counts[0]} to {counts[-1]}" if len(counts) > 1 else str(counts[0])
        yield f"More answers than {most} for a figure, and other questions than those that were asked."
