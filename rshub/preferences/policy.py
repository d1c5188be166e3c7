"""Which coefficients are allowed: bounds that experts publish, and a policy file of whoever runs the registry.

    {"schema": "rshub.policy/1",
     "bounds": {"safe": {"min": 0.2}, "org/toxic": {"max": 0.1}},
     "deny": ["org/broken", "mallory/*"]}

Bounds by reward hold for every soup: a reward that a preference leaves out has lambda 0. Bounds by repo, and those that
experts publish, hold where the expert is used. Where several apply, all of them do. Checking returns violations and
raises nothing; reading refuses unknown keys, bounds that exclude everything and any other pattern than ``owner/*``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rshub.errors import NotFound
from rshub.formats.canonical import load_json
from rshub.formats.fields import Fields
from rshub.formats.names import REWARD_NAME, is_repo_id, is_repo_part
from rshub.preferences.preference import INIT, SUM_TOLERANCE

SCHEMA = "rshub.policy/1"


@dataclass(frozen=True, kw_only=True)
class LambdaBounds:
    """Within which lambda an expert may be used, both ends included."""

    min: float = -math.inf
    max: float = math.inf

    def __str__(self) -> str:
        if math.isinf(self.max):
            return f"at least {self.min:g}"
        return f"at most {self.max:g}" if math.isinf(self.min) else f"{self.min:g} to {self.max:g}"


@dataclass(frozen=True, kw_only=True)
class Violation:
    """One rule that coefficients break: ``code`` for programs, ``message`` for people, ``name`` of the expert."""

    code: str
    message: str
    name: str

    def to_json(self) -> dict[str, str]:
        """Describe the violation as one reason of a verdict."""
        return {"code": self.code, "message": self.message}


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What a policy file says."""

    bounds: Mapping[str, LambdaBounds] = field(default_factory=dict)
    deny: tuple[str, ...] = ()

    @classmethod
    def load(cls, path: Path | str) -> Policy:
        """Read a file.

        Raises:
            NotFound: There is no such file, or it cannot be read.
            InvalidInput: The file is no well-formed policy.
        """
        try:
            data = Path(path).read_bytes()
        except OSError as fault:
            raise NotFound(f"{path}: {fault.strerror}", where=str(path), remedy="name a policy file") from fault
        return cls.parse(data, source=str(path))

    @classmethod
    def parse(cls, data: bytes, source: str = "policy.json") -> Policy:
        """Read the bytes of a file.

        Raises:
            InvalidInput: With every fault and its path.
        """
        top = Fields(load_json(data, source=source), source=source)
        top.choice("schema", [SCHEMA])
        bounds = {}
        named = top.inner("bounds", required=False)
        for name in named.unknown():
            if not REWARD_NAME.fullmatch(name) and not is_repo_id(name):
                named.fault(ascii(name[:40]), "neither a reward nor owner/repo")
                continue
            bounds[name] = _bounds(named.inner(name))
        deny: list[str] = []
        listed = top.raw("deny", [])
        for number, pattern in enumerate(listed if isinstance(listed, list) else [listed]):
            if isinstance(pattern, str) and _is_denial(pattern):
                deny.append(pattern)
            else:
                top.fault(f"deny[{number}]", "owner/repo or owner/* is expected")
        top.refuse_unknown()
        top.finish()
        return cls(bounds=bounds, deny=tuple(deny))

    def denies(self, repo_id: str) -> bool:
        """Say whether a repo must not be used; upper and lower case count alike, as they do on the Hub."""
        wanted = repo_id.casefold()
        owner = wanted.partition("/")[0]
        return any(pattern.casefold() in {wanted, f"{owner}/*"} for pattern in self.deny)


def check(
    coefficients: Mapping[str, float],
    *,
    policy: Policy | None = None,
    published: Mapping[str, LambdaBounds] | None = None,
    repos: Mapping[str, str] | None = None,
    rewards: Mapping[str, str] | None = None,
) -> list[Violation]:
    """List every rule that the coefficients break, in the order of the names.

    Args:
        coefficients: lambda by reward, repo or directory; ``init`` is free.
        policy: The policy file's rules.
        published: The bounds in the experts' own manifests, by the names of ``coefficients``.
        repos: The repo behind each name, where it is another one.
        rewards: The reward behind each name, where it is another one.
    """
    policy = policy or Policy()
    published, repos, rewards = published or {}, repos or {}, rewards or {}
    violations = []
    of_reward: dict[str, list[float]] = {name: [] for name in policy.bounds if "/" not in name}
    for name, value in sorted(coefficients.items()):
        if name == INIT:
            continue
        repo = repos.get(name, name.partition("@")[0])
        of_reward.setdefault(rewards.get(name, name), []).append(value)
        if value != 0.0 and policy.denies(repo):
            violations.append(Violation(code="denied", message=f"the policy denies {repo}", name=name))
        if value != 0.0 and name in published:
            violations += _outside(value, published[name], name, "its publisher stands behind", "bounds")
        for written, bounds in policy.bounds.items():
            if value != 0.0 and "/" in written and written.casefold() == repo.casefold():
                violations += _outside(value, bounds, name, "the policy allows", "policy")
    for reward, values in sorted(of_reward.items()):
        if reward in policy.bounds:
            violations += _outside(math.fsum(values), policy.bounds[reward], reward, "the policy allows", "policy")
    return violations


def _outside(value: float, bounds: LambdaBounds, name: str, who: str, code: str) -> list[Violation]:
    if bounds.min - SUM_TOLERANCE <= value <= bounds.max + SUM_TOLERANCE:
        return []
    return [Violation(code=code, message=f"lambda of {name} is {value:g}; {who} {bounds}", name=name)]


def _is_denial(pattern: str) -> bool:
    """Say whether this is ``owner/repo`` or ``owner/*``."""
    return is_repo_id(pattern) or (pattern.endswith("/*") and is_repo_part(pattern.removesuffix("/*")))


def _bounds(fields: Fields) -> LambdaBounds:
    known: dict[str, Any] = {key: fields.number(key) for key in ("min", "max") if fields.has(key)}
    fields.refuse_unknown()
    bounds = LambdaBounds(**known)
    if not known:
        fields.fault("min", "missing; min, max or both are expected")
    elif bounds.min > bounds.max:
        fields.fault("min", f"{bounds.min:g} is more than max, {bounds.max:g}")
    return bounds
