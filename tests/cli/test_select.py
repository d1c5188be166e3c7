"""``rshub select``: the contract of its JSON, from a table typed from a paper."""

import json

import pytest

CONTRACT = {"coefficients", "predicted", "measured", "r2", "mapping"}


@pytest.fixture
def paper(tmp_path):
    """Helpfulness and length in tokens (to be kept small) of two experts and three soups."""
    rows = [(1.0, 0.90, 120), (0.75, 0.84, 88), (0.5, 0.75, 65), (0.25, 0.60, 50), (0.0, 0.40, 40)]
    points = [
        {"kind": "soup", "coefficients": {"helpful": a, "concise": 1 - a}, "rewards": {"helpful": h, "concise": c}}
        for a, h, c in rows
    ]
    points.append({"kind": "init", "rewards": {"helpful": 0.2, "concise": 90}})
    path = tmp_path / "scores.json"
    rewards = {"helpful": {"direction": "max"}, "concise": {"direction": "min"}}
    path.write_text(json.dumps({"rewards": rewards, "points": points}))
    return path


def test_json_from_a_typed_table(rshub, paper):
    done = rshub("select", "--scores", paper, "--preference", "helpful=0.6, concise=0.4", "--json")
    assert (done.code, done.err) == (0, "")
    value = done.json
    assert set(value) >= CONTRACT
    assert sum(value["coefficients"].values()) == pytest.approx(1.0)
    assert 0.5 < value["coefficients"]["helpful"] < 0.8
    assert value["measured"] is None
    assert value["mapping"] == "surrogate"
    assert 40 < value["predicted"]["concise"] < 120
    assert min(value["r2"].values()) > 0.9


def test_people_read_lines_and_quiet_is_what_composes(rshub, paper):
    words = ("select", "--scores", paper, "--preference", "helpful:1 concise:1")
    done = rshub(*words)
    assert done.code == 0
    assert "the start alone is worse" in done.out
    assert "Next: rshub front" in done.err
    brief = rshub(*words, "-q")
    assert brief.err == ""
    assert brief.out.startswith("helpful=0.")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--preference", "helpfull=1"), 2, "did you mean 'helpful'?"),
        (("--preference", "helpful=1", "--budget", "3"), 2, "nothing to measure"),
        (("--preference", "helpful=1", "--base", "org/base"), 2, "EXPERT..."),
    ],
)
def test_errors(rshub, paper, words, code, said):
    done = rshub("select", "--scores", paper, "--json", *words)
    assert done.code == code
    assert said in done.error["message"]


def test_nothing_heavy_is_loaded_for_stored_scores(paper, environment):
    import subprocess
    import sys

    code = (
        "import sys\nfrom rshub.cli.main import main\n"
        f"sys.argv = ['rshub', 'select', '--scores', {str(paper)!r}, '--preference', 'helpful=1', '-q']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print([name for name in ('torch', 'transformers', 'trl', 'peft') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
