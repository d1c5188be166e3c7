"""The joint choice of experts."""

import itertools

import pytest

from rshub.errors import Incompatible
from rshub.experts.compatibility import Reason
from rshub.experts.manifest import Artefact, BaseClaim, ExpertManifest, FileClaim, InitClaim, RewardClaim, Score
from rshub.experts.versions import parse_tag
from rshub.soups.choose import Candidate, choose

A, B = "a" * 64, "b" * 64


def offer(place, reward="recall", tag="v1.0.0", sft=None, spec=A, score=None, prompts=A, direction="max", reasons=()):
    init = InitClaim(kind="adapter", repo_id="org/sft", revision="1" * 40, digest=sft) if sft else InitClaim()
    scores = (Score(reward=reward, value=score, prompts_digest=prompts, split="test"),) if score is not None else ()
    manifest = ExpertManifest(
        reward=RewardClaim(name=reward, spec=f"metric:{spec[0]}", spec_digest=spec, direction=direction),
        base=BaseClaim(repo_id="org/base", revision="1" * 40),
        init=init,
        artefact=Artefact(files={"f": FileClaim(sha256=A, size=1)}),
        scores=scores,
    )
    return Candidate(
        reward=reward, place=place, commit=f"{place}{tag}", version=parse_tag(tag), manifest=manifest, reasons=reasons
    )


def pick(*candidates, named=()):
    """Choose, in every order of the candidates, and demand the same answer."""
    answers = set()
    for order in itertools.permutations(candidates):
        offers = {}
        for candidate in order:
            offers.setdefault(candidate.reward, []).append(candidate)
        choice = choose(offers, named)
        chosen = tuple(sorted((reward, c.place, c.version.tag) for reward, c in choice.chosen.items()))
        rejected = tuple((c.place, c.version.tag, c.reasons[-1].code) for c in choice.rejected)
        answers.add((chosen, rejected))
    assert len(answers) == 1
    return answers.pop()


def test_one_lineage_must_cover_all_rewards_even_against_a_higher_release():
    chosen, rejected = pick(
        offer("z/recall", tag="v9.0.0", sft=A), offer("a/recall"), offer("a/precision", reward="precision", spec=B)
    )
    assert chosen == (("precision", "a/precision", "v1.0.0"), ("recall", "a/recall", "v1.0.0"))
    assert rejected == (("z/recall", "v9.0.0", "lineage"),)


def test_the_highest_release_wins_then_the_comparable_score_then_the_name():
    assert pick(offer("a/r", tag="v1.0.0"), offer("b/r", tag="v1.2.0"))[0] == (("recall", "b/r", "v1.2.0"),)
    assert pick(offer("a/r", score=0.7), offer("b/r", score=0.8))[0] == (("recall", "b/r", "v1.0.0"),)
    assert pick(offer("a/r", score=0.7, direction="min"), offer("b/r", score=0.8, direction="min"))[0][0][1] == "a/r"
    assert pick(offer("a/r", score=0.7), offer("b/r", score=0.8, prompts=B))[0] == (("recall", "a/r", "v1.0.0"),)
    assert pick(offer("b/r"), offer("a/r"))[0] == (("recall", "a/r", "v1.0.0"),)


def test_an_older_release_of_the_same_repo_is_set_aside_as_such():
    _, rejected = pick(offer("a/r", tag="v1.0.0"), offer("a/r", tag="v2.0.0"))
    assert rejected == (("a/r", "v1.0.0", "older"),)


def test_an_older_release_serves_when_only_it_shares_the_lineage():
    chosen, _ = pick(
        offer("a/r", tag="v1.0.0"), offer("a/r", tag="v2.0.0", sft=A), offer("a/p", reward="precision", spec=B)
    )
    assert chosen == (("precision", "a/p", "v1.0.0"), ("recall", "a/r", "v1.0.0"))


def test_two_specs_under_one_name_are_refused_and_both_listed():
    with pytest.raises(Incompatible, match=r"a/r .* and b/r") as caught:
        pick(offer("a/r"), offer("b/r", spec=B))
    assert {verdict["repo"] for verdict in caught.value.verdicts} == {"a/r", "b/r"}


def test_an_expert_on_another_base_does_not_make_a_name_ambiguous():
    wrong = offer("b/r", spec=B, reasons=(Reason(code="base", message="trained on another base"),))
    assert pick(offer("a/r"), wrong) == ((("recall", "a/r", "v1.0.0"),), (("b/r", "v1.0.0", "base"),))


def test_without_a_fitting_expert_the_verdicts_say_why():
    wrong = offer("b/r", reasons=(Reason(code="base-weights", message="its weights differ"),))
    with pytest.raises(Incompatible, match="its weights differ") as caught:
        pick(wrong)
    assert caught.value.verdicts[0]["reasons"] == [{"code": "base-weights", "message": "its weights differ"}]


def test_lineages_that_never_meet_are_refused():
    with pytest.raises(Incompatible, match="no lineage covers all rewards"):
        pick(offer("a/r", sft=A), offer("a/p", reward="precision", spec=B, sft=B))


def test_an_expert_named_in_full_decides_the_lineage():
    named = offer("me/mine", reward="mine", sft=A)
    chosen, _ = pick(offer("a/r"), offer("b/r", sft=A), named=[named])
    assert chosen == (("recall", "b/r", "v1.0.0"),)


def test_named_experts_of_two_lineages_are_refused():
    with pytest.raises(Incompatible, match="do not share one start"):
        choose({}, [offer("a/r", sft=A), offer("b/p", sft=B)])


def test_a_warning_does_not_reject():
    doubtful = offer("a/r", reasons=(Reason(code="config", message="changed", level="warn"),))
    assert pick(doubtful)[0] == (("recall", "a/r", "v1.0.0"),)


def test_a_release_is_ranked_by_its_own_score_not_by_another_release_s():
    rows = (
        offer("a/x", tag="v1.1.0", score=0.5),
        offer("a/x", tag="v1.0.0", score=0.9),
        offer("b/y", tag="v1.1.0", score=0.7),
    )
    assert pick(*rows)[0] == (("recall", "b/y", "v1.1.0"),)


def test_only_those_of_the_highest_release_are_compared_by_score():
    rows = (
        offer("a/x", tag="v2.0.0", score=0.1),
        offer("b/y", tag="v2.0.0", score=0.5),
        offer("c/z", tag="v1.0.0", score=0.9, prompts=B),
        offer("b/y", tag="v1.0.0"),
    )
    assert pick(*rows)[0] == (("recall", "b/y", "v2.0.0"),)


def test_one_spec_in_two_directions_is_two_rewards():
    with pytest.raises(Incompatible, match="different rewards"):
        pick(offer("a/r"), offer("b/r", direction="min"))
