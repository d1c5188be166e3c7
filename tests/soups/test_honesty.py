"""The figures of a soup's report against dense float64 algebra."""

import itertools

import numpy as np
import pytest

from rshub.errors import Incompatible
from rshub.soups import survey
from tests.tiny_models import MODULES, SHAPES, load_folder


def dense(terms):
    return {
        module: [np.asarray(adapter.delta(module)) * np.ones(SHAPES[module + ".weight"]) for adapter, _ in terms]
        for module in MODULES
    }


def flat(terms):
    """Give each expert's whole delta as one vector, and the weighted sum."""
    by_module = dense(terms)
    parts = [np.concatenate([by_module[module][n].ravel() for module in MODULES]) for n in range(len(terms))]
    return parts, sum(weight * part for part, (_, weight) in zip(parts, terms, strict=True))


def some_terms(tiny):
    return [
        (tiny.adapter(seed=1), 0.7),
        (tiny.adapter(seed=2, rank=2, rslora=True, modules=MODULES[:2]), -0.4),
        (tiny.adapter(seed=3, ranks={MODULES[1]: 6}), 0.2),
    ]


@pytest.mark.parametrize("form", ["checkpoint", "adapter"])
def test_norms_shares_coverage_and_cosines_come_from_the_deltas(tiny, pot, form):
    terms = some_terms(tiny)
    parts, whole = flat(terms)
    _, report = pot.cook(tiny.base(), [*terms, (tiny.path("unused"), 0.0)], format=form)
    told = report.figures
    assert told["sum_coefficients"] == pytest.approx(0.5)
    assert told["norm"] == pytest.approx(np.linalg.norm(whole), rel=1e-6)
    assert told["touched"] == {"tensors": len(MODULES), "elements": whole.size}
    norms = [np.linalg.norm(part) for part in parts]
    sizes = [abs(weight) * norm for (_, weight), norm in zip(terms, norms, strict=True)]
    for number, expert in enumerate(told["experts"][:3]):
        assert expert["label"] == f"expert-{number}"
        assert expert["coefficient"] == terms[number][1]
        assert expert["norm"] == pytest.approx(norms[number], rel=1e-6)
        assert expert["share"] == pytest.approx(sizes[number] / sum(sizes), rel=1e-6)
        assert expert["coverage"] == pytest.approx(len(terms[number][0].factors) / len(MODULES))
    assert told["experts"][3] == {
        "label": "expert-3", "coefficient": 0.0, "norm": None, "share": 0.0, "coverage": None, "modules": None,
        "rank": None,
    }  # fmt: skip
    pairs = list(itertools.combinations(range(3), 2))
    assert [pair["experts"] for pair in told["cosines"]] == [[f"expert-{i}", f"expert-{j}"] for i, j in pairs]
    for pair, (i, j) in zip(told["cosines"], pairs, strict=True):
        assert pair["cosine"] == pytest.approx(parts[i] @ parts[j] / (norms[i] * norms[j]), abs=1e-7)


@pytest.mark.parametrize(("stored", "dtype"), [("BF16", "auto"), ("F16", "auto"), ("F32", "auto"), ("F32", "bfloat16")])
def test_rounding_survival_and_moved_are_what_they_say(tiny, pot, stored, dtype):
    base, terms = tiny.base(dtype=stored, scale=3.0), some_terms(tiny)
    out, report = pot.cook(base, terms, dtype=dtype)
    before, after = load_folder(base), load_folder(out)
    _, wanted = flat(terms)
    got = np.concatenate(
        [(after[m + ".weight"].astype(float) - before[m + ".weight"].astype(float)).ravel() for m in MODULES]
    )
    told = report.figures
    assert told["sample"]["elements"] == wanted.size
    error = np.linalg.norm(got - wanted) / np.linalg.norm(wanted)
    assert told["rounding_error"] == pytest.approx(error, rel=1e-4, abs=1e-12)
    assert told["survival"] == pytest.approx(got @ wanted / (wanted @ wanted), rel=1e-6)
    assert told["moved"] == pytest.approx(np.count_nonzero(got) / got.size)


def test_a_sample_stands_for_the_whole(tiny, pot, monkeypatch):
    shapes = {"one.weight": (400, 300), "two.weight": (50, 2000), "lm_head.weight": (4, 4)}
    base = tiny.base(shapes=shapes, dtype="BF16", scale=0.05)
    terms = [(tiny.adapter(shapes=shapes, modules=["one", "two"], size=0.03), 1.0)]
    _, whole = pot.cook(base, terms)
    monkeypatch.setattr(survey, "WHOLE_ELEMENTS", 1000)
    monkeypatch.setattr(survey, "SAMPLE_ELEMENTS", 50_000)
    _, sampled = pot.cook(base, terms)
    assert whole.figures["sample"]["elements"] == 220_000
    assert 50_000 <= sampled.figures["sample"]["elements"] < 60_000
    for figure in ("rounding_error", "survival", "moved"):
        assert sampled.figures[figure] == pytest.approx(whole.figures[figure], rel=0.05)
    assert pot.cook(base, terms)[1].figures == sampled.figures


def test_rounding_that_costs_much_is_warned_about_with_the_way_out(tiny, pot):
    base = tiny.base(dtype="BF16", scale=10.0)
    _, report = pot.cook(base, [(tiny.adapter(size=0.03), 1.0)])
    assert report.figures["rounding_error"] > 0.25
    (warning,) = report.figures["warnings"]
    assert "float32" in warning
    assert "adapter" in warning
    _, report = pot.cook(base, [(tiny.adapter(size=0.03), 1.0)], dtype="float32")
    assert report.figures["warnings"] == []


def test_a_soup_of_which_nothing_is_left_is_an_error(tiny, pot):
    base = tiny.base(dtype="BF16", scale=100.0)
    with pytest.raises(Incompatible, match="the soup is the base") as caught:
        pot.cook(base, [(tiny.adapter(size=1e-4), 1.0)])
    assert "float32" in caught.value.remedy
    assert not list(pot.root.glob("soup*"))


@pytest.mark.parametrize("form", ["checkpoint", "adapter"])
def test_an_expert_that_was_never_trained_is_an_error(tiny, pot, form):
    shapes = {module: SHAPES[module + ".weight"] for module in MODULES}
    factors = {
        m: (np.ones((4, shape[1]), np.float32), np.zeros((shape[0], 4), np.float32)) for m, shape in shapes.items()
    }
    untrained = tiny.adapter(seed=2, factors=factors)
    with pytest.raises(Incompatible, match=r"expert-1 has the coefficient 0\.3, but its delta is exactly zero"):
        pot.cook(tiny.base(), [(tiny.adapter(), 0.7), (untrained, 0.3)], format=form)


def test_an_expert_and_its_opposite_cancel_with_a_warning(tiny, pot):
    base, adapter = tiny.base(dtype="BF16"), tiny.adapter()
    opposite = tiny.adapter(factors={module: (a, -b) for module, (a, b) in adapter.factors.items()})
    got, report = pot.cook(base, [(adapter, 1.0), (opposite, 1.0)])
    assert any("cancel" in warning for warning in report.figures["warnings"])
    for name, values in load_folder(got).items():
        np.testing.assert_array_equal(values, load_folder(base)[name])
    got, report = pot.cook(base, [(adapter, 1.0), (adapter, -1.0)])
    assert report.figures["warnings"] == ["expert-0, expert-1 are the same expert and cancel exactly"]
    assert (got / "model.safetensors").read_bytes() == (base / "model.safetensors").read_bytes()


def test_the_report_reads_as_lines(tiny, pot):
    _, report = pot.cook(tiny.base(dtype="BF16"), some_terms(tiny))
    lines = report.lines()
    assert any("expert-1: -0.4" in line for line in lines)
    _, report = pot.cook(tiny.base(dtype="BF16"), some_terms(tiny), format="adapter", rank=3)
    assert any("energy lost" in line for line in report.lines())
