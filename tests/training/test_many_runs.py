"""Many runs in one process: what one leaves behind, the others do not feel."""

import os
import shutil
import tempfile
import threading
from pathlib import Path

import pytest

from rshub.training.train import train

pytestmark = pytest.mark.slow

RUNS = 6
PAGE = os.sysconf("SC_PAGESIZE")


def held():
    """Give the memory that this process holds (bytes)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


def open_files():
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - links that come and go


def test_runs_leave_no_memory_no_threads_no_files_and_no_state(recipe, plain, tmp_path, monkeypatch):
    """What a run that is kept alive would hold is known: a model, its adapter, optimiser and reference, 2 MB each."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    grouped = {key: value for key, value in recipe.items() if key != "normalize_advantages"}
    whole = {key: value for key, value in recipe.items() if key != "lora"}
    kinds = [recipe, grouped | {"method": "grpo"}, plain("sft"), plain("dpo"), whole | {"artefact": "full"}]

    def run(number):
        made = [train(kind, output=tmp_path / f"run-{number}-{place}") for place, kind in enumerate(kinds)]
        left = [path.name for path in scratch.iterdir()]
        for done in made:
            shutil.rmtree(done.folder)
        return [done.log for done in made], left

    first, _ = run(0)
    run(1)
    before = held(), threading.active_count(), open_files()
    for number in range(2, RUNS):
        logs, left = run(number)
        assert logs == first
        assert left == []
    grown = (held() - before[0]) / (RUNS - 2)
    assert grown < 1.5e6, f"{grown / 1e6:.2f} MB for every five runs"
    assert (threading.active_count(), open_files()) == before[1:]
