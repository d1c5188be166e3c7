"""Bounds on coefficients: from a file, from experts' manifests, and repos that must not be used."""

import json

import pytest

from rshub.errors import InvalidInput, NotFound
from rshub.preferences.policy import LambdaBounds, Policy, check

DOCUMENT = {
    "schema": "rshub.policy/1",
    "bounds": {"safe": {"min": 0.2}, "org/toxic": {"max": 0.1}, "helpful": {"min": 0.0, "max": 0.9}},
    "deny": ["org/broken", "mallory/*"],
}


def policy(**changes):
    return Policy.parse(json.dumps(DOCUMENT | changes).encode())


def codes(coefficients, **options):
    return [(violation.code, violation.name) for violation in check(coefficients, policy=policy(), **options)]


def test_what_is_allowed_passes():
    assert codes({"safe": 0.2, "helpful": 0.8}) == []
    assert codes({"safe": 0.3, "helpful": 0.6, "org/toxic": 0.1, "init": 9.0}) == []
    assert check({"anything": -3.0}) == []


def test_bounds_hold_within_rounding():
    assert codes({"safe": 0.2 - 1e-12, "helpful": 0.8}) == []
    assert codes({"safe": 0.2 - 1e-6, "helpful": 0.8}) == [("policy", "safe")]


def test_a_reward_that_is_left_out_counts_as_zero():
    assert codes({"helpful": 0.5}) == [("policy", "safe")]


def test_bounds_by_repo_hold_where_it_is_used():
    assert codes({"safe": 0.5, "org/toxic@v1": 0.5}) == [("policy", "org/toxic@v1")]
    assert codes({"safe": 0.5, "rude": 0.5}, repos={"rude": "Org/Toxic"}) == [("policy", "rude")]


def test_experts_named_by_repo_count_for_their_reward():
    serves = {"o/one": "safe", "o/two": "safe"}
    assert codes({"o/one": 0.1, "o/two": 0.1}, rewards=serves) == []
    assert codes({"o/one": 0.1, "o/two": 0.05}, rewards=serves) == [("policy", "safe")]


def test_bounds_that_experts_publish():
    published = {"safe": LambdaBounds(max=0.5), "helpful": LambdaBounds(min=0.3)}
    assert codes({"safe": 0.6, "helpful": 0.0}, published=published) == [("bounds", "safe")]
    assert codes({"safe": 0.5, "helpful": 0.2}, published=published) == [("bounds", "helpful")]


def test_denied_repos_and_owners():
    assert codes({"safe": 0.5, "org/broken": 0.5}) == [("denied", "org/broken")]
    assert codes({"safe": 1.0}, repos={"safe": "Mallory/nice"}) == [("denied", "safe")]
    assert codes({"safe": 1.0, "mallory/x": 0.0}) == []
    assert codes({"safe": 1.0}, repos={"safe": "mallory2/nice"}) == []


def test_a_violation_reads_well():
    (found,) = check({"safe": 0.1, "helpful": 0.9}, policy=policy())
    assert found.to_json() == {"code": "policy", "message": "lambda of safe is 0.1; the policy allows at least 0.2"}


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"schema": "rshub.policy/2"}, "schema"),
        ({"bounds": {"a": {"min": 1, "max": 0}}}, "bounds.a.min"),
        ({"bounds": {"a": {}}}, "bounds.a.min"),
        ({"bounds": {"a": {"maxx": 1, "min": 0}}}, "bounds.a.maxx"),
        ({"bounds": {"a b": {"min": 0}}}, "bounds.'a b'"),
        ({"bounds": {"a": {"min": "0"}}}, "bounds.a.min"),
        ({"deny": ["*"]}, "deny[0]"),
        ({"deny": ["o/x*"]}, "deny[0]"),
        ({"deny": "o/x y"}, "deny[0]"),
        ({"denied": []}, "denied"),
    ],
)
def test_a_policy_is_read_strictly(changes, path):
    with pytest.raises(InvalidInput) as caught:
        policy(**changes)
    assert any(problem.startswith(f"{path}:") for problem in caught.value.problems), caught.value.problems


def test_a_policy_file(tmp_path):
    path = tmp_path / "policy.json"
    path.write_text(json.dumps(DOCUMENT))
    assert Policy.load(path) == policy()
    with pytest.raises(NotFound):
        Policy.load(tmp_path / "none.json")
