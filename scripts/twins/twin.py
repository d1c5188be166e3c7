"""A task's tiny twin: made once, published to a hub, and described for whoever trains and measures on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rshub.formats.strict_yaml import load_yaml
from rshub.hub.client import Hub
from scripts.twins.cards import base_card, judge_card
from scripts.twins.corpus import corpus
from scripts.twins.kept import MADE
from scripts.twins.maker import Maker
from scripts.twins.sizes import FAST, FAST_RECIPE, FULL
from scripts.twins.task import Task
from scripts.twins.tasks import TASKS

OWNER = "twins"
RECIPES = Path(__file__).parent.parent / "recipes" / "tiny"
SPLITS = {"train": 1, "test": 2}
"""The splits of the data set, with the seeds of their rows; the models of the twin learn from rows of other seeds."""


@dataclass(frozen=True, kw_only=True)
class Twin:
    """What a hub holds of one task.

    Args:
        task: Its name.
        base: The repo of the base.
        train: The prompts to train on, with their form.
        test: Held-out prompts.
        rewards: What experts are trained for: name to spec.
        watched: Metrics that nobody trains on: name to spec.
        recipe: What all trainings share; ``reward_weights`` in it trains the first reward's expert.
        accuracy: How often each reward model prefers the better of two held-out answers.
        loss: Of the base, in nats per token of the writers' answers.
    """

    task: str
    base: str
    train: str
    test: str
    rewards: Mapping[str, str]
    watched: Mapping[str, str]
    recipe: Mapping[str, Any]
    accuracy: Mapping[str, float]
    loss: float


def publish_twin(task: str, *, endpoint: str, token: str, cache: Path, fast: bool = False) -> Twin:
    """Make a task's twin, or take it from the cache, and publish it.

    Args:
        task: One of ``TASKS``.
        endpoint: The hub.
        token: Of somebody who may write to the organisation ``twins``.
        cache: Where models are kept between calls.
        fast: Learn for a moment only: everything happens, nothing is good.
    """
    from rshub.training.quiet import torch_on_one_thread

    wanted, sizes = TASKS[task], FAST if fast else FULL
    hub = Hub(endpoint, token)
    cache.mkdir(parents=True, exist_ok=True)
    maker = Maker(task=wanted, sizes=sizes, cache=cache)
    with torch_on_one_thread():
        folder, made = maker.base()
        _publish(hub, f"{OWNER}/{task}-base", folder, base_card(task, made["loss"]))
        accuracy = {}
        for name in wanted.judges:
            model, told = maker.judge(name, base=folder)
            accuracy[name] = told["accuracy"]
            _publish(hub, f"{OWNER}/{task}-{name}", model, judge_card(wanted, name, accuracy[name]))
    data: dict[str, bytes | Path] = {
        f"{split}.jsonl": corpus(wanted, getattr(sizes, f"{split}_prompts"), seed=seed).to_bytes()
        for split, seed in SPLITS.items()
    }
    hub.create_repo(f"{OWNER}/{task}", repo_type="dataset")
    hub.commit(f"{OWNER}/{task}", data, message=f"Rows of {wanted.form}", repo_type="dataset")
    return Twin(
        task=task,
        base=f"{OWNER}/{task}-base",
        train=f"{OWNER}/{task}:train#{wanted.form}",
        test=f"{OWNER}/{task}:test#{wanted.form}",
        rewards=rewards(wanted),
        watched=dict(wanted.watched),
        recipe=recipe(task) | (FAST_RECIPE if fast else {}),
        accuracy=accuracy,
        loss=made["loss"],
    )


def rewards(task: Task) -> dict[str, str]:
    """Give the specs of a task's rewards."""
    places = {name: f"hf:{OWNER}/{task.name}-{name}" for name in task.judges}
    return {name: "#".join(filter(None, [place, task.judges[name].options])) for name, place in places.items()}


def recipe(task: str) -> dict[str, Any]:
    """Read the recipe that all trainings of a task share."""
    path = RECIPES / f"{task}.yaml"
    return load_yaml(path.read_bytes(), source=str(path))


def _publish(hub: Hub, repo: str, folder: Path, card: str) -> None:
    """Publish a model folder; nothing changes where it is there already."""
    files: dict[str, bytes | Path] = {path.name: path for path in sorted(folder.iterdir()) if path.name != MADE}
    files["README.md"] = card.encode()
    hub.create_repo(repo)
    hub.commit(repo, files, message=f"{repo}, made in seconds from a tiny world")
