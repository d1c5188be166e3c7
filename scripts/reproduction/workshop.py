"""Trains what an experiment names, once: a run that is there already, by the same recipe and libraries, is taken.

The base and the prompts stand in a recipe at their commits, so the recipe decides the result.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from rshub.experts.training_summary import LOG, training_beside
from rshub.formats.canonical import digest
from rshub.tensors.writer import write_whole
from rshub.training.runs.log_file import whole_log
from rshub.training.summary import TOOLS
from rshub.training.train import train
from scripts.reproduction.costs import Costs
from scripts.reproduction.experiments import Run, recipe
from scripts.reproduction.finding import Model
from scripts.reproduction.telling import Say
from scripts.reproduction.worlds import World


class Workshop:
    """Where the models of one task come from.

    Args:
        world: What they are trained on.
        kept: The folder of trained models; one that is there is not trained again.
        recipes: Where each recipe is written as YAML, for ``rshub train``.
        steps: Optimiser steps; None for those of the world's recipe.
        costs: The book of costs.
        say: Told one line for each model.
    """

    def __init__(self, world: World, *, kept: Path, recipes: Path, steps: int | None, costs: Costs, say: Say) -> None:
        self.world = world
        self._kept = kept
        self._recipes = recipes
        self._steps = steps
        self._costs = costs
        self._say = say
        self._made: dict[str, Path] = {}

    def table(self) -> tuple[Model, ...]:
        """Describe the models that were asked for, in that order."""
        return tuple(self._described(name, folder) for name, folder in self._made.items())

    def model(self, run: Run) -> Path:
        """Give the folder of a trained model."""
        if run.name in self._made:
            return self._made[run.name]
        wanted = recipe(run, task=self.world.recipe, steps=self._steps)
        key = digest({"recipe": wanted, "tools": {tool: version(tool) for tool in TOOLS}})
        name = f"{self.world.task}-{run.name}"
        folder = self._kept / f"{name}-{key[:12]}"
        write_whole(self._recipes / f"{name}.yaml", yaml.safe_dump(wanted, sort_keys=False).encode())
        if not folder.is_dir():
            with self._costs.of(f"training {folder.name}"):
                train(wanted, output=folder, endpoint=self.world.endpoint, token=self.world.token)
        self._made[run.name] = folder
        self._say(f"{name}: {_moved(whole_log(folder / LOG), run)}")
        return folder

    def _described(self, name: str, folder: Path) -> Model:
        training = training_beside(folder) or {}
        return Model(
            name=name,
            mixture=training["mixture"],
            seed=training["seed"],
            method=training["method"],
            artefact=training.get("settings", {}).get("artefact", "lora"),
            steps=training["steps"],
            kl=training["kl"],
            recipe=f"{self._recipes.name}/{self.world.task}-{name}.yaml",
            cpu_seconds=self._costs.of_one(f"training {folder.name}"),
        )


def _moved(log: list[dict[str, Any]], run: Run) -> str:
    first, last = log[0]["rewards"], log[-1]["rewards"]
    said = ", ".join(f"{name} {first[name]:.3f} -> {last[name]:.3f}" for name in run.mixture)
    return f"{said}; kl {log[-1]['kl']:.3f} per token" if log[-1].get("kl") is not None else said
