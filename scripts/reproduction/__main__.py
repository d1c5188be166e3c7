"""``python -m scripts.reproduction text``: train, measure, judge, and write the results page.

Everything that was trained and measured is kept below ``OUT/work``; a run that was stopped goes on from there, and a
second one costs little. Set up by ``scripts/reproduce``.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

TASKS = ("news", "reddit", "stack", "review", "assistant")


def main(arguments: list[str]) -> int:
    wanted = _parser().parse_args(arguments)
    out = wanted.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("HF_HOME", str(out / "work" / "cache"))  # read when huggingface_hub is imported
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # tiny models: handing work to a second thread costs more
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HUB_VERBOSITY", "error")  # a twin that is published already is no news
    from scripts.reproduction.reproduce import reproduce
    from scripts.reproduction.telling import say

    began = time.monotonic()
    results = reproduce(out, tasks=wanted.task or TASKS, fast=wanted.fast, jobs=wanted.jobs, say=say)
    for line in results.lines():
        print(line)
    say(f"{(time.monotonic() - began) / 60:.1f} minutes; page: {results.page}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/reproduce", description="Regenerate the paper's figures in small and judge its claims."
    )
    parser.add_argument("modality", choices=["text"], help="which figures: those on text")
    parser.add_argument("--fast", action="store_true", help="everything shrunk to minutes: the figures mean nothing")
    parser.add_argument("--out", type=Path, default=Path("reproduction"), metavar="DIR", help="where the results go")
    parser.add_argument("--task", action="append", choices=TASKS, help="this task only; may be repeated")
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="tasks at once (the number of cores)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
