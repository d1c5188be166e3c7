"""Writing that is watched, stopped, killed or meets a full disk, and what it may import."""

import os
import signal
import subprocess
import sys
import textwrap

import pytest

from rshub.soups.plan import Term, plan_soup
from rshub.soups.writing.build_checkpoint import write_checkpoint
from rshub.tensors.checkpoint import Checkpoint
from tests.tiny_models import SHAPES

WIDE = {"model.layers.0.self_attn.q_proj.weight": (700, 1000), "model.layers.0.mlp.down_proj.weight": (96, 3000)}


def test_progress_ends_with_everything_done(tiny):
    told = []
    plan = plan_soup(
        base=Checkpoint.open(tiny.base(shards=2)),
        terms=[Term(label="a", folder=tiny.adapter().folder, coefficient=1.0)],
    )
    write_checkpoint(plan, tiny.path("out"), progress=lambda done, total: told.append((done, total)))
    assert told[-1][0] == told[-1][1] > 0
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_a_progress_that_fails_stops_the_writing(tiny):
    def interrupt(done, total):
        raise KeyboardInterrupt

    plan = plan_soup(
        base=Checkpoint.open(tiny.base()), terms=[Term(label="a", folder=tiny.adapter().folder, coefficient=1.0)]
    )
    with pytest.raises(KeyboardInterrupt):
        write_checkpoint(plan, tiny.path("out"), progress=interrupt)


@pytest.mark.parametrize("after", [1, 3])
def test_a_compose_that_is_killed_leaves_nothing_under_the_name(tiny, tmp_path, after):
    shapes = SHAPES | WIDE
    base, adapter = tiny.base(shapes=shapes, dtype="BF16", shards=2), tiny.adapter(shapes=shapes)
    code = """
        import os, signal, sys
        from pathlib import Path
        from rshub.soups.writing.build_checkpoint import write_checkpoint
        from rshub.soups.plan import Term, plan_soup
        from rshub.tensors import output_file
        from rshub.tensors.checkpoint import Checkpoint
        from rshub.tensors.writer import fresh_folder
        base, adapter, out, after = sys.argv[1:]
        calls = []
        write = output_file._write
        def dying(target, view, offset):
            write(target, view, offset)
            calls.append(1)
            if len(calls) >= int(after):
                os.kill(os.getpid(), signal.SIGKILL)
        output_file._write = dying
        terms = [Term(label="a", folder=Path(adapter), coefficient=1.0)]
        plan = plan_soup(base=Checkpoint.open(Path(base)), terms=terms)
        with fresh_folder(Path(out)) as staging:
            write_checkpoint(plan, staging, window=65536)
    """
    out = tmp_path / "out"
    arguments = [str(base), str(adapter.folder), str(out), str(after)]
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert not out.exists()


def test_a_compose_that_meets_a_full_disk_leaves_nothing(tiny, tmp_path):
    base, adapter = tiny.base(shapes=SHAPES | WIDE, dtype="BF16"), tiny.adapter(shapes=SHAPES | WIDE)
    code = """
        import resource, sys
        from pathlib import Path
        from rshub.errors import OutputError
        from rshub.soups.writing.build import write_soup
        from rshub.soups.plan import Term, plan_soup
        from rshub.tensors.checkpoint import Checkpoint
        from rshub.tensors.writer import fresh_folder
        base, adapter, out = sys.argv[1:]
        terms = [Term(label="a", folder=Path(adapter), coefficient=1.0)]
        plan = plan_soup(base=Checkpoint.open(Path(base)), terms=terms)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
        try:
            with fresh_folder(Path(out)) as staging:
                write_soup(plan, staging, base_model="b", base_revision=None)
        except OutputError as fault:
            print("refused", fault.remedy)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(base), str(adapter.folder), str(tmp_path / "out")],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.stdout.startswith("refused"), done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]


def test_composing_never_imports_torch(tiny, tmp_path):
    base, adapter = tiny.base(), tiny.adapter()
    code = """
        import sys
        from pathlib import Path
        from rshub.soups.writing.build import write_soup
        from rshub.soups.plan import Term, plan_soup
        from rshub.tensors.checkpoint import Checkpoint
        base, adapter, out = map(Path, sys.argv[1:])
        for form in ("checkpoint", "adapter"):
            terms = [Term(label="a", folder=adapter, coefficient=1.0)]
            plan = plan_soup(base=Checkpoint.open(base), terms=terms, format=form)
            (out / form).mkdir()
            write_soup(plan, out / form, base_model="b", base_revision=None)
        assert not {"torch", "transformers", "peft"} & set(sys.modules)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(base), str(adapter.folder), str(tmp_path)],
        capture_output=True, text=True, timeout=60, check=False, env={**os.environ},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
