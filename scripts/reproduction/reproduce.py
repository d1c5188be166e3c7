"""Runs every claim on every task, and writes ``results.json`` and the page when all are done."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from multiprocessing import get_context
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
from scripts.reproduction.costs import Costs, cpu_seconds
from scripts.reproduction.finding import Finding
from scripts.reproduction.page import Chapter, Results, render
from scripts.reproduction.sizes import sizes_of
from scripts.reproduction.study import Study
from scripts.reproduction.telling import Say
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


def reproduce(out: Path, *, tasks: Sequence[str], fast: bool, jobs: int = 1, say: Say) -> Results:
    """Train, measure and judge.

    Args:
        out: The folder of results; what is kept for the next run lies in ``work`` below it.
        tasks: Which of the five.
        fast: Shrink everything: all code, no meaning.
        jobs: Tasks at once, each in a process of its own; with 1 all is done in this one.
        say: Told what goes on; from other processes too, so that it must be a plain function.
    """
    if jobs == 1 or len(tasks) == 1:
        chapters = [chapter(task, out, fast=fast, say=say) for task in tasks]
    else:
        with ProcessPoolExecutor(min(jobs, len(tasks)), mp_context=get_context("spawn")) as pool:
            begun = [pool.submit(chapter, task, out, fast=fast, say=say) for task in tasks]
            chapters = [one.result() for one in begun]
    results = Results(out=out, chapters=tuple(chapters), fast=fast, cpu_seconds=cpu_seconds())
    write_whole(out / "results.json", file_bytes(results.to_json()))
    write_whole(results.page, render(results).encode())
    return results


def chapter(task: str, out: Path, *, fast: bool, say: Say) -> Chapter:
    """Do one task."""
    say(f"{task}: begun")
    sizes = sizes_of(task, fast=fast)
    work = out / "work" / task
    costs = Costs(work / "costs.json")
    findings = []
    with quiet(), torch_on_one_thread(), ExitStack() as stack:
        with costs.of("twin"):
            world = stack.enter_context(opened(task, work, prompts=sizes.prompts, fast=fast))
        kept, recipes = work / "models", out / "recipes"
        workshop = Workshop(world, kept=kept, recipes=recipes, steps=sizes.steps, costs=costs, say=say)
        study = Study(world, workshop, sizes=sizes, ledger=Ledger(work / "ledger"), costs=costs)
        stack.callback(study.close)
        for claim in (*EVERY, *MORE.get(task, ())):
            for finding in claim(study, Album(out)):
                say(f"{task}: {finding.figure}: {finding.verdict}: {finding.claim} {finding.summary}")
                findings.append(finding)
    return Chapter(
        task=task,
        facts=world.facts,
        amount=study.amount,
        models=workshop.table(),
        findings=tuple(findings),
        made=costs.total(),
        spent=costs.spent,
    )
