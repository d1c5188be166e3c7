"""What goes wrong inside the training libraries, told as our own errors with the next step.

What is not known here is passed on as it is: a bug is no user's mistake.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from safetensors import SafetensorError

from rshub.errors import InvalidInput, OutputError, RshubError
from rshub.tensors.output_file import NO_SPACE
from rshub.training.methods.lesson import Lesson
from rshub.training.methods.recorder import Recorder, diverged

_NO_SPACE = ("no space left", "file too large", "disk quota", "inline_container", "pytorchstreamwriter")
"""What the libraries say where a file cannot be written to its end; the last two are torch's writer of archives."""

_FULL = ("out of memory", "can't allocate memory", "not enough memory")


@contextmanager
def told(lesson: Lesson, recorder: Recorder) -> Iterator[None]:
    """Tell the faults of one run.

    Raises:
        InvalidInput: The adapter would have no module to sit on, or one that it cannot sit on.
        OutputError: The disk is full.
        RshubError: The memory is full, or the training diverged.
    """
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as fault:
        raise _out_of_memory(lesson, recorder) from fault
    except (OSError, SafetensorError) as fault:
        if isinstance(fault, RshubError) or not _no_space(fault):
            raise
        raise _disk_full(lesson, recorder) from fault
    except RuntimeError as fault:
        if _no_space(fault):
            raise _disk_full(lesson, recorder) from fault
        if any(words in str(fault).lower() for words in _FULL):
            raise _out_of_memory(lesson, recorder) from fault
        if "probability tensor" not in str(fault):
            raise
        raise diverged(lesson, recorder.step, "its probabilities are no numbers") from fault
    except ValueError as fault:
        if isinstance(fault, RshubError) or "target" not in str(fault).lower():
            raise
        raise InvalidInput(
            f"lora.target_modules: {fault}",
            where="lora.target_modules",
            remedy="write all-linear, or name modules that the base has and that are linear layers",
        ) from fault


def _out_of_memory(lesson: Lesson, recorder: Recorder) -> RshubError:
    recipe = lesson.recipe
    smaller = max(1, recipe.at_once // 2)
    while recipe.per_update % smaller:
        smaller -= 1
    remedy = f"lower micro_batch, {recipe.at_once} now, to {smaller}" if recipe.at_once > 1 else "take a smaller model"
    if recipe.reinforced:
        remedy += "; completions are sampled a whole batch at a time, so batch may be too large as well"
    return RshubError(
        f"the memory was full after step {recorder.step} of {lesson.steps}",
        where="micro_batch",
        remedy=remedy + _kept(lesson),
    )


def _no_space(fault: Exception) -> bool:
    known = isinstance(fault, OSError) and fault.errno in NO_SPACE
    return known or any(words in str(fault).lower() for words in _NO_SPACE)


def _disk_full(lesson: Lesson, recorder: Recorder) -> OutputError:
    place = lesson.checkpoints or lesson.output
    return OutputError(
        f"{place}: the disk was full after step {recorder.step} of {lesson.steps}",
        where=str(place),
        remedy="free some space, or write to another disk" + _kept(lesson),
    )


def _kept(lesson: Lesson) -> str:
    return "; its checkpoints are kept, and the same command goes on from them" if lesson.checkpoints else ""
