"""What the checks of a front say to people who know neither the paper nor its words: questions and their answers.

An answer is "yes", "no", "not clear" (what was seen is within the measurement error) or "not checked"; the reason
stands beside it. Nothing is left out because it speaks against the soups.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rshub.fronts.words import counted, figure

YES, NO, UNCLEAR, UNCHECKED = "yes", "no", "not clear", "not checked"
CONNECTED, COVERED, LEARNED, ANTAGONISTIC, AVERAGED = "connected", "covered", "learned", "antagonistic", "averaged"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A question that a committee may ask, what the measurements answer, and the short name that specialists know.

    ``code`` tells programs what kind of question it is.
    """

    code: str
    question: str
    answer: str
    words: str
    known_as: str

    @property
    def mark(self) -> str:
        """The class of the answer, for its look."""
        return self.answer.replace(" ", "-")


def answers(checks: Mapping[str, Any]) -> list[Answer]:
    """Answer what a committee asks, plainest first."""
    return [
        *(_connected(reward, found) for reward, found in checks["connectivity"].items()),
        _covered(checks["coverage"]),
        *_learned(checks["own_rewards"]),
        _antagonistic(checks["antagonism"]),
        *_averaged(checks["ensemble"]),
    ]


def _connected(reward: str, found: Mapping[str, Any]) -> Answer:
    answer, words = UNCHECKED, found.get("reason", "")
    if "reason" not in found:
        count, at = found["soups"], mixture(found["at"])
        answer = {"holds": YES, "holds within the errors": UNCLEAR}.get(found["verdict"], NO)
        gap = figure(abs(found["worst_margin"]))
        many = count > 1
        if answer == YES:
            every = f"all {count} mixtures" if many else "the one mixture"
            words = f"In {every} measured no {reward} was lost; the smallest gain over taking turns is {gap} (at {at})."
        elif answer == UNCLEAR:
            which = f"The worst of {count} mixtures" if many else "The one mixture measured"
            words = f"{which} loses {gap} (at {at}), which chance alone may explain."
        else:
            which = (
                f"{1.0 - found['share_holding']:.0%} of {count} mixtures lose; the worst" if many else "The one mixture"
            )
            words = f"{which} lies {gap} below the line (at {at})."
        if many and found["share_between"] is not None:
            low, high = found["share_between"]
            words += f" With {found['confidence']:.0%} confidence, {low:.0%} to {high:.0%} of the mixtures do not lose."
    return Answer(
        code=CONNECTED,
        question=f"Is a mixture at least as good in {reward} as the straight line between its experts?",
        answer=answer,
        words=words,
        known_as=f"hypothesis 1, linear connectivity of {reward}",
    )


def _covered(found: Mapping[str, Any]) -> Answer:
    answer, words = UNCHECKED, found.get("reason", "")
    if "reason" not in found:
        missed = len(found["escaping"])
        sure = missed - len(set(found["escaping"]) & set(found["tied"]))
        answer = YES if not missed else NO if sure else UNCLEAR
        models = counted(found["points"], "separately trained model")
        if answer == YES:
            words = f"For each of {models} there is a mixture or an expert that is as good in every reward."
        elif answer == UNCLEAR:
            words = f"No mixture matches {missed} of {models}, but the gap is within the measurement error."
        else:
            words = f"No mixture measured is as good in every reward as {missed} of {models}."
        if found["beaten"]:
            share = "all" if len(found["beaten"]) == found["front"] else f"{len(found['beaten'])} of {found['front']}"
            chance = "" if found["clearly_beaten"] else ", within the measurement error"
            words += f" {share} of the best mixtures are beaten by one of them{chance}."
    return Answer(
        code=COVERED,
        question="Do the mixtures keep up with models that were trained for one mixture of rewards each?",
        answer=answer,
        words=words,
        known_as="hypothesis 2, coverage; such models are called MORL",
    )


def _learned(found: Mapping[str, Any]) -> Iterator[Answer]:
    for reward, row in found.items():
        start = row["over_start"]
        if start is None:
            answer, words = UNCHECKED, "the start was not measured"
        elif not start["clear"]:
            answer, words = UNCLEAR, f"The difference of {figure(start['gain'])} may be chance."
        else:
            answer = YES if start["gain"] > 0.0 else NO
            words = f"It is {figure(abs(start['gain']))} {'better' if answer == YES else 'worse'} than the start."
        over = row["over_expert"]
        if over is not None and over["gain"] > 0.0:
            sure = "" if over["clear"] else ", within the measurement error"
            words += f" The mixture {mixture(over['coefficients'])} is better still, by {figure(over['gain'])}{sure}."
        yield Answer(
            code=LEARNED,
            question=f"Is the expert for {reward} better at {reward} than the model that it started from?",
            answer=answer,
            words=words,
            known_as=f"gain of the expert for {reward} over the start",
        )


def _antagonistic(found: Mapping[str, Any]) -> Answer:
    unseen = "; ".join(found["unseen"])
    if found["signs"]:
        answer = YES if found["verdict"] == "strong" else UNCLEAR
        signs = "; ".join(sign["message"] for sign in found["signs"])
        words = f"{found['verdict'].capitalize()} sign of it: {signs}. Advice: {found['advice']}."
    elif unseen:
        answer, words = UNCHECKED, unseen
    else:
        answer, words = NO, "No sign of it was found."
    if found["signs"] and unseen:
        words += f" Not looked at: {unseen}."
    return Answer(
        code=ANTAGONISTIC,
        question="Do the rewards work against one another, so that mixing destroys what training gained?",
        answer=answer,
        words=words,
        known_as="antagonism",
    )


def _averaged(found: Mapping[str, Any]) -> Iterator[Answer]:
    for reward, row in found.get("rewards", {}).items():
        if "reason" in row:
            continue
        answer = YES if row["gap"] <= 0.0 else NO if row["clear"] else UNCLEAR
        how = "better" if row["gap"] >= 0.0 else "worse"
        sure = "" if row["clear"] or row["gap"] == 0.0 else ", within the measurement error"
        gap = f"{figure(abs(row['gap']))} {how}{sure}"
        yield Answer(
            code=AVERAGED,
            question=f"Is a mixture as good in {reward} as all experts at once, with their predictions averaged?",
            answer=answer,
            words=f"Where they differ most, at {mixture(row['at'])}, running all of them is {gap}.",
            known_as="lemma 4, the ensemble of predictions",
        )


def mixture(coefficients: Mapping[str, float]) -> str:
    """Write coefficients as a person reads them."""
    shown = ", ".join(f"{name} {value:.3g}" for name, value in coefficients.items() if value != 0.0)
    return shown or "nothing but the start"
