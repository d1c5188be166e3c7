"""What a publisher says, gathered from options, from ``expert.yaml`` and from the adapter itself.

An option wins over the file, the file over the adapter; whole tensors name no base of their own. What nobody says stays
unknown; nothing is invented.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rshub.errors import InvalidInput, NotFound
from rshub.experts.manifest import ADAPTER_INITS, DIRECTIONS, INIT_KINDS, Bounds, RewardClaim
from rshub.formats.address import RepoAddress, is_folder, parse_repo
from rshub.formats.canonical import digest
from rshub.formats.fields import Fields
from rshub.formats.names import REWARD_NAME
from rshub.formats.strict_yaml import load_yaml
from rshub.hub.client import Hub
from rshub.preferences.preference import INIT
from rshub.rewards.spec import KINDS, reward_from_spec
from rshub.types import Digest, RewardName


@dataclass(frozen=True, kw_only=True)
class Draft:
    """What is said of an expert before anything was looked up."""

    reward: RewardClaim
    base: RepoAddress
    init_kind: str = "base"
    init: RepoAddress | None = None
    licence: str | None = None
    version: str | None = None
    bounds: Bounds | None = None
    training: Mapping[str, Any] = field(default_factory=dict)
    scores: Sequence[Mapping[str, Any]] = ()


def gather(
    adapter_config: Mapping[str, Any] | None,
    *,
    reward: str | None,
    spec: str | None,
    direction: str | None,
    base: str | None,
    init: str | None,
    licence: str | None,
    version: str | None,
    training: Mapping[str, Any] | None,
    scores: Sequence[Mapping[str, Any]],
    from_file: Path | None,
    hub: Hub,
) -> Draft:
    """Bring together what was said; see ``publish`` for the arguments. There is no config where there is no adapter.

    Raises:
        InvalidInput: Something needed was said nowhere, or something said is malformed.
    """
    said = _read_file(from_file) if from_file else {}
    written = said.get("reward", {})
    kind, init_address = _init(init or said.get("init") or _start_of(training))
    return Draft(
        reward=_reward(
            reward or written.get("name"),
            spec or written.get("spec"),
            direction or written.get("direction"),
            written.get("description"),
            hub,
        ),
        base=_base(base or said.get("base"), adapter_config),
        init_kind=kind,
        init=init_address,
        licence=licence or said.get("licence"),
        version=version or said.get("version"),
        bounds=said.get("bounds"),
        training={**said.get("training", {}), **(training or {})},
        scores=tuple(scores) or tuple(said.get("scores", ())),
    )


def _reward(
    name: str | None, spec: str | None, direction: str | None, description: str | None, hub: Hub
) -> RewardClaim:
    if not name:
        raise InvalidInput(
            "no reward was named", where="--reward", remedy="say which reward it was trained for: --reward NAME"
        )
    if not REWARD_NAME.fullmatch(name) or name == INIT:
        raise InvalidInput(
            f"{name!r} is no name for a reward",
            where="--reward",
            remedy="use lower-case letters, digits, '.', '_' and '-'; 'init' is reserved",
        )
    spec, own_direction, spec_digest = look_up_spec(spec, hub)
    chosen = direction or own_direction or "max"
    if chosen not in DIRECTIONS:
        raise InvalidInput(f"{chosen!r} is no direction", where="--direction", remedy="say max or min")
    return RewardClaim(
        name=RewardName(name), direction=chosen, spec=spec, spec_digest=spec_digest, description=description
    )


def look_up_spec(spec: str | None, hub: Hub | None = None) -> tuple[str | None, str | None, Digest | None]:
    """Give a spec with its direction and digest; with a hub, what can move in it is pinned to what it means now.

    A kind that this version cannot score is known by its text alone, and so is a model or a package that is not at hand
    and was named without its commit or version.
    """
    if spec is None:
        return None, None, None
    by_text = digest({"spec": " ".join(spec.split())})
    try:
        known = reward_from_spec(spec)
        known = known if known.pinned or hub is None else known.pin(hub)
    except NotFound:
        return spec, None, by_text
    except InvalidInput:
        if is_known_kind(spec):
            raise
        return spec, None, by_text
    if not known.pinned:
        return spec, None, by_text
    return known.spec if known.asked else spec, known.direction, known.digest


def is_known_kind(spec: str) -> bool:
    """Say whether a spec is made of kinds that this version scores, so that what is wrong in it is a mistake."""
    bare = re.sub(r'"(?:\\.|[^"\\])*"', "", spec)  # what stands in quotes is a label or a template
    return set(re.findall(r"([A-Za-z_]+):", bare)) <= set(KINDS)


def _base(said: str | None, adapter_config: Mapping[str, Any] | None) -> RepoAddress:
    if said is not None:
        if is_folder(said):
            raise InvalidInput(
                f"{said}: the base of a published expert is a repo, not a folder",
                where="--base",
                remedy="publish the base first (hf upload OWNER/BASE DIR), then name it",
            )
        return parse_repo(said)
    if adapter_config is None:
        raise InvalidInput(
            "nothing says which base these weights were trained on",
            where="--base",
            remedy="say which base it was: --base OWNER/NAME[@REVISION]",
        )
    name, revision = adapter_config.get("base_model_name_or_path"), adapter_config.get("revision")
    try:
        address = parse_repo(str(name or ""))
    except InvalidInput as fault:
        raise InvalidInput(
            f"adapter_config.json names no base repo (base_model_name_or_path is {name!r})",
            where="adapter_config.json: base_model_name_or_path",
            remedy="say which base it was trained on: --base OWNER/NAME[@REVISION]",
        ) from fault
    return RepoAddress(repo_id=address.repo_id, revision=address.revision or (str(revision) if revision else None))


def _start_of(training: Mapping[str, Any] | None) -> str | None:
    """Give the start that a training says it had; a folder of the trainer's own machine is refused."""
    said = (training or {}).get("init")
    if not isinstance(said, str):
        return None
    kind, _, place = said.partition(":")
    if is_folder(place):
        raise InvalidInput(
            f"it was trained from {place}, a folder, which nobody else can look up",
            where="--init",
            remedy=f"publish that adapter first, then say --init {kind}:OWNER/NAME",
        )
    return said


def _init(said: str | None) -> tuple[str, RepoAddress | None]:
    kind, _, place = (said or "base").partition(":")
    if kind not in INIT_KINDS or (kind in ADAPTER_INITS and not place) or (kind == "base" and place):
        raise InvalidInput(
            f"{said!r} is no start",
            where="--init",
            remedy="say base, merged, merged:OWNER/NAME[@REVISION], adapter:OWNER/NAME[@REVISION] (an adapter that was "
            "continued) or stacked:OWNER/NAME[@REVISION] (a frozen adapter below a new one)",
        )
    return kind, parse_repo(place) if place else None


def _read_file(path: Path) -> dict[str, Any]:
    """Read ``expert.yaml``: the same things that the options say, and what has no option."""
    try:
        data = path.read_bytes()
    except OSError as fault:
        raise NotFound(f"{path}: {fault.strerror}", where=str(path), remedy="check the path of --from") from fault
    top = Fields(load_yaml(data, source=str(path)), source=str(path))
    said: dict[str, Any] = {"reward": {}}
    if top.has("reward"):
        reward = top.inner("reward")
        for key in ("name", "spec", "direction", "description"):
            said["reward"][key] = reward.optional_text(key)
        reward.refuse_unknown()
    for key in ("base", "init", "licence", "version"):
        said[key] = top.optional_text(key)
    if top.has("bounds"):
        bounds = top.inner("bounds")
        said["bounds"] = Bounds(min=bounds.number("min"), max=bounds.number("max"))
        bounds.refuse_unknown()
    said["training"] = top.mapping("training", lambda _: True, "anything")
    said["scores"] = [_score(score) for score in top.each("scores")]
    top.refuse_unknown()
    top.finish()
    return said


def _score(score: Fields) -> dict[str, Any]:
    row = {
        "reward": score.text("reward", pattern=REWARD_NAME),
        "value": score.number("value"),
        "stderr": score.number("stderr") if score.has("stderr") else None,
        "n": score.integer("n") if score.has("n") else None,
        "split": score.optional_text("split"),
        "prompts_digest": score.optional_text("prompts_digest"),
        "measured_by": score.optional_text("measured_by"),
    }
    score.refuse_unknown()
    return row
