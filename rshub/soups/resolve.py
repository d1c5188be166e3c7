"""From a preference string to the experts that serve it: what was chosen, what was rejected and why, and the lock.

This is the part that looks things up; the choice itself is made in ``choose``, the coefficients in ``preferences``.
Nothing is downloaded but manifests and small files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rshub import __version__
from rshub.errors import Incompatible
from rshub.experts.base_identity import BaseIdentity, identify_base
from rshub.experts.measurements import Measurement, content_of, find_measurements, named_measurements
from rshub.formats.address import RepoAddress, is_folder, parse_repo
from rshub.formats.names import is_repo_id
from rshub.hub.client import Hub
from rshub.preferences.mapping import Mapped, alternatives, map_preference
from rshub.preferences.policy import LambdaBounds, Policy, check
from rshub.preferences.preference import INIT, Preference
from rshub.preferences.scores import Scores
from rshub.soups.candidates import asked_terms, find_candidates, look_up
from rshub.soups.choose import Candidate, choose
from rshub.soups.known import Learned, what_is_known
from rshub.soups.lock import LockedExpert, MeasuredPin, SoupLock
from rshub.soups.pin import pin_base, pin_expert, pin_init
from rshub.tensors.writer import write_whole

MEASURED = ("payoff", "surrogate")
"""The mappings that stand on measurements, and look for those that people share."""


@dataclass(frozen=True, kw_only=True)
class Resolution:
    """Who serves a preference, with which coefficients, and everything that led to it.

    ``chosen`` goes by the labels of the preference; ``alternatives`` says what the other mappings would give.
    """

    preference: Preference
    base: BaseIdentity
    chosen: Mapping[str, Candidate]
    rejected: tuple[Candidate, ...]
    coefficients: Mapping[str, float]
    mapping: str
    units: str
    alternatives: Mapping[str, Mapping[str, Any]]
    lock: SoupLock
    mapped: Mapped
    learned: Learned
    lock_path: Path | None = None

    def to_json(self) -> dict[str, Any]:
        """Give the resolution for a program."""
        return {
            "preference": str(self.preference),
            "base": {"repo": self.base.repo_id, "commit": self.base.revision, "path": self.base.path},
            "chosen": [
                {
                    "reward": candidate.reward,
                    "label": label,
                    "repo": candidate.place,
                    "commit": candidate.commit,
                    "tag": candidate.version.tag if candidate.version else None,
                    "coefficient": self.coefficients[label],
                    "warnings": [reason.to_json() for reason in candidate.reasons],
                }
                for label, candidate in self.chosen.items()
            ],
            "rejected": [candidate.to_json() for candidate in self.rejected],
            "coefficients": dict(self.coefficients),
            "mapping": self.mapping,
            "units": self.units,
            "alternatives": {name: dict(row) for name, row in self.alternatives.items()},
            "remark": self.mapped.remark,
            "predicted": _predicted(self.mapped),
            "r2": dict(self.mapped.r2) if self.mapped.r2 is not None else None,
            "measurements": [_measured(each) for each in self.learned.used],
            "warnings": list(self.learned.warnings),
            "lock": str(self.lock_path) if self.lock_path else None,
        }

    def lines(self) -> list[str]:
        """Describe the resolution for a person."""
        shown = [f"{self.preference}  on  {self.base}"]
        for label, candidate in self.chosen.items():
            at = candidate.version.tag if candidate.version else (candidate.commit or "local")[:8]
            shown.append(f"  chosen    {label} = {self.coefficients[label]:g}  {candidate.place} {at}")
            shown += [f"            warning ({reason.code}): {reason.message}" for reason in candidate.reasons]
        for candidate in self.rejected:
            at = candidate.version.tag if candidate.version else (candidate.commit or "")[:8]
            why = "; ".join(f"{reason.message} ({reason.code})" for reason in candidate.reasons)
            shown.append(f"  rejected  {candidate.place} {at}: {why}")
        shown += [f"  measured  by {each.measured_by}: {each.place}" for each in self.learned.used]
        shown += [f"  warning   {warning}" for warning in self.learned.warnings]
        shown.append(f"  mapping   {self.mapped.remark}")
        for name, row in self.alternatives.items():
            would = ", ".join(f"{label}={value:.4g}" for label, value in row.items() if label != "reason")
            shown.append(
                f"            {row['reason']}" if "reason" in row else f"            {name} would give {would}"
            )
        return shown


def resolve(
    preference: str,
    *,
    base: str,
    mapping: str = "identity",
    units: str = "normalised",
    scores: Path | str | None = None,
    policy: Path | None = None,
    extrapolate: bool = False,
    lock: Path | None = None,
    endpoint: str | None = None,
    token: str | None = None,
) -> Resolution:
    """Find the experts that serve a preference on a base.

    Args:
        preference: ``helpful=0.7, concise=0.3``, or one of the other forms.
        base: ``owner/name[@revision]`` or a local folder.
        mapping: How the preference becomes coefficients: ``identity``, ``payoff``, ``mixture`` or ``surrogate``. With
            the last, a reward needs no expert if it was scored, and experts named with 0 may be mixed too.
        units: What the preference counts: ``normalised`` or ``raw`` reward units.
        scores: A ``scores.json`` with payoffs and evaluations, instead of what is published; or the dataset repo of
            somebody's measurements, ``owner/name[@revision]``. Without either, ``payoff`` and ``surrogate`` look for
            what anybody measured on the base, and the resolution says whose numbers it stands on.
        policy: A policy file with bounds and denied repos.
        extrapolate: Allow negative numbers and sums other than 1.
        lock: Where to write ``soup.lock.json``.
        endpoint: The hub's address.
        token: Who is asking.

    Raises:
        InvalidInput: The preference is malformed, names an unknown reward, or the mapping cannot be used.
        Incompatible: No experts that may be mixed serve it, or the policy forbids it; the verdicts say why.
        IntegrityError: A named expert has a broken manifest or pickles only.
        NotFound: The base or a named expert is not there.
        HubError: The hub or the network failed.
    """
    wanted = Preference.parse(preference, extrapolate=extrapolate)
    rules = Policy.load(policy) if policy else None
    repo = _repo_of(scores)
    measured = Scores.load(scores) if scores and repo is None else None
    hub = Hub(endpoint, token)
    identity = identify_base(base, hub)
    shared = None
    if repo is not None:
        shared = named_measurements(hub, repo, identity)
    elif measured is None and mapping in MEASURED:
        trusted = [identity.repo_id.partition("/")[0]] if identity.repo_id else []
        shared = find_measurements(hub, identity, trusted=trusted, denies=rules.denies if rules else lambda _: False)

    fitted = mapping == "surrogate" and bool(wanted.terms)
    asked = (*wanted.terms, *wanted.zeros) if fitted else asked_terms(wanted)
    scored = (measured.rewards if measured else shared.rewards if shared else ()) if fitted else ()
    offers = find_candidates(wanted, identity, hub, rules, asked=asked, scored=scored)
    named = {term.label: look_up(term, identity, hub, rules) for term in asked if term.kind != "reward"}
    choice = choose(offers, list(named.values()))
    served = [term for term in asked if term.label in named or term.name in choice.chosen]
    chosen = {term.label: named.get(term.label) or choice.chosen[term.name] for term in served}

    serves = _serves(chosen)
    mu = {serves.get(name, name): value for name, value in wanted.values.items()}
    pins = {label: pin_expert(candidate, hub) for label, candidate in chosen.items()} if shared else {}
    contents = {label: content_of(pin.files) for label, pin in pins.items()}
    rewards = [name for name, value in mu.items() if value != 0.0 and name != INIT]
    learned = what_is_known(chosen, serves, measured, shared, contents, wanted=rewards, mapping=mapping)
    known = learned.known
    mapped = map_preference(mu, mapping=mapping, units=units, known=known, extrapolate=extrapolate)
    lambdas = {label: mapped.coefficients.get(serves[label], 0.0) for label in chosen}
    start = pin_init(chosen, hub)
    soup_lock = SoupLock(
        preference=str(wanted),
        mapping=mapping,
        units=units,
        coefficients=lambdas if wanted.terms else {},
        base=pin_base(identity),
        init=start[0] if start else None,
        init_kind=start[1] if start else "adapter",
        measured=_pinned(learned) if mapping in MEASURED else (),
        experts=tuple(
            LockedExpert(
                label=label,
                reward=candidate.reward,
                tag=candidate.version.tag if candidate.version else None,
                coefficient=lambdas[label],
                pin=pins.get(label) or pin_expert(candidate, hub),
            )
            for label, candidate in chosen.items()
            if lambdas[label] != 0
        ),
        tool_version=__version__,
    )
    obey(soup_lock, rules, _bounds(chosen))
    if lock is not None:
        write_whole(lock, soup_lock.to_bytes())
    return Resolution(
        preference=wanted,
        base=identity,
        chosen=chosen,
        rejected=choice.rejected,
        coefficients=lambdas,
        mapping=mapping,
        units=units,
        alternatives=alternatives(mu, units=units, known=known, used=mapping, extrapolate=extrapolate),
        lock=soup_lock,
        lock_path=lock,
        mapped=mapped,
        learned=learned,
    )


def obey(lock: SoupLock, rules: Policy | None, published: Mapping[str, LambdaBounds] | None = None) -> None:
    """Refuse a soup outside the policy, or outside what its experts' publishers stand behind.

    Raises:
        Incompatible: With every rule that is broken.
    """
    places = {expert.label: expert.pin.repo_id or expert.pin.place for expert in lock.experts}
    violations = check(
        lock.coefficients,
        policy=rules,
        published=published,
        repos=places,
        rewards={expert.label: expert.reward for expert in lock.experts if expert.reward},
    )
    if violations:
        raise Incompatible(
            "; ".join(violation.message for violation in violations),
            where=violations[0].name,
            remedy="ask for less of it, or change the policy",
            verdicts=[
                {"repo": places.get(violation.name), "commit": None, "reasons": [violation.to_json()]}
                for violation in violations
            ],
        )


def _repo_of(scores: Path | str | None) -> RepoAddress | None:
    """Say which repo is meant; None for a file, which ends in .json or begins with ./ or /, or is there."""
    text = str(scores or "")
    if not text or text.endswith(".json") or is_folder(text) or Path(text).exists():
        return None
    return parse_repo(text) if is_repo_id(text.partition("@")[0]) else None


def _pinned(learned: Learned) -> tuple[MeasuredPin, ...]:
    """Pin the repos of the measurements that were used."""
    used = sorted({(each.repo_id, each.commit) for each in learned.used})
    return tuple(MeasuredPin(repo_id=repo_id, revision=commit) for repo_id, commit in used)


def _measured(source: Measurement) -> dict[str, str]:
    return {
        "repo": source.repo_id,
        "commit": source.commit,
        "file": source.name,
        "measured_by": source.measured_by,
    }


def _bounds(chosen: Mapping[str, Candidate]) -> dict[str, LambdaBounds]:
    """Give what the experts' publishers stand behind."""
    return {
        label: LambdaBounds(min=c.manifest.bounds.min, max=c.manifest.bounds.max)
        for label, c in chosen.items()
        if c.manifest and c.manifest.bounds
    }


def _serves(chosen: Mapping[str, Candidate]) -> dict[str, str]:
    """Give the reward behind each label; a label whose reward is unknown or shared stands for itself."""
    rewards = [candidate.reward for candidate in chosen.values()]
    return {
        label: candidate.reward if candidate.reward and rewards.count(candidate.reward) == 1 else label
        for label, candidate in chosen.items()
    }


def _predicted(mapped: Mapped) -> dict[str, dict[str, float | None]] | None:
    if mapped.predicted is None:
        return None
    return {name: {"mean": mean, "stderr": stderr} for name, (mean, stderr) in mapped.predicted.items()}
