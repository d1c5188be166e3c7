"""What the manifests of the chosen experts say of their training, however odd it is."""

import pytest

from rshub.experts.manifest import Artefact, BaseClaim, ExpertManifest, FileClaim, InitClaim, RewardClaim
from rshub.experts.versions import parse_tag
from rshub.soups.choose import Candidate
from rshub.soups.known import what_is_known

A = "a" * 64


def chosen(training):
    manifest = ExpertManifest(
        reward=RewardClaim(name="recall", spec="metric:recall", spec_digest=A, direction="max"),
        base=BaseClaim(repo_id="org/base", revision="1" * 40),
        init=InitClaim(),
        artefact=Artefact(files={"f": FileClaim(sha256=A, size=1)}),
        training=training,
    )
    return {
        "r": Candidate(reward="recall", place="ada/recall", commit="c", version=parse_tag("v1.0.0"), manifest=manifest)
    }


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
