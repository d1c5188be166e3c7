"""What composing costs, in counts that no busy machine changes: bytes moved, memory, rounding, identity.

Costs of a process are read in a process of its own; times are measured by ``scripts/bench``, not here.
"""

import json
import os
import struct
import subprocess
import sys
import textwrap
import threading
import tracemalloc

import ml_dtypes
import numpy as np
import pytest

from rshub.errors import Incompatible, IntegrityError
from rshub.soups.survey import SAMPLE_ELEMENTS
from rshub.soups.writing.build import write_soup
from rshub.soups.writing.build_checkpoint import write_checkpoint
from rshub.tensors import output_file
from rshub.tensors.tensor_file import TensorFile
from tests.tiny_models import dump, load_folder

MIB = 1 << 20
HIDDEN, RANK = 1024, 2  # adapters of about a hundredth of the base, as those of large models are
MODULES = [f"model.layers.{n}.mlp.up_proj" for n in range(100)]

COMPOSE = """
    import json, sys
    from pathlib import Path
    from rshub.soups.writing.build import write_soup
    from rshub.soups.plan import Term, plan_soup
    from rshub.tensors.checkpoint import Checkpoint

    def status(name):
        return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(name)) << 10

    def moved():
        counts = dict(line.split(": ") for line in open("/proc/self/io"))
        return int(counts["rchar"]), int(counts["wchar"])

    base, out, *experts = map(Path, sys.argv[1:])
    imports, (read, written) = status("VmHWM"), moved()
    terms = [Term(label=e.name, folder=e, coefficient=0.5) for e in experts]
    plan = plan_soup(base=Checkpoint.open(base), terms=terms)
    out.mkdir()
    write_soup(plan, out, base_model="b", base_revision=None, digests=False)
    after = moved()
    print(json.dumps({
        "grown": status("VmHWM") - imports, "read": after[0] - read, "written": after[1] - written,
        "torch": "torch" in sys.modules,
    }))
"""


def megabytes(folder, count, *, layers, kind):
    """Write a bf16 base of so many layers of 2 MiB and ``count`` experts: adapters, or whole weights."""
    rng = np.random.default_rng(0)
    names = MODULES[:layers]
    layer = rng.standard_normal((HIDDEN, HIDDEN), np.float32)
    sides = {"A": rng.standard_normal((RANK, HIDDEN), np.float32), "B": rng.standard_normal((HIDDEN, RANK), np.float32)}
    (folder / "base").mkdir(parents=True)
    dump(folder / "base" / "model.safetensors", {f"{n}.weight": layer.astype(ml_dtypes.bfloat16) for n in names})
    (folder / "base" / "config.json").write_text('{"model_type": "llama"}')
    experts = []
    for number in range(count):
        expert = folder / f"expert-{number}"
        expert.mkdir()
        if kind == "adapter":
            tensors = {f"{n}.lora_{side}.weight": (number + 1) * v for n in names for side, v in sides.items()}
            dump(expert / "adapter_model.safetensors", tensors)
            (expert / "adapter_config.json").write_text('{"peft_type": "LORA", "r": 2, "lora_alpha": 2}')
        else:
            moved = (layer + number + 1).astype(ml_dtypes.bfloat16)
            dump(expert / "model.safetensors", {f"{n}.weight": moved for n in names})
            (expert / "config.json").write_text('{"model_type": "llama"}')
        experts.append(expert)
    return folder / "base", experts


def size(folder):
    return sum(path.stat().st_size for path in folder.iterdir())


def spent(base, experts, out):
    """Compose in a process of its own and give what it cost; digests of large files are known from an earlier soup."""
    home = {"OMP_NUM_THREADS": "1", "HF_HOME": str(out.parent / "home")}
    for folder in (out.with_name("earlier"), out):
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(COMPOSE), str(base), str(folder), *map(str, experts)],
            capture_output=True, text=True, timeout=120, check=False, env=os.environ | home,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module", params=["adapter", "weights"])
def costs(request, tmp_path_factory):
    """Compose on a base of about 60 MB and on one of twice that."""
    found = []
    for layers in (30, 60):
        folder = tmp_path_factory.mktemp(request.param)
        base, experts = megabytes(folder, 2, layers=layers, kind=request.param)
        cost = spent(base, experts, folder / "out")
        least = size(folder / "out") + sum(map(size, experts))
        if request.param == "adapter":  # where whole tensors replace theta_0 altogether, it does not matter
            least += size(base)
        found.append(cost | {"least": least})
    return request.param, found


def test_nothing_is_read_or_written_twice(costs):
    kind, found = costs
    for cost in found:
        looks = 2 * SAMPLE_ELEMENTS * 2 * 3 if kind == "weights" else 0  # what figures are taken of, in three files
        assert cost["read"] + cost["written"] <= 1.02 * cost["least"] + looks


@pytest.mark.parametrize("form", ["checkpoint", "adapter"])
@pytest.mark.parametrize("method", ["delta", "factor"])
def test_factors_are_read_once(tiny, pot, monkeypatch, form, method):
    """But for those of one module of each expert, which tell before all writing that it is not empty."""
    base, experts = tiny.base(), [tiny.adapter(seed=seed) for seed in range(2)]
    plan = pot.plan(base, [(experts[0], 0.5), (experts[1], 0.5)], format=form, method=method)
    read, real = [], TensorFile.read
    monkeypatch.setattr(TensorFile, "read", lambda file, name: (read.append(name), real(file, name))[1])
    out = tiny.path("out")
    write_soup(plan, out, base_model="b", base_revision=None)
    assert len(set(read)) == len(experts[0].factors) * 2
    assert len(read) == 2 * (len(set(read)) + 2)


def test_an_empty_expert_is_refused_before_anything_is_written(tiny, pot, monkeypatch):
    base, full, empty = tiny.base(), tiny.adapter(), tiny.adapter(seed=1, size=0)
    plan, out = pot.plan(base, [(full, 0.5), (empty, 0.5)]), tiny.path("out")
    with pytest.raises(Incompatible, match="exactly zero"):
        write_soup(plan, out, base_model="b", base_revision=None)
    assert list(out.iterdir()) == []


def test_memory_is_small_and_does_not_grow_with_the_base(costs):
    _, (once, twice) = costs
    assert twice["grown"] <= 64 * MIB
    assert twice["grown"] <= 1.05 * once["grown"] + MIB  # a mebibyte is what allocators give and take


def test_no_torch_is_loaded(costs):
    assert not any(cost["torch"] for cost in costs[1])


@pytest.mark.parametrize("form", ["checkpoint", "adapter"])
def test_what_only_a_hub_needs_is_not_loaded_for_folders(tmp_path, form):
    """The client of the Hub and the libraries for cards take longer to import than an adapter to compose."""
    base, (expert, _) = megabytes(tmp_path, 2, layers=1, kind="adapter")
    code = (
        "import sys, rshub\n"
        f"rshub.compose('\"{expert}\"=1', base={str(base)!r}, out={str(tmp_path / 'out')!r}, format={form!r})\n"
        "print(sorted({'huggingface_hub', 'httpx2', 'jinja2', 'yaml', 'tqdm', 'asyncio', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.strip() == "[]", done.stderr
    assert (tmp_path / "out" / "README.md").is_file()


# Laws of the numbers.


def mixed(tiny, dtype="BF16", **options):
    """Write a base, two adapters and two partial sets of weights."""
    shapes = {"model.layers.0.mlp.up_proj.weight": (300, 520), "model.layers.0.mlp.down_proj.weight": (520, 300)}
    shapes["model.norm.weight"] = (300,)
    base = tiny.base(dtype=dtype, shapes=shapes, **options)
    rng = np.random.default_rng(7)
    terms = []
    for number in range(2):
        modules = [name.removesuffix(".weight") for name in shapes if "proj" in name]
        terms.append(tiny.adapter(modules=modules, shapes=shapes, seed=number).folder)
        folder = tiny.path("weights")
        (folder / "config.json").write_bytes((base / "config.json").read_bytes())
        stored = load_folder(base)
        tensors = {
            name: (stored[name].astype(np.float32) + 0.1 * rng.standard_normal(shapes[name])).astype(stored[name].dtype)
            for name in list(shapes)[number:]
        }
        dump(folder / "model.safetensors", tensors)
        terms.append(folder)
    return base, terms


@pytest.mark.parametrize("direct", [0, 1 << 30])
def test_the_same_bytes_for_any_threads_windows_and_order(tiny, pot, tmp_path, monkeypatch, direct):
    monkeypatch.setattr(output_file, "DIRECT_BYTES", direct)
    base, experts = mixed(tiny, shards=2)
    terms = list(zip(experts, (0.3, 0.2, -0.4, 0.7), strict=True))
    seen = set()
    for number, (workers, window) in enumerate(
        [(1, 4 << 20), (2, 4096), (5, 12_345), (3, 1 << 16), (2, 999), (3, 1 << 19)]
    ):
        asked = terms if number % 2 else terms[::-1]
        out = tmp_path / f"out-{number}"
        out.mkdir()
        write_checkpoint(pot.plan(base, asked), out, workers=workers, window=window)
        seen.add(b"".join(path.read_bytes() for path in sorted(out.glob("*.safetensors"))))
    assert len(seen) == 1


@pytest.mark.parametrize("coefficients", [(1.0, 0.0, 0.0, 0.0), (0.3, 0.2, -0.4, 0.7), (0.5, 0.0, 0.5, 0.0)])
def test_elements_are_rounded_once(tiny, pot, coefficients):
    """Against float64: only where the exact value lies within float32's error of a tie may bf16 go the other way."""
    shape = {"model.layers.0.mlp.up_proj.weight": (2048, 1024)}
    base = tiny.base(dtype="BF16", shapes=shape)
    adapters = [
        tiny.adapter(modules=["model.layers.0.mlp.up_proj"], shapes=shape, rank=16, seed=n, size=0.05) for n in range(4)
    ]
    terms = list(zip(adapters, coefficients, strict=True))
    (got,), (want,) = pot.checkpoint(base, terms).values(), tiny.dense(base, terms).values()
    assert np.count_nonzero(got != want.astype(got.dtype)) <= 1e-4 * want.size


@pytest.mark.parametrize("rank", [48, 64, 256])
def test_elements_are_rounded_once_whatever_the_rank(tiny, pot, rank):
    shape = {"model.layers.0.mlp.up_proj.weight": (1024, 1024)}
    base = tiny.base(dtype="BF16", shapes=shape)
    adapter = tiny.adapter(modules=["model.layers.0.mlp.up_proj"], shapes=shape, rank=rank, alpha=rank, size=0.2)
    (got,), (want,) = pot.checkpoint(base, [(adapter, 1.0)]).values(), tiny.dense(base, [(adapter, 1.0)]).values()
    assert np.count_nonzero(got != want.astype(got.dtype)) <= 1e-4 * want.size


@pytest.mark.parametrize("coefficients", [(0.5, 0.5), (0.3, 0.7), (1 / 3, 1 / 3), (1.4, -0.2)])
def test_averages_of_weights_are_rounded_once(tiny, pot, coefficients):
    shape = {"model.layers.0.mlp.up_proj.weight": (2048, 512)}
    base, *experts = (tiny.base(dtype="BF16", shapes=shape, seed=n) for n in range(3))
    (got,) = pot.checkpoint(base, list(zip(experts, coefficients, strict=True))).values()
    (start,), *ends = (tuple(v.astype(np.float64) for v in load_folder(f).values()) for f in (base, *experts))
    want = start + sum(c * (end - start) for c, (end,) in zip(coefficients, ends, strict=True))
    known = np.abs(want) > 1e-12  # what cancels is noise, in the reference too
    assert np.count_nonzero(known & (got != want.astype(got.dtype))) <= 1e-4 * want.size


@pytest.mark.parametrize("dtype", ["BF16", "F16", "F32"])
def test_one_expert_alone_is_that_expert_bit_for_bit(tiny, pot, dtype):
    """Also where the base is many orders of magnitude larger, so that a difference would lose the expert's digits."""
    shape = {"w.weight": (64, 48)}
    base, expert = (
        tiny.base(dtype=dtype, shapes=shape, scale=1e4),
        tiny.base(dtype=dtype, shapes=shape, seed=1, scale=1e-3),
    )
    other = tiny.base(dtype=dtype, shapes=shape, seed=2)
    (got,), (want,) = pot.checkpoint(base, [(expert, 1.0), (other, 0.0)]).values(), load_folder(expert).values()
    assert got.tobytes() == want.tobytes()


def test_an_exact_adapter_keeps_the_delta(tiny, pot):
    base = tiny.base(dtype="BF16")
    adapters = [tiny.adapter(seed=n) for n in range(3)]
    terms = list(zip(adapters, (0.7, -0.2, 0.5), strict=True))
    soup = pot.adapter(base, terms)
    for module in adapters[0].factors:
        a, b = (soup[f"base_model.model.{module}.lora_{side}.weight"].astype(np.float64) for side in "AB")
        want = sum(c * adapter.delta(module) for adapter, c in terms)
        assert np.linalg.norm(b @ a - want) <= 1e-6 * np.linalg.norm(want)


def test_what_no_expert_touches_is_copied(tiny, pot):
    carried = {"model.steps": np.arange(7), "model.mask": np.array([True, False])}
    base = tiny.base(dtype="BF16", shards=3, extra=carried)
    adapter = tiny.adapter(modules=["model.layers.1.self_attn.v_proj"])
    got, want = pot.checkpoint(base, [(adapter, 0.5)]), load_folder(base)
    differing = {name for name in want if got[name].tobytes() != want[name].tobytes()}
    assert differing == {"model.layers.1.self_attn.v_proj.weight"}


# What goes wrong ends soon, and in little memory.


def test_a_huge_header_is_refused_unread(tmp_path):
    path = tmp_path / "model.safetensors"
    with path.open("wb") as file:
        file.write(struct.pack("<Q", 150_000_000) + b"{")
        file.truncate(200_000_000)
    tracemalloc.start()
    with pytest.raises(IntegrityError, match="150000000"):
        TensorFile.open(path)
    assert tracemalloc.get_traced_memory()[1] < MIB
    tracemalloc.stop()


@pytest.mark.parametrize("digests", [True, False])
def test_a_fault_in_one_thread_ends_all(tiny, pot, tmp_path, monkeypatch, digests):
    base, experts = mixed(tiny)
    plan = pot.plan(base, [(experts[0], 1.0)])
    writes = []
    real = output_file._write

    def third_fails(target, view, offset):
        writes.append(offset)
        if len(writes) == 3:
            raise OSError(28, "No space left on device")
        real(target, view, offset)

    monkeypatch.setattr(output_file, "_write", third_fails)
    out = tmp_path / "out"
    out.mkdir()
    before = threading.active_count()
    with pytest.raises(OSError, match="No space left"):
        write_checkpoint(plan, out, workers=4, window=4096, digests=digests)
    assert threading.active_count() == before
    assert len(writes) < 20


@pytest.mark.parametrize(("kind", "more"), [("adapter", []), ("weights", ["--method", "ties"])])
def test_a_narrow_address_space_is_enough(tmp_path, kind, more):
    base, experts = megabytes(tmp_path, 2, layers=30, kind=kind)
    terms = ",".join(f'"{expert}"=0.5' for expert in experts)
    command = ["sh", "-c", 'ulimit -v 262144; exec "$@"', "sh", sys.executable, "-m", "rshub", "compose"]
    command += ["--base", str(base), terms, "--out", str(tmp_path / "out"), *more]
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    assert size(tmp_path / "out") > size(base)
