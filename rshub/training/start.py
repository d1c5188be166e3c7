"""Where a training starts: found, pinned and on this machine before anything is trained.

An adapter that is continued, or that stays below a new one, must be plain LoRA on the very base of the recipe. What the
recipe says of the adapter must agree with one that is continued.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rshub.deltas.adapters import CONFIG, WEIGHTS, Adapter, read_adapter
from rshub.errors import Incompatible, InvalidInput, RshubError
from rshub.experts.base_identity import BaseIdentity, identify_base, read_layout
from rshub.experts.manifest import ADAPTER_INITS
from rshub.experts.starts import claim_start
from rshub.formats.address import as_typed, parse_address
from rshub.formats.canonical import sha256
from rshub.hub.client import Hub
from rshub.soups.fetch import fetch_expert
from rshub.soups.lock import Pin
from rshub.tensors.file_digest import file_digest
from rshub.training.recipe import USUAL_LORA, LoraSettings, Recipe

_SMALL = 8 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Start:
    """Where a training starts.

    Args:
        kind: ``base``, ``merged``, ``adapter`` or ``stacked``.
        place: The repo at its commit, or the folder; empty where the base is all.
        local: Whether the place is a folder.
        digest: The sha256 of the adapter's weights.
        adapter: The adapter that is continued or stacked on.
    """

    kind: str
    place: str = ""
    local: bool = False
    digest: str | None = None
    adapter: Adapter | None = None

    def __str__(self) -> str:
        """Write it as ``rshub publish --init`` takes it."""
        return f"{self.kind}:{self.place}" if self.place else self.kind

    @property
    def folder(self) -> Path | None:
        """Where the adapter lies on this machine."""
        return self.adapter.folder if self.adapter else None


def find_start(init: str, base: BaseIdentity, hub: Hub) -> Start:
    """Find what a recipe names as its start.

    Raises:
        NotFound: It is not there, or is no adapter.
        Incompatible: It is an adapter of another base, or one that cannot be continued.
        IntegrityError: Its files are damaged.
    """
    kind, _, named = init.partition(":")
    place = parse_address(named) if named else None
    if isinstance(place, Path):
        adapter = _plain(place, base, hub)
        _refuse_other(adapter, base, hub)
        return Start(
            kind=kind,
            place=as_typed(place),
            local=True,
            digest=file_digest(place / WEIGHTS, afresh=True),
            adapter=adapter,
        )
    claim = claim_start(kind, place, base, hub)
    pinned = f"{claim.repo_id}@{claim.revision}" if claim.repo_id else ""
    if kind not in ADAPTER_INITS or claim.repo_id is None or claim.revision is None:
        return Start(kind=kind, place=pinned)
    repo, commit = claim.repo_id, claim.revision
    weights = claim.digest or sha256(hub.read(repo, WEIGHTS, commit=commit, max_bytes=_SMALL))
    config = sha256(hub.read(repo, CONFIG, commit=commit, max_bytes=_SMALL))
    pin = Pin(repo_id=repo, revision=commit, files={CONFIG: config, WEIGHTS: weights})
    return Start(
        kind=kind, place=pinned, digest=weights, adapter=_plain(fetch_expert(pin, hub), base, hub, label=pinned)
    )


def settle_lora(recipe: Recipe, start: Start) -> LoraSettings:
    """Give the settings of the adapter that is trained.

    Raises:
        InvalidInput: The recipe says otherwise than the adapter that is continued.
    """
    if recipe.artefact != "lora":
        return LoraSettings()
    if start.kind != "adapter" or start.adapter is None:
        return recipe.lora.filled(USUAL_LORA)
    own = _settings(start.adapter)
    settled = recipe.lora.filled(own)
    for key in ("r", "alpha", "target_modules"):
        said, has = getattr(settled, key), getattr(own, key)
        if said != has and (not isinstance(said, tuple) or isinstance(has, str) or {*said} != {*has}):
            raise InvalidInput(
                f"lora.{key}: the recipe says {_words(said)}, but {start.place}, which is continued, has {_words(has)}",
                where=f"lora.{key}",
                remedy=f"leave lora.{key} out, or start from another adapter",
            )
    return LoraSettings(dropout=settled.dropout).filled(own)


def _settings(adapter: Adapter) -> LoraSettings:
    config: Any = adapter.config
    targets = config.get("target_modules")
    return LoraSettings(
        r=int(config["r"]),
        alpha=float(config["lora_alpha"]),
        dropout=float(config.get("lora_dropout") or 0.0),
        target_modules=targets if isinstance(targets, str) else tuple(sorted(targets or ())),
    )


def _words(value: object) -> str:
    return ", ".join(value) if isinstance(value, tuple) else f"{value:g}" if isinstance(value, float) else str(value)


def _refuse_other(adapter: Adapter, base: BaseIdentity, hub: Hub) -> None:
    """Refuse an adapter in a folder whose config names another base, where that one can be looked up."""
    named = str(adapter.config.get("base_model_name_or_path") or "")
    revision = adapter.config.get("revision")
    if named.startswith("/") and base.path and Path(named) == Path(base.path).resolve():
        return
    if not named.startswith("/"):
        if named == base.repo_id and revision in {None, base.revision}:
            return
        named = f"{named}@{revision}" if revision and "@" not in named else named
    try:
        other = identify_base(named, hub)
    except RshubError:  # it is not there any more, or lies where nobody can look: the layout is all that is known
        return
    if sorted(other.files.values()) != sorted(base.files.values()):
        raise Incompatible(
            f"{adapter.label}: an adapter of another base, {other}; training on {base} cannot begin with it",
            where="init",
            remedy="name an adapter of this base, or the base that it was trained on as the base of the recipe",
        )


def _plain(folder: Path, base: BaseIdentity, hub: Hub, *, label: str | None = None) -> Adapter:
    """Read an adapter that a training can start from."""
    adapter = read_adapter(folder, label=label)
    if not adapter.plain or not adapter.modules:
        raise Incompatible(
            f"{adapter.label}: only plain LoRA can be trained further, and this adapter holds something else",
            where="init",
            remedy="merge it into a base and name that as the base of the recipe",
        )
    adapter.place(read_layout(base, hub))
    adapter.check_finite()
    return adapter
