"""May an expert be mixed on a base."""

import pytest

from rshub.experts.base_identity import BaseIdentity
from rshub.experts.compatibility import judge, lineage, rejects
from rshub.experts.manifest import Artefact, BaseClaim, ExpertManifest, FileClaim, InitClaim, RewardClaim

A, B = "a" * 64, "b" * 64
BASE = BaseIdentity(
    repo_id="org/base", revision="1" * 40, files={"model.safetensors": A}, config_digest=A, tokenizer_digest=A
)


def expert(init=None, kind="lora", form="peft", **base):
    claim = {"repo_id": "org/base", "revision": "1" * 40, "files": {"model.safetensors": A}} | base
    return ExpertManifest(
        reward=RewardClaim(name="recall"),
        base=BaseClaim(**claim),
        init=init or InitClaim(),
        artefact=Artefact(kind=kind, format=form, files={"f": FileClaim(sha256=A, size=1)}),
    )


@pytest.mark.parametrize(
    ("manifest", "codes", "rejected"),
    [
        (expert(), [], False),
        (expert(revision="2" * 40), [], False),  # another commit, equal weights
        (expert(repo_id="mirror/base"), [], False),  # another name, equal weights
        (expert(files={"renamed.safetensors": A}), [], False),
        (expert(files={"model.safetensors": B}), ["base-weights"], True),
        (expert(repo_id="org/other", files={"model.safetensors": B}), ["base"], True),
        (expert(files={}), [], False),
        (expert(files={}, revision="2" * 40), ["base-weights"], True),
        (expert(files={}, repo_id=None), ["base"], True),
        (expert(config_digest=B), ["config"], False),
        (expert(tokenizer_digest=B), ["tokenizer"], True),
        (expert(kind="full"), ["artefact"], True),
    ],
)
def test_weights_decide_and_names_do_not(manifest, codes, rejected):
    reasons = judge(manifest, BASE)
    assert [reason.code for reason in reasons] == codes
    assert rejects(reasons) == rejected


@pytest.mark.parametrize(
    ("kind", "form", "words"),
    [("full", "peft", "does not fit"), ("partial", "peft", "does not fit"), ("lora", "plain", "cannot be composed")],
)
def test_a_claim_that_no_files_can_fit_is_told_from_one_of_another_version(kind, form, words):
    (reason,) = judge(expert(kind=kind, form=form), BASE)
    assert words in reason.message
    assert kind in reason.message
    assert form in reason.message


def test_a_lineage_is_the_start_that_was_shared():
    sft = InitClaim(kind="adapter", repo_id="org/sft", revision="3" * 40, digest=A)
    renamed = InitClaim(kind="adapter", repo_id="fork/sft", revision="4" * 40, digest=A)
    other = InitClaim(kind="adapter", repo_id="org/sft", revision="5" * 40, digest=B)
    base = BASE.repo_id
    assert lineage(InitClaim(), base) == lineage(InitClaim(kind="merged"), base) == "base"
    assert lineage(InitClaim(kind="merged", repo_id="org/base"), base) == "base"
    assert lineage(sft, base) == lineage(renamed, base) != lineage(other, base)
    assert lineage(InitClaim(kind="merged", repo_id="org/else", revision="3" * 40), base) != "base"
