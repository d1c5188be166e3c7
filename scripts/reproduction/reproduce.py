"""Runs every claim on every task and writes ``results.json`` and the page, after each task anew."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from rshub.evaluation.ledger import Ledger
from rshub.formats.canonical import file_bytes
from rshub.tensors.writer import write_whole
from rshub.training.quiet import quiet, torch_on_one_thread
from scripts.reproduction.album import Album
from scripts.reproduction.claims import (
    beyond,
    choosing,
    ensembles,
    experts,
    fronts,
    seeds,
    start,
    uniform,
    unseen,
    weights,
)
from scripts.reproduction.costs import Costs, Say, cpu_seconds
from scripts.reproduction.finding import Finding
from scripts.reproduction.page import Chapter, Results, render
from scripts.reproduction.sizes import sizes_of
from scripts.reproduction.study import Study
from scripts.reproduction.workshop import Workshop
from scripts.reproduction.worlds import opened

Claim = Callable[[Study, Album], list[Finding]]

EVERY: Sequence[Claim] = (experts.find, fronts.find, unseen.find)
"""What every task shows."""

MORE: Mapping[str, Sequence[Claim]] = {
    "news": (choosing.find, ensembles.find, start.find, seeds.find, beyond.find, weights.find),
    "assistant": (uniform.find,),
}
"""What one task shows for all, as in the paper."""


def reproduce(out: Path, *, tasks: Sequence[str], fast: bool, say: Say) -> Results:
    """Train, measure and judge.

    Args:
        out: The folder of results; what is kept for the next run lies in ``work`` below it.
        tasks: Which of the five.
        fast: Shrink everything: all code, no meaning.
        say: Told what goes on.
    """
    costs = Costs(out / "work" / "costs.json")
    chapters: list[Chapter] = []
    results = Results(out=out, chapters=(), fast=fast, cpu_seconds=0.0, from_scratch=0.0)
    with quiet(), torch_on_one_thread():
        for task in tasks:
            say(f"{task}")
            chapters.append(_chapter(task, out, fast=fast, costs=costs, say=say))
            costs.rest()
            results = replace(results, chapters=tuple(chapters), cpu_seconds=cpu_seconds(), from_scratch=costs.total())
            write_whole(out / "results.json", file_bytes(results.to_json()))
            write_whole(results.page, render(results).encode())
    return results


def _chapter(task: str, out: Path, *, fast: bool, costs: Costs, say: Say) -> Chapter:
    sizes = sizes_of(task, fast=fast)
    work = out / "work"
    with ExitStack() as stack:
        with costs.of(f"twin {task}"):
            world = stack.enter_context(opened(task, work, prompts=sizes.prompts, fast=fast))
        workshop = Workshop(
            world, kept=work / "models", recipes=out / "recipes", steps=sizes.steps, costs=costs, say=say
        )
        study = Study(world, workshop, sizes=sizes, ledger=Ledger(work / "ledger"), costs=costs)
        stack.callback(study.close)
        findings = []
        for claim in (*EVERY, *MORE.get(task, ())):
            for finding in claim(study, Album(out)):
                say(f"  {finding.figure:<7} {finding.verdict}: {finding.claim} {finding.summary}")
                findings.append(finding)
    return Chapter(task=task, facts=world.facts, amount=study.amount, models=workshop.table(), findings=tuple(findings))
