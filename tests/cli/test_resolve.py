"""``rshub resolve`` against the embedded hub."""

import json
import shlex

import pytest


def resolve(rshub, lab, preference, *more):
    return rshub("resolve", preference, "--base", "lab/base", *lab.as_user, *more)


def test_json_has_the_whole_answer(rshub, lab):
    found = resolve(rshub, lab, "lab/helpful=0.7, lab/concise=0.3", "--json").json
    assert {chosen["repo"] for chosen in found["chosen"]} == {"lab/helpful", "lab/concise"}
    assert found["coefficients"] == {"lab/helpful": 0.7, "lab/concise": 0.3}
    assert found["mapping"] == "identity"
    assert found["lock"] is None
    assert set(found) >= {"chosen", "rejected", "coefficients", "mapping", "alternatives", "lock"}


def test_people_read_what_was_chosen_and_what_to_type_next(rshub, lab):
    preference = "helpful=0.7, concise=0.3"
    done = resolve(rshub, lab, preference)
    assert done.code == 0
    assert "chosen" in done.out
    assert "mapping" in done.out
    line = done.err.splitlines()[-1]
    words = shlex.split(line.removeprefix("Next: "))
    assert words[:5] == ["rshub", "compose", preference, "--base", "lab/base"]
    assert lab.token not in done.err


def test_the_quiet_form_is_a_preference_pinned_to_commits(rshub, lab):
    pinned = resolve(rshub, lab, "lab/helpful=0.7, lab/concise=0.3", "-q").out.rstrip("\n")
    again = resolve(rshub, lab, pinned, "--json").json
    assert sorted(again["coefficients"].values()) == [0.3, 0.7]
    assert all(chosen["commit"] in pinned for chosen in again["chosen"])


def test_the_lock_is_written_where_it_was_asked_for(rshub, lab, tmp_path):
    lock = tmp_path / "soup.lock.json"
    done = resolve(rshub, lab, "lab/helpful=1", "--lock", lock)
    assert done.code == 0
    assert json.loads(lock.read_text())["schema"] == "rshub.soup/1"
    assert f"rshub compose {lock} --out ./soup" in done.err


def test_what_to_type_next_chooses_as_was_chosen(rshub, lab, tmp_path):
    def point(share, helpful, concise):
        return {
            "kind": "expert",
            "coefficients": {"helpful": share, "concise": 1 - share},
            "rewards": {"helpful": helpful, "concise": concise},
        }

    scores, policy = tmp_path / "my scores.json", tmp_path / "policy.json"
    directions = {name: {"direction": "max"} for name in ("helpful", "concise")}
    points = [point(1.0, 3.0, 0.0), point(0.0, 1.0, 1.0)]
    scores.write_text(json.dumps({"schema": "rshub.scores/1", "rewards": directions, "points": points}))
    policy.write_text(json.dumps({"schema": "rshub.policy/1", "bounds": {"helpful": {"max": 0.9}}}))
    done = resolve(
        rshub, lab, "helpful=0.5, concise=0.5", "--mapping", "payoff", "--units", "raw", "--scores", scores,
        "--policy", policy,
    )  # fmt: skip
    assert done.code == 0, done.err
    words = shlex.split(done.err.splitlines()[-1].removeprefix("Next: "))
    assert words[:2] == ["rshub", "compose"]
    composed = rshub(*words[1 : words.index("--out")], "--out", tmp_path / "soup", *lab.as_user, "--json")
    assert composed.code == 0, composed.err
    assert composed.json["mapping"] == "payoff"
    assert composed.json["coefficients"] == pytest.approx({"helpful": 2 / 3, "concise": 1 / 3})  # ranges 2 and 1
    assert words[5:13] == [
        "--mapping", "payoff", "--units", "raw", "--scores", str(scores), "--policy", str(policy),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("mapping", "coefficients", "said"),
    [
        ("mixture", {"helpful": 0.25, "concise": 0.75}, "lambda = B^-1 mu"),
        ("surrogate", {"helpful": 0.5, "concise": 0.5}, "leave-one-out R2"),
    ],
)
def test_scores_alone_are_enough_for_every_mapping(rshub, lab, tmp_path, mapping, coefficients, said):
    def point(share):
        rewards = {"helpful": 1 - (1 - share) ** 2, "concise": 1 - share**2}
        mixture = {1.0: {"helpful": 0.8, "concise": 0.2}, 0.0: {"helpful": 0.4, "concise": 0.6}}.get(share)
        mixed = {"helpful": share, "concise": 1 - share}
        return {"kind": "soup", "coefficients": mixed, "mixture": mixture, "rewards": rewards}

    scores, lock = tmp_path / "scores.json", tmp_path / "soup.lock.json"
    rewards = {name: {"direction": "max"} for name in ("helpful", "concise")}
    points = [point(share) for share in (0.0, 0.25, 0.5, 0.75, 1.0)]
    scores.write_text(json.dumps({"schema": "rshub.scores/1", "rewards": rewards, "points": points}))
    asked = ("helpful=0.5, concise=0.5", "--mapping", mapping, "--scores", scores)
    found = resolve(rshub, lab, *asked, "--lock", lock, "--json").json
    assert found["coefficients"] == pytest.approx(coefficients, abs=0.01)
    assert set(found["alternatives"]) == {"identity", "payoff", "mixture", "surrogate"} - {mapping}
    assert all("reason" not in row for row in found["alternatives"].values())
    text = resolve(rshub, lab, *asked).out
    assert said in text
    assert text.count("would give") == 3
    composed = rshub("compose", lock, "--out", tmp_path / "soup", *lab.as_user, "--json")
    assert composed.code == 0, composed.err
    assert composed.json["coefficients"] == found["coefficients"]


@pytest.mark.parametrize(
    ("preference", "more", "code"),
    [
        ("helpful=0.7, helpful=0.3", (), 2),
        ("helpful=0.7", (), 2),
        ("unheard-of=1", (), 2),
        ("lab/nothing=1", (), 5),
        ("lab/helpful=1", ("--scores", "./absent.json"), 5),
        ("lab/helpful=0.5, lab/concise=0.5", ("--mapping", "surrogate"), 2),
    ],
)
def test_every_refusal_has_its_exit_code(rshub, lab, preference, more, code):
    done = resolve(rshub, lab, preference, *more, "--json")
    assert done.code == code, done.err
    assert done.error["exit_code"] == code
    assert done.error["remedy"]


def test_a_term_with_a_sign_passes_the_parser(rshub, lab):
    found = resolve(rshub, lab, "-0.5*lab/helpful + 1.5*lab/concise", "--extrapolate", "--json").json
    assert found["coefficients"] == {"lab/helpful": -0.5, "lab/concise": 1.5}


def test_a_value_with_a_sign_stays_with_its_option():
    from rshub.cli.evaluate import evaluate

    typed = ["./soup", "--reward", "-1*metric:length", "--prompts", "p.jsonl", "-0.5*a + 1.5*b", "--base", "o/b"]
    context = evaluate.make_context("evaluate", typed)
    assert context.params["rewards"] == ("-1*metric:length",)
    assert context.params["soups"] == ("./soup", "-0.5*a + 1.5*b")
    assert (context.params["prompts"], context.params["base"]) == ("p.jsonl", "o/b")


def test_resolving_needs_no_torch(process, lab):
    done = process(
        "resolve", "lab/helpful=1", "--base", "lab/base", "-q", *lab.as_user,
        code="import sys\nfrom rshub.cli.main import main\ntry:\n    main(sys.argv[1:])\nfinally:\n"
        "    print(sorted({'torch', 'transformers', 'peft', 'trl'} & set(sys.modules)), file=sys.stderr)",
    )  # fmt: skip
    assert (done.code, done.err) == (0, "[]\n")
