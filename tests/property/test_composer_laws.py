"""The laws of composing, on small random soups: one-hot, zero, splitting, order, affine, adapter = checkpoint."""

import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rshub.soups.plan import Term, plan_soup
from rshub.soups.writing.build import write_soup
from rshub.tensors.checkpoint import Checkpoint
from tests.tiny_models import Tiny, load, load_folder

SHAPES = {"a.weight": (9, 5), "b.weight": (5, 5), "c.weight": (4, 11), "norm.weight": (5,)}
MODULES = ("a", "b", "c")
DTYPES = ("F32", "BF16", "F16")

coefficients = st.floats(-2, 2).map(lambda value: round(value, 3))
experts = st.fixed_dictionaries(
    {
        "seed": st.integers(1, 1000),
        "rank": st.integers(1, 6),
        "alpha": st.integers(1, 16),
        "rslora": st.booleans(),
        "modules": st.sets(st.sampled_from(MODULES), min_size=1).map(sorted),
        "dtype": st.sampled_from(DTYPES),
    }
)
kitchens = settings(max_examples=25, deadline=None)


class Kitchen:
    def __init__(self, root):
        self.tiny = Tiny(root)

    def base(self, dtype):
        return self.tiny.base(shapes=SHAPES, dtype=dtype)

    def expert(self, settings):
        return self.tiny.adapter(shapes=SHAPES, **settings)

    def soup(self, base, terms, **options):
        asked = [Term(label=str(n), folder=adapter.folder, coefficient=c) for n, (adapter, c) in enumerate(terms)]
        plan = plan_soup(base=Checkpoint.open(base), terms=asked, **options)
        out = self.tiny.path("out")
        write_soup(plan, out, base_model="b", base_revision=None)
        return out

    def bits(self, base, terms, **options):
        return {path.name: path.read_bytes() for path in self.soup(base, terms, **options).iterdir()}


@given(made=st.lists(experts, min_size=1, max_size=4, unique_by=lambda one: one["seed"]), dtype=st.sampled_from(DTYPES),
       data=st.data())  # fmt: skip
@settings(parent=kitchens)
def test_order_does_not_matter(made, dtype, data):
    with tempfile.TemporaryDirectory() as root:
        kitchen = Kitchen(Path(root))
        base = kitchen.base(dtype)
        terms = [(kitchen.expert(one), data.draw(st.sampled_from([-1.5, 0.3, 0.7, 1.25]))) for one in made]
        shuffled = data.draw(st.permutations(terms))
        assert kitchen.bits(base, terms) == kitchen.bits(base, shuffled)
        assert kitchen.bits(base, terms, format="adapter") == kitchen.bits(base, shuffled, format="adapter")


@given(one=experts, dtype=st.sampled_from(DTYPES), parts=st.lists(st.sampled_from([0.25, 0.5, -0.5, 1.0]), min_size=1,
       max_size=4), other=experts)  # fmt: skip
@settings(parent=kitchens)
def test_splitting_an_expert_does_not_matter(one, dtype, parts, other):
    with tempfile.TemporaryDirectory() as root:
        kitchen = Kitchen(Path(root))
        base, whole = kitchen.base(dtype), sum(parts)
        second = (kitchen.expert(other | {"seed": other["seed"] + 5000}), 0.375)
        copies = [(kitchen.expert(one), part) for part in parts]
        split = kitchen.bits(base, [*copies, second])
        assert split == kitchen.bits(base, [(kitchen.expert(one), whole), second])


@given(one=experts, dtype=st.sampled_from(DTYPES), share=st.floats(0.1, 0.9))
@settings(parent=kitchens)
def test_an_expert_mixed_with_itself_is_itself(one, dtype, share):
    with tempfile.TemporaryDirectory() as root:
        kitchen = Kitchen(Path(root))
        base = kitchen.base(dtype)
        mixed = kitchen.bits(base, [(kitchen.expert(one), share), (kitchen.expert(one), 1.0 - share)])
        assert mixed == kitchen.bits(base, [(kitchen.expert(one), 1.0)])


@given(made=st.lists(experts, min_size=1, max_size=3, unique_by=lambda one: one["seed"]), dtype=st.sampled_from(DTYPES))
@settings(parent=kitchens)
def test_zero_gives_the_base_and_one_hot_the_expert(made, dtype):
    with tempfile.TemporaryDirectory() as root:
        kitchen = Kitchen(Path(root))
        base = kitchen.base(dtype)
        adapters = [kitchen.expert(one) for one in made]
        zero = kitchen.bits(base, [(adapter, 0.0) for adapter in adapters])
        assert zero["model.safetensors"] == (base / "model.safetensors").read_bytes()
        hot = kitchen.bits(base, [(adapter, float(number == 0)) for number, adapter in enumerate(adapters)])
        assert hot == kitchen.bits(base, [(adapters[0], 1.0)])


@given(made=st.lists(experts, min_size=1, max_size=4, unique_by=lambda one: one["seed"]), dtype=st.sampled_from(DTYPES),
       data=st.data())  # fmt: skip
@settings(parent=kitchens)
def test_a_soup_is_the_dense_sum(made, dtype, data):
    with tempfile.TemporaryDirectory() as root:
        kitchen = Kitchen(Path(root))
        base = kitchen.base(dtype)
        terms = [(kitchen.expert(one), data.draw(coefficients.filter(bool))) for one in made]
        got = load_folder(kitchen.soup(base, terms, dtype="float32"))
        for name, values in Tiny.dense(base, terms).items():
            np.testing.assert_allclose(got[name], values, rtol=2e-7, atol=1e-9)
        tensors = load(kitchen.soup(base, terms, format="adapter") / "adapter_model.safetensors")
        for module in MODULES:
            key = f"base_model.model.{module}.lora_"
            if key + "A.weight" in tensors:
                delta = tensors[key + "B.weight"].astype(float) @ tensors[key + "A.weight"].astype(float)
                want = sum(weight * adapter.delta(module) for adapter, weight in terms)
                np.testing.assert_allclose(delta, want, rtol=1e-6, atol=1e-6)


@given(made=st.lists(experts, min_size=2, max_size=2, unique_by=lambda one: one["seed"]), at=st.floats(-0.5, 1.5))
@settings(parent=kitchens)
def test_a_soup_is_affine_in_its_coefficients(made, at):
    with tempfile.TemporaryDirectory() as root:
        kitchen = Kitchen(Path(root))
        base = kitchen.base("F32")
        one, two = (kitchen.expert(settings) for settings in made)
        first, second = (load_folder(kitchen.soup(base, [(adapter, 1.0)])) for adapter in (one, two))
        middle = load_folder(kitchen.soup(base, [(one, at), (two, 1.0 - at)]))
        for name, values in middle.items():
            line = at * first[name].astype(float) + (1.0 - at) * second[name].astype(float)
            np.testing.assert_allclose(values, line, rtol=0, atol=2e-6)
