"""Jobs are done one after the other or at once; a failed one stops nothing, and an interruption leaves no process."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rshub.errors import InvalidInput, NotFound
from rshub.evaluation import executors
from rshub.evaluation.executors import Event, Job, ProcessExecutor, SerialExecutor, accelerators

PYTHON = sys.executable
ROOT = Path(__file__).parents[2]


def never(*_):
    raise AssertionError("not in this process")


def job(tmp_path, name, code="pass", **settings):
    return Job(name=name, call=never, command=(PYTHON, "-c", code), log=tmp_path / "logs" / f"{name}.log", **settings)


def test_one_after_the_other_with_a_log_each_and_failures_kept(tmp_path):
    order, events = [], []

    def fine(tell, log):
        order.append("fine")
        print("hello", file=log)
        tell(1, 2)
        tell(2, 2)

    def refused(tell, log):
        order.append("refused")
        raise NotFound("no such base", remedy="name one")

    def broken(tell, log):
        order.append("broken")
        raise ZeroDivisionError("by zero")

    def left(tell, log):
        order.append("left")
        raise SystemExit(0)

    calls = {"fine": fine, "refused": refused, "broken": broken, "left": left, "last": fine}
    jobs = [Job(name=name, call=call, command=(), log=tmp_path / f"{name}.log") for name, call in calls.items()]
    outcomes = SerialExecutor().run(jobs, progress=events.append)
    assert order == ["fine", "refused", "broken", "left", "fine"]
    assert [(outcome.job, outcome.done, outcome.exit_code) for outcome in outcomes] == [
        ("fine", True, 0),
        ("refused", False, 5),
        ("broken", False, 1),
        ("left", False, 1),
        ("last", True, 0),
    ]
    assert (outcomes[1].message, outcomes[1].remedy) == ("no such base", "name one")
    assert outcomes[2].message == "unexpected ZeroDivisionError: by zero"
    assert "ZeroDivisionError" in (tmp_path / "broken.log").read_text()
    assert (tmp_path / "fine.log").read_text() == "hello\n"
    assert [event.what for event in events if event.job == "fine"] == ["started", "step", "step", "done"]
    assert Event(job="fine", what="step", step=(2, 2)) in events


def test_an_interruption_is_no_failure_of_a_job(tmp_path):
    def interrupted(tell, log):
        raise KeyboardInterrupt

    jobs = [
        Job(name=name, call=call, command=(), log=tmp_path / name) for name, call in (("a", interrupted), ("b", never))
    ]
    with pytest.raises(KeyboardInterrupt):
        SerialExecutor().run(jobs, progress=lambda _: None)


def test_processes_work_at_once_each_with_a_device_or_a_share_of_the_cores(tmp_path, monkeypatch):
    monkeypatch.setattr(executors, "_cores", lambda: 8)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    show = "import os; print(os.environ.get('CUDA_VISIBLE_DEVICES'), os.environ['OMP_NUM_THREADS'], os.environ['MORE'])"
    # Each of the first two waits until the other has begun: one after the other they would never end.
    meet = (
        "import pathlib, time\n"
        "here = pathlib.Path({folder!r})\n"
        "(here / {name!r}).touch()\n"
        "while not (here / {other!r}).exists(): time.sleep(0.01)\n"
    )
    jobs = [
        job(tmp_path, "a", meet.format(folder=str(tmp_path), name="a", other="b") + show, environment={"MORE": "1"}),
        job(tmp_path, "b", meet.format(folder=str(tmp_path), name="b", other="a") + show, environment={"MORE": "2"}),
        job(tmp_path, "c", show, environment={"MORE": "3"}),
    ]
    outcomes = ProcessExecutor(devices=("3", "5")).run(jobs, progress=lambda _: None)
    assert all(outcome.done for outcome in outcomes)
    said = [(tmp_path / "logs" / f"{name}.log").read_text().split() for name in "abc"]
    assert said[:2] == [["3", "4", "1"], ["5", "4", "2"]]
    assert said[2][1:] == ["4", "3"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    ProcessExecutor(workers=4).run(jobs[2:], progress=lambda _: None)
    assert (tmp_path / "logs" / "c.log").read_text().split() == ["8", "3"]  # no device; alone it has all the cores
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    ProcessExecutor(workers=1).run(jobs[2:], progress=lambda _: None)
    assert (tmp_path / "logs" / "c.log").read_text().split() == ["2", "3"]


def test_a_process_that_fails_says_why_and_stops_nothing(tmp_path):
    events = []
    refusing = "import sys; print('Error: no such base\\nHint: name one', file=sys.stderr); sys.exit(5)"
    jobs = [
        job(tmp_path, "refused", refusing),
        job(tmp_path, "broken", "print('on the way'); raise ValueError('odd')"),
        job(tmp_path, "killed", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"),
        job(tmp_path, "fine"),
    ]
    outcomes = ProcessExecutor(workers=2, devices=("0", "1")).run(jobs, progress=events.append)
    assert [outcome.job for outcome in outcomes] == ["refused", "broken", "killed", "fine"]
    assert [outcome.done for outcome in outcomes] == [False, False, False, True]
    assert [outcome.exit_code for outcome in outcomes] == [5, 1, 1, 0]
    assert (outcomes[0].message, outcomes[0].remedy) == ("no such base", "name one")
    assert outcomes[1].message == "it ended with 1: ValueError: odd"
    assert outcomes[1].remedy == f"see {jobs[1].log}"
    assert outcomes[2].message == "it was ended by SIGKILL"
    assert {event.job: event.what for event in events} == {
        "refused": "failed", "broken": "failed", "killed": "failed", "fine": "done",
    }  # fmt: skip


def test_how_far_a_process_is_is_seen_from_outside(tmp_path):
    events = []
    steps = tmp_path / "steps"
    code = f"import time, pathlib\nfor n in (1, 2):\n  pathlib.Path({str(steps)!r}).write_text(str(n)); time.sleep(0.6)"

    def seen():
        return (int(steps.read_text() or 0), 2) if steps.exists() else None

    ProcessExecutor(workers=1).run([job(tmp_path, "a", code, seen=seen)], progress=events.append)
    assert [event.step for event in events if event.what == "step"] == [(1, 2), (2, 2)]


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize(("clearing", "how"), [(True, "cleared"), (False, None)])
def test_an_interruption_ends_every_process_by_its_id(tmp_path, monkeypatch, clearing, how):
    monkeypatch.setattr(executors, "GRACE", 30.0 if clearing else 0.5)
    work = (
        "import os, pathlib, signal, sys, time\n"
        + ("" if clearing else "signal.signal(signal.SIGINT, signal.SIG_IGN)\n")
        + "here = pathlib.Path({place!r})\n"
        "here.write_text(str(os.getpid()))\n"
        "try:\n"
        "    time.sleep(600)\n"
        "except KeyboardInterrupt:\n"
        "    here.with_suffix('.end').write_text('cleared')\n"
    )
    places = [tmp_path / name for name in ("a", "b")]
    jobs = [job(tmp_path, place.name, work.format(place=str(place))) for place in places]

    def both_started():
        return all(place.exists() and place.read_text() for place in places)

    def interrupt(seconds):
        sleep(seconds)
        if both_started():
            raise KeyboardInterrupt

    sleep = time.sleep
    monkeypatch.setattr(executors.time, "sleep", interrupt)
    with pytest.raises(KeyboardInterrupt):
        ProcessExecutor(workers=2, devices=("0", "1")).run(jobs, progress=lambda _: None)
    assert not any(alive(int(place.read_text())) for place in places)
    ends = [place.with_suffix(".end") for place in places]
    assert [end.read_text() if end.exists() else None for end in ends] == [how, how]


def test_a_lock_lasts_as_long_as_the_process_that_inherited_it(tmp_path):
    import fcntl

    handle = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    code = f"import fcntl, os; fcntl.flock({handle}, fcntl.LOCK_EX | fcntl.LOCK_NB)"
    (outcome,) = ProcessExecutor(workers=1).run([job(tmp_path, "a", code, handles=(handle,))], progress=lambda _: None)
    os.close(handle)
    assert outcome.done, outcome.message


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"workers": 0}, "do nothing"),
        ({"workers": 3, "devices": ("0", "1")}, "more than the 2 devices"),
        ({"devices": ("0", "0")}, "one is there twice"),
    ],
)
def test_shares_that_cannot_be_given_are_refused(settings, why):
    with pytest.raises(InvalidInput, match=why):
        ProcessExecutor(**settings)


def test_accelerators_are_those_that_are_visible(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2, GPU-7")
    assert accelerators() == ("2", "GPU-7")
    for none in ("", "-1"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", none)
        assert accelerators() == ()
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\nprintf '0\\n1\\n'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert accelerators() == ("0", "1")
    tool.write_text("#!/bin/sh\necho 'No devices were found'; exit 6\n")
    assert accelerators() == ()


def test_a_terminated_parent_takes_its_processes_with_it(tmp_path):
    """The program turns SIGTERM into an ordinary way out; the processes must not outlive it."""
    work = f"import os, pathlib, time; pathlib.Path('{tmp_path}/pid').write_text(str(os.getpid())); time.sleep(600)"
    code = (
        "import pathlib, signal, sys\n"
        "from rshub.evaluation.executors import Job, ProcessExecutor\n"
        "signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(143))\n"
        f"log = pathlib.Path('{tmp_path}/log')\n"
        f"job = Job(name='a', call=None, command=(sys.executable, '-c', {work!r}), log=log)\n"
        "ProcessExecutor(workers=1).run([job], progress=lambda event: None)\n"
    )
    with subprocess.Popen([PYTHON, "-c", code], env={**os.environ, "PYTHONPATH": str(ROOT)}) as parent:
        deadline = time.monotonic() + 60
        while not ((tmp_path / "pid").exists() and (tmp_path / "pid").read_text()):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        parent.send_signal(signal.SIGTERM)
        assert parent.wait(timeout=60) == 143
    assert not alive(int((tmp_path / "pid").read_text()))
