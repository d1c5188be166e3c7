"""Where the runs of a series are made: each with its recipe, its folder and its log under the run's name.

The first line of a run's recipe holds the digest of all that decides its result; by it a run that is there already is
known again, and a folder that anything else made is refused. To an executor a run is a job that can be done in either
way: ``train`` is called, or ``rshub train`` is started.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TextIO

import yaml

from rshub.errors import InvalidInput, NotFound, RshubError
from rshub.evaluation.executors import Job, Outcome
from rshub.experts.base_identity import BaseIdentity
from rshub.experts.manifest import FILE_NAME
from rshub.experts.training_summary import FILE_NAME as TRAINING
from rshub.experts.training_summary import LOG, training_beside
from rshub.formats.canonical import digest
from rshub.hub.client import Hub
from rshub.training.hand_over import SCORES, measure, measured_before, push_expert, still_whole
from rshub.training.recipe import Recipe
from rshub.training.recipe_file import read_recipe
from rshub.training.result import TrainResult
from rshub.training.runs.log_file import as_text, whole_log
from rshub.training.runs.run_folder import run_of
from rshub.training.series.plan import Run
from rshub.training.series.results import RunResult
from rshub.training.summary import objective
from rshub.training.train import FREE, train


@dataclass(frozen=True, kw_only=True)
class Workshop:
    """What all runs of a series share, and where each of them has its things.

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
        """Name the folder of its expert."""
        return self.output / run.name

    def recipe_file(self, run: Run) -> Path:
        """Name the file of its recipe."""
        return self.output / f"{run.name}.yaml"

    def log(self, run: Run) -> Path:
        """Name the file of what it says."""
        return self.output / f"{run.name}.log"

    def repo(self, run: Run) -> str | None:
        """Name the repo that it is published to, if it is."""
        return f"{self.push}-{run.name}" if self.push is not None else None

    def _recipe_of(self, run: Run) -> dict[str, Any]:
        weights = {name: run.mixture.get(name, 0.0) for name in self.recipe.rewards}
        return replace(self.recipe, reward_weights=weights, seed=run.seed).to_json()

    def recipe_text(self, run: Run) -> bytes:
        """Write the recipe of a run under a line that holds the digest of all that decides its result."""
        plain = json.loads(json.dumps(self._recipe_of(run)))
        written = yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=10_000)
        return self._first_line(run) + written.encode()

    def _first_line(self, run: Run) -> bytes:
        decisive = {key: value for key, value in self._recipe_of(run).items() if key not in FREE}
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
        """Hand a run to an executor."""
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
        """Say what became of a run; what one that was there already lacks is made up for, and a fault is its own."""
        folder, log = self.folder(run), self.log(run)
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
        try:
            training = training_beside(folder) or {}
            if outcome is None:
                with still_whole(folder):
                    self._make_up(run, training, hub)
        except RshubError as fault:
            return RunResult(
                run=run, folder=folder, log=log, state="failed", message=fault.message, remedy=fault.remedy
            )
        return RunResult(
            run=run,
            folder=folder,
            log=log,
            state="skipped" if outcome is None else "trained",
            seconds=outcome.seconds if outcome is not None else 0.0,
            final=training.get("final") or {},
            repo=self.repo(run),
        )

    def _make_up(self, run: Run, training: Mapping[str, Any], hub: Hub) -> None:
        """Measure and publish an expert that is there, where it is asked for and was not done when it was trained."""
        recipe, folder, repo = read_recipe(self._recipe_of(run)), self.folder(run), self.repo(run)
        if recipe.eval_prompts is not None and not (folder / SCORES).is_file():
            access = {key: self.options[key] for key in ("endpoint", "token")}
            measure(recipe, folder, self.base, **access)
        if repo is None or _is_published(repo, hub):
            return
        name, spec = objective(recipe)
        result = TrainResult(
            folder=folder,
            training=training,
            log=whole_log(folder / LOG),
            reward=name,
            spec=spec,
            base=self.base,
            scores=measured_before(folder),
        )
        push_expert(result, repo, **self.options)


def _is_published(repo: str, hub: Hub) -> bool:
    """Say whether a repo holds an expert; a push that was cut off leaves one that is empty."""
    try:
        return FILE_NAME in hub.info(repo).files
    except NotFound:
        return False


def _environment() -> dict[str, str]:
    """Let processes find this package where it is not installed, and draw no bars into their logs."""
    home = Path(__file__).resolve().parents[3]
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
