"""The list of methods, and what all of them have to say of themselves."""

from pathlib import Path

import pytest

from rshub.soups.methods.method import LAWS
from rshub.soups.methods.registry import METHODS
from tests.tiny_models import load_folder

HELP = Path(__file__).parents[2] / "golden" / "help" / "rshub-compose.txt"


def test_every_method_says_where_it_comes_from_and_what_it_keeps():
    for name, method in METHODS.items():
        assert method.name == name
        assert method.source
        assert method.mix.__doc__
        assert set(method.laws) <= set(LAWS)
        assert {"order", "splitting", "bytes"} <= set(method.laws)
    assert [name for name, method in METHODS.items() if method.exact] == ["delta"]


def test_the_help_lists_every_method():
    assert "|".join(METHODS) in HELP.read_text(encoding="utf-8")


def test_a_plan_names_the_method_its_laws_and_its_options(tiny, pot):
    told = pot.plan(tiny.base(), [(tiny.adapter(), 1.0)], method="dare", density=0.25).describe()["method"]
    assert (told["name"], told["options"]) == ("dare", {"density": 0.25, "seed": 0})
    assert told["source"] == METHODS["dare"].source
    assert told["laws"] == list(METHODS["dare"].laws)


@pytest.mark.parametrize("method", METHODS)
def test_neither_order_nor_splitting_matters(tiny, pot, method):
    base, one, two = tiny.base(dtype="BF16"), tiny.adapter(seed=1), tiny.adapter(seed=2)
    soups = [
        pot.cook(base, terms, method=method)[0]
        for terms in (
            [(one, 0.75), (two, 0.25)],
            [(two, 0.25), (one, 0.75)],
            [(one, 0.5), (two, 0.25), (one, 0.25)],
        )
    ]
    files = [(soup / "model.safetensors").read_bytes() for soup in soups]
    assert files[0] == files[1] == files[2]
    assert files[0] != (base / "model.safetensors").read_bytes()


@pytest.mark.parametrize("method", [name for name, method in METHODS.items() if "one-hot" in method.laws])
def test_a_coefficient_of_one_gives_the_expert(tiny, pot, method):
    base, one, two = tiny.base(), tiny.adapter(seed=1), tiny.adapter(seed=2)
    got, want = (pot.checkpoint(base, [(one, 1.0), (two, 0.0)], method=name) for name in (method, "delta"))
    for name, values in got.items():
        assert values == pytest.approx(want[name], abs=1e-7)


@pytest.mark.parametrize("method", [name for name, method in METHODS.items() if "zero" in method.laws])
def test_no_coefficients_give_the_base(tiny, pot, method):
    base = tiny.base(dtype="F16")
    got = pot.checkpoint(base, [(tiny.adapter(), 0.0)], method=method)
    for name, values in load_folder(base).items():
        assert values.tobytes() == got[name].tobytes()


@pytest.mark.parametrize("method", [name for name, method in METHODS.items() if "adapter" in method.laws])
def test_an_adapter_is_the_checkpoint(tiny, pot, method):
    base, terms = tiny.base(), [(tiny.adapter(seed=1), 0.75), (tiny.adapter(seed=2), 0.25)]
    adapter, _ = pot.cook(base, terms, method=method, format="adapter")
    want, got = pot.checkpoint(base, terms, method=method), pot.checkpoint(base, [(adapter, 1.0)])
    for name, values in want.items():
        assert got[name] == pytest.approx(values, abs=5e-7)
