"""One session of a trainer, the same for every method.

Model, callbacks and folders are set up, faults told, the trainer run and its result saved; whatever the libraries did
to the process is put back.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from datasets import Dataset
from transformers import PrinterCallback, ProgressCallback

from rshub.training.methods.faults import told
from rshub.training.methods.lesson import Lesson, Trained
from rshub.training.methods.models import open_model, save_trained
from rshub.training.methods.recorder import Recorder
from rshub.training.quiet import kept_accelerator_state, kept_random_state, quiet
from rshub.training.runs.checkpoints import latest, step_of
from rshub.training.runs.crew import crew
from rshub.training.runs.log_file import keep_lines
from rshub.training.runs.log_lines import Line
from rshub.training.runs.trackers import file_trackers


@dataclass(frozen=True, kw_only=True)
class Session:
    """What a trainer is made of, and the folder that it may write to."""

    lesson: Lesson
    folder: Path
    recorder: Recorder
    resume: Path | None
    parts: dict[str, Any] = field(repr=False)

    def run(self, trainer: Any) -> Trained:
        """Train, from a checkpoint where there is one, and save what was trained."""
        trainer.remove_callback(PrinterCallback)
        trainer.remove_callback(ProgressCallback)
        if self.resume and (step_of(self.resume) >= self.lesson.steps or self.recorder.stop):
            trainer._load_from_checkpoint(str(self.resume))  # noqa: SLF001 - it was done, and killed before it was saved
        else:
            trainer.train(resume_from_checkpoint=str(self.resume) if self.resume else None)
        steps = max(step_of(self.resume), trainer.state.global_step)
        save_trained(self.lesson, trainer)
        return Trained(lines=self.recorder.lines, steps=steps, stopped=self.recorder.stop)


@contextmanager
def session(lesson: Lesson, line: Line) -> Iterator[Session]:
    """Set a trainer's session up for one run.

    Args:
        lesson: The run.
        line: Makes a line of the log of what the trainer says.
    """
    resume = latest(lesson.checkpoints, sweep=crew().leads)
    lines = keep_lines(lesson.log, step_of(resume))
    with (
        quiet(),
        kept_random_state(),
        kept_accelerator_state(),
        tempfile.TemporaryDirectory(prefix="rshub-train-") as scratch,
        lesson.log.open("a") as out,
    ):
        recorder = Recorder(lesson, line, out, lines)
        with file_trackers(lesson.recipe.report_to, lesson.trackers) as trackers, told(lesson, recorder):
            model, adapter = open_model(lesson)
            yield Session(
                lesson=lesson,
                folder=lesson.checkpoints or Path(scratch),
                recorder=recorder,
                resume=resume,
                parts={
                    "model": model,
                    "peft_config": adapter,
                    "processing_class": lesson.tokenizer,
                    "train_dataset": Dataset.from_list([dict(row) for row in lesson.rows]),
                    "callbacks": [recorder, *trackers],
                },
            )
