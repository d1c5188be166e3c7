"""The pictures of a page, as data addresses with words for those who cannot see them; what cannot be drawn is said."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rshub.errors import InvalidInput
from rshub.fronts.pictures.curve import plot_curves
from rshub.fronts.pictures.front import plot_front
from rshub.fronts.pictures.spider import plot_spider
from rshub.fronts.pictures.ternary import plot_ternary
from rshub.fronts.pictures.training import plot_training
from rshub.fronts.report.values import ExpertSheet
from rshub.preferences.preference import INIT
from rshub.preferences.scores import SOUPS, Scores

_MOST_TERNARY = 6


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A drawn picture as a data address, with the words for those who cannot see it."""

    address: str
    alt: str
    caption: str


@dataclass
class Gallery:
    """Draws what can be drawn, and keeps what could not be."""

    pictures: list[Picture] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def draw(self, what: str, how: Callable[[io.BytesIO], object], *, alt: str, caption: str) -> None:
        """Draw one picture, or note why there is none."""
        buffer = io.BytesIO()
        try:
            how(buffer)
        except InvalidInput as fault:
            self.missing.append(f"No {what}: {fault.message}.")
            return
        code = base64.b64encode(buffer.getvalue()).decode("ascii")
        self.pictures.append(Picture(address=f"data:image/svg+xml;base64,{code}", alt=alt, caption=caption))


def pictures_of(scores: Scores, result: Mapping[str, Any], logs: Mapping[str, Sequence[Mapping[str, Any]]]) -> Gallery:
    """Draw what these scores allow: two experts, three, or more; ``logs`` are those of the experts' training."""
    gallery = Gallery()
    names = list(scores.rewards)
    count = len({name for p in scores.points if p.kind in SOUPS for name in p.coefficients or {}} - {INIT})
    if len(names) >= 2:
        first, second = names[:2]
        volume = result["hypervolume"]
        dominated = "" if volume is None else f" The mixtures cover {volume:.0%} of the box between worst and best."
        ways = {label: [line.get("rewards") or {} for line in log] for label, log in logs.items()}
        ways = {label: way for label, way in ways.items() if _comparable(scores, (first, second), way)}
        trained = " Dotted lines are how the experts got there, on the questions of their training." if ways else ""
        gallery.draw(
            "picture of two rewards",
            lambda buffer: plot_front(scores, buffer, trajectories=ways),
            alt=f"{first} and {second} of every model measured; the table below has the figures.{dominated}",
            caption=f"Every mark is a model: to the right it is better in {first}, upwards in {second}. A dashed line "
            f"is what taking turns between two experts would give; mixtures beyond it are a gain.{trained}",
        )
    if count == 2:
        gallery.draw(
            "picture of the rewards against lambda",
            lambda buffer: plot_curves(scores, buffer),
            alt="Every reward against lambda, one panel each; the table below has the figures.",
            caption="What the setting does to every reward, also to those that nobody trained on. Upwards is better; "
            "the dashed line joins the two experts.",
        )
    if len(names) > 2:
        gallery.draw(
            "spider map",
            lambda buffer: plot_spider(scores, buffer),
            alt="Experts, a mixture, the start and other models on one web; the table below has the figures.",
            caption="Outwards is better. On each spoke 1 is the best of the models shown and 0 the worst.",
        )
    if count == 3:
        for name in names[:_MOST_TERNARY]:
            gallery.draw(
                f"triangle of {name}",
                lambda buffer, name=name: plot_ternary(scores, buffer, reward=name),  # type: ignore[misc]
                alt=f"{name} over all mixtures of the three experts; the table below has the figures.",
                caption=f"{name} over all mixtures: each corner is one expert. Only the marks were measured.",
            )
    return gallery


def _comparable(scores: Scores, rewards: tuple[str, str], way: Sequence[Mapping[str, Any]]) -> bool:
    """Say whether a training ended near what was measured: one that was scored otherwise would only mislead."""
    ends = [step for step in way if all(isinstance(step.get(name), int | float) for name in rewards)]
    for name in rewards:
        measured = [point.rewards[name].mean for point in scores.points if name in point.rewards]
        if not ends or not measured:
            return False
        room = (max(measured) - min(measured)) / 2.0
        if not min(measured) - room <= ends[-1][name] <= max(measured) + room:
            return False
    return True


def picture_of_training(sheet: ExpertSheet) -> Picture | None:
    """Draw how an expert was trained, where its log is there and holds numbers."""
    gallery = Gallery()
    if sheet.log:
        gallery.draw(
            "training",
            lambda buffer: plot_training(sheet.log, buffer, trained=sheet.trained_on),
            alt=f"How the rewards moved while {sheet.label} was trained, step by step.",
            caption="Its training: the mean of each reward and the distance from the start, step by step.",
        )
    return gallery.pictures[0] if gallery.pictures else None
