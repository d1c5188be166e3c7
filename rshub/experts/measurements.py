"""Measurements that people share: dataset repos with scores of experts, found by their base and read strictly.

A file of such a repo is a ``scores.json`` whose coefficients go by the experts of its own list, each known by the
digest of its files, with the base, the prompts and the sampling of the measurement. Whose numbers they are is the owner
of the repo, whatever the file says. A file in any other form is set aside with the reason; nothing of it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from rshub.errors import HubError, IntegrityError, NotFound, RshubError
from rshub.experts.base_identity import BaseIdentity
from rshub.formats.address import RepoAddress
from rshub.formats.canonical import digest, load_json
from rshub.formats.fields import COMMIT, SHA256, Fields
from rshub.formats.names import is_repo_id
from rshub.hub.client import Hub, RepoInfo, RepoSummary
from rshub.preferences.preference import INIT
from rshub.preferences.scores import Scores
from rshub.types import CommitSha, Digest, RepoId

TAG = "rewarded-soup-scores"
FOLDER = "scores/"
ENDING = ".json"
MAX_BYTES = 4 * 1024 * 1024
MOST_REPOS = 64
MOST_FILES = 256
"""Repos of one base, and files of one repo, that are read; what is beyond is said."""
MOST_BYTES = 64 * 1024 * 1024
MOST_FILES_IN_ALL = 512
"""What is read of everybody's repos together, the most trusted first."""


def content_of(files: Mapping[str, Digest]) -> Digest:
    """Give the identity of an expert: what its files hold, not what it is called or where it lies."""
    return digest(dict(files))


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One file of measurements.

    Args:
        repo_id: Where it was published.
        commit: The commit that was read.
        name: The file.
        scores: What was measured; coefficients go by the names of ``experts``.
        base_files: The digests of the base's weights.
        experts: Each expert by the digest of its files.
        rewards: Each reward by the digest of its spec.
        prompts: The digest of the prompts with their references.
        generation: The digest of the sampling.
    """

    repo_id: RepoId
    commit: CommitSha
    name: str
    scores: Scores
    base_files: Mapping[str, Digest]
    experts: Mapping[str, Digest]
    rewards: Mapping[str, Digest]
    prompts: Digest
    generation: Digest

    @property
    def measured_by(self) -> str:
        """Whose numbers these are: the account that the repo belongs to."""
        return self.repo_id.partition("/")[0]

    @property
    def place(self) -> str:
        """Name it for a person."""
        return f"{self.repo_id}@{self.commit[:8]}/{self.name}"


@dataclass(frozen=True, kw_only=True)
class SetAside:
    """Something that looked like measurements and is not used, with the reason."""

    place: str
    message: str

    def to_json(self) -> dict[str, str]:
        """Give place and reason."""
        return {"place": self.place, "message": self.message}


@dataclass(frozen=True, kw_only=True)
class Shared:
    """The measurements on one base that were found, in the order of trust, and what was set aside.

    ``trusted`` are the accounts whose numbers come before those of everybody else.
    """

    measurements: tuple[Measurement, ...] = ()
    set_aside: tuple[SetAside, ...] = ()
    trusted: frozenset[str] = frozenset()

    @property
    def rewards(self) -> frozenset[str]:
        """Every reward that was measured."""
        return frozenset(name for each in self.measurements for name in each.scores.rewards)


@dataclass
class _Sieve:
    """Gathers what is sound, and why something is not."""

    base: BaseIdentity
    hub: Hub
    sound: list[Measurement] = field(default_factory=list)
    aside: list[SetAside] = field(default_factory=list)
    bytes_left: int = field(default_factory=lambda: MOST_BYTES)
    files_left: int = field(default_factory=lambda: MOST_FILES_IN_ALL)

    def read(self, info: RepoInfo) -> None:
        """Read the files of a repo, as far as there is room for them.

        Raises:
            HubError: The hub or the network failed.
        """
        repo_id, commit = info.repo_id, info.commit
        files = sorted(name for name in info.files if name.startswith(FOLDER) and name.endswith(ENDING))
        if len(files) > MOST_FILES:
            self.refuse(repo_id, f"of {len(files)} files only {MOST_FILES} are read")
        for number, name in enumerate(files[:MOST_FILES]):
            place = f"{repo_id}@{commit[:8]}/{name}"
            room = min(MAX_BYTES, self.bytes_left)
            size = info.files[name].size
            if self.files_left == 0 or room < size <= MAX_BYTES:
                self.refuse(repo_id, f"{len(files) - number} of its files are not read: others' took all the room")
                return
            try:
                data = self.hub.read(repo_id, name, commit=commit, max_bytes=room, repo_type="dataset")
                self.files_left -= 1
                self.bytes_left -= len(data)
                found = read_measurement(data, repo_id=repo_id, commit=commit, name=name)
            except (IntegrityError, NotFound) as fault:
                self.refuse(place, fault.message)
                continue
            if sorted(found.base_files.values()) == sorted(self.base.files.values()):
                self.sound.append(found)

    def refuse(self, place: str, message: str) -> None:
        """Note why something is not used."""
        self.aside.append(SetAside(place=place, message=message))

    def shared(self, trusted: Collection[str] = ()) -> Shared:
        """Give what was gathered."""
        return Shared(measurements=tuple(self.sound), set_aside=tuple(self.aside), trusted=frozenset(trusted))


def named_measurements(hub: Hub, address: RepoAddress, base: BaseIdentity) -> Shared:
    """Read the measurements of one repo that is named.

    Raises:
        NotFound: There is no such repo, or there are no measurements on this base in it.
        HubError: The hub or the network failed.
    """
    info = hub.info(address.repo_id, address.revision, repo_type="dataset")
    sieve = _Sieve(base=base, hub=hub)
    sieve.read(info)
    if not sieve.sound:
        why = f": {sieve.aside[0].message}" if sieve.aside else ""
        raise NotFound(
            f"{address}: no measurements on {base} in it{why}",
            where=str(address),
            remedy="name a dataset repo that rshub evaluate --publish wrote for this base",
        )
    return sieve.shared()


def find_measurements(
    hub: Hub, base: BaseIdentity, *, trusted: Collection[str] = (), denies: Callable[[str], bool] = lambda _: False
) -> Shared:
    """Find what anybody measured on a base; a repo that the hub cannot give is set aside like a broken one.

    Args:
        hub: Where to look.
        base: The base; measurements on other weights of the same name are left out.
        trusted: Accounts whose numbers come first, such as the owners of the experts; then it goes by name.
        denies: Says which repos are not looked at.

    Raises:
        HubError: The hub cannot say what there is.
    """
    sieve = _Sieve(base=base, hub=hub)
    if base.repo_id is None:
        return sieve.shared()
    found = hub.list_datasets(tags=[TAG, f"base_model:{base.repo_id}"])

    def trust(summary: RepoSummary) -> tuple[bool, str]:
        return summary.repo_id.partition("/")[0] not in trusted, summary.repo_id

    for number, summary in enumerate(sorted(found, key=trust)):
        if denies(summary.repo_id):
            sieve.refuse(summary.repo_id, "the policy denies it")
        elif number >= MOST_REPOS:
            sieve.refuse(summary.repo_id, f"only {MOST_REPOS} repos are read")
        else:
            try:
                sieve.read(hub.info(summary.repo_id, summary.commit, repo_type="dataset"))
            except (NotFound, HubError) as fault:  # it went while we looked, or the hub cannot give just this one
                sieve.refuse(summary.repo_id, fault.message)
    return sieve.shared(trusted)


def read_measurement(data: bytes, *, repo_id: str, commit: str, name: str) -> Measurement:
    """Read one file.

    Raises:
        IntegrityError: It has another form; the first fault is named.
    """
    source = f"{repo_id}/{name}"
    try:
        scores = Scores.parse(data, source=source)
    except RshubError as fault:
        raise IntegrityError(fault.message, where=source, remedy="ask its owner to measure again") from fault
    top = Fields(load_json(data, source=source, error=IntegrityError), source=source, error=IntegrityError)
    about = top.inner("base")
    _repo_of(about)
    experts = {}
    listed = top.inner("experts")
    for label in listed.unknown():
        one = listed.inner(label)
        experts[label] = content_of(_digests(one, "files"))
        _repo_of(one)
        one.optional_text("revision", pattern=COMMIT)
    rewards = top.inner("rewards")
    specs = {label: Digest(rewards.inner(label).text("spec_digest", pattern=SHA256)) for label in scores.rewards}
    for number, point in enumerate(scores.points):
        strangers = sorted(set(point.coefficients or {}) - set(experts) - {INIT})
        if point.coefficients is None or strangers:
            top.fault(f"points[{number}].coefficients", f"{(strangers or ['nothing'])[0][:80]} is none of the experts")
    measurement = Measurement(
        repo_id=RepoId(repo_id),
        commit=CommitSha(commit),
        name=name,
        scores=scores,
        base_files=_digests(about, "files"),
        experts=experts,
        rewards=specs,
        prompts=Digest(top.inner("prompts").text("digest", pattern=SHA256)),
        generation=Digest(top.inner("generation").text("digest", pattern=SHA256)),
    )
    top.finish()
    return measurement


def _repo_of(fields: Fields) -> None:
    """Refuse a name that is none: it will stand in cards, tags and commands."""
    repo = fields.optional_text("repo_id")
    if repo is not None and not is_repo_id(repo):
        fields.fault("repo_id", "no repo")


def _digests(fields: Fields, key: str) -> dict[str, Digest]:
    files = fields.mapping(key, lambda value: isinstance(value, str) and bool(SHA256.fullmatch(value)), "a sha256")
    if not files:
        fields.fault(key, "at least one file is expected")
    return {name: Digest(value) for name, value in files.items()}
