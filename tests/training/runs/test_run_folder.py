"""The folder of a run belongs to one run, and to one process at a time."""

import subprocess
import sys
from pathlib import Path

import pytest

from rshub.errors import InvalidInput, OutputError, RshubError
from rshub.training.runs.checkpoints import FOLDER, mark_whole
from rshub.training.runs.run_folder import run_folder

ROOT = Path(__file__).parents[3]
HOLDS = """
import sys
from pathlib import Path
from rshub.training.runs.run_folder import run_folder

with run_folder(Path(sys.argv[1]), {"seed": 0}) as run:
    (run / "training_log.jsonl").write_text("begun")
    (run / "checkpoints" / "checkpoint-2").mkdir(parents=True)
    (run / "checkpoints" / "checkpoint-2" / "whole").touch()
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def output(tmp_path):
    return tmp_path / "expert"


def stop_at(output, step, **identity):
    """A run that fails after a checkpoint."""
    with pytest.raises(RshubError, match="the memory was full"), run_folder(output, identity) as run:
        (run / FOLDER / f"checkpoint-{step}").mkdir(parents=True)
        mark_whole(run / FOLDER, step)
        raise RshubError("the memory was full")


@pytest.mark.parametrize("identity", [{"seed": 0}, {"seed": 1}])
def test_a_second_process_is_refused_and_touches_nothing_until_the_first_is_dead(output, identity):
    command = [sys.executable, "-c", HOLDS, str(output)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout.readline() == "held\n"
        before = {path: path.stat().st_mtime_ns for path in output.parent.rglob("*")}
        with pytest.raises(OutputError, match=r"expert\.run: a run is under way there already") as caught:
            with run_folder(output, identity):
                pytest.fail("two at once")
        assert "wait for it" in caught.value.remedy
        assert {path: path.stat().st_mtime_ns for path in output.parent.rglob("*")} == before
        first.kill()
    with run_folder(output, {"seed": 0}) as run:
        assert (run / "training_log.jsonl").read_text() == "begun"
    assert list(output.parent.iterdir()) == []


def test_an_unfinished_run_is_gone_on_with_and_kept_from_others(output):
    stop_at(output, 4, seed=0)
    with pytest.raises(InvalidInput, match="another recipe, base or version was left unfinished"):
        with run_folder(output, {"seed": 1}):
            pytest.fail("taken over")
    stop_at(output, 8, seed=0)
    with run_folder(output, {"seed": 0}) as run:
        assert sorted(path.name for path in (run / FOLDER).iterdir()) == ["checkpoint-4", "checkpoint-8"]


def test_what_another_run_left_without_a_checkpoint_is_cleared_away(output):
    with pytest.raises(KeyboardInterrupt), run_folder(output, {"seed": 0}) as run:
        (run / "made").mkdir()
        (run / "made" / "weights").touch()
        (run / "training_log.jsonl").touch()
        raise KeyboardInterrupt
    with run_folder(output, {"seed": 1}) as run:
        assert [path.name for path in run.iterdir()] == ["run.json"]


def test_a_folder_that_cannot_be_made_is_told(output):
    output.with_name("expert.run").write_text("in the way")
    with pytest.raises(OutputError, match=r"expert\.run: cannot be written"), run_folder(output, {}):
        pytest.fail("no folder")
