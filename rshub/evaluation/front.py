"""``front``: what soups of some experts reach, measured here or read from a file; in figures, a picture and a page.

With experts, a base, a grid, rewards and prompts the front is measured first; with scores it is judged as it is, and
experts that are named beside them are only described on the page. The figures themselves are those of
``rshub.fronts.front``. Nothing that needs torch is imported unless something is measured.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rshub.errors import InvalidInput
from rshub.evaluation.places import check_place
from rshub.evaluation.sampling import BATCH
from rshub.fronts.front import check_requirements, demand
from rshub.fronts.front import front as judged
from rshub.fronts.pictures.style import picture_kind
from rshub.fronts.report.values import FILE_NAME
from rshub.preferences.scores import Scores
from rshub.tensors.writer import write_whole

if TYPE_CHECKING:
    from rshub.evaluation.front_grid import MeasuredFront


def front(
    experts: Sequence[str | Path] = (),
    *,
    scores: Path | str | Scores | None = None,
    base: str | None = None,
    grid: int | None = None,
    rewards: Sequence[str] | Mapping[str, str] = (),
    prompts: str | Path | None = None,
    seeds: int = 1,
    limit: int | None = None,
    max_new_tokens: int = 128,
    temperature: float = 1.0,
    batch: int | None = None,
    dtype: str = "float32",
    device: str | None = None,
    ensemble: bool = False,
    ledger: Path | str | None = None,
    remember: bool = True,
    out: Path | str | None = None,
    plot: Path | str | None = None,
    report: Path | str | None = None,
    require: Sequence[str] = (),
    reference: Path | str | Scores | None = None,
    checks: bool = False,
    x: str | None = None,
    y: str | None = None,
    title: str | None = None,
    endpoint: str | None = None,
    token: str | None = None,
    progress: Callable[[int, int], None] | None = None,
    show: Callable[[dict[str, Any]], None] | None = None,
) -> dict[str, Any]:
    """Describe the front that soups and experts make.

    Args:
        experts: ``owner/repo[@revision]`` or folders, each optionally named: ``short=./dir``. Without ``scores`` they
            are measured; with them they are only described in the report.
        scores: Measured points, or the ``scores.json`` that holds them.
        base: The base of the experts: ``owner/name[@revision]`` or a folder.
        grid: How many points along a side are measured, both experts among them.
        rewards: Specs, each optionally named: ``metric:length`` or ``short=-metric:length``; or name to spec.
        prompts: A file, or ``owner/repo[@revision]:split``.
        seeds: Completions for each prompt.
        limit: Use only the first so many prompts.
        max_new_tokens: Tokens in a completion at most.
        temperature: Of the sampling; 0 takes the most probable token.
        batch: Prompts generated together; it decides memory and speed, not the texts.
        dtype: In which dtype models are loaded.
        device: Where models run; an accelerator if there is one.
        ensemble: Measure beside each soup of several experts the average of their predictions, token by token.
        ledger: Where completions and scores are remembered; in the user's cache by default.
        remember: Whether to use a ledger at all.
        out: Write what was measured here.
        plot: Where to draw the picture (.png, .svg or .pdf).
        report: A folder for a page that explains the front to people who are no specialists.
        require: ``connectivity`` (no soup below the line between its experts, in any reward) and ``coverage`` (every
            MORL point is matched or beaten in all rewards by one soup or expert).
        reference: Other points, measured on the same rewards, to judge coverage against instead of the MORL points;
            the checks, which say how it went, are then made too.
        checks: Hold the points against every hypothesis and lemma too; the answers come under ``checks``.
        x: The reward on the horizontal axis of the picture (the first one).
        y: The reward on the vertical axis (the second one).
        title: The title of picture and page.
        endpoint: The hub's address.
        token: Who is asking.
        progress: Called with the completions done and the completions in all.
        show: Called with the figures before requirements are judged.

    Returns:
        box {nadir, ideal}, front, hypervolume, over_staircase, over_polyline, connectivity, morl, and with them rewards
        (directions), points (how many of each kind), reasons and notes; ``checks`` where they were made.

    Raises:
        NotFound: A file, an expert or something of it is not there.
        InvalidInput: A file, a name or a number is wrong, or something that measuring takes was not given.
        Incompatible: Experts that may not be mixed; or a requirement is not met: the figures are fine then, and the
            picture and the page are written.
        IntegrityError: Files that are not what they claim.
        OutputError: A file cannot be written.
        MissingExtra: The libraries for measuring or drawing are not installed.
    """
    check_requirements(require)
    if scores is not None:
        _refuse_measuring(
            base=base,
            grid=grid,
            rewards=tuple(rewards),
            prompts=prompts,
            ensemble=ensemble,
            seeds=seeds,
            limit=limit,
            max_new_tokens=max_new_tokens,
            temperature=temperature,
            batch=None if batch == BATCH else batch,
            dtype=dtype,
            device=device,
            ledger=ledger,
            remember=remember,
        )
    _check_places(out=out, plot=plot, report=report)
    if reference is not None and not isinstance(reference, Scores):
        reference = Scores.load(reference)
    measured: MeasuredFront | None = None
    if scores is None:
        measured = _measured(
            experts,
            {"base": base, "grid": grid, "rewards": rewards, "prompts": prompts},
            examples=report is not None,
            ledger=ledger,
            remember=remember,
            endpoint=endpoint,
            token=token,
            progress=progress,
            seeds=seeds,
            limit=limit,
            max_new_tokens=max_new_tokens,
            temperature=temperature,
            dtype=dtype,
            device=device,
            ensemble=ensemble,
            **({} if batch is None else {"batch": batch}),
        )
        points = measured.scores
    else:
        points = scores if isinstance(scores, Scores) else Scores.load(scores)
    if out is not None:
        write_whole(Path(out), points.to_bytes())
    explained = checks or report is not None
    result = judged(scores=points, plot=plot, reference=reference, checks=explained, x=x, y=y, title=title)
    if report is not None:
        from rshub.evaluation.report import write_report

        write_report(
            Path(report),
            points,
            result,
            experts=measured.experts if measured else _described(experts, endpoint, token),
            examples=measured.examples if measured else (),
            title=title,
        )
    if not (checks or reference is not None):
        result.pop("checks", None)
    if show is not None:
        show(result)
    demand(points, result, require, reference)
    return result


def _measured(
    experts: Sequence[str | Path],
    needed: Mapping[str, Any],
    *,
    examples: bool,
    ledger: Path | str | None,
    remember: bool,
    **how: Any,
) -> MeasuredFront:
    """Measure the grid, once all that it takes was given.

    Raises:
        InvalidInput: Neither scores nor all of what measuring takes.
    """
    options = {"base": "--base", "grid": "--grid", "rewards": "--reward", "prompts": "--prompts"}
    missing = [options[name] for name, value in needed.items() if value is None or value == ()]
    if not experts:
        raise InvalidInput(
            "neither scores nor experts were named",
            where="--scores",
            remedy="name measured points, or experts with --base, --grid, --reward and --prompts",
        )
    if missing:
        raise InvalidInput(
            f"to measure a front takes {', '.join(missing)}",
            where=missing[0],
            remedy="say --base B --grid 9 --reward SPEC --prompts P, or give measured points with --scores",
        )
    from rshub.evaluation.front_grid import EXAMPLES, measure_front
    from rshub.evaluation.ledger import Ledger

    kept = Ledger.chosen(ledger, remember=remember)
    return measure_front(experts, **needed, ledger=kept, examples=EXAMPLES if examples else 0, **how)


def _described(experts: Sequence[str | Path], endpoint: str | None, token: str | None) -> Sequence[Any]:
    """Say what is known of experts that are named beside their scores."""
    if not experts:
        return ()
    from rshub.evaluation.front_grid import describe_experts

    return describe_experts(experts, endpoint=endpoint, token=token)


def _check_places(*, out: Path | str | None, plot: Path | str | None, report: Path | str | None) -> None:
    """Refuse places that cannot take what is asked for, before anything is measured.

    Raises:
        InvalidInput: The suffix of the picture is unknown.
        OutputError: A file cannot be made there.
    """
    if plot is not None:
        picture_kind(Path(plot))
    page = None if report is None else Path(report) / FILE_NAME
    for place, option in ((out, "--out"), (plot, "--plot"), (page, "--report")):
        if place is not None:
            check_place(Path(place), option)


def _refuse_measuring(**asked: Any) -> None:
    """Refuse options of measuring that are not their defaults, where everything is measured already.

    Raises:
        InvalidInput: The message names them.
    """
    defaults = signature(front).parameters
    called = {"rewards": "reward", "remember": "no-ledger"}
    names = [name for name, value in asked.items() if value != defaults[name].default]
    given = [f"--{called.get(name, name).replace('_', '-')}" for name in names]
    if given:
        raise InvalidInput(
            f"scores are there already, so nothing is measured with {', '.join(given)}",
            where=given[0],
            remedy="leave --scores out to measure, or the others to judge what is there",
        )
