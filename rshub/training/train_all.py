"""``train-all``: every expert of a recipe, and mixtures to compare soups with, each an independent run.

What can move is pinned once, so that all runs see the same base, start, prompts and rewards. A run has its own recipe
(``NAME.yaml``, which ``rshub train`` takes as it is), its folder ``NAME`` and its ``NAME.log`` in the output. A run
whose folder is there by the same recipe is skipped, an interrupted one goes on from its checkpoint, one that fails
stops no other, and a folder that holds something else is refused before anything starts. One call at a time works in
an output.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TextIO

import yaml

from rshub import __version__
from rshub.errors import InvalidInput, OutputError
from rshub.evaluation.executors import Event, Executor, Job, Outcome, ProcessExecutor, SerialExecutor
from rshub.experts.base_identity import BaseIdentity, identify_base
from rshub.experts.publish import TRAINING
from rshub.formats.canonical import digest, file_bytes, load_json
from rshub.formats.names import is_repo_id
from rshub.hub.client import Hub
from rshub.preferences.preference import Preference
from rshub.prompts.place import parse_place
from rshub.prompts.read import read_prompts
from rshub.tensors.writer import write_whole
from rshub.training.hand_over import push_expert
from rshub.training.recipe import Recipe
from rshub.training.recipe_file import read_recipe
from rshub.training.runs.log_file import NAME as LOG
from rshub.training.runs.log_file import as_text
from rshub.training.runs.run_folder import run_of
from rshub.training.series.plan import Run, plan_runs
from rshub.training.start import find_start
from rshub.training.summary import objective
from rshub.training.train import FREE, TrainResult, train

SUMMARY = "train_all.json"
LOCK = ".train_all.lock"

State = Literal["trained", "skipped", "failed"]


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """What became of one run.

    Args:
        run: What it was to do.
        folder: Where its expert is, or would be.
        log: What it said.
        state: ``skipped``: it was there already, by the same recipe.
        seconds: How long it took now.
        final: Its rewards at the end.
        repo: Where it is published, if that was asked for.
        message: Why it failed.
        remedy: What can be done about it.
    """

    run: Run
    folder: Path
    log: Path
    state: State
    seconds: float = 0.0
    final: Mapping[str, float | None] = field(default_factory=dict)
    repo: str | None = None
    message: str = ""
    remedy: str = ""

    def to_json(self) -> dict[str, Any]:
        """Describe it for a program."""
        return {
            "name": self.run.name,
            "kind": self.run.kind,
            "mixture": dict(self.run.mixture),
            "seed": self.run.seed,
            "state": self.state,
            "folder": str(self.folder),
            "log": str(self.log),
            "seconds": round(self.seconds, 1),
            "final": dict(self.final),
            "repo": self.repo,
            "message": self.message,
            "remedy": self.remedy,
        }


@dataclass(frozen=True, kw_only=True)
class TrainAllResult:
    """What became of all runs.

    Args:
        output: Holds their folders, recipes and logs.
        runs: In the order in which they were planned.
    """

    output: Path
    runs: Sequence[RunResult]

    @property
    def failed(self) -> list[RunResult]:
        """The runs that failed."""
        return [run for run in self.runs if run.state == "failed"]

    def folders(self, kind: str = "expert") -> dict[str, Path]:
        """Give the folders of the experts, or of the mixtures, that are there: name to folder."""
        return {run.run.name: run.folder for run in self.runs if run.run.kind == kind and run.state != "failed"}

    def to_json(self) -> dict[str, Any]:
        """Describe them for a program."""
        return {
            "output": str(self.output),
            "failed": len(self.failed),
            "runs": [run.to_json() for run in self.runs],
        }

    def lines(self) -> list[str]:
        """Describe them for a person."""
        width = max(len(run.run.name) for run in self.runs)
        return [f"{run.run.name:{width}}  {run.state:7}  {_told(run)}".rstrip() for run in self.runs]


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
    pinned, base, identity = _pinned(wanted, hub, endpoint, token)
    folder = Path(output)
    with _alone_in(folder) as handle:
        workshop = _Workshop(
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


@dataclass(frozen=True, kw_only=True)
class _Workshop:
    """What all runs of one output share.

    Args:
        recipe: With everything pinned; its weights and seed are those of no run.
        base: What they are trained on.
        identity: What decides the results beside the recipes.
        output: Where everything goes.
        push: The beginning of the repos' names.
        options: Of publishing.
        handle: The lock on the output.
    """

    recipe: Recipe
    base: BaseIdentity
    identity: Mapping[str, Any]
    output: Path
    push: str | None
    options: Mapping[str, Any]
    handle: int

    def folder(self, run: Run) -> Path:
        return self.output / run.name

    def recipe_file(self, run: Run) -> Path:
        return self.output / f"{run.name}.yaml"

    def log(self, run: Run) -> Path:
        return self.output / f"{run.name}.log"

    def repo(self, run: Run) -> str | None:
        return f"{self.push}-{run.name}" if self.push is not None else None

    def recipe_of(self, run: Run) -> dict[str, Any]:
        weights = {name: run.mixture.get(name, 0.0) for name in self.recipe.rewards}
        return replace(self.recipe, reward_weights=weights, seed=run.seed).to_json()

    def recipe_text(self, run: Run) -> bytes:
        """Write the recipe of a run under a line that holds the digest of all that decides its result."""
        plain = json.loads(json.dumps(self.recipe_of(run)))
        written = yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=10_000)
        return self._first_line(run) + written.encode()

    def _first_line(self, run: Run) -> bytes:
        decisive = {key: value for key, value in self.recipe_of(run).items() if key not in FREE}
        return f"# {run.kind} {run.name}, {digest({'recipe': decisive, **self.identity})}\n".encode()

    def finished(self, run: Run) -> bool:
        """Say whether the run's folder is there by this recipe.

        Raises:
            InvalidInput: It is there by another one.
        """
        folder, recipe = self.folder(run), self.recipe_file(run)
        if not folder.exists():
            return False
        same = recipe.is_file() and recipe.read_bytes().startswith(self._first_line(run))
        if not same or not (folder / TRAINING).is_file():
            raise InvalidInput(
                f"{folder}: something else is there, not this run of this recipe, base, start and prompts",
                where=str(folder),
                remedy="choose another output, or remove that folder",
            )
        return True

    def job(self, run: Run) -> Job:
        folder, repo = self.folder(run), self.repo(run)
        endpoint, token = self.options["endpoint"], self.options["token"]

        def call(tell: Callable[[int, int], None], log: TextIO) -> object:
            def line(logged: Mapping[str, Any]) -> None:
                log.write(as_text(logged))
                log.flush()

            recipe = self.recipe_file(run)
            return train(recipe, output=folder, push=repo, progress=tell, on_log=line, **self.options)

        command = [sys.executable, "-m", "rshub", "train", str(self.recipe_file(run)), "--output", str(folder)]
        command += ["--push", repo] if repo is not None else []
        command += ["--private"] if repo is not None and self.options["private"] else []
        command += ["--license", self.options["license"]] if repo is not None and self.options["license"] else []
        command += ["--endpoint", endpoint] if endpoint is not None else []
        return Job(
            name=run.name,
            call=call,
            command=tuple(command),
            log=self.log(run),
            seen=lambda: _seen(folder),
            environment=_environment() | ({"HF_TOKEN": token} if token is not None else {}),
            handles=(self.handle,),
        )

    def result(self, run: Run, outcome: Outcome | None, hub: Hub) -> RunResult:
        """Say what became of a run; one that was there already is published if it is not."""
        folder, repo, log = self.folder(run), self.repo(run), self.log(run)
        if outcome is not None and not outcome.done:
            return RunResult(
                run=run,
                folder=folder,
                log=log,
                state="failed",
                seconds=outcome.seconds,
                message=outcome.message,
                remedy=outcome.remedy,
            )
        training = load_json((folder / TRAINING).read_bytes(), source=str(folder / TRAINING))
        if outcome is None and repo is not None and not hub.exists(repo):
            self._publish(run, repo, training)
        return RunResult(
            run=run,
            folder=folder,
            log=log,
            state="skipped" if outcome is None else "trained",
            seconds=outcome.seconds if outcome is not None else 0.0,
            final=training.get("final") or {},
            repo=repo,
        )

    def _publish(self, run: Run, repo: str, training: Mapping[str, Any]) -> None:
        name, spec = objective(read_recipe(self.recipe_of(run)))
        lines = [json.loads(line) for line in (self.folder(run) / LOG).read_text().splitlines()]
        result = TrainResult(
            folder=self.folder(run), training=training, log=lines, reward=name, spec=spec, base=self.base
        )
        push_expert(result, repo, **self.options)


def _pinned(
    recipe: Recipe, hub: Hub, endpoint: str | None, token: str | None
) -> tuple[Recipe, BaseIdentity, dict[str, Any]]:
    """Name the commits that base, start, prompts and rewards mean now; folders and files by their full paths.

    Returns:
        The recipe, its base, and the digests of what the recipe names.
    """
    rewards = {name: reward.pin(hub) for name, reward in recipe.rewards.items()}
    base = identify_base(recipe.base, hub)
    start = find_start(recipe.init, base, hub)
    place = parse_place(recipe.dataset)
    prompts = read_prompts(recipe.dataset, endpoint=endpoint, token=token)
    where, mark, options = recipe.dataset.partition("#")
    if place.repo is None:
        named = str(Path(where).resolve())
    else:
        commit = prompts.name.partition("#")[0].rpartition("@")[2]
        named = f"{place.repo.repo_id}@{commit}:{place.split}"
    begun = str(Path(start.place).resolve()) if start.local else start.place
    pinned = replace(
        recipe,
        rewards=rewards,
        base=f"{base.repo_id}@{base.revision}" if base.repo_id else str(Path(recipe.base).resolve()),
        init=f"{start.kind}:{begun}" if begun else recipe.init,
        dataset=f"{named}{mark}{options}",
    )
    identity = {"base": dict(base.files), "init": start.digest, "prompts": prompts.digest, "rshub": __version__}
    return pinned, base, identity


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


def _environment() -> dict[str, str]:
    """Let processes find this package where it is not installed, and draw no bars into their logs."""
    home = Path(__file__).resolve().parents[2]
    paths = [os.environ["PYTHONPATH"]] if os.environ.get("PYTHONPATH") else []
    found = {} if home.name.endswith("-packages") else {"PYTHONPATH": os.pathsep.join([str(home), *paths])}
    return found | {"HF_HUB_DISABLE_PROGRESS_BARS": "1"}


def _seen(folder: Path) -> tuple[int, int] | None:
    """Look how far a run is by the last whole line of its log."""
    try:
        lines = (run_of(folder) / LOG).read_text().splitlines()
        last = json.loads(lines[-1])
        return int(last["step"]), int(last["steps"])
    except (OSError, LookupError, ValueError, TypeError):
        return None


@contextmanager
def _alone_in(folder: Path) -> Iterator[int]:
    """Lock an output; processes that inherit the handle hold the lock as long as they live."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as fault:
        raise OutputError(f"{folder}: cannot be written: {fault.strerror}", where=str(folder)) from fault
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as fault:
            raise OutputError(
                f"{folder}: runs are under way there already",
                where=str(folder),
                remedy="wait for them, end their processes, or choose another output",
            ) from fault
        yield handle
    finally:
        os.close(handle)


def _told(run: RunResult) -> str:
    if run.state == "failed":
        return run.message
    rewards = ", ".join(f"{name} {value:.3f}" for name, value in run.final.items() if value is not None)
    return "  ".join(filter(None, [str(run.folder), rewards, run.repo]))
