"""``train-all``: every expert of a recipe, and mixtures to compare soups with, each an independent run.

The runs are planned, what can move is pinned once for all of them, and an executor does what is not there yet. A run
has its own recipe (``NAME.yaml``, which ``rshub train`` takes as it is), its folder ``NAME`` and its ``NAME.log`` in
the output. A run whose folder is there by the same recipe is skipped (it is measured and published where that is asked
for and was not done), an interrupted one goes on from its checkpoint, one that fails stops no other, and a folder that
holds something else is refused before anything starts. One call at a time works in an output.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from rshub.errors import InvalidInput
from rshub.evaluation.executors import Event, Executor, ProcessExecutor, SerialExecutor
from rshub.formats.canonical import file_bytes
from rshub.formats.names import is_repo_id
from rshub.hub.client import Hub
from rshub.preferences.preference import Preference
from rshub.tensors.writer import write_whole
from rshub.training.recipe_file import read_recipe
from rshub.training.series.lock import alone_in
from rshub.training.series.pins import pin_recipe
from rshub.training.series.plan import plan_runs
from rshub.training.series.results import TrainAllResult
from rshub.training.series.workshop import Workshop

SUMMARY = "train_all.json"


def train_all(
    recipe: Path | str | Mapping[str, Any],
    *,
    output: Path | str,
    overrides: Mapping[str, str] | None = None,
    experts: Sequence[str] | None = None,
    morl: int = 0,
    mixtures: Sequence[str | Mapping[str, float]] = (),
    seeds: int = 1,
    executor: Literal["serial", "process"] | Executor = "serial",
    jobs: int | None = None,
    devices: Sequence[str] = (),
    push_prefix: str | None = None,
    private: bool = False,
    license: str | None = None,  # noqa: A002 - the Hub's word
    endpoint: str | None = None,
    token: str | None = None,
    progress: Callable[[Event], None] | None = None,
) -> TrainAllResult:
    """Train the experts of a recipe, and mixtures to compare soups with.

    Args:
        recipe: A YAML file, or a mapping of the same shape. The rewards with a weight are trained for, whatever the
            weight; the others are only watched.
        output: The folder for everything; one that was interrupted, or in which runs failed, is gone on with.
        overrides: Dotted key to value, as for ``train``.
        experts: The rewards that get an expert; all by default, and none for an empty list.
        morl: How many mixtures of all rewards are trained too, spread evenly (`rshub.training.series.plan.spread`).
        mixtures: Further mixtures: preferences, or name to weight.
        seeds: How many experts each reward gets, with consecutive seeds.
        executor: ``serial``: one after the other in this process; ``process``: several at once; or one of your own.
        jobs: How many processes at once.
        devices: The accelerators for the processes, one each.
        push_prefix: Publish each run to the repo of this name with ``-NAME`` after it.
        private: Create these repos private.
        license: The licence of what is published.
        endpoint: The hub's address.
        token: Who fetches and publishes.
        progress: Called when something happens to a run.

    Raises:
        InvalidInput: The recipe, a mixture or a number is malformed, or a folder holds an expert of another recipe.
        NotFound: Recipe, base or prompts are not there.
        OutputError: The output cannot be written, or another call works in it.
        KeyboardInterrupt: It was interrupted; nothing runs any more, and checkpoints are kept.
    """
    hub = Hub(endpoint, token)
    wanted = read_recipe(recipe, overrides=overrides)
    runs = plan_runs(
        [name for name, weight in wanted.reward_weights.items() if weight],
        seed=wanted.seed,
        experts=experts,
        morl=morl,
        mixtures=[_mixture(mixture) for mixture in mixtures],
        seeds=seeds,
    )
    if push_prefix is not None and not is_repo_id(push_prefix):
        raise InvalidInput(f"{push_prefix!r} is no beginning of a repo", where="push_prefix", remedy="write OWNER/NAME")
    workers = _executor(executor, jobs, devices)
    pinned, base, identity = pin_recipe(wanted, hub, endpoint, token)
    folder = Path(output)
    with alone_in(folder) as handle:
        workshop = Workshop(
            recipe=pinned,
            base=base,
            identity=identity,
            output=folder,
            push=push_prefix,
            options={"private": private, "license": license, "endpoint": endpoint, "token": token},
            handle=handle,
        )
        there = {run.name for run in runs if workshop.finished(run)}
        todo = [run for run in runs if run.name not in there]
        for run in todo:
            write_whole(workshop.recipe_file(run), workshop.recipe_text(run))
        outcomes = workers.run([workshop.job(run) for run in todo], progress=progress or (lambda _: None))
        ended = {outcome.job: outcome for outcome in outcomes}
        result = TrainAllResult(
            output=folder,
            runs=[workshop.result(run, ended.get(run.name), hub) for run in runs],
        )
        write_whole(folder / SUMMARY, file_bytes(result.to_json()))
    return result


def _executor(named: str | Executor, jobs: int | None, devices: Sequence[str]) -> Executor:
    if not isinstance(named, str):
        return named
    if named == "process":
        return ProcessExecutor(workers=jobs, devices=devices)
    if named != "serial":
        raise InvalidInput(f"no executor {named!r}", where="executor", remedy="use serial or process")
    if devices or (jobs or 1) != 1:
        raise InvalidInput(
            "one run after the other has no use for devices or several jobs",
            where="executor",
            remedy="use the process executor for them, or set CUDA_VISIBLE_DEVICES",
        )
    return SerialExecutor()


def _mixture(mixture: str | Mapping[str, float]) -> dict[str, float]:
    """Read a mixture; what it gives nothing to is not in it."""
    if not isinstance(mixture, str):
        return {name: float(share) for name, share in mixture.items() if share}
    return dict(Preference.parse(mixture).values)
