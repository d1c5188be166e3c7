"""A task's tiny twin, ready to be trained and measured on: published to an embedded hub, and pinned where it stands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from rshub.hub.client import Hub
from rshub.localhub import LocalHub
from rshub.prompts.prompt import PromptSet
from rshub.prompts.read import read_prompts
from rshub.rewards.spec import Reward, reward_from_spec
from scripts.twins.twin import OWNER, Twin, publish_twin

METRICS: Mapping[str, str] = MappingProxyType(
    {"rouge_l": "metric:rouge_l", "bleu4": "metric:bleu4", "length": "metric:length"}
)
"""What is measured of every task beside its rewards and what its twin has to watch."""

_READER = "reader"


@dataclass(frozen=True, kw_only=True)
class World:
    """What there is of one task.

    Args:
        task: Its name.
        prompts: The held-out prompts that everything is measured on.
        rewards: What experts are trained for; the first two are a picture's axes.
        extras: Metrics that nobody trains on.
        recipe: What all runs share: base, prompts and rewards at their commits.
        facts: Lines that say what the twin is made of.
        endpoint: The hub that holds it all.
        token: Who asks there.
    """

    task: str
    prompts: PromptSet
    rewards: Mapping[str, Reward]
    extras: Mapping[str, Reward]
    recipe: Mapping[str, Any]
    facts: tuple[str, ...] = ()
    endpoint: str | None = None
    token: str | None = None

    @property
    def judged(self) -> dict[str, Reward]:
        """All that every point is measured in."""
        return {**self.rewards, **self.extras}


@contextmanager
def opened(task: str, work: Path, *, prompts: int, fast: bool) -> Iterator[World]:
    """Publish a task's twin to the hub of this run, or find it there, while the context lasts.

    Args:
        task: One of the five.
        work: What is kept between runs: the hub, and the models that the twin is made of.
        prompts: How many held-out prompts are measured on, at most.
        fast: A twin that learned for a moment only.
    """
    with LocalHub(work / "hub") as served:
        token = served.add_user(_READER, orgs=[(OWNER, "write")], token=f"hf_{_READER}")
        twin = publish_twin(task, endpoint=served.endpoint, token=token, cache=work / "twins", fast=fast)
        yield _world(twin, served.endpoint, token, prompts)


def _world(twin: Twin, endpoint: str, token: str, prompts: int) -> World:
    """Pin everything: a recipe that names commits decides its result."""
    hub = Hub(endpoint, token)
    rewards = {name: reward_from_spec(spec).pin(hub) for name, spec in twin.rewards.items()}
    extras = {name: reward_from_spec(spec).pin(hub) for name, spec in {**twin.watched, **METRICS}.items()}
    base = f"{twin.base}@{hub.info(twin.base).commit}"
    repo, split = twin.train.split(":", 1)
    train = f"{repo}@{hub.info(repo, repo_type='dataset').commit}:{split}"
    test = read_prompts(twin.test, limit=prompts, endpoint=endpoint, token=token)
    return World(
        task=twin.task,
        prompts=test,
        rewards=rewards,
        extras=extras,
        recipe={
            **twin.recipe,
            "base": base,
            "dataset": train,
            "rewards": {name: reward.spec for name, reward in rewards.items()},
        },
        facts=(
            f"Base: {base}, {twin.loss:.3f} nats per token of the writers' answers.",
            *(
                f"{name}: {rewards[name].spec}; orders {share:.1%} of held-out pairs of answers rightly."
                for name, share in twin.accuracy.items()
            ),
            f"Trained on {train}; measured on {test.name}, split {test.split}.",
            "Watched: " + ", ".join(f"{name} ({reward.spec})" for name, reward in extras.items()) + ".",
        ),
        endpoint=endpoint,
        token=token,
    )
