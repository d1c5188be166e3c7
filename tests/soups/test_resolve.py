"""Resolving a preference, on the embedded hub with the real client."""

import hashlib
import json

import pytest

from rshub.errors import Incompatible, IntegrityError, InvalidInput, NotFound
from rshub.soups.lock import SoupLock
from rshub.soups.resolve import resolve

PAIR = "recall=0.25, precision=0.75"


@pytest.fixture
def pair(registry):
    """Two experts that measured themselves on the same prompts."""
    for who, reward, row in (("ada", "recall", (0.8, 0.5)), ("ben", "precision", (0.6, 0.9))):
        scores = [
            {"reward": name, "value": value, "split": "test", "prompts_digest": "a" * 64}
            for name, value in zip(("recall", "precision"), row, strict=True)
        ]
        registry.expert(f"{who}/{reward}", reward, spec=f"metric:rouge1.{reward}", scores=scores)
    return registry


def ask(registry, preference=PAIR, base="lab/base", **options):
    return resolve(preference, base=base, endpoint=registry.endpoint, **options)


def places(resolution):
    return {chosen["reward"]: chosen["repo"] for chosen in resolution.to_json()["chosen"]}


def test_experts_are_found_by_what_they_say_and_pinned_to_the_byte(pair, tmp_path):
    found = ask(pair, lock=tmp_path / "soup.lock.json")
    assert places(found) == {"precision": "ben/precision", "recall": "ada/recall"}
    assert found.to_json()["coefficients"] == {"recall": 0.25, "precision": 0.75}
    lock = SoupLock.load(tmp_path / "soup.lock.json")
    assert lock == found.lock
    assert lock.base.revision == pair.base
    document = json.loads((tmp_path / "soup.lock.json").read_text())
    weights = pair.adapters["ada/recall"].folder / "adapter_model.safetensors"
    assert document["experts"][1]["files"]["adapter_model.safetensors"] == (
        hashlib.sha256(weights.read_bytes()).hexdigest()
    )


def test_the_same_catalog_gives_the_same_lock(pair):
    assert ask(pair).lock.to_bytes() == ask(pair, "precision=0.75, recall=0.25").lock.to_bytes()


def test_a_later_release_is_preferred_and_an_untagged_head_is_not_used(pair):
    newer = pair.expert("ada/recall", "recall", spec="metric:rouge1.recall", adapter=pair.tiny.adapter(seed=8))
    weights = pair.tiny.adapter(seed=10).folder / "adapter_model.safetensors"
    pair.hub().commit("ada/recall", {"adapter_model.safetensors": weights}, message="unfinished")
    chosen = {row["reward"]: row for row in ask(pair).to_json()["chosen"]}
    assert chosen["recall"]["commit"] == newer.commit
    rejected = ask(pair).to_json()["rejected"]
    assert [(row["tag"], row["reasons"][0]["code"]) for row in rejected] == [("v1.0.0", "older")]


def test_a_repo_without_a_release_is_used_only_when_it_is_named(pair):
    head = pair.hub("ben").info("ben/precision").commit
    folder = pair.hub().download("ben/precision", ["README.md", "expert.json"], commit=head)
    pair.plain_adapter("ben/draft")
    pair.hub("ben").commit(
        "ben/draft", {name: folder / name for name in ("README.md", "expert.json")}, message="no release"
    )
    found = ask(pair)
    assert places(found)["precision"] == "ben/precision"
    assert [(row["repo"], row["reasons"][0]["code"]) for row in found.to_json()["rejected"]] == [
        ("ben/draft", "untagged")
    ]


def test_another_lineage_is_rejected_with_the_reason(pair):
    sft = pair.plain_adapter("ada/sft")
    pair.expert(
        "ben/a-recall", "recall", spec="metric:rouge1.recall", version="9.0.0", init="adapter:ada/sft",
        adapter=pair.tiny.adapter(seed=21),
    )  # fmt: skip
    found = ask(pair)
    assert places(found)["recall"] == "ada/recall"
    (rejected,) = found.to_json()["rejected"]
    assert (rejected["repo"], rejected["reasons"][0]["code"]) == ("ben/a-recall", "lineage")
    alone = ask(pair, "recall=1")
    assert places(alone) == {"recall": "ben/a-recall"}
    assert alone.lock.init.revision == sft


def test_an_expert_of_a_base_with_other_weights_is_rejected(pair):
    other = pair.put_base(pair.tiny.base(seed=5))
    pair.expert("ben/recall-two", "recall", spec="metric:rouge1.recall", base=f"lab/base@{other}", version="3.0.0")
    found = ask(pair, base=f"lab/base@{pair.base}")
    assert places(found)["recall"] == "ada/recall"
    (rejected,) = found.to_json()["rejected"]
    assert (rejected["repo"], rejected["reasons"][0]["code"]) == ("ben/recall-two", "base-weights")
    with pytest.raises(Incompatible) as caught:
        ask(pair, base=f"lab/base@{other}")  # there is no precision expert on the newer weights
    assert {verdict["repo"] for verdict in caught.value.verdicts} >= {"ben/precision"}


def test_equal_weights_at_another_commit_are_the_same_base(pair):
    pair.hub().commit("lab/base", {"README.md": b"---\nlicense: mit\n---\n"}, message="A card")
    assert places(ask(pair)) == {"precision": "ben/precision", "recall": "ada/recall"}


def test_a_local_base_is_known_by_its_bytes(pair):
    found = ask(pair, base=str(pair.base_folder))
    assert places(found) == {"precision": "ben/precision", "recall": "ada/recall"}
    assert found.lock.base.path == str(pair.base_folder)
    with pytest.raises(Incompatible):
        ask(pair, base=str(pair.tiny.base(seed=5)))


def test_a_broken_neighbour_hides_nobody(pair):
    hub = pair.hub("ben")
    hub.create_repo("ben/broken")
    card = b"---\nbase_model: lab/base\ntags: [rewarded-soup-expert, 'reward:recall']\n---\n"
    done = hub.commit("ben/broken", {"README.md": card, "expert.json": b'{"schema": 7}'}, message="broken")
    hub.tag("ben/broken", "v1.0.0", revision=done.commit)
    found = ask(pair)
    assert places(found)["recall"] == "ada/recall"
    (rejected,) = found.to_json()["rejected"]
    assert (rejected["repo"], rejected["reasons"][0]["code"]) == ("ben/broken", "manifest")


def test_plain_adapters_are_welcome_and_warned_about(pair, tmp_path):
    commit = pair.plain_adapter("ben/plain")
    local = pair.tiny.adapter(seed=31).folder
    found = ask(pair, f"ben/plain=0.5, {local}=0.5")
    rows = {row["label"]: row for row in found.to_json()["chosen"]}
    assert rows["ben/plain"]["commit"] == commit
    assert rows["ben/plain"]["reward"] is None
    assert [row["warnings"][0]["code"] for row in rows.values()] == ["plain", "plain"]
    assert {expert.pin.path or expert.pin.repo_id for expert in found.lock.experts} == {"ben/plain", str(local)}


def test_an_unknown_reward_is_refused_with_its_place_and_the_nearest(pair):
    with pytest.raises(InvalidInput, match="recall") as caught:
        ask(pair, "recal=0.5, precision=0.5")
    assert caught.value.exit_code == 2


def test_nobody_offers_anything_on_a_base(registry):
    with pytest.raises(NotFound, match="no expert on"):
        ask(registry, "recall=1")


def test_payoffs_that_experts_publish_set_the_coefficients(pair):
    found = ask(pair, "recall=0.5, precision=0.5", mapping="payoff", units="raw")
    # range_k = own score minus the other's: recall .8 - .6, precision .9 - .5; lambda in proportion to both
    assert found.coefficients == pytest.approx({"recall": 1 / 3, "precision": 2 / 3})
    assert found.to_json()["alternatives"]["identity"] == {"recall": 0.5, "precision": 0.5}
    by_name = ask(pair, "ada/recall=0.5, ben/precision=0.5", mapping="payoff", units="raw")
    assert by_name.coefficients == pytest.approx({"ada/recall": 1 / 3, "ben/precision": 2 / 3})


def test_bounds_and_policies_are_obeyed(pair, tmp_path):
    policy = tmp_path / "policy.json"
    policy.write_text('{"schema": "rshub.policy/1", "bounds": {"recall": {"min": 0.5}}}')
    with pytest.raises(Incompatible, match=r"recall is 0\.25"):
        ask(pair, policy=policy)
    policy.write_text('{"schema": "rshub.policy/1", "deny": ["ben/*"]}')
    with pytest.raises(Incompatible, match="denies ben/precision"):
        ask(pair, policy=policy)


def test_what_the_hub_holds_must_be_what_the_manifest_says(pair):
    commit = pair.hub("ben").info("ben/precision").commit
    folder = pair.hub().download("ben/precision", ["README.md", "expert.json"], commit=commit)
    other = pair.tiny.adapter(seed=41).folder
    hub = pair.hub("ben")
    hub.create_repo("ben/swapped")
    files = {name: folder / name for name in ("README.md", "expert.json")}
    files |= {name: other / name for name in ("adapter_config.json", "adapter_model.safetensors")}
    hub.commit("ben/swapped", files, message="swapped")
    with pytest.raises(IntegrityError, match="sha256"):
        ask(pair, "ben/swapped=1")
