"""What the figures of a front say, in plain lines for people; they are as plain where they speak against the soups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rshub.preferences.scores import oriented


def lines(result: Mapping[str, Any]) -> list[str]:
    """Say in plain lines what the figures show, also where they speak against the soups."""
    reasons = result["reasons"]
    said = []
    box = result["box"]
    for reward, direction in result["rewards"].items():
        if box["nadir"] is None:
            continue
        ends = [oriented(box[end][reward], direction) for end in ("nadir", "ideal")]
        better = "higher" if direction == "max" else "lower"
        said.append(f"{reward}: {figure(ends[0])} (worst) to {figure(ends[1])} (best); {better} is better")
    counts = result["points"]
    what = f"{counted(counts['soup'] + counts['expert'], 'soup and expert point')}"
    said.append(f"front: {len(result['front'])} of {what} dominated by no other: {listed(result['front'])}")
    if result["hypervolume"] is None:
        said.append(f"hypervolume: not computed, {reasons['hypervolume']}")
    else:
        polyline = result["over_polyline"]
        over = f"over the staircase {result['over_staircase']:.4f}"
        over += "" if polyline is None else f", over the polyline {polyline:.4f}"
        said.append(f"hypervolume: {result['hypervolume']:.4f} of the box (1 is best); {over}")
    for reward, figures in result["connectivity"].items():
        if figures["worst_margin"] is None:
            said.append(f"connectivity of {reward}: not computed, {reasons[f'connectivity.{reward}']}")
        else:
            said.append(connection(reward, figures))
    said += _against_morl(result)
    return said + [f"note: {note}" for note in result["notes"]]


def connection(reward: str, figures: Mapping[str, Any]) -> str:
    """Say how one reward fares on the way between the experts."""
    at = ", ".join(f"{name}={value:g}" for name, value in figures["at"].items())
    if figures["worst_margin"] >= 0.0:
        return (
            f"connectivity of {reward}: holds at every soup; the smallest gain over the line between the experts is "
            f"{figure(figures['worst_margin'])} (at {at})"
        )
    return (
        f"connectivity of {reward}: FAILS, it holds at {figures['share_holding']:.0%} of the soups; at {at} the soup "
        f"is {figure(-figures['worst_margin'])} worse than the line between the experts"
    )


def _against_morl(result: Mapping[str, Any]) -> list[str]:
    count, morl, reasons = result["points"]["morl"], result["morl"], result["reasons"]
    if not count:
        return []
    if morl["dominated_share"] is None:
        return [f"MORL: not compared, {reasons['morl.dominated_share']}"]
    share = morl["dominated_share"]
    beaten = {0.0: "none", 1.0: "all"}.get(share, f"{share:.0%}")
    rest = "" if share == 1.0 else "; what is not dominated holds its own against every single soup"
    volume = "" if morl["hypervolume"] is None else f"; hypervolume {morl['hypervolume']:.4f} in the same box"
    return [f"MORL: soups dominate {beaten} of {counted(count, 'point')}{rest}{volume}"]


def counted(number: int, what: str) -> str:
    """Write a number of things."""
    return f"{number} {what}" + ("" if number == 1 else "s")


def listed(numbers: Sequence[int]) -> str:
    """List points by their numbers, the first twenty of them."""
    if not numbers:
        return "none"
    some = ", ".join(map(str, numbers[:20])) + (", ..." if len(numbers) > 20 else "")
    return f"{'points' if len(numbers) > 1 else 'point'} {some}"


def figure(value: float) -> str:
    """Write a measurement with four digits."""
    return f"{value:.4g}"
