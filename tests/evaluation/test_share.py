"""Measurements of one person are what another resolves with: found by the base, and named as whose they are."""

import json
from dataclasses import replace

import pytest

from rshub.errors import HubError, InvalidInput, NotFound
from rshub.evaluation.evaluate import evaluate
from rshub.experts import measurements
from rshub.experts.publish import publish
from rshub.hub.client import Hub
from rshub.localhub import LocalHub
from rshub.preferences.scores import Scores
from rshub.soups.lock import SoupLock
from rshub.soups.resolve import resolve

LENGTH = "metric:length"
SPECS = {"long": LENGTH, "short": f"-0.5*{LENGTH}"}
WANTED = "long=0.5, short=0.5"


class Town:
    """A hub with a base and prompts, and two people's experts: the one that writes more words, and the other one."""

    def __init__(self, served, kitchen):
        self.served = served
        self.tokens = {name: served.add_user(name) for name in ("ada", "ben", "carol", "mallory", "zoe")}
        hub = self.hub("ada")
        hub.create_repo("ada/base")
        hub.commit("ada/base", {path.name: path for path in (kitchen / "base").iterdir()}, message="A base")
        hub.create_repo("ada/prompts", repo_type="dataset")
        hub.commit("ada/prompts", {"test.jsonl": kitchen / "test.jsonl"}, message="Prompts", repo_type="dataset")
        experts = {name: kitchen / name for name in ("recall", "precision")}
        lengths = evaluate(
            [str(folder) for folder in experts.values()], rewards=[LENGTH], prompts=kitchen / "test.jsonl",
            base=str(kitchen / "base"), max_new_tokens=12,
        ).points  # fmt: skip
        long, short = experts.values()
        if lengths[0].rewards["length"].mean < lengths[1].rewards["length"].mean:
            long, short = short, long
        for who, reward, folder in (("ada", "long", long), ("ben", "short", short)):
            publish(
                folder, f"{who}/{reward}", reward=reward, spec=SPECS[reward], base="ada/base", license="mit",
                endpoint=served.endpoint, token=self.tokens[who],
            )  # fmt: skip

    def hub(self, who):
        return Hub(self.served.endpoint, self.tokens[who])

    def measure(self, who, *soups, rewards=SPECS, repo=None, prompts="ada/prompts:test", **options):
        return evaluate(
            soups or ("long=1", "short=1"), rewards=rewards, base="ada/base", prompts=prompts,
            max_new_tokens=12, publish=repo or f"{who}/numbers", endpoint=self.served.endpoint, token=self.tokens[who],
            **options,
        )  # fmt: skip

    def resolve(self, preference=WANTED, **options):
        defaults = {"mapping": "payoff", "units": "raw", "endpoint": self.served.endpoint, "token": self.tokens["zoe"]}
        return resolve(preference, base="ada/base", **(defaults | options))

    def files(self, repo):
        hub = self.hub("zoe")
        info = hub.info(repo, repo_type="dataset")
        return {
            name: hub.read(repo, name, commit=info.commit, max_bytes=2**22, repo_type="dataset") for name in info.files
        }

    def put(self, who, name, data, repo=None):
        """Commit a file as somebody would who does not use rshub."""
        hub, place = self.hub(who), repo or f"{who}/numbers"
        hub.create_repo(place, repo_type="dataset")
        card = b"---\ntags:\n- rewarded-soup-scores\n- base_model:ada/base\n---\n"
        return hub.commit(place, {name: data, "README.md": card}, message="Numbers", repo_type="dataset").commit


@pytest.fixture
def town(kitchen, tmp_path):
    with LocalHub(tmp_path / "hub") as served:
        yield Town(served, kitchen)


def test_a_third_person_measures_what_two_published_and_a_fourth_resolves_by_it(town, tmp_path):
    with pytest.raises(InvalidInput, match="no payoff matrix is known"):
        town.resolve()
    scores = town.measure("carol", "long=1", "short=1")
    found = town.resolve(lock=tmp_path / "soup.lock.json")
    # by hand: lambda in proportion to mu times what each expert gains on its own reward over the other
    long, short = ({name: score.mean for name, score in point.rewards.items()} for point in scores.points)
    gains = {"long": long["long"] - short["long"], "short": short["short"] - long["short"]}
    assert found.coefficients == pytest.approx({name: gain / sum(gains.values()) for name, gain in gains.items()})
    assert found.coefficients["long"] == pytest.approx(2 / 3)
    commit = town.hub("zoe").info("carol/numbers", repo_type="dataset").commit
    assert [(each["repo"], each["commit"], each["measured_by"]) for each in found.to_json()["measurements"]] == [
        ("carol/numbers", commit, "carol")
    ]
    assert f"measured  by carol: carol/numbers@{commit[:8]}" in "\n".join(found.lines())
    assert [each.to_json() for each in SoupLock.load(tmp_path / "soup.lock.json").measured] == [
        {"repo_id": "carol/numbers", "revision": commit}
    ]
    assert scores.unknown["published"]["commit"] == commit
    # the identity asks nobody
    assert town.resolve(mapping="identity").learned.used == ()


def test_a_later_run_adds_a_file_and_the_same_run_adds_none(town):
    town.measure("carol")
    before = town.files("carol/numbers")
    again = town.measure("carol")
    assert again.unknown["published"]["files"] == []
    assert town.files("carol/numbers") == before
    more = town.measure("carol", "long=1", "long=0.5, short=0.5", rewards={"words": "metric:rouge1.recall"})
    after = town.files("carol/numbers")
    assert {name: after[name] for name in before if name.startswith("scores/")}.items() <= after.items()
    (new,) = more.unknown["published"]["files"]
    assert set(after) == {*before, new}
    card = after["README.md"].decode()
    assert "base_model:ada/base" in card
    assert "rewarded-soup-scores" in card
    assert all(name in card.replace("\\", "") for name in after if name.startswith("scores/"))
    read = Scores.parse(after[new])
    assert [point.coefficients for point in read.points] == [{"ada/long": 1.0}, {"ada/long": 0.5, "ben/short": 0.5}]
    assert read.unknown["measured_by"] == "carol"


def test_who_publishes_at_the_same_moment_loses_nothing(town, monkeypatch):
    """Another commit comes between the look at the repo and ours: the hub refuses it, and it is made anew."""
    commit, between = Hub.commit, []

    def late(self, repo_id, files, **options):
        if not between and repo_id == "carol/numbers":
            between.append(commit(town.hub("carol"), repo_id, {"note.txt": b"hello"}, message="Between",
                                  repo_type="dataset"))  # fmt: skip
        return commit(self, repo_id, files, **options)

    monkeypatch.setattr(Hub, "commit", late)
    scores = town.measure("carol")
    (name,) = scores.unknown["published"]["files"]
    assert between
    assert {"note.txt", name} <= set(town.files("carol/numbers"))
    assert len(town.resolve().learned.used) == 1


def test_soups_that_were_measured_teach_a_surrogate(town):
    soups = [f"long={share}, short={1 - share}" for share in (0.0, 0.25, 0.5, 0.75, 1.0)]
    town.measure("carol", *soups, rewards={**SPECS, "overlap": "metric:rouge1.recall"})
    found = town.resolve("long=0, short=0, overlap=1", mapping="surrogate")
    assert sum(found.coefficients.values()) == pytest.approx(1)
    assert found.learned.known.evaluations is not None
    assert len(found.learned.known.evaluations.points) == 5


def test_a_repo_can_be_named_and_pinned(town):
    first = town.measure("carol").unknown["published"]["commit"]
    town.measure("carol", "long=1", rewards={"words": "metric:rouge1.recall"})
    found = town.resolve(scores=f"carol/numbers@{first}")
    assert [each.commit for each in found.learned.used] == [first]
    assert town.resolve(scores="carol/numbers").coefficients == found.coefficients


def document(town):
    """Give what carol published, to be bent."""
    files = town.files("carol/numbers")
    (name,) = (name for name in files if name.startswith("scores/"))
    return json.loads(files[name])


def test_what_is_hostile_or_malformed_is_set_aside_and_said(town):
    town.measure("carol")
    honest = town.resolve().coefficients
    good = document(town)
    bent = {
        "no-json": b"\x80 not json",
        "nan": json.dumps(good).replace('"mean": ', '"mean": NaN, "x": ', 1).encode(),
        "deep": b'{"a":' * 5000 + b"1" + b"}" * 5000,
        "large": b'{"a": "' + b"x" * 5_000_000 + b'"}',
        "strangers": json.dumps(good | {"experts": {}}).encode(),
        "no-digests": json.dumps({key: value for key, value in good.items() if key != "prompts"}).encode(),
        "no-spec": json.dumps(good | {"rewards": {name: {"direction": "max"} for name in SPECS}}).encode(),
        "huge": json.dumps(good).replace('"n": ', '"n": -', 1).encode(),
    }
    for name, data in bent.items():
        town.put("mallory", f"scores/{name}.json", data)
    found = town.resolve()
    assert found.coefficients == honest
    said = "\n".join(found.lines())
    for name in bent:
        assert f"scores/{name}.json is not used" in said, name
    assert [each.measured_by for each in found.learned.used] == ["carol"]


def test_numbers_that_disagree_are_pointed_out_and_owners_come_first(town):
    town.measure("mallory")
    lie = document_of(town, "mallory/numbers")
    for point in lie["points"]:
        for score in point["rewards"].values():
            score["mean"], score["n"] = score["mean"] * 3, 10**9
            score.pop("samples")
    lie["measured_by"] = "ada"
    town.put("carol", "scores/lie.json", json.dumps(lie).encode())
    alone = town.resolve(scores="mallory/numbers").coefficients
    # carol comes before mallory by name; that nobody can tell who is right is said
    found = town.resolve()
    assert [each.measured_by for each in found.learned.used] == ["carol"]
    assert any("carol and mallory disagree" in warning for warning in found.learned.warnings)
    # the owner of an expert comes before both, whatever their names and however many samples they claim
    town.measure("ben", repo="ben/numbers")
    found = town.resolve()
    assert [each.measured_by for each in found.learned.used] == ["ben"]
    assert found.coefficients == alone


def test_a_name_that_would_act_in_a_card_is_no_repo(town):
    """Who measures into a repo with such a file and such a tag gets a card that names the base of their own run."""
    town.measure("carol")
    bent, hub = document(town), town.hub("carol")
    for number, name in enumerate(("aaa`$(touch pwned)`", "a/b\n```\nrm", "a//b", "0")):
        bent["base"]["repo_id"] = name
        town.put("mallory", "scores/bent.json", json.dumps(bent).encode())
        with pytest.raises(LookupError, match=r"base\.repo_id: no repo"):
            town.resolve(scores="mallory/numbers")
        tagged = f"---\ntags:\n- rewarded-soup-scores\n- {json.dumps('base_model:' + name)}\n---\n"
        files = {"scores/0.json": json.dumps(bent).encode(), "README.md": tagged.encode()}
        hub.commit("carol/numbers", files, message="Bent", repo_type="dataset")
        town.measure("carol", "long=1", rewards={f"r{number}": "metric:rouge1.recall"})
        card = town.files("carol/numbers")["README.md"].decode()
        assert "--base ada/base --mapping payoff" in card
        assert [line for line in card.splitlines() if "base_model:" in line] == ["- base_model:ada/base"]
        assert len(name) == 1 or name not in card


def test_what_is_measured_on_private_prompts_is_private(town):
    hub = town.hub("ada")
    hub.create_repo("ada/secret", repo_type="dataset", private=True)
    lines = b'{"prompt": "a secret", "references": ["kept"]}\n'
    hub.commit("ada/secret", {"test.jsonl": lines}, message="Prompts", repo_type="dataset")
    town.measure("ada", prompts="ada/secret:test")
    assert hub.info("ada/numbers", repo_type="dataset").private
    town.measure("ada", repo="ada/open")
    with pytest.raises(InvalidInput, match="is public"):
        town.measure("ada", prompts="ada/secret:test", repo="ada/open")


def test_private_reward_models_and_starts_make_measurements_private(town):
    from rshub.evaluation.share import check_repo
    from rshub.evaluation.targets import find_target

    hub = town.hub("ada")
    for name in ("judge", "start"):
        hub.create_repo(f"ada/{name}", private=True)
    target = find_target(
        "long=1", "ada/base", hub, extrapolate=False, endpoint=town.served.endpoint, token=town.tokens["ada"]
    )
    assert check_repo("ada/numbers", [target], hub, private=False) == ("ada/numbers", False)
    assert check_repo("ada/numbers", [target], hub, private=False, models=["ada/judge"]) == ("ada/numbers", True)
    init = replace(target.lineup.experts["long"], repo_id="ada/start", files={"adapter_model.safetensors": "5" * 64})
    continued = replace(target, lineup=replace(target.lineup, init=init))
    assert check_repo("ada/numbers", [continued], hub, private=False) == ("ada/numbers", True)


@pytest.mark.parametrize("most", ["MOST_FILES_IN_ALL", "MOST_BYTES"])
def test_strangers_cannot_make_a_resolve_read_without_end(town, monkeypatch, most):
    town.measure("carol")
    (honest,) = (data for name, data in town.files("carol/numbers").items() if name.startswith("scores/"))
    lie = json.dumps(json.loads(honest)).encode()
    for number in range(4):
        town.put("mallory", f"scores/{number}.json", lie + b" " * number)
    monkeypatch.setattr(measurements, most, 3 if most == "MOST_FILES_IN_ALL" else len(honest) + 2 * len(lie) + 1)
    read, asked = Hub.read, []

    def counting(self, repo_id, name, **options):
        asked.append((repo_id, name))
        return read(self, repo_id, name, **options)

    monkeypatch.setattr(Hub, "read", counting)
    found = town.resolve()
    shared = [repo for repo, name in asked if name.startswith("scores/")]
    assert shared == ["carol/numbers", "mallory/numbers", "mallory/numbers"]
    assert any("mallory/numbers is not used: 2 of its files are not read" in each for each in found.learned.warnings)


def test_a_repo_that_the_hub_cannot_give_ends_nothing(town, monkeypatch):
    town.measure("carol")
    town.measure("ben")
    info = Hub.info

    def broken(self, repo_id, *args, **options):
        if repo_id == "ben/numbers":
            raise HubError("the hub answered with 500", repo_id=repo_id)
        return info(self, repo_id, *args, **options)

    monkeypatch.setattr(Hub, "info", broken)
    found = town.resolve()
    assert [each.measured_by for each in found.learned.used] == ["carol"]
    assert "ben/numbers is not used: the hub answered with 500" in found.learned.warnings
    with pytest.raises(HubError, match="500"):
        town.resolve(scores="ben/numbers")


def document_of(town, repo):
    files = town.files(repo)
    return json.loads(next(data for name, data in files.items() if name.startswith("scores/")))


def test_only_these_experts_rewards_and_bases_count(town):
    town.measure("carol")
    good = document(town)
    other_spec = json.loads(json.dumps(good))
    other_spec["rewards"]["long"]["spec_digest"] = "1" * 64
    other_base = good | {"base": {**good["base"], "files": {"model.safetensors": "2" * 64}}}
    other_expert = json.loads(json.dumps(good))
    for expert in other_expert["experts"].values():
        expert["files"]["adapter_model.safetensors"] = "3" * 64
    turned = json.loads(json.dumps(good))
    turned["rewards"]["short"]["direction"] = "min"
    for name, document_ in (("spec", other_spec), ("base", other_base), ("expert", other_expert), ("turned", turned)):
        town.put("mallory", f"scores/{name}.json", json.dumps(document_).encode(), repo=f"mallory/{name}")
    for name in ("spec", "turned"):
        with pytest.raises(InvalidInput, match="not measured"):
            town.resolve(scores=f"mallory/{name}")
    with pytest.raises(InvalidInput, match="no payoff matrix is known"):
        town.resolve(scores="mallory/expert")
    with pytest.raises(LookupError, match="no measurements on"):
        town.resolve(scores="mallory/base")
    assert town.resolve().coefficients["long"] == pytest.approx(2 / 3)


def test_a_repo_of_something_else_and_what_others_cannot_tell_are_refused(town, kitchen):
    with pytest.raises(InvalidInput, match="something else than measurements"):
        town.measure("ada", repo="ada/prompts")
    with pytest.raises(InvalidInput, match="nothing here can be shared"):
        evaluate(
            [str(kitchen / "recall")], rewards=SPECS, base=str(kitchen / "base"), prompts=kitchen / "test.jsonl",
            publish="ada/numbers", endpoint=town.served.endpoint, token=town.tokens["ada"],
        )  # fmt: skip
    town.measure("carol")
    with pytest.raises(InvalidInput, match="is public"):
        town.measure("carol", private=True)


@pytest.mark.parametrize("repo", ["carol/numbers", "carol/more"])
def test_a_repo_that_the_token_may_not_write_or_create_is_refused_before_anything_is_measured(town, repo):
    town.measure("carol", "long=1")
    before = town.files("carol/numbers")
    with pytest.raises(NotFound, match="may not"):
        town.measure("zoe", "short=1", repo=repo, progress=lambda *_: pytest.fail("measured"))
    assert town.files("carol/numbers") == before


def test_no_path_of_this_machine_goes_up(town, kitchen):
    scores = town.measure("carol", str(kitchen / "recall"), f"{kitchen}/recall=1", "long=0.5, short=0.5", ensemble=True)
    assert [point.kind for point in scores.points] == ["expert", "expert", "soup", "ensemble"]
    for data in town.files("carol/numbers").values():
        assert str(kitchen).encode() not in data
        assert b"/tmp" not in data
    read = Scores.parse(next(data for name, data in town.files("carol/numbers").items() if name.startswith("scores/")))
    assert read.points[3].kind == "ensemble"
    assert read.points[0].coefficients == {"recall": 1.0}
