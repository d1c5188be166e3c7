"""What changes apart from what does not, and untouched files shared between soups of one base."""

import errno
import json
import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from rshub.errors import Incompatible, InvalidInput, NotFound
from rshub.soups.compose import compose
from rshub.soups.lock import LockedExpert, OutputForm, Pin, SoupLock
from rshub.soups.verify import verify
from rshub.soups.writing.build import write_soup
from rshub.soups.writing.earlier import EarlierSoup
from rshub.tensors.checkpoint import Checkpoint
from rshub.tensors.file_digest import file_digest
from tests.soups.test_pipelines import TO_Q, pipeline
from tests.soups.test_weight_sets import UNET
from tests.tiny_models import MODULES, SHAPES, load, load_folder

BASE = Pin(path="/base", files={"model.safetensors": "1" * 64})
FORM = OutputForm(layout="split")
QUERY, VALUE = "model.layers.0.self_attn.q_proj", "model.layers.1.self_attn.v_proj"


def lay_lock(folder, report, *, base=BASE, form=FORM, outputs=True):
    """Write the lock that composing writes, with the digests of a report."""
    digests = {name: claim["sha256"] for name, claim in report.files.items()} if outputs else None
    pin = Pin(path="/expert", files={"adapter_model.safetensors": "3" * 64})
    lock = SoupLock(
        preference="a=1",
        mapping="identity",
        units="normalised",
        coefficients={"a": 1.0},
        base=base,
        experts=(LockedExpert(label="a", reward=None, tag=None, coefficient=1.0, pin=pin),),
    ).composed(form, digests)
    (folder / "soup.lock.json").write_bytes(lock.to_bytes())


def names(folder, kind):
    return sorted(path.name for path in folder.glob(f"*-{kind}-*.safetensors"))


@pytest.mark.parametrize("shards", [1, 3])
@pytest.mark.parametrize("dtype", ["auto", "bfloat16"])
def test_split_holds_the_same_tensors_as_the_base_layout(tiny, pot, shards, dtype):
    base, adapter = tiny.base(shards=shards), tiny.adapter(modules=[QUERY, VALUE])
    plain, _ = pot.cook(base, [(adapter, 0.7)], dtype=dtype)
    split, report = pot.cook(base, [(adapter, 0.7)], dtype=dtype, layout="split")
    wanted, found = load_folder(plain), load_folder(split)
    assert set(found) == set(wanted)
    for name, values in wanted.items():
        assert found[name].dtype == values.dtype
        np.testing.assert_array_equal(found[name], values)
    for name in names(split, "touched"):
        assert set(load(split / name)) <= {f"{QUERY}.weight", f"{VALUE}.weight"}
    for name in names(split, "untouched"):
        assert not set(load(split / name)) & {f"{QUERY}.weight", f"{VALUE}.weight"}
    largest = max(path.stat().st_size for path in base.glob("*.safetensors"))
    assert all(path.stat().st_size <= largest + 1024 for path in split.glob("*.safetensors"))
    index = json.loads((split / "model.safetensors.index.json").read_text())
    assert index["metadata"]["total_size"] == sum(values.nbytes for values in found.values())
    assert all(name in load(split / shard) for name, shard in index["weight_map"].items())
    assert set(index["weight_map"]) == set(found)
    assert set(report.files) >= {path.name for path in split.glob("*.safetensors")} | {"model.safetensors.index.json"}
    assert Checkpoint.open(split).config == Checkpoint.open(plain).config
    assert not (split / "model.safetensors").exists()


def test_names_say_what_is_touched_and_count_as_loaders_expect(tiny, pot):
    split, _ = pot.cook(tiny.base(shards=3), [(tiny.adapter(modules=[QUERY, VALUE]), 1.0)], layout="split")
    touched, untouched = names(split, "touched"), names(split, "untouched")
    assert touched == [f"model-touched-{n + 1:05d}-of-{len(touched):05d}.safetensors" for n in range(len(touched))]
    assert untouched == [f"model-untouched-{n + 1:05d}-of-00003.safetensors" for n in range(3)]


def test_everything_touched_and_nothing_touched_leave_no_empty_files(tiny, pot):
    shapes = {name: shape for name, shape in SHAPES.items() if "proj" in name}
    split, _ = pot.cook(tiny.base(shapes=shapes), [(tiny.adapter(), 1.0)], layout="split")
    assert names(split, "untouched") == []
    base = tiny.base(shards=2)
    split, _ = pot.cook(base, [(tiny.adapter(), 0.0)], layout="split")
    assert names(split, "touched") == []
    for number in (1, 2):
        before = base / f"model-{number:05d}-of-00002.safetensors"
        assert (split / f"model-untouched-{number:05d}-of-00002.safetensors").read_bytes() == before.read_bytes()


def test_a_base_whose_file_has_another_name_keeps_it_as_the_stem(tiny, pot):
    base = tiny.base()
    (base / "model.safetensors").rename(base / "plain.safetensors")
    split, _ = pot.cook(base, [(tiny.adapter(), 1.0)], layout="split")
    assert names(split, "touched") == ["plain-touched-00001-of-00001.safetensors"]
    assert (split / "plain.safetensors.index.json").exists()
    assert set(load_folder(split)) == set(SHAPES)
    plain, _ = pot.cook(base, [(tiny.adapter(), 1.0)])
    assert [path.name for path in plain.glob("*.safetensors")] == ["plain.safetensors"]


def test_scalars_empty_tensors_and_other_types_are_carried_in_every_layout(tiny, pot):
    extra = {
        "a.scalar": np.array(1.5, np.float32),
        "a.empty": np.zeros((0, 4), np.float32),
        "b.empty": np.zeros((3, 0), np.float32),
        "c.ids": np.arange(5),
        "z.scalar": np.array(7),
    }
    for shards in (1, 2):
        base = tiny.base(extra=extra, shards=shards)
        for layout in ("base", "split"):
            for dtype in ("auto", "float16"):
                found = pot.checkpoint(base, [(tiny.adapter(), 1.0)], layout=layout, dtype=dtype)
                for name, values in extra.items():
                    assert found[name].shape == values.shape
                    np.testing.assert_array_equal(found[name], values)
                    wide = values.dtype == np.float32
                    assert found[name].dtype == (np.float16 if wide and dtype == "float16" else values.dtype)


class Kitchen:
    """Writes soups of one base, with an earlier one or without."""

    def __init__(self, pot, root, base):
        self.pot, self.root, self.base, self.count = pot, root, base, 0

    def cook(self, terms, earlier=None, *, dtype="auto", **lock):
        self.count += 1
        folder = self.root / f"split-{self.count}"
        folder.mkdir()
        plan = self.pot.plan(self.base, terms, layout="split", dtype=dtype)
        report = write_soup(plan, folder, base_model="b", base_revision=None, earlier=earlier)
        lay_lock(folder, report, **lock)
        return folder, report


@pytest.fixture
def kitchen(pot, tiny, tmp_path):
    return Kitchen(pot, tmp_path, tiny.base(shards=2, extra={"wide": np.ones((300, 50), np.float32)}))


def same_but_shared(one, two):
    """Hold two folders to be equal, and give the names of the files that are one and the same."""
    assert {path.name for path in one.iterdir()} == {path.name for path in two.iterdir()}
    for path in one.iterdir():
        if path.name not in {"soup.lock.json", "README.md"}:
            assert path.read_bytes() == (two / path.name).read_bytes(), path.name
    return {path.name for path in one.iterdir() if path.samefile(two / path.name)}


def test_another_mixture_shares_the_untouched_files_and_has_the_same_bytes(kitchen, tiny):
    one, two = tiny.adapter(modules=[QUERY], seed=1), tiny.adapter(modules=[QUERY, VALUE], seed=2)
    first, report = kitchen.cook([(one, 0.2), (two, 0.8)])
    assert "shared" not in report.figures
    before = {path.name: path.stat().st_mtime_ns for path in first.iterdir()}
    earlier = EarlierSoup.open(first, BASE, FORM)
    shared, report = kitchen.cook([(one, 0.9), (two, 0.1)], earlier)
    assert report.figures["shared"]["files"] == names(first, "untouched")
    alone, _ = kitchen.cook([(one, 0.9), (two, 0.1)])
    assert same_but_shared(shared, alone) == set()
    linked = {path.name for path in shared.iterdir() if path.samefile(first / path.name)}
    assert linked == set(names(first, "untouched"))
    assert {path.name: path.stat().st_mtime_ns for path in first.iterdir()} == before
    for name, claim in report.files.items():
        assert claim["sha256"] == file_digest(shared / name, afresh=True)
        assert claim["size"] == (shared / name).stat().st_size


def test_what_another_expert_touches_is_written(kitchen, tiny):
    first, _ = kitchen.cook([(tiny.adapter(modules=[QUERY]), 1.0)])
    more = tiny.adapter(modules=[QUERY, "lm_head"], seed=2)
    shared, report = kitchen.cook([(more, 1.0)], EarlierSoup.open(first, BASE, FORM))
    alone, _ = kitchen.cook([(more, 1.0)])
    same_but_shared(shared, alone)
    assert len(report.figures["shared"]["files"]) == 1
    every = tiny.adapter(modules=MODULES, seed=3)
    _, report = kitchen.cook([(every, 1.0)], EarlierSoup.open(first, BASE, FORM))
    assert report.figures["shared"] == {"files": [], "bytes": 0}


def test_files_that_were_changed_or_replaced_are_not_shared(kitchen, tiny):
    adapter = tiny.adapter(modules=[QUERY])
    for spoil in ("flip", "cut", "link", "gone"):
        first, _ = kitchen.cook([(adapter, 1.0)])
        victim, kept = (first / name for name in names(first, "untouched"))
        data = victim.read_bytes()
        victim.unlink()
        if spoil == "flip":
            victim.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        elif spoil == "cut":
            victim.write_bytes(data[:-1])
        elif spoil == "link":
            (kitchen.root / f"real-{kitchen.count}").write_bytes(data)
            victim.symlink_to(kitchen.root / f"real-{kitchen.count}")
        shared, report = kitchen.cook([(adapter, 0.5)], EarlierSoup.open(first, BASE, FORM))
        assert report.figures["shared"]["files"] == [kept.name]
        same_but_shared(shared, kitchen.cook([(adapter, 0.5)])[0])


def test_a_file_that_changes_while_it_is_shared_is_written(kitchen, tiny, monkeypatch):
    adapter = tiny.adapter(modules=[QUERY])
    first, _ = kitchen.cook([(adapter, 1.0)])
    real = os.link

    def late(source, target, **more):
        real(source, target, **more)
        os.utime(source, ns=(1, 1))

    monkeypatch.setattr(os, "link", late)
    shared, report = kitchen.cook([(adapter, 0.5)], EarlierSoup.open(first, BASE, FORM))
    assert report.figures["shared"]["files"] == []
    monkeypatch.undo()
    assert {path.name for path in shared.iterdir() if path.samefile(first / path.name)} == set()


@pytest.mark.parametrize("also", [(), ("copy_file_range",)])
def test_where_no_links_are_made_the_files_are_copied(kitchen, tiny, monkeypatch, also):
    def refuse(*_, **__):
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    adapter = tiny.adapter(modules=[QUERY])
    first, _ = kitchen.cook([(adapter, 1.0)])
    for name in ("link", *also):
        monkeypatch.setattr(os, name, refuse)
    shared, report = kitchen.cook([(adapter, 0.5)], EarlierSoup.open(first, BASE, FORM))
    assert report.figures["shared"]["files"] == names(first, "untouched")
    monkeypatch.undo()
    assert same_but_shared(shared, kitchen.cook([(adapter, 0.5)])[0]) == set()
    assert not any(path.samefile(first / path.name) for path in shared.iterdir())


@pytest.mark.parametrize("before_it_stops", [0, 100])
def test_a_copy_that_the_system_ends_early_is_made_whole(kitchen, tiny, monkeypatch, before_it_stops):
    """copy_file_range of some file systems returns 0 instead of an error."""
    adapter = tiny.adapter(modules=[QUERY])
    first, _ = kitchen.cook([(adapter, 1.0)])
    real, calls = os.copy_file_range, []

    def refuse(*_, **__):
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    def stop(source, target, count, *places):
        calls.append(count)
        odd = len(calls) % 2 and before_it_stops
        return real(source, target, before_it_stops, *places) if odd else 0

    monkeypatch.setattr(os, "link", refuse)
    monkeypatch.setattr(os, "copy_file_range", stop)
    shared, report = kitchen.cook([(adapter, 0.5)], EarlierSoup.open(first, BASE, FORM))
    assert calls
    assert report.figures["shared"]["files"] == names(first, "untouched")
    monkeypatch.undo()
    assert same_but_shared(shared, kitchen.cook([(adapter, 0.5)])[0]) == set()


def test_only_a_split_soup_of_the_same_base_and_dtype_lends(kitchen, tiny, tmp_path):
    adapter = tiny.adapter(modules=[QUERY])
    with pytest.raises(NotFound):
        EarlierSoup.open(tmp_path / "nothing", BASE, FORM)
    other = Pin(path="/base", files={"model.safetensors": "2" * 64})
    for lock, error in (
        ({"base": other}, Incompatible),
        ({"form": OutputForm(layout="split", dtype="bfloat16")}, Incompatible),
        ({"outputs": False}, Incompatible),
        ({"form": OutputForm()}, InvalidInput),
    ):
        folder, _ = kitchen.cook([(adapter, 1.0)], **lock)
        with pytest.raises(error) as caught:
            EarlierSoup.open(folder, BASE, FORM)
        assert caught.value.remedy
    folder, _ = kitchen.cook([(adapter, 1.0)])
    with pytest.raises(InvalidInput):
        EarlierSoup.open(folder, BASE, OutputForm())
    elsewhere = Pin(repo_id="lab/base", revision="0" * 40, files=BASE.files)
    assert EarlierSoup.open(folder, elsewhere, FORM).files


def test_an_adapter_has_no_layout(tiny, pot):
    with pytest.raises(InvalidInput, match="one file"):
        pot.plan(tiny.base(), [(tiny.adapter(), 1.0)], layout="split", format="adapter")
    with pytest.raises(InvalidInput, match="did you mean 'split'"):
        pot.plan(tiny.base(), [(tiny.adapter(), 1.0)], layout="splitt")


def test_a_split_soup_is_composed_again_from_its_lock_and_lends_its_files(registry, tmp_path):
    registry.expert("ada/recall", "recall")
    registry.expert("ben/precision", "precision")
    asked = {"base": "lab/base", "endpoint": registry.endpoint}
    first = compose("recall=0.25, precision=0.75", out=tmp_path / "a", layout="split", **asked)
    assert first.lock.form.layout == "split"
    again = compose(str(tmp_path / "a" / "soup.lock.json"), out=tmp_path / "b", endpoint=registry.endpoint)
    assert again.lock == first.lock
    lent = compose("recall=0.5, precision=0.5", out=tmp_path / "c", layout="split", reuse=tmp_path / "a", **asked)
    (name,) = lent.report.figures["shared"]["files"]
    assert (tmp_path / "c" / name).samefile(tmp_path / "a" / name)
    assert any("shared" in line for line in lent.lines())
    assert "shared" not in (tmp_path / "c" / "README.md").read_text()
    alone = compose(str(tmp_path / "c" / "soup.lock.json"), out=tmp_path / "d", endpoint=registry.endpoint)
    assert alone.lock == lent.lock
    same_but_shared(tmp_path / "c", tmp_path / "d")
    assert verify(str(tmp_path / "c"), endpoint=registry.endpoint).ok
    whole = compose(
        str(tmp_path / "c" / "soup.lock.json"), out=tmp_path / "e", layout="base", endpoint=registry.endpoint
    )
    assert whole.lock.form.layout == "base"
    assert (tmp_path / "e" / "model.safetensors").exists()
    with pytest.raises(InvalidInput, match="split"):
        compose("recall=0.5, precision=0.5", out=tmp_path / "f", reuse=tmp_path / "a", **asked)
    assert not (tmp_path / "f").exists()


def test_old_locks_mean_the_layout_of_the_base(registry, tmp_path):
    registry.expert("ada/recall", "recall")
    compose("recall=1", out=tmp_path / "a", base="lab/base", endpoint=registry.endpoint)
    document = json.loads((tmp_path / "a" / "soup.lock.json").read_text())
    assert document["form"].pop("layout") == "base"
    (tmp_path / "old.json").write_text(json.dumps(document))
    assert SoupLock.load(tmp_path / "old.json").form == OutputForm()


def test_components_are_split_each_in_its_folder(tiny, pot):
    base = pipeline(tiny, shards=2)
    adapter = tiny.adapter(modules=[TO_Q], shapes=UNET)
    plain, _ = pot.cook(base, [(adapter, 0.5)])
    split, report = pot.cook(base, [(adapter, 0.5)], layout="split")
    wanted, found = Checkpoint.open(plain), Checkpoint.open(split)
    assert set(found.tensors) == set(wanted.tensors)
    for name, placed in wanted.tensors.items():
        theirs = load(plain / placed.shard)[placed.name]
        np.testing.assert_array_equal(load(split / found.tensors[name].shard)[placed.name], theirs)
    assert [shard for shard in found.shards if "-touched-" in shard] == [
        "unet/diffusion_pytorch_model-touched-00001-of-00001.safetensors"
    ]
    assert set(found.indices) == {
        "unet/diffusion_pytorch_model.safetensors.index.json",
        "vae/diffusion_pytorch_model.safetensors.index.json",
        "text_encoder/model.safetensors.index.json",
    }
    for index in found.indices:
        told = json.loads((split / index).read_text())
        folder = (split / index).parent
        sizes = [values.nbytes for path in folder.glob("*.safetensors") for values in load(path).values()]
        assert told["metadata"]["total_size"] == sum(sizes)
    assert set(report.files) == {path.relative_to(split).as_posix() for path in split.rglob("*") if path.is_file()}


FEW_FILES = """
    import errno, os, resource, sys
    from pathlib import Path
    from rshub.errors import OutputError
    from rshub.soups.plan import Term, plan_soup
    from rshub.soups.writing.build import write_soup
    from rshub.tensors.checkpoint import Checkpoint
    from rshub.tensors.writer import fresh_folder

    base, expert, out = map(Path, sys.argv[1:4])
    plan = plan_soup(
        base=Checkpoint.open(base), terms=[Term(label="a", folder=expert, coefficient=0.5)], layout="split"
    )
    resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
    with fresh_folder(out) as staging:
        write_soup(plan, staging, base_model="b", base_revision=None)
    taken = []
    try:
        with fresh_folder(out.with_name("more")) as staging:
            while len(taken) < 60:
                try:
                    taken.append(os.open(base, os.O_RDONLY))
                except OSError:
                    break
            write_soup(plan, staging, base_model="b", base_revision=None)
    except OutputError as fault:
        print(fault.remedy)
    finally:
        for handle in taken:
            os.close(handle)
    print(out.with_name("more").exists())
"""


def test_more_files_are_written_than_may_be_open(tiny, tmp_path):
    shapes = {f"layers.{number}.q.weight": (8, 8) for number in range(120)}
    base = tiny.base(shapes=shapes, shards=60)
    adapter = tiny.adapter(shapes=shapes, modules=[f"layers.{number}.q" for number in range(60)])
    out = tmp_path / "soup"
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(FEW_FILES), str(base), str(adapter.folder), str(out)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(list(out.glob("*.safetensors"))) == 120
    assert set(load_folder(out)) == set(shapes)
    assert done.stdout.splitlines() == ["raise the limit on open files: ulimit -n 1024", "False"]
