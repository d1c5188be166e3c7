"""Real kills at random moments: a soup is whole or absent, an earlier one that lends files is untouched.

Each attempt is a process of its own, forked from one that has everything loaded, and killed after a random time.
"""

import os
import shutil
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from tests.tiny_models import SHAPES, dump, load

WIDE = {"model.layers.0.mlp.up_proj.weight": (1500, 700), "model.layers.1.mlp.up_proj.weight": (1500, 700)}
UP = "model.layers.0.mlp.up_proj"
ATTEMPTS = 25

CODE = """
    import hashlib, os, random, signal, sys, time
    from pathlib import Path
    from rshub.soups.writing.build import write_soup
    from rshub.soups.writing.earlier import EarlierSoup
    from rshub.soups.plan import Term, plan_soup
    from rshub.tensors.checkpoint import Checkpoint
    from rshub.tensors.writer import fresh_folder

    base, expert, root, attempts = sys.argv[1:]
    out, first = Path(root, "out"), Path(root, "first")

    def cook(folder, coefficient, earlier=None):
        terms = [Term(label="a", folder=Path(expert), coefficient=coefficient)]
        plan = plan_soup(base=Checkpoint.open(Path(base)), terms=terms, layout="split")
        with fresh_folder(folder) as staging:
            return write_soup(plan, staging, base_model="b", base_revision=None, earlier=earlier)

    def digests(folder):
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}

    lent = cook(first, 0.5)
    untouched = {name: claim["sha256"] for name, claim in lent.files.items() if "-untouched-" in name}
    before = digests(first)
    began = time.monotonic()
    cook(Path(root, "whole"), 0.25)
    span = time.monotonic() - began
    wanted = digests(Path(root, "whole"))
    ends = {"absent": 0, "whole": 0}
    chance = random.Random(7)
    for attempt in range(int(attempts)):
        child = os.fork()
        if child == 0:
            cook(out, 0.25, EarlierSoup(folder=first, files=untouched) if attempt % 2 else None)
            os._exit(0)
        time.sleep(chance.uniform(0, 1.3 * span))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        if out.exists():
            assert digests(out) == wanted, "a soup that is not whole has its name"
            for path in out.iterdir():
                path.unlink()
            out.rmdir()
            ends["whole"] += 1
        else:
            ends["absent"] += 1
        assert digests(first) == before, "the soup that lends was changed"
    cook(out, 0.25, EarlierSoup(folder=first, files=untouched))
    assert digests(out) == wanted
    print(ends["absent"], ends["whole"], len(list(Path(root).glob(".*.partial"))))
"""


@pytest.fixture
def dense(tiny):
    """Write an adapter that holds one layer whole beside its factors."""
    made = tiny.adapter(
        modules=["model.layers.1.mlp.up_proj"], shapes=SHAPES | WIDE, config={"modules_to_save": ["up_proj"]}
    )
    weights = made.folder / "adapter_model.safetensors"
    whole = np.random.default_rng(3).standard_normal((1500, 700)).astype(np.float32)
    dump(weights, load(weights) | {f"base_model.model.{UP}.weight": whole}, {"format": "pt"})
    return made


@pytest.mark.parametrize("kind", ["low-rank", "dense"])
def test_a_soup_that_is_killed_at_any_moment_is_whole_or_absent(tiny, tmp_path, request, kind):
    base = tiny.base(shapes=SHAPES | WIDE, shards=2)
    adapter = tiny.adapter(modules=[UP], shapes=SHAPES | WIDE) if kind == "low-rank" else None
    adapter = adapter or request.getfixturevalue("dense")
    root = tmp_path / "root"
    root.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(CODE), str(base), str(adapter.folder), str(root), str(ATTEMPTS)],
        capture_output=True, text=True, timeout=120, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    absent, whole, left = map(int, done.stdout.split())
    assert absent + whole == ATTEMPTS
    assert absent >= 3, "no attempt was killed before its end"
    assert left == 0, "what killed processes left was not swept"


@pytest.mark.parametrize("kind", ["low-rank", "dense"])
@pytest.mark.parametrize("limit", [3_000, 300_000])
def test_a_full_disk_leaves_nothing_of_a_split_soup(tiny, tmp_path, request, kind, limit):
    base = tiny.base(shapes=SHAPES | WIDE, shards=2)
    adapter = tiny.adapter(modules=[UP], shapes=SHAPES | WIDE) if kind == "low-rank" else None
    adapter = adapter or request.getfixturevalue("dense")
    code = """
        import resource, sys
        from pathlib import Path
        from rshub.errors import OutputError
        from rshub.soups.writing.build import write_soup
        from rshub.soups.plan import Term, plan_soup
        from rshub.tensors.checkpoint import Checkpoint
        from rshub.tensors.writer import fresh_folder
        base, expert, out, limit = sys.argv[1:]
        terms = [Term(label="a", folder=Path(expert), coefficient=1.0)]
        plan = plan_soup(base=Checkpoint.open(Path(base)), terms=terms, layout="split")
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), resource.RLIM_INFINITY))
        try:
            with fresh_folder(Path(out)) as staging:
                write_soup(plan, staging, base_model="b", base_revision=None)
        except OutputError as fault:
            print("refused", fault.remedy)
    """
    root = tmp_path / "root"
    root.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(base), str(adapter.folder), str(root / "out"), str(limit)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.stdout.startswith("refused raise the limit"), done.stderr
    assert list(root.iterdir()) == []
    shutil.rmtree(root)
