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


def bowl(t):
    """Two rewards with an optimum at each expert, and a metric without an expert that peaks at a quarter."""
    return {"recall": 1 - t**2, "precision": 1 - (1 - t) ** 2, "meteor": 1 - (t - 0.25) ** 2}


def evaluations(tmp_path, names=("recall", "precision"), *, shares=(0.0, 0.2, 0.5, 0.8, 1.0), rewards=bowl, **more):
    points = [
        {"kind": "soup", "coefficients": {names[0]: 1 - t, names[1]: t}, "rewards": rewards(t)} | more for t in shares
    ]
    directions = {name: {"direction": "max"} for name in rewards(0.0)}
    path = tmp_path / "scores.json"
    path.write_text(json.dumps({"schema": "rshub.scores/1", "rewards": directions, "points": points}))
    return path


@pytest.mark.parametrize("names", [("recall", "precision"), ("ada/recall", "ben/precision")])
def test_stored_evaluations_set_the_coefficients(pair, tmp_path, names):
    found = ask(pair, "recall=0.3, precision=0.7", mapping="surrogate", scores=evaluations(tmp_path, names))
    # .3 (1 - t^2) + .7 (1 - (1 - t)^2) is largest at t = .7
    assert found.coefficients == pytest.approx({"recall": 0.3, "precision": 0.7}, abs=0.01)
    told = found.to_json()
    assert told["mapping"] == "surrogate"
    assert told["predicted"]["recall"]["mean"] == pytest.approx(1 - 0.49, abs=0.02)
    assert set(told["predicted"]) == set(told["r2"]) == {"recall", "precision"}
    assert told["alternatives"]["identity"] == {"recall": 0.3, "precision": 0.7}
    assert "leave-one-out R2" in "\n".join(found.lines())


def test_a_scored_reward_without_an_expert_is_served_by_those_that_are_named(pair, tmp_path):
    scores, lock = evaluations(tmp_path), tmp_path / "soup.lock.json"
    found = ask(pair, "recall=0, precision=0, meteor=1", mapping="surrogate", scores=scores, lock=lock)
    assert places(found) == {"precision": "ben/precision", "recall": "ada/recall"}
    assert found.coefficients == pytest.approx({"recall": 0.75, "precision": 0.25}, abs=0.01)
    assert "meteor has no expert here" in found.alternatives["identity"]["reason"]
    assert SoupLock.load(lock) == found.lock
    mixed = ask(pair, "ada/recall=0.5, ben/precision=0, meteor=0.5", mapping="surrogate", scores=scores)
    assert set(mixed.coefficients) == {"ada/recall", "ben/precision"}
    assert sum(mixed.coefficients.values()) == pytest.approx(1.0)
    assert 0.0 < mixed.coefficients["ben/precision"] < 0.25
    with pytest.raises(InvalidInput, match="meteor"):
        ask(pair, "recall=0.5, meteor=0.5", scores=scores)  # the identity needs an expert for it
    with pytest.raises(InvalidInput, match="no expert is named"):
        ask(pair, "meteor=1", mapping="surrogate", scores=scores)
    with pytest.raises(InvalidInput, match="meteo"):
        ask(pair, "recall=0, precision=0, meteo=1", mapping="surrogate", scores=scores)


def test_too_few_evaluations_are_refused_and_a_misfit_falls_back(pair, tmp_path):
    few = evaluations(tmp_path, shares=(0.0, 0.5, 1.0))
    with pytest.raises(InvalidInput, match="1 soup of precision, recall with precision measured is too few"):
        ask(pair, mapping="surrogate", scores=few)
    shares = tuple(number / 10 for number in range(11))
    steps = evaluations(tmp_path, shares=shares, rewards=lambda t: {"recall": float(t < 0.45), "precision": t})
    found = ask(pair, "recall=0.6, precision=0.4", mapping="surrogate", scores=steps)
    assert found.coefficients == pytest.approx({"recall": 0.6, "precision": 0.4})
    assert "MISFIT" in found.to_json()["remark"]


def test_experts_that_were_trained_on_mixtures_are_mixed_to_the_mixture_that_is_wanted(registry, tmp_path):
    for repo, reward, mixture in (
        ("ada/recall", "recall", {"recall": 0.8, "precision": 0.2}),
        ("ben/precision", "precision", {"recall": 0.4, "precision": 0.6}),
    ):
        registry.expert(repo, reward, spec=f"metric:rouge1.{reward}", training={"mixture": mixture})
    found = ask(registry, "recall=0.5, precision=0.5", mapping="mixture")
    # .8 x + .4 y = .5 and .2 x + .6 y = .5
    assert found.coefficients == pytest.approx({"recall": 0.25, "precision": 0.75})
    with pytest.raises(InvalidInput, match=r"lambda of precision would be -0\.25"):
        ask(registry, "recall=0.9, precision=0.1", mapping="mixture")
    beyond = ask(registry, "recall=0.9, precision=0.1", mapping="mixture", extrapolate=True)
    assert beyond.coefficients == pytest.approx({"recall": 1.25, "precision": -0.25})
    assert ask(registry, "recall=0.5, precision=0.5").alternatives["mixture"] == pytest.approx(found.coefficients)
    scores = evaluations(tmp_path, shares=(0.0,), mixture={"recall": 1.0})
    said = ask(registry, "recall=0.5, precision=0.5", mapping="mixture", scores=scores)  # the file has the last word
    assert said.coefficients == pytest.approx({"recall": 1 / 6, "precision": 5 / 6})


def test_experts_that_do_not_say_what_they_were_trained_on_are_refused_by_name(pair):
    with pytest.raises(InvalidInput, match="the expert for precision does not say"):
        ask(pair, mapping="mixture")


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
