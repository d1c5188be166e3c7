"""What manifests say of the training, however odd it is; and whose measurements count where people disagree."""

from dataclasses import replace

import pytest

from rshub.experts.manifest import Artefact, BaseClaim, ExpertManifest, FileClaim, InitClaim, RewardClaim
from rshub.experts.measurements import Measurement, Shared
from rshub.experts.versions import parse_tag
from rshub.preferences.scores import Point, RewardScore, Scores
from rshub.soups.choose import Candidate
from rshub.soups.known import what_is_known

A = "a" * 64


def manifest(training):
    return ExpertManifest(
        reward=RewardClaim(name="recall", spec="metric:recall", spec_digest=A, direction="max"),
        base=BaseClaim(repo_id="org/base", revision="1" * 40),
        init=InitClaim(),
        artefact=Artefact(files={"f": FileClaim(sha256=A, size=1)}),
        training=training,
    )


def chosen(training):
    said = manifest(training)
    return {"r": Candidate(reward="recall", place="ada/recall", commit="c", version=parse_tag("v1.0.0"), manifest=said)}


def known(mixture):
    return what_is_known(chosen({"mixture": mixture}), {"r": "recall"}, None).known.mixtures["recall"]


def test_shares_are_read_as_numbers():
    assert known({"recall": 1, "precision": 0.5}) == {"recall": 1.0, "precision": 0.5}


@pytest.mark.parametrize(
    "odd",
    [10**400, -(10**400), 1e101, float("inf"), float("nan"), True, None, "0.5", [0.5], {"share": 0.5}],
    ids=lambda odd: repr(odd)[:12],
)
def test_a_share_that_is_no_sensible_number_makes_the_mixture_unknown(odd):
    assert known({"recall": 0.5, "precision": odd}) == {}


@pytest.mark.parametrize("odd", [None, 1, "recall", ["recall"]])
def test_a_mixture_that_is_no_object_is_unknown(odd):
    assert known(odd) == {}


def measurement(repo, prompts, points, *, specs=("a" * 64, "b" * 64)):
    """Give a shared measurement as ``rshub evaluate --publish`` would have written it."""
    named = {"long": specs[0], "short": specs[1]}
    scores = Scores(
        rewards={"long": "max", "short": "max"},
        points=tuple(
            Point(
                kind="expert" if max(shares) == 1 else "soup",
                coefficients={"L": shares[0], "S": shares[1]},
                rewards={name: RewardScore(mean=value, stderr=0.01) for name, value in zip(named, values, strict=True)},
            )
            for shares, values in points
        ),
    )
    return Measurement(
        repo_id=repo,
        commit="c" * 40,
        name="scores/1.json",
        scores=scores,
        base_files={"model.safetensors": "d" * 64},
        experts={"L": "1" * 64, "S": "2" * 64},
        rewards=named,
        prompts=prompts,
        generation="e" * 64,
    )


ENDS = [((1, 0), (1.0, 0.0)), ((0, 1), (0.0, 1.0))]
LIES = [((1, 0), (9.0, 8.0)), ((0, 1), (1.0, 9.0))]
SOUPS = [((share / 8, 1 - share / 8), (5.0, 5.0)) for share in range(1, 8)]


def learned(*measurements, mapping="payoff", trusted=()):
    pair = {
        name: Candidate(
            reward=name,
            place=f"{owner}/{name}",
            commit="c",
            version=parse_tag("v1.0.0"),
            manifest=replace(manifest({}), reward=RewardClaim(name=name, spec="metric:x", spec_digest=spec * 64)),
        )
        for name, owner, spec in (("long", "ada", "a"), ("short", "ben", "b"))
    }
    return what_is_known(
        pair,
        {"long": "long", "short": "short"},
        None,
        Shared(measurements=measurements, trusted=frozenset(trusted)),
        {"long": "1" * 64, "short": "2" * 64},
        mapping=mapping,
    )


def owners(found):
    return [each.measured_by for each in found.used]


@pytest.mark.parametrize("lies", [LIES, [*LIES, *SOUPS]], ids=["as-many", "more"])
def test_a_stranger_beats_no_owner_whatever_prompts_they_claim(lies):
    honest, lie = measurement("ben/numbers", "f" * 64, ENDS), measurement("aaa/numbers", "0" * 64, lies)
    for order in ((honest, lie), (lie, honest)):
        found = learned(*order)
        assert found.known.payoff.cell("long", "long") == 1.0
        assert owners(found) == ["ben"]
        assert any(
            "ben and aaa disagree on long" in warning and "other prompts" in warning for warning in found.warnings
        )


def test_the_base_s_owner_comes_before_strangers_and_who_covers_more_before_who_covers_less():
    base, lie = measurement("lab/numbers", "f" * 64, ENDS), measurement("aaa/numbers", "0" * 64, LIES)
    assert owners(learned(lie, base, trusted=["lab"])) == ["lab"]
    assert owners(learned(lie, base)) == ["aaa"]
    half = measurement("ada/numbers", "5" * 64, ENDS[:1])
    assert owners(learned(half, base)) == ["lab"]


def test_a_surrogate_takes_the_owners_soups_where_they_are_enough():
    soups = [((0.5, 0.5), (0.7, 0.7)), ((0.25, 0.75), (0.4, 0.9))]
    honest = measurement("ada/numbers", "f" * 64, [*ENDS, *soups])
    lie = measurement("aaa/numbers", "0" * 64, [*LIES, *SOUPS])
    found = learned(honest, lie, mapping="surrogate")
    assert [point.rewards["long"].mean for point in found.known.evaluations.points] == [1.0, 0.0, 0.7, 0.4]
    assert owners(found) == ["ada"]
    # two experts without a soup teach no surrogate: those of somebody else have to do
    found = learned(measurement("ada/numbers", "f" * 64, ENDS), lie, mapping="surrogate")
    assert len(found.known.evaluations.points) == 9
    assert owners(found) == ["aaa"]


def test_of_a_reward_measured_by_two_specs_one_counts():
    honest = measurement("ada/numbers", "f" * 64, ENDS)
    other = measurement("ben/numbers", "f" * 64, LIES, specs=("a" * 64, "7" * 64))
    found = learned(other, honest)
    assert found.known.payoff.cell("short", "short") == 1.0


def test_what_says_nothing_that_counts_is_not_named():
    first, second = measurement("ada/numbers", "f" * 64, ENDS), measurement("zoe/numbers", "f" * 64, ENDS)
    soups = measurement("zoe/soups", "f" * 64, SOUPS)
    assert [each.repo_id for each in learned(first, second, soups).used] == ["ada/numbers"]
    assert [each.repo_id for each in learned(first, second, soups, mapping="surrogate").used] == [
        "ada/numbers",
        "zoe/soups",
    ]
