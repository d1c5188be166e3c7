"""Evaluations on the disk: read first, added to, never measured twice, and never mixed where they do not compare."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import pytest

from rshub.errors import InvalidInput, OutputError
from rshub.evaluation.selection.select import select
from rshub.evaluation.selection.store import read_known
from rshub.preferences.scores import Scores

ROOT = Path(__file__).parents[3]
TEXT = "a=0.5, b=0.02, c=0.48"

SLOW = """
import json, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from conftest import Kitchen
from rshub.evaluation.selection.select import select

kitchen, out, pause = Kitchen(), Path(sys.argv[1]), int(sys.argv[2])

def taste(coefficients):
    if len(kitchen.asked) == pause:
        print("waiting", flush=True)
        time.sleep(300)
    return kitchen.taste(coefficients)

found = select("a=0.5, b=0.02, c=0.48", scores=kitchen.scores(), measure=taste, budget=6, units="raw", out=out)
print(json.dumps(found.to_json()), flush=True)
"""


def asked_in(path):
    """The coefficients of the points that were measured for a request."""
    points = json.loads(path.read_text())["points"]
    return [point["coefficients"] for point in points if "select" in point]


@pytest.fixture
def run(tmp_path):
    """Start a selection of its own process that stops to wait before one of its evaluations."""
    script = tmp_path / "slow.py"
    script.write_text(textwrap.dedent(SLOW))
    started = []

    def start(out, pause):
        words = [sys.executable, str(script), str(out), str(pause), str(Path(__file__).parent)]
        process = subprocess.Popen(
            words, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def test_a_killed_run_goes_on_and_ends_where_an_unbroken_one_does(run, tmp_path, kitchen3):
    whole = tmp_path / "whole.json"
    unbroken = select(
        TEXT, scores=kitchen3.scores(), measure=kitchen3.taste, budget=6, units="raw", out=whole
    ).to_json()
    broken = tmp_path / "broken.json"
    process = run(broken, 3)
    assert process.stdout.readline() == "waiting\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(asked_in(broken)) == 3
    kitchen3.asked.clear()
    resumed = select(TEXT, scores=kitchen3.scores(), measure=kitchen3.taste, budget=6, units="raw", out=broken)
    assert len(kitchen3.asked) == 3
    assert asked_in(broken) == asked_in(whole)
    assert resumed.coefficients == unbroken["coefficients"]
    assert (resumed.spent.new, resumed.spent.request) == (3, 6)
    assert not list(tmp_path.glob(".*partial"))


def test_the_same_request_again_costs_nothing_and_a_larger_budget_the_difference(kitchen3, tmp_path):
    out = tmp_path / "scores.json"
    asking = {"scores": kitchen3.scores(), "measure": kitchen3.taste, "units": "raw", "out": out}
    first = select(TEXT, budget=4, **asking)
    again = select(TEXT, budget=4, **asking)
    assert len(kitchen3.asked) == 4
    assert again.coefficients == first.coefficients
    select(TEXT, budget=6, **asking)
    assert len(kitchen3.asked) == 6
    select("a=0.1, b=0.03, c=0.87", budget=2, **asking)  # somebody else's preference has a budget of its own
    assert len(kitchen3.asked) == 8
    assert len(Scores.load(out).points) == 3 + 8


def test_scores_are_read_and_left_alone_and_out_holds_everything(kitchen3, written, tmp_path):
    points = [point.to_json() for point in kitchen3.scores().points]
    path = written(points, dict.fromkeys("abc", "max"))
    before = path.read_bytes()
    out = tmp_path / "new" / "out.json"
    select(TEXT, scores=path, measure=kitchen3.taste, budget=3, units="raw", out=out)
    assert path.read_bytes() == before
    kept = json.loads(out.read_text())
    assert kept["points"][:3] == points
    assert len(kept["points"]) == 6
    select(TEXT, scores=path, measure=kitchen3.taste, budget=3, units="raw", out=path)  # one file may be both
    assert len(Scores.load(path).points) == 6


def test_an_out_that_cannot_be_written_is_found_before_anything_is_measured(kitchen3, tmp_path):
    with pytest.raises(OutputError):
        select(TEXT, scores=kitchen3.scores(), measure=kitchen3.taste, budget=3, units="raw", out=tmp_path)
    assert kitchen3.asked == []


def test_what_was_measured_before_a_failure_is_kept(kitchen3, tmp_path):
    out = tmp_path / "scores.json"

    def taste(coefficients):
        if len(kitchen3.asked) == 2:
            raise RuntimeError("the machine is on fire")
        return kitchen3.taste(coefficients)

    with pytest.raises(RuntimeError, match="on fire"):
        select(TEXT, scores=kitchen3.scores(), measure=taste, budget=5, units="raw", out=out)
    assert len(asked_in(out)) == 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"rewards": {name: {"direction": "min"} for name in "abc"}}, "is max in --scores and min in --out"),
        ({"prompts": {"digest": "other"}}, "--scores was measured with other prompts than --out"),
        ({"generation": {"digest": "other"}}, "other sampling"),
        ({"rewards": {n: {"direction": "max", "spec_digest": "other"} for n in "abc"}}, "is another reward"),
        ({"base": {"digest": "other"}}, "--scores was measured on another base than --out"),
        ({"experts": {"a": {"digest": "some"}, "b": {"digest": "other"}}}, "b in --scores is another expert than in"),
    ],
)
def test_evaluations_that_do_not_compare_are_not_put_together(kitchen3, tmp_path, change, said):
    known = kitchen3.scores().to_json() | {
        "prompts": {"digest": "some"},
        "generation": {"digest": "some"},
        "base": {"digest": "some"},
        "experts": {name: {"digest": "some"} for name in "abc"},
        "rewards": {name: {"direction": "max", "spec_digest": "some"} for name in "abc"},
    }
    scores, out = tmp_path / "scores.json", tmp_path / "out.json"
    scores.write_text(json.dumps(known))
    out.write_text(json.dumps(known | change))
    with pytest.raises(InvalidInput, match=said):
        select(TEXT, scores=scores, out=out, measure=kitchen3.taste, budget=1, units="raw")
    assert kitchen3.asked == []


def test_what_does_not_say_of_what_it_is_stays_usable_and_what_is_known_is_kept(kitchen3, tmp_path):
    typed = kitchen3.scores().to_json()
    known = typed | {"base": {"digest": "some"}, "experts": {"a": {"digest": "x"}, "b": {"digest": "y"}}}
    scores, out = tmp_path / "scores.json", tmp_path / "out.json"
    scores.write_text(json.dumps(typed | {"base": "typed by hand", "experts": {"c": {"digest": "z"}, "b": {}}}))
    out.write_text(json.dumps(known))
    select(TEXT, scores=scores, out=out, measure=kitchen3.taste, budget=1, units="raw")
    kept = json.loads(out.read_text())
    assert kept["base"] == {"digest": "some"}
    assert kept["experts"] == {name: {"digest": content} for name, content in zip("abc", "xyz", strict=True)}


def test_an_expert_is_known_by_its_other_name_too(kitchen3):
    stored = replace(kitchen3.scores(), unknown={"experts": {"org/a": {"digest": "old"}}})
    facts = replace(kitchen3.scores(), points=(), unknown={"experts": {"a": {"digest": "new"}}})
    with pytest.raises(InvalidInput, match="a in --scores is another expert than in this run"):
        read_known(stored, None, facts, names={"org/a": "a"})
    assert read_known(stored, None, facts, names={}).unknown["experts"].keys() == {"org/a", "a"}


def test_a_process_that_is_slow_to_start_is_no_excuse(run, tmp_path):
    """The script that the kill is tested with does run to its end when it is left alone."""
    process = run(tmp_path / "out.json", 99)
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.1)
    assert json.loads(process.stdout.read())["evaluations"]["new"] == 6
