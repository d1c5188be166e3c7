"""What the checks say, in plain lines for people; a check without an answer is silent unless its silence misleads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rshub.fronts.words import counted, figure, listed
from rshub.preferences.scores import oriented


def check_lines(checks: Mapping[str, Any], directions: Mapping[str, str]) -> Iterator[str]:
    """Say what the checks found, plainest first; numbers of min rewards are written as they were measured."""
    if not checks:
        return
    yield from _connectivity(checks["connectivity"])
    yield from _coverage(checks["coverage"], directions)
    for run in checks["trained"]:
        yield _trained(run)
    yield from _own(checks["own_rewards"])
    yield from _antagonism(checks["antagonism"])
    yield from _bends(checks["curvature"])
    yield from _bounds(checks["bounds"])
    yield from _ensemble(checks["ensemble"])
    yield from _ties(checks["ties"])
    yield from _intervals(checks["intervals"])


def _connectivity(found: Mapping[str, Any]) -> Iterator[str]:
    for reward, judged in found.items():
        if judged.get("holding") is not None:
            low, high = judged["share_between"]
            yield (
                f"hypothesis 1, {reward}: {judged['verdict']}; {low:.0%} to {high:.0%} of {judged['soups']} soups lie "
                f"on or above the line between the experts ({judged['confidence']:.0%} confidence for all together)"
            )


def _coverage(found: Mapping[str, Any], directions: Mapping[str, str]) -> Iterator[str]:
    if "reason" in found:
        if found["against"] != "MORL":
            yield f"hypothesis 2: not checked, {found['reason']}"
        return
    verdict = "holds for these" if not found["escaping"] else "FAILS"
    tied = f"; tied within two standard errors: {listed(found['tied'])}" if found["tied"] else ""
    yield (
        f"hypothesis 2, against {counted(found['points'], 'point')} of {found['against']}: {verdict}; soups "
        f"and experts match {found['covered_share']:.0%} and dominate {found['dominated_share']:.0%}{tied}"
    )
    if found["hypervolume"] is not None:
        ratio = found["hypervolume_ratio"]
        times = "" if ratio is None else f", {ratio:.3f} times as much"
        yield (
            f"  hypervolume {found['hypervolume']:.4f} against {found['hypervolume_others']:.4f}{times}; box "
            f"{_ends(found['box'], directions)}"
        )
    yield f"  in units of that box: epsilon {found['epsilon']:.4f} (0 or less covers), IGD+ {found['igd_plus']:.4f}"
    regret = found["regret"]
    at = f" (at {_mixture(regret['at'])})" if regret["largest"] > 0.0 else ""
    yield (
        f"lemma 1, over {regret['preferences']} preferences in units of that box: regret {regret['mean']:.4f} on "
        f"average, {regret['largest']:.4f} at most{at}"
    )
    if found["beaten"]:
        all_of = "every soup and expert on the front" if len(found["beaten"]) == found["front"] else "part of the front"
        sure = "there, the other model is the better choice"
        if not found["clearly_beaten"]:
            sure = "within two standard errors in every reward: a tie"
        yield f"WARNING: {all_of} is dominated by points of {found['against']}: {listed(found['beaten'])}; {sure}"


def _trained(run: Mapping[str, Any]) -> str:
    wanted = _mixture(run["preference"])
    gap = run["regret"]
    how = f"{figure(gap)} better than" if gap > 0.0 else f"{figure(-gap)} worse than" if gap < 0.0 else "as good as"
    return f"lemma 1, {wanted}: the run trained for it (point {run['point']}) is {how} point {run['best_soup']}"


def _own(found: Mapping[str, Any]) -> Iterator[str]:
    for reward, row in found.items():
        over = row["over_expert"]
        if over is not None and over["gain"] > 0.0:
            sure = "" if over["clear"] else ", within two standard errors: a tie"
            yield (
                f"{reward}: the soup {_mixture(over['coefficients'])} is {figure(over['gain'])} better than the expert "
                f"for {reward}{sure}"
            )
        start = row["over_start"]
        if start is not None and (start["gain"] <= 0.0 or not start["clear"]):
            yield f"WARNING: the expert for {reward} is no better than the start on its own reward"


def _antagonism(found: Mapping[str, Any]) -> Iterator[str]:
    if found["verdict"] == "none":
        if not found["unseen"]:
            yield "antagonism: no sign of it"
        return
    yield f"antagonism: {found['verdict']} sign{'s' if len(found['signs']) > 1 else ''} of it"
    for sign in found["signs"]:
        yield f"  {sign['message']} ({figure(sign['value'])})"
    yield f"  {'if that matters: ' if found['verdict'] == 'mild' else 'advice: '}{found['advice']}"


def _bends(found: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for bend in found:
        if bend["relative"] is not None:
            first, second = bend["experts"]
            yield (
                f"curvature of {bend['reward']} between {first} and {second}: {bend['relative']:.2f} "
                "(1: each expert at its optimum; 0: a straight line)"
            )


def _bounds(found: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for row in found:
        gaps = [f"{figure(gap)} if it is {ratio}" for ratio, gap in row["gap"].items() if gap is not None]
        if gaps:
            yield (
                f"lemma 3, {_mixture(row['preference'])} in raw units: best at lambda {_mixture(row['coefficients'])}; "
                f"the largest loss against any model, by the ratio of eigenvalues: {', '.join(gaps)}"
            )


def _ensemble(found: Mapping[str, Any]) -> Iterator[str]:
    for reward, row in found.get("rewards", {}).items():
        if "reason" not in row:
            sure = "" if row["clear"] or row["gap"] == 0.0 else ", a tie"
            how = "better" if row["gap"] >= 0.0 else "worse"
            yield (
                f"lemma 4, {reward}: soup and ensemble differ most at {_mixture(row['at'])}, where the ensemble is "
                f"{figure(abs(row['gap']))} {how}{sure}"
            )
    if "reason" in found and not found["reason"].startswith("no ensemble"):
        yield f"lemma 4: not checked, {found['reason']}"


def _ties(found: Mapping[str, Any]) -> Iterator[str]:
    for group in found["equal"]:
        yield f"a tie in every reward: {listed(group)}"
    for reward, row in found["best"].items():
        if row["ties"]:
            yield f"best {reward}: point {row['point']}, a tie with {listed(row['ties'])}"


def _intervals(found: Mapping[str, Any]) -> Iterator[str]:
    if "reason" in found or found["hypervolume"] is None:
        return
    low, high = found["hypervolume"]
    yield f"hypervolume, {found['confidence']:.0%} interval over prompts: {low:.4f} to {high:.4f}"
    if found["gain"] is not None:
        low, high = found["gain"]
        tie = ": a tie" if low <= 0.0 <= high else ""
        yield f"hypervolume of soups minus that of MORL: {low:+.4f} to {high:+.4f}{tie}"


def _mixture(coefficients: Mapping[str, float]) -> str:
    return ", ".join(f"{name}={value:.3g}" for name, value in coefficients.items())


def _ends(box: Mapping[str, Mapping[str, float]], directions: Mapping[str, str]) -> str:
    """Write a box from worst to best."""
    ends = {name: [oriented(box[end][name], way) for end in ("nadir", "ideal")] for name, way in directions.items()}
    return ", ".join(f"{name} {figure(low)} to {figure(high)}" for name, (low, high) in ends.items())
