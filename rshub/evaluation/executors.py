"""Who does the work: jobs one after the other in this process, or several at once in processes of their own.

A job can be done either way: by a function, or by a command. A job that fails does not stop the others, and each writes
a log. With processes every job has a device, or a share of the cores, to itself; whatever ends this process in an
orderly way ends them too, each by its own id, and gives them time to clear up. What a job is about is not known here.
"""

from __future__ import annotations

import contextlib
import gc
import io
import os
import shutil
import signal
import subprocess
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, TextIO

from rshub.errors import InvalidInput, RshubError

TICK = 0.2  # seconds between looks at the processes
GRACE = 60.0
"""Seconds that an interrupted process has to clear up before it is killed."""

Step = tuple[int, int]
"""How much is done, and of how much."""


def _nothing_seen() -> Step | None:
    return None


@dataclass(frozen=True, kw_only=True)
class Job:
    """Something to be done.

    Args:
        name: Names it in progress and results; different from all others.
        call: Does it in this process; is handed a function to tell how far it is, and a place for lines of the log.
        command: Does it as a process.
        log: The file that gets everything that the job says; it is begun anew.
        seen: Looks from outside how far a process is.
        environment: Variables for the process beside this one's.
        handles: Open files that the process inherits; locks, so that they last as long as it does.
    """

    name: str
    call: Callable[[Callable[[int, int], None], TextIO], object]
    command: tuple[str, ...]
    log: Path
    seen: Callable[[], Step | None] = _nothing_seen
    environment: Mapping[str, str] = field(default_factory=dict)
    handles: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened to a job: it was started, came further, was done, or failed."""

    job: str
    what: Literal["started", "step", "done", "failed"]
    step: Step | None = None
    message: str = ""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a job ended.

    Args:
        job: Its name.
        done: Whether it did what it was to do.
        seconds: How long it took.
        message: Why it failed.
        remedy: What can be done about it.
        exit_code: The code of the program's contract.
    """

    job: str
    done: bool
    seconds: float
    message: str = ""
    remedy: str = ""
    exit_code: int = 0


Progress = Callable[[Event], None]


class Executor(Protocol):
    """Does jobs; the outcomes come in the order of the jobs."""

    def run(self, jobs: Sequence[Job], *, progress: Progress) -> list[Outcome]:
        """Do the jobs; an interruption ends what is under way and is raised again."""
        ...


class SerialExecutor:
    """One job after the other, in this process: what it has imported serves all of them."""

    def run(self, jobs: Sequence[Job], *, progress: Progress) -> list[Outcome]:
        """Do the jobs."""
        return [self._run(job, progress) for job in jobs]

    def _run(self, job: Job, progress: Progress) -> Outcome:
        progress(Event(job=job.name, what="started"))
        start = time.monotonic()
        job.log.parent.mkdir(parents=True, exist_ok=True)
        with job.log.open("w", encoding="utf-8") as log:
            try:
                job.call(lambda done, total: progress(Event(job=job.name, what="step", step=(done, total))), log)
                outcome = Outcome(job=job.name, done=True, seconds=time.monotonic() - start)
            except (Exception, SystemExit) as fault:  # noqa: BLE001 - whatever it is, the other jobs go on
                traceback.print_exception(fault, file=log)
                outcome = _failed(job, fault, time.monotonic() - start)
        gc.collect()  # a traceback held the failed job's model
        progress(_ended(outcome))
        return outcome


@dataclass(kw_only=True)
class _Running:
    """A process at work."""

    job: Job
    process: subprocess.Popen[bytes]
    slot: int
    start: float
    step: Step | None = None


class ProcessExecutor:
    """Several jobs at once, each in a process with a device or a share of the cores to itself.

    Args:
        workers: How many at once; by default one for each device, else one for each core.
        devices: The accelerators, as CUDA_VISIBLE_DEVICES names them; by default those that there are.

    Raises:
        InvalidInput: There are fewer than one worker, or more than devices; or a device is named twice.
    """

    def __init__(self, *, workers: int | None = None, devices: Sequence[str] = ()) -> None:
        self.devices = tuple(devices) or accelerators()
        if len(set(self.devices)) != len(self.devices):
            raise InvalidInput(
                f"devices {','.join(self.devices)}: one is there twice", where="devices", remedy="name each once"
            )
        if workers is not None and workers < 1:
            raise InvalidInput(f"{workers} jobs at once do nothing", where="jobs", remedy="use at least 1")
        if workers is not None and self.devices and workers > len(self.devices):
            raise InvalidInput(
                f"{workers} jobs at once are more than the {len(self.devices)} devices",
                where="jobs",
                remedy="each job has a device to itself: lower --jobs, or name more devices",
            )
        self.workers = workers or len(self.devices) or _cores()

    def run(self, jobs: Sequence[Job], *, progress: Progress) -> list[Outcome]:
        """Do the jobs.

        Raises:
            KeyboardInterrupt: This process was interrupted; the jobs' processes have ended.
        """
        waiting = list(reversed(jobs))
        slots = list(range(min(self.workers, max(1, len(jobs)))))
        threads = max(1, _cores() // len(slots))
        running: list[_Running] = []
        outcomes: dict[str, Outcome] = {}
        try:
            while waiting or running:
                while waiting and slots:
                    job, slot = waiting.pop(), slots.pop(0)
                    running.append(self._start(job, slot, threads))
                    progress(Event(job=job.name, what="started"))
                time.sleep(TICK)
                for work in list(running):
                    _tell_step(work, progress)
                    if work.process.poll() is not None:
                        running.remove(work)
                        slots.append(work.slot)
                        slots.sort()
                        outcomes[work.job.name] = _read_outcome(work)
                        progress(_ended(outcomes[work.job.name]))
        finally:
            _end([work.process for work in running])
        return [outcomes[job.name] for job in jobs]

    def _start(self, job: Job, slot: int, threads: int) -> _Running:
        job.log.parent.mkdir(parents=True, exist_ok=True)
        share = {"OMP_NUM_THREADS": str(min(threads, _threads_allowed()))}
        if self.devices:
            share["CUDA_VISIBLE_DEVICES"] = self.devices[slot]
        with job.log.open("wb") as log:
            process = subprocess.Popen(
                job.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **share, **job.environment},
                pass_fds=job.handles,
                start_new_session=True,  # an interrupt from the keyboard reaches it through us, once
            )
        return _Running(job=job, process=process, slot=slot, start=time.monotonic())


def accelerators() -> tuple[str, ...]:
    """Name the accelerators of this machine as CUDA_VISIBLE_DEVICES would, without importing what uses them."""
    said = os.environ.get("CUDA_VISIBLE_DEVICES")
    if said is not None:
        return tuple(filter(None, (name.strip() for name in said.split(",")))) if said.strip() != "-1" else ()
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return ()
    try:
        listed = subprocess.run(
            [tool, "--query-gpu=index", "--format=csv,noheader"], capture_output=True, text=True, timeout=30, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(line.strip() for line in listed.stdout.splitlines() if line.strip().isdigit())


def _tell_step(work: _Running, progress: Progress) -> None:
    step = work.job.seen()
    if step is not None and step != work.step:
        work.step = step
        progress(Event(job=work.job.name, what="step", step=step))


def _read_outcome(work: _Running) -> Outcome:
    """Say how a process ended; its reasons are the last that it wrote."""
    code, seconds = work.process.returncode, time.monotonic() - work.start
    if code == 0:
        return Outcome(job=work.job.name, done=True, seconds=seconds)
    said = [line.rstrip() for line in _tail(work.job.log).splitlines() if line.strip()]
    errors = [line.removeprefix("Error: ") for line in said if line.startswith("Error: ")]
    hints = [line.removeprefix("Hint: ") for line in said if line.startswith("Hint: ")]
    by = f"it was ended by {signal.Signals(-code).name}" if code < 0 else f"it ended with {code}"
    return Outcome(
        job=work.job.name,
        done=False,
        seconds=seconds,
        message=errors[-1] if errors else f"{by}: {said[-1]}" if said else by,
        remedy=hints[-1] if errors and hints else f"see {work.job.log}",
        exit_code=code if code > 0 else 1,
    )


def _tail(log: Path) -> str:
    with log.open("rb") as file:
        file.seek(max(0, file.seek(0, io.SEEK_END) - 16384))
        return file.read().decode("utf-8", "replace")


def _end(processes: Sequence[subprocess.Popen[Any]]) -> None:
    """Interrupt processes by their ids, wait for them to clear up, and kill those that do not."""
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGINT)
    deadline = time.monotonic() + GRACE
    try:
        for process in processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=max(0.0, deadline - time.monotonic()))
    finally:  # also when we are interrupted once more
        for process in processes:
            if process.poll() is None:
                process.kill()
                process.wait()


def _failed(job: Job, fault: BaseException, seconds: float) -> Outcome:
    if isinstance(fault, RshubError):
        message, remedy, code = fault.message, fault.remedy, fault.exit_code
    else:
        message, remedy, code = f"unexpected {type(fault).__name__}: {fault}", f"see {job.log}", 1
    return Outcome(job=job.name, done=False, seconds=seconds, message=message, remedy=remedy, exit_code=code)


def _ended(outcome: Outcome) -> Event:
    return Event(job=outcome.job, what="done" if outcome.done else "failed", message=outcome.message)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _threads_allowed() -> int:
    """Give the number of threads that the user allowed one process, if there is a bound."""
    said = os.environ.get("OMP_NUM_THREADS", "")
    return int(said) if said.isdigit() and int(said) > 0 else _cores()
