"""What an expert says of itself: ``expert.json``, the truth beside the tensors.

Strict about the fields it knows (every fault is reported with its path), tolerant of fields it does not know: they are
kept and written back, so that an older rshub never damages what a newer one wrote. No disk and no network here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rshub.errors import IntegrityError, InvalidInput, RshubError
from rshub.formats.address import parse_repo
from rshub.formats.canonical import file_bytes, load_json
from rshub.formats.fields import COMMIT, SHA256, Fields, is_file_name
from rshub.formats.names import REWARD_NAME
from rshub.preferences.preference import INIT
from rshub.types import CommitSha, Digest, RepoId, RewardName

FILE_NAME = "expert.json"
SCHEMA = "rshub.expert/1"
MAX_BYTES = 4 * 1024 * 1024

DIRECTIONS = ("max", "min")
INIT_KINDS = ("base", "adapter", "stacked", "merged")
ADAPTER_INITS = ("adapter", "stacked")
"""Starts that are adapters: one that was continued, and one that stays frozen below a new one."""
ARTEFACT_KINDS = ("lora", "full", "partial")
ARTEFACT_FORMATS = ("peft", "diffusers", "plain")


@dataclass(frozen=True, kw_only=True)
class RewardClaim:
    """The reward the expert was trained for. Its identity is the spec's digest; the name is a label."""

    name: RewardName
    direction: str = "max"
    spec: str | None = None
    spec_digest: Digest | None = None
    description: str | None = None


@dataclass(frozen=True, kw_only=True)
class BaseClaim:
    """The base the expert was trained on: where it lives and the digests of what it is made of."""

    repo_id: RepoId | None
    revision: CommitSha | None
    files: Mapping[str, Digest] = field(default_factory=dict)
    config_digest: Digest | None = None
    tokenizer_digest: Digest | None = None


@dataclass(frozen=True, kw_only=True)
class InitClaim:
    """The shared start: the base, an adapter that was continued or has a new one above it, or a merged model."""

    kind: str = "base"
    repo_id: RepoId | None = None
    revision: CommitSha | None = None
    digest: Digest | None = None


@dataclass(frozen=True, kw_only=True)
class FileClaim:
    """One file of the artefact: sha256 and size in bytes."""

    sha256: Digest
    size: int


@dataclass(frozen=True, kw_only=True)
class Artefact:
    """The weights that were published. ``rank`` is the largest of the modules' ranks, None for whole tensors."""

    kind: str = "lora"
    format: str = "peft"
    files: Mapping[str, FileClaim]
    rank: int | None = None
    modules: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Score:
    """One cell of the payoff row: a reward measured on this expert.

    Two scores compare only when reward, prompts and split agree. ``stderr`` is the standard error of the mean over
    ``n`` samples, in reward units.
    """

    reward: RewardName
    value: float
    stderr: float | None = None
    n: int | None = None
    split: str | None = None
    prompts_digest: Digest | None = None
    measured_by: str | None = None
    unknown: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """Within which lambda the publisher stands behind the expert."""

    min: float
    max: float


@dataclass(frozen=True, kw_only=True)
class ExpertManifest:
    """Everything an expert says of itself. ``unknown`` is the document it was read from."""

    reward: RewardClaim
    base: BaseClaim
    init: InitClaim
    artefact: Artefact
    training: Mapping[str, Any] = field(default_factory=dict)
    scores: tuple[Score, ...] = ()
    bounds: Bounds | None = None
    licence: str | None = None
    unknown: Mapping[str, Any] = field(default_factory=dict)

    @property
    def own_score(self) -> Score | None:
        """Give the expert's score on its own reward, if it was measured."""
        return next((score for score in self.scores if score.reward == self.reward.name), None)

    def to_json(self) -> dict[str, Any]:
        """Give the document, with every unknown field that came in."""
        known = {
            "schema": SCHEMA,
            "reward": vars(self.reward),
            "base": {**vars(self.base), "files": dict(self.base.files)},
            "init": vars(self.init),
            "artefact": {
                **vars(self.artefact),
                "files": {name: vars(claim) for name, claim in self.artefact.files.items()},
                "modules": list(self.artefact.modules),
                "shared": list(self.artefact.shared),
            },
            "training": dict(self.training),
            "scores": [
                {**score.unknown, **{key: value for key, value in vars(score).items() if key != "unknown"}}
                for score in self.scores
            ],
            "bounds": vars(self.bounds) if self.bounds else None,
            "licence": self.licence,
        }
        return _merged(self.unknown, known)

    def to_bytes(self) -> bytes:
        """Write ``expert.json``."""
        return file_bytes(self.to_json())

    @classmethod
    def from_bytes(
        cls, data: bytes, *, source: str = FILE_NAME, error: type[RshubError] = IntegrityError
    ) -> ExpertManifest:
        """Read ``expert.json``.

        Raises:
            IntegrityError: Or the kind given, when the document is not one of this schema; all faults are named.
        """
        return cls.from_json(
            load_json(data, source=source, error=error, max_bytes=MAX_BYTES), source=source, error=error
        )

    @classmethod
    def from_json(
        cls, document: Mapping[str, Any], *, source: str = FILE_NAME, error: type[RshubError] = IntegrityError
    ) -> ExpertManifest:
        """Read the parsed document; see ``from_bytes``."""
        top = Fields(document, source=source, error=error)
        top.choice("schema", [SCHEMA])
        manifest = cls(
            reward=_reward(top.inner("reward")),
            base=_base(top.inner("base")),
            init=_init(top.inner("init", required=False)),
            artefact=_artefact(top.inner("artefact")),
            training=top.mapping("training", lambda _: True, "anything"),
            scores=tuple(_score(item) for item in top.each("scores")),
            bounds=_bounds(top.inner("bounds")) if top.has("bounds") else None,
            licence=top.optional_text("licence"),
            unknown=dict(document),
        )
        top.finish()
        return manifest


def _reward(fields: Fields) -> RewardClaim:
    return RewardClaim(
        name=_reward_name(fields, "name"),
        direction=fields.choice("direction", DIRECTIONS, default="max"),
        spec=fields.optional_text("spec"),
        spec_digest=_digest(fields, "spec_digest"),
        description=fields.optional_text("description"),
    )


def _base(fields: Fields) -> BaseClaim:
    revision = fields.optional_text("revision", pattern=COMMIT)
    return BaseClaim(
        repo_id=_repo_id(fields),
        revision=CommitSha(revision) if revision else None,
        files=fields.mapping("files", _is_digest, "a sha256"),
        config_digest=_digest(fields, "config_digest"),
        tokenizer_digest=_digest(fields, "tokenizer_digest"),
    )


def _init(fields: Fields) -> InitClaim:
    revision = fields.optional_text("revision", pattern=COMMIT)
    return InitClaim(
        kind=fields.choice("kind", INIT_KINDS, default="base"),
        repo_id=_repo_id(fields),
        revision=CommitSha(revision) if revision else None,
        digest=_digest(fields, "digest"),
    )


def _artefact(fields: Fields) -> Artefact:
    files = fields.inner("files")
    names = list(fields.raw("files") or {}) if isinstance(fields.raw("files"), dict) else []
    claims: dict[str, FileClaim] = {}
    for name in names:
        if not is_file_name(name):
            files.fault(name, "no plain file name")
        claim = files.inner(name)
        claims[name] = FileClaim(
            sha256=Digest(claim.text("sha256", pattern=SHA256)), size=claim.integer("size", most=2**60)
        )
    if not claims:
        fields.fault("files", "at least one file is expected")
    return Artefact(
        kind=fields.choice("kind", ARTEFACT_KINDS, default="lora"),
        format=fields.choice("format", ARTEFACT_FORMATS, default="peft"),
        files=claims,
        rank=fields.integer("rank", least=1, most=2**31) if fields.has("rank") else None,
        modules=_names(fields, "modules"),
        shared=_names(fields, "shared"),
    )


def _score(fields: Fields) -> Score:
    digest = _digest(fields, "prompts_digest")
    score = Score(
        reward=_reward_name(fields, "reward"),
        value=fields.number("value"),
        stderr=fields.number("stderr") if fields.has("stderr") else None,
        n=fields.integer("n") if fields.has("n") else None,
        split=fields.optional_text("split"),
        prompts_digest=digest,
        measured_by=fields.optional_text("measured_by"),
    )
    return Score(**{**vars(score), "unknown": fields.unknown()})


def _bounds(fields: Fields) -> Bounds:
    bounds = Bounds(min=fields.number("min"), max=fields.number("max"))
    if bounds.min > bounds.max:
        fields.fault("min", f"{bounds.min} is above max {bounds.max}")
    return bounds


def _reward_name(fields: Fields, key: str) -> RewardName:
    name = fields.text(key, pattern=REWARD_NAME)
    if name == INIT:
        fields.fault(key, f"{INIT!r} names the start of the experts, not a reward")
    return RewardName(name)


def _repo_id(fields: Fields) -> RepoId | None:
    name = fields.optional_text("repo_id")
    if name is None:
        return None
    try:
        return parse_repo(name).repo_id
    except InvalidInput as fault:
        fields.fault("repo_id", fault.message)
        return None


def _names(fields: Fields, key: str) -> tuple[str, ...]:
    value = fields.raw(key) or []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        fields.fault(key, "a list of names is expected")
        return ()
    return tuple(value)


def _digest(fields: Fields, key: str) -> Digest | None:
    value = fields.optional_text(key, pattern=SHA256)
    return Digest(value) if value else None


def _is_digest(value: Any) -> bool:
    return isinstance(value, str) and bool(SHA256.fullmatch(value))


def _merged(document: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """Lay the known fields over the document they came from, level by level."""
    result = dict(document)
    for key, value in known.items():
        old = result.get(key)
        if isinstance(old, dict) and isinstance(value, dict) and key not in {"files", "training"}:
            result[key] = _merged(old, value)
        else:
            result[key] = value
    return result
