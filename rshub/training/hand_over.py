"""After the training: the expert is measured on prompts that the recipe names, and published with what is known of it.

Both leave the expert in its folder as it is, whatever goes wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rshub.errors import InvalidInput, MissingExtra, RshubError
from rshub.evaluation.evaluate import evaluate
from rshub.evaluation.points import manifest_rows
from rshub.experts.base_identity import BaseIdentity
from rshub.experts.publish import CURVE, Published, publish
from rshub.formats.address import as_typed
from rshub.fronts.pictures.training import plot_training
from rshub.preferences.scores import Scores
from rshub.training.recipe import Recipe
from rshub.training.result import TrainResult

SCORES = "scores.json"
MEASURED_BY = "rshub train"


@contextmanager
def still_whole(folder: Path) -> Iterator[None]:
    """Say with every fault that the expert itself is whole, and where."""
    try:
        yield
    except RshubError as fault:
        fault.remedy = f"the expert itself is whole, in {folder}: rshub publish takes it; {fault.remedy}"
        raise


def measure(
    recipe: Recipe, folder: Path, base: BaseIdentity, *, endpoint: str | None, token: str | None
) -> tuple[dict[str, Any], ...]:
    """Measure all rewards on the prompts that the recipe names, sampled as in training; give the payoff row."""
    scores = evaluate(
        [as_typed(folder)],
        rewards={name: reward.spec for name, reward in recipe.rewards.items()},
        prompts=str(recipe.eval_prompts),
        base=as_typed(Path(base.path)) if base.path else f"{base.repo_id}@{base.revision}",
        limit=recipe.eval_limit,
        max_new_tokens=recipe.max_completion_length,
        temperature=recipe.temperature,
        out=folder / SCORES,
        endpoint=endpoint,
        token=token,
    )
    return _row(scores)


def measured_before(folder: Path) -> tuple[dict[str, Any], ...]:
    """Read the payoff row of an expert that was measured when it was trained; empty if it was not.

    Raises:
        InvalidInput: Other scores lie there.
    """
    measured = folder / SCORES
    if not measured.is_file():
        return ()
    scores = Scores.load(measured)
    try:
        return _row(scores)
    except (LookupError, TypeError) as fault:
        raise InvalidInput(
            f"{measured}: these scores do not say what they were measured on",
            where=str(measured),
            remedy="move that file away; with eval_prompts in the recipe it is measured again",
        ) from fault


def _row(scores: Scores) -> tuple[dict[str, Any], ...]:
    return tuple(manifest_rows(scores.points[0].rewards, scores.unknown["prompts"], measured_by=MEASURED_BY))


def push_expert(
    result: TrainResult,
    repo: str,
    *,
    private: bool,
    license: str | None,  # noqa: A002 - the Hub's word
    endpoint: str | None,
    token: str | None,
) -> tuple[Published, tuple[str, ...]]:
    """Publish an expert with its card, its payoff row and the picture of its training; say what could not be drawn."""
    notes: tuple[str, ...] = ()
    try:
        plot_training(result.log, result.folder / CURVE, trained=tuple(result.training["mixture"]))
    except MissingExtra as fault:
        notes = (f"published without a picture of the training: {fault.message}",)
    published = publish(
        result.folder,
        repo,
        reward=result.reward,
        spec=result.spec,
        base=f"{result.base.repo_id}@{result.base.revision}",
        init=str(result.training["init"]),
        training=result.training,
        scores=result.scores,
        private=private,
        license=license,
        endpoint=endpoint,
        token=token,
    )
    return published, notes
