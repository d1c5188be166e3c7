"""``rshub compose`` and ``verify`` against the embedded hub, with the sums done again in float64."""

import json
import re

import numpy as np
import pytest
from safetensors.numpy import load_file

PREFERENCE = "lab/helpful=0.7, lab/concise=0.3"
WEIGHT = "model.layers.0.self_attn.q_proj.weight"
NO_TORCH = (
    "import sys\nfrom rshub.cli.main import main\ntry:\n    main(sys.argv[1:])\nfinally:\n"
    "    print(sorted({'torch', 'transformers', 'peft', 'trl'} & set(sys.modules)), file=sys.stderr)"
)


def compose(rshub, lab, out, *more, preference=PREFERENCE):
    return rshub("compose", preference, "--base", "lab/base", "--out", out, *lab.as_user, *more)


def test_json_has_the_whole_answer_and_the_numbers_are_right(rshub, lab, tmp_path):
    done = compose(rshub, lab, tmp_path / "soup", "--json")
    assert (done.code, done.err) == (0, "")
    assert {key: done.json[key] for key in ("out", "format", "method", "mapping", "coefficients")} == {
        "out": str(tmp_path / "soup"),
        "format": "checkpoint",
        "method": "delta",
        "mapping": "identity",
        "coefficients": {"lab/helpful": 0.7, "lab/concise": 0.3},
    }
    assert set(done.json["files"]["model.safetensors"]) >= {"sha256", "size"}
    assert done.json["report"]
    base = load_file(lab.base / "model.safetensors")[WEIGHT].astype(np.float64)
    expected = base + 0.7 * lab.deltas["helpful"] + 0.3 * lab.deltas["concise"]
    assert load_file(tmp_path / "soup" / "model.safetensors")[WEIGHT] == pytest.approx(expected, abs=1e-6)


def test_people_read_path_coefficients_figures_and_what_to_type_next(rshub, lab, tmp_path):
    out = tmp_path / "soup"
    done = compose(rshub, lab, out)
    assert done.code == 0
    assert str(out) in done.out
    assert "0.7 * lab/helpful" in done.out
    assert re.search(r"survival|rounding", done.out)
    assert done.err.splitlines()[-1] == f"Next: rshub verify {out} --endpoint {lab.endpoint}"
    assert lab.token not in done.out + done.err


def test_quiet_prints_the_path_alone(rshub, lab, tmp_path):
    done = compose(rshub, lab, tmp_path / "soup", "-q")
    assert (done.out, done.err) == (f"{tmp_path / 'soup'}\n", "")


def test_an_adapter_needs_no_torch(process, lab, tmp_path):
    out = tmp_path / "adapter"
    done = process(
        "compose", PREFERENCE, "--base", "lab/base", "--out", out, "--format", "adapter", "--json", *lab.as_user,
        code=NO_TORCH,
    )  # fmt: skip
    assert (done.code, done.err) == (0, "[]\n")
    assert done.json["format"] == "adapter"
    factors = load_file(out / "adapter_model.safetensors")
    a, b = (next(value for name, value in factors.items() if f"lora_{x}" in name).astype(np.float64) for x in "AB")
    config = json.loads((out / "adapter_config.json").read_text())
    delta = config["lora_alpha"] / config["r"] * b @ a
    assert delta == pytest.approx(0.7 * lab.deltas["helpful"] + 0.3 * lab.deltas["concise"], abs=1e-5)


def test_the_lock_that_was_asked_for_makes_the_same_bytes(rshub, lab, tmp_path):
    lock = tmp_path / "kept.json"
    first = compose(rshub, lab, tmp_path / "one", "--lock", lock, "--json").json
    again = rshub("compose", lock, "--out", tmp_path / "two", "--json", *lab.as_user).json
    assert again["files"] == first["files"]
    assert (tmp_path / "one/model.safetensors").read_bytes() == (tmp_path / "two/model.safetensors").read_bytes()


def test_no_digest_leaves_the_digests_out(rshub, lab, tmp_path):
    files = compose(rshub, lab, tmp_path / "soup", "--no-digest", "--json").json["files"]
    assert {claim["sha256"] for claim in files.values()} == {None}


@pytest.mark.parametrize(
    ("preference", "more", "code"),
    [
        (PREFERENCE, ("--method", "magic"), 2),
        ("lab/helpful=0.7", (), 2),
        ("lab/nothing=1", (), 5),
    ],
)
def test_a_refusal_leaves_nothing_behind(rshub, lab, tmp_path, preference, more, code):
    done = compose(rshub, lab, tmp_path / "soup", "--json", *more, preference=preference)
    assert done.code == code
    assert done.error["exit_code"] == code
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_taken_is_refused(rshub, lab, tmp_path):
    (tmp_path / "soup").mkdir()
    (tmp_path / "soup/mine.txt").write_text("keep me")
    done = compose(rshub, lab, tmp_path / "soup", "--json")
    assert done.code == 1
    assert done.error["error"] == "OutputError"
    assert [path.name for path in tmp_path.rglob("*")] == ["soup", "mine.txt"]


def test_an_adapter_for_another_base_is_incompatible(rshub, lab, tmp_path):
    plain = tmp_path / "plain"
    plain.mkdir()
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        (plain / name).write_bytes((lab.folder / "helpful" / name).read_bytes())
    weights = plain / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes().replace(b"q_proj", b"k_proj"))
    done = compose(rshub, lab, tmp_path / "soup", "--json", preference=f"{plain}=1")
    assert done.code == 3
    assert done.error["error"] == "Incompatible"


def test_a_truncated_adapter_is_refused_for_integrity(rshub, lab, tmp_path):
    plain = tmp_path / "plain"
    plain.mkdir()
    (plain / "adapter_config.json").write_bytes((lab.folder / "helpful/adapter_config.json").read_bytes())
    whole = (lab.folder / "helpful/adapter_model.safetensors").read_bytes()
    (plain / "adapter_model.safetensors").write_bytes(whole[:-8])
    done = compose(rshub, lab, tmp_path / "soup", "--json", preference=f"{plain}=1")
    assert done.code == 4
    assert done.error["error"] == "IntegrityError"


def test_pushing_a_soup_publishes_it(rshub, lab, tmp_path):
    done = compose(rshub, lab, tmp_path / "soup", "--push", "ada/soup", "--json")
    assert done.code == 0
    assert rshub("verify", "ada/soup", "--json", *lab.as_user).json["ok"] is True


def test_a_repo_that_may_not_be_written_to_is_refused_before_anything_is_composed(rshub, lab, tmp_path):
    done = compose(rshub, lab, tmp_path / "soup", "--push", "eve/soup", "--json")
    assert (done.code, done.error["error"]) == (5, "NotFound")
    assert not (tmp_path / "soup").exists()


@pytest.mark.parametrize("target", ["lab/helpful", "soup", "lock"])
def test_verify_says_what_it_checked(rshub, lab, tmp_path, target):
    if target != "lab/helpful":
        compose(rshub, lab, tmp_path / "soup")
        target = {"soup": tmp_path / "soup", "lock": tmp_path / "soup/soup.lock.json"}[target]
    done = rshub("verify", target, *lab.as_user)
    assert (done.code, done.err) == (0, "")
    assert all(re.match(r"(ok|unknown) +\S.*: \S", line) for line in done.out.splitlines())
    value = rshub("verify", target, "--json", *lab.as_user).json
    assert value["ok"] is True
    assert {frozenset(check) for check in value["checks"]} == {frozenset({"name", "ok", "detail"})}


def test_verify_of_changed_bytes_fails_and_still_shows_every_check(rshub, lab, tmp_path):
    compose(rshub, lab, tmp_path / "soup")
    weights = tmp_path / "soup/model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x00")
    done = rshub("verify", tmp_path / "soup", "--json", *lab.as_user)
    assert done.code == 4
    assert done.json["ok"] is False
    assert [check["name"] for check in done.json["checks"] if not check["ok"]] == ["file model.safetensors"]
    assert json.loads(done.err)["error"] == "IntegrityError"
    assert "FAIL" in rshub("verify", tmp_path / "soup", *lab.as_user).out


def test_verify_of_nothing_is_not_found(rshub, lab, tmp_path):
    assert rshub("verify", tmp_path / "nothing", "--json", *lab.as_user).code == 5


def test_a_split_soup_lends_its_untouched_files_to_the_next(rshub, lab, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    assert compose(rshub, lab, first, "--layout", "split").code == 0
    more = ("--layout", "split", "--reuse", first, "--json")
    done = compose(rshub, lab, second, *more, preference="lab/helpful=0.4, lab/concise=0.6")
    assert done.code == 0, done.err
    shared = done.json["report"]["shared"]["files"]
    assert shared
    assert all((first / name).samefile(second / name) for name in shared)
    assert rshub("verify", second, *lab.as_user).code == 0
    done = compose(rshub, lab, tmp_path / "third", "--reuse", first)
    assert done.code == 2
    assert "--layout split" in done.err
    assert not (tmp_path / "third").exists()
