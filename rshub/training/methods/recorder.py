"""The trainer's callback that keeps the log, marks checkpoints, and ends a training that diverged or is done early."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from accelerate import PartialState
from transformers import TrainerCallback

from rshub.errors import RshubError
from rshub.training.methods.lesson import Lesson
from rshub.training.runs.checkpoints import mark_whole
from rshub.training.runs.limits import Stop, find_stop
from rshub.training.runs.log_file import as_text
from rshub.training.runs.log_lines import Line


class Recorder(TrainerCallback):  # type: ignore[misc]  # the library is not typed
    """Writes each line of the log as it comes and passes it on.

    Args:
        lesson: The run.
        make: Makes a line of what the trainer logged.
        out: The open log.
        lines: The lines that were written before a kill.
    """

    def __init__(self, lesson: Lesson, make: Line, out: TextIO, lines: list[dict[str, Any]]) -> None:
        self.lines = lines
        self.step = int(lines[-1]["step"]) if lines else 0
        self._lesson = lesson
        self._make = make
        self._out = out

    @property
    def stop(self) -> Stop | None:
        """Why the training is done before its last step, if it is."""
        return find_stop(self._lesson.recipe, self.lines, self._lesson.steps)

    def on_step_end(self, _arguments: Any, state: Any, control: Any, **_: Any) -> None:
        """Have the last step logged, whichever number it has."""
        self.step = state.global_step
        if state.global_step >= self._lesson.steps:
            control.should_log = True

    def on_log(self, _arguments: Any, state: Any, control: Any, logs: Mapping[str, Any], **_: Any) -> None:
        """Keep what a person or a card wants to know of these steps.

        Raises:
            RshubError: The reward, the divergence or the loss is no number; the line that says so is in the log.
        """
        said = self._make(logs)
        if said is None:  # the summary at the end
            return
        line = {"step": state.global_step, "steps": self._lesson.steps, **said}
        self.lines.append(line)
        self._out.write(as_text(line))
        self._out.flush()
        for name in ("reward", "kl", "loss"):
            if name in line and name in logs and line[name] is None:
                raise diverged(self._lesson, state.global_step, f"its {name} is {logs[name]}")
        if self._lesson.tell is not None:
            self._lesson.tell(line)
        if self.stop is not None:
            control.should_training_stop = True

    def on_save(self, arguments: Any, state: Any, _control: Any, **_: Any) -> None:
        """Mark a checkpoint whole, once every process has written its part of it."""
        PartialState().wait_for_everyone()
        if state.is_world_process_zero:
            mark_whole(Path(arguments.output_dir), state.global_step)


def diverged(lesson: Lesson, step: int, why: str) -> RshubError:
    """Make the error of a training whose numbers are none."""
    remedy = f"lower learning_rate, {lesson.recipe.learning_rate:g} now"
    return RshubError(
        f"the training diverged after step {step}: {why}",
        where="learning_rate",
        remedy=remedy + (", or raise beta" if lesson.recipe.reinforced else ""),
    )
