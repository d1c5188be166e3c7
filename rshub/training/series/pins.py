"""A recipe with everything in it pinned, so that all runs of a series see the same base, start, prompts and rewards."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from rshub import __version__
from rshub.experts.base_identity import BaseIdentity, identify_base
from rshub.hub.client import Hub
from rshub.prompts.place import parse_place
from rshub.prompts.prompt import PromptSet
from rshub.prompts.read import read_prompts
from rshub.training.recipe import Recipe
from rshub.training.start import find_start


def pin_recipe(
    recipe: Recipe, hub: Hub, endpoint: str | None, token: str | None
) -> tuple[Recipe, BaseIdentity, dict[str, Any]]:
    """Name the commits that base, start, prompts and rewards mean now; folders and files by their full paths.

    Returns:
        The recipe, its base, and the digests of what the recipe names.
    """
    rewards = {name: reward.pin(hub) for name, reward in recipe.rewards.items()}
    base = identify_base(recipe.base, hub)
    start = find_start(recipe.init, base, hub)
    prompts = read_prompts(recipe.dataset, endpoint=endpoint, token=token)
    asked = recipe.eval_prompts
    if asked is not None:
        asked = _pinned(asked, read_prompts(asked, limit=recipe.eval_limit, endpoint=endpoint, token=token))
    begun = str(Path(start.place).resolve()) if start.local else start.place
    pinned = replace(
        recipe,
        rewards=rewards,
        base=f"{base.repo_id}@{base.revision}" if base.repo_id else str(Path(recipe.base).resolve()),
        init=f"{start.kind}:{begun}" if begun else recipe.init,
        dataset=_pinned(recipe.dataset, prompts),
        eval_prompts=asked,
    )
    identity = {"base": dict(base.files), "init": start.digest, "prompts": prompts.digest, "rshub": __version__}
    return pinned, base, identity


def _pinned(named: str, prompts: PromptSet) -> str:
    """Name prompts that were read so that they are found again: by their commit, or by their full path."""
    place = parse_place(named)
    where, mark, options = named.partition("#")
    if place.repo is None:
        return f"{Path(where).resolve()}{mark}{options}"
    commit = prompts.name.partition("#")[0].rpartition("@")[2]
    return f"{place.repo.repo_id}@{commit}:{place.split}{mark}{options}"
