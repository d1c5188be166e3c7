"""``soup.lock.json``: everything a soup is made of, pinned, so that anybody can make the same bytes again.

A repo is pinned by its full commit and the sha256 of every file that is used, a local folder by its path and digests.
Reading is strict; a lock is written by machines only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rshub.errors import InvalidInput, NotFound
from rshub.experts.manifest import ADAPTER_INITS
from rshub.formats.address import parse_repo
from rshub.formats.canonical import file_bytes, load_json
from rshub.formats.fields import COMMIT, SHA256, Fields, is_file_name
from rshub.preferences.mapping import MAPPINGS, UNITS
from rshub.preferences.preference import Preference
from rshub.types import CommitSha, Digest

FILE_NAME = "soup.lock.json"
SCHEMA = "rshub.soup/1"
TAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")


@dataclass(frozen=True, kw_only=True)
class Pin:
    """Something that is used: a repo at a full commit, or a local folder; with the sha256 of the files that count."""

    repo_id: str | None = None
    revision: CommitSha | None = None
    path: str | None = None
    files: Mapping[str, Digest] = field(default_factory=dict)

    @property
    def place(self) -> str:
        """Name it for a person."""
        return self.path or f"{self.repo_id}@{(self.revision or '')[:8]}"

    def to_json(self) -> dict[str, Any]:
        """Give the pin as it stands in a lock."""
        if self.path is not None:
            return {"path": self.path, "files": dict(self.files)}
        return {"repo_id": self.repo_id, "revision": self.revision, "files": dict(self.files)}


@dataclass(frozen=True, kw_only=True)
class LockedExpert:
    """One expert of a soup. ``label`` is what the preference called it, ``coefficient`` its lambda."""

    label: str
    reward: str | None
    tag: str | None
    coefficient: float
    pin: Pin

    def to_json(self) -> dict[str, Any]:
        """Give the expert as it stands in a lock."""
        return {
            "label": self.label,
            "reward": self.reward,
            "tag": self.tag,
            "coefficient": self.coefficient,
            **self.pin.to_json(),
        }


@dataclass(frozen=True, kw_only=True)
class MeasuredPin:
    """A dataset repo with measurements, at the commit that was read."""

    repo_id: str
    revision: CommitSha

    def to_json(self) -> dict[str, Any]:
        """Give it as it stands in a lock."""
        return {"repo_id": self.repo_id, "revision": self.revision}


@dataclass(frozen=True, kw_only=True)
class OutputForm:
    """What is made of the soup; see ``compose`` for the meaning of each."""

    format: str = "checkpoint"
    method: str = "delta"
    dtype: str = "auto"
    rank: int | None = None
    pad_rank: int | None = None
    density: float | None = None
    seed: int | None = None
    layout: str = "base"


@dataclass(frozen=True, kw_only=True)
class SoupLock:
    """A soup, pinned. ``outputs`` holds the sha256 of every composed file, None before composing.

    ``init_kind`` says what the start is to the experts: an adapter that they continue, or one that they are stacked on.
    ``measured`` are the shared measurements that the coefficients stand on.
    """

    preference: str
    mapping: str
    units: str
    coefficients: Mapping[str, float]
    base: Pin
    experts: tuple[LockedExpert, ...]
    init: Pin | None = None
    init_kind: str = ADAPTER_INITS[0]
    measured: tuple[MeasuredPin, ...] = ()
    form: OutputForm = field(default_factory=OutputForm)
    outputs: Mapping[str, Digest] | None = None
    tool_version: str = ""

    def composed(self, form: OutputForm, outputs: Mapping[str, Digest] | None) -> SoupLock:
        """Give the lock of what was composed from this one."""
        return replace(self, form=form, outputs=outputs)

    def to_json(self) -> dict[str, Any]:
        """Give the document."""
        return {
            "schema": SCHEMA,
            "tool": {"name": "rshub", "version": self.tool_version},
            "preference": self.preference,
            "mapping": self.mapping,
            "units": self.units,
            "coefficients": dict(self.coefficients),
            "base": self.base.to_json(),
            "init": {**self.init.to_json(), "kind": self.init_kind} if self.init else None,
            "experts": [expert.to_json() for expert in self.experts],
            **({"measured": [each.to_json() for each in self.measured]} if self.measured else {}),
            "form": vars(self.form),
            "outputs": dict(self.outputs) if self.outputs is not None else None,
        }

    def to_bytes(self) -> bytes:
        """Write ``soup.lock.json``."""
        return file_bytes(self.to_json())

    @classmethod
    def load(cls, path: Path) -> SoupLock:
        """Read a lock from disk.

        Raises:
            NotFound: There is no such file.
            InvalidInput: It is no lock; every fault is named.
        """
        try:
            data = path.read_bytes()
        except OSError as fault:
            raise NotFound(f"{path}: {fault.strerror}", where=str(path), remedy="check the path of the lock") from fault
        return cls.from_bytes(data, source=str(path))

    @classmethod
    def from_bytes(cls, data: bytes, *, source: str = FILE_NAME) -> SoupLock:
        """Read a lock; see ``load``."""
        top = Fields(load_json(data, source=source), source=source)
        top.choice("schema", [SCHEMA])
        form = top.inner("form", required=False)
        lock = cls(
            preference=top.text("preference"),
            mapping=top.choice("mapping", MAPPINGS),
            units=top.choice("units", UNITS, default="normalised"),
            coefficients=top.mapping("coefficients", _is_number, "a number"),
            base=_pin(top.inner("base")),
            init=_pin(top.inner("init")) if top.has("init") else None,
            init_kind=top.inner("init", required=False).choice("kind", ADAPTER_INITS, default=ADAPTER_INITS[0]),
            experts=tuple(_expert(item) for item in top.each("experts")),
            measured=tuple(_measured(item) for item in top.each("measured")),
            form=OutputForm(
                format=form.text("format", default="checkpoint"),
                method=form.text("method", default="delta"),
                dtype=form.text("dtype", default="auto"),
                rank=form.integer("rank", least=1) if form.has("rank") else None,
                pad_rank=form.integer("pad_rank", least=1) if form.has("pad_rank") else None,
                density=form.number("density") if form.has("density") else None,
                seed=form.integer("seed") if form.has("seed") else None,
                layout=form.text("layout", default="base"),
            ),
            outputs=top.mapping("outputs", _is_digest, "a sha256") if top.has("outputs") else None,
            tool_version=top.inner("tool", required=False).text("version", default=""),
        )
        for name in lock.outputs or {}:
            if not is_file_name(name):
                top.fault(f"outputs.{name[:40]!a}", "no plain file name")
        for why in _contradictions(lock):
            top.fault("experts", why)
        top.finish()
        return lock


def _contradictions(lock: SoupLock) -> Iterator[str]:
    """Find where a lock says one thing in two ways: what it tells a reader must be what is composed."""
    named = {expert.label: expert.coefficient for expert in lock.experts}
    if len(named) != len(lock.experts):
        yield "an expert is there twice"
    if named != {label: value for label, value in lock.coefficients.items() if value != 0}:
        yield "their coefficients are not those under 'coefficients'"
    if not lock.base.files:
        yield "the base has no digests"
    try:
        wanted = Preference.parse(lock.preference, extrapolate=True)
    except InvalidInput as fault:
        yield fault.message
        return
    asked = {term.label: term.value for term in wanted.terms}
    own = lock.mapping == "surrogate"  # which may mix experts for rewards that have none, and those asked for with 0
    if (set(asked) != set(lock.coefficients) and not own) or (
        lock.mapping == "identity" and asked != dict(lock.coefficients)
    ):
        yield "they are not those of the preference"


def _expert(fields: Fields) -> LockedExpert:
    return LockedExpert(
        label=fields.text("label"),
        reward=fields.optional_text("reward"),
        tag=fields.optional_text("tag", pattern=TAG),
        coefficient=fields.number("coefficient"),
        pin=_pin(fields),
    )


def _measured(fields: Fields) -> MeasuredPin:
    return MeasuredPin(repo_id=_repo_id(fields), revision=CommitSha(fields.text("revision", pattern=COMMIT)))


def _pin(fields: Fields) -> Pin:
    path = fields.optional_text("path")
    files = {name: Digest(value) for name, value in fields.mapping("files", _is_digest, "a sha256").items()}
    for name in files:
        if not is_file_name(name):
            fields.fault(f"files.{name[:40]!a}", "no plain file name")
    if path is not None and not Path(path).is_absolute():
        fields.fault("path", f"{path!r} is not absolute")
    if path is not None:
        return Pin(path=path, files=files)
    repo_id = _repo_id(fields)
    return Pin(repo_id=repo_id, revision=CommitSha(fields.text("revision", pattern=COMMIT)), files=files)


def _repo_id(fields: Fields) -> str:
    repo_id = fields.text("repo_id")
    try:
        parse_repo(repo_id)
    except InvalidInput as fault:
        fields.fault("repo_id", fault.message)
    return repo_id


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_digest(value: Any) -> bool:
    return isinstance(value, str) and bool(SHA256.fullmatch(value))
