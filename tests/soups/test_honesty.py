"""The figures of a soup's report against dense float64 algebra."""

import hashlib
import itertools
import json

import ml_dtypes
import numpy as np
import pytest

from rshub.errors import Incompatible
from rshub.soups import honesty, strata, survey
from rshub.soups.plan import Term, plan_soup
from rshub.tensors.checkpoint import Checkpoint
from rshub.tensors.stored import StoredTensor
from tests.tiny_models import CONFIG, MODULES, SHAPES, dump, load_folder


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


def whole_model(tiny, base, changes):
    """Write a whole model with some other tensors."""
    folder = tiny.path("full")
    dump(folder / "model.safetensors", {**load_folder(base), **changes})
    (folder / "config.json").write_text(json.dumps(CONFIG))
    return folder


def mixed_kinds(tiny):
    """Give a base, terms of two kinds, and each one's delta as one vector over all that changes."""
    base, rng = tiny.base(), np.random.default_rng(3)
    theta = load_folder(base)
    names = [MODULES[0] + ".weight", "model.norm.weight"]
    changes = {name: theta[name] + 0.2 * rng.standard_normal(SHAPES[name]).astype(np.float32) for name in names}
    adapter = tiny.adapter(seed=1, modules=MODULES[:3])
    touched = [*(module + ".weight" for module in MODULES[:3]), "model.norm.weight"]
    whole = [(changes[name] - theta[name].astype(float)) if name in changes else 0 * theta[name] for name in touched]
    factors = [
        adapter.delta(name.removesuffix(".weight")) if "proj" in name else 0.0 * theta[name].astype(float)
        for name in touched
    ]
    parts = [np.concatenate([one.ravel() for one in each]) for each in (whole, factors)]
    return base, [(whole_model(tiny, base, changes), 0.6), (adapter, -0.5)], parts


@pytest.mark.parametrize("elements", [1 << 22, 100])
def test_parts_of_other_kinds_are_measured_and_a_sample_is_called_one(tiny, pot, monkeypatch, elements):
    base, terms, parts = mixed_kinds(tiny)
    monkeypatch.setattr(survey, "WHOLE_ELEMENTS", elements)
    monkeypatch.setattr(survey, "SAMPLE_ELEMENTS", 400)
    told = pot.cook(base, terms)[1].figures
    assert told["sampled"] is (elements == 100)
    near = {"rel": 0.2} if told["sampled"] else {"rel": 1e-6}
    norms = [np.linalg.norm(part) for part in parts]
    for expert, norm in zip(told["experts"], norms, strict=True):
        assert expert["norm"] == pytest.approx(norm, **near)
    assert told["norm"] == pytest.approx(np.linalg.norm(0.6 * parts[0] - 0.5 * parts[1]), **near)
    cosine = parts[0] @ parts[1] / np.prod(norms)
    assert told["cosines"][0]["cosine"] == pytest.approx(cosine, abs=0.1 if told["sampled"] else 1e-7)
    assert told["experts"][1]["coverage"] == pytest.approx(3 / told["touched"]["tensors"])


def test_the_survey_reads_of_whole_tensors_only_the_sample(tiny, pot, monkeypatch):
    """The pass that writes reads every expert once; the figures must not read them all again."""
    base, terms, _ = mixed_kinds(tiny)
    monkeypatch.setattr(survey, "WHOLE_ELEMENTS", 100)
    monkeypatch.setattr(survey, "SAMPLE_ELEMENTS", 100)
    read, plan = [], pot.plan(base, terms)
    original = StoredTensor.read
    monkeypatch.setattr(
        StoredTensor, "read", lambda self, first, into: (read.append(into.size), original(self, first, into))[1]
    )
    survey.survey(plan)
    assert 0 < sum(read) < 2 * 110


def test_figures_of_experts_that_continue_an_adapter_are_of_what_they_added(tiny, pot):
    start, one, two = (tiny.adapter(seed=seed) for seed in (1, 2, 3))
    coefficients = (0.5, 0.2)
    terms = [
        Term(label="one", folder=one.folder, coefficient=0.5),
        Term(label="two", folder=two.folder, coefficient=0.2),
        Term(label="init", folder=start.folder, coefficient=0.3, anchor=True),
    ]
    plan = plan_soup(base=Checkpoint.open(tiny.base()), terms=terms)
    told = honesty.figures(plan, survey.survey(plan))
    (zero, *ends), _ = flat([(start, 0), (one, 0), (two, 0)])
    added = [end - zero for end in ends]
    norms = [np.linalg.norm(part) for part in added]
    assert told["relative_to"] == "init"
    assert told["sum_coefficients"] == pytest.approx(0.7)
    assert [expert["norm"] for expert in told["experts"]] == pytest.approx([*norms, np.linalg.norm(zero)], rel=1e-6)
    sizes = np.array(norms) * coefficients
    assert [expert["share"] for expert in told["experts"][:2]] == pytest.approx(list(sizes / sizes.sum()), rel=1e-6)
    assert told["experts"][2]["share"] is None
    (pair,) = told["cosines"]
    assert pair["experts"] == ["one", "two"]
    assert pair["cosine"] == pytest.approx(added[0] @ added[1] / np.prod(norms), abs=1e-7)
    assert told["norm"] == pytest.approx(np.linalg.norm(0.3 * zero + 0.5 * ends[0] + 0.2 * ends[1]), rel=1e-6)


@pytest.mark.parametrize("method", ["slerp", "ties", "dare"])
def test_methods_that_look_at_each_delta_refuse_experts_that_began_with_an_adapter(tiny, method):
    terms = [
        Term(label="one", folder=tiny.adapter(seed=1).folder, coefficient=0.5),
        Term(label="init", folder=tiny.adapter(seed=2).folder, coefficient=0.5, anchor=True),
    ]
    with pytest.raises(Incompatible, match="began with an adapter"):
        plan_soup(base=Checkpoint.open(tiny.base()), terms=terms, method=method)


def test_an_adapter_that_loses_much_by_its_rank_is_warned_about(tiny, pot):
    _, report = pot.cook(tiny.base(), [(tiny.adapter(rank=8), 1.0)], format="adapter", rank=1)
    (warning,) = report.figures["warnings"]
    assert "--rank" in warning


def sampled(monkeypatch, elements=100):
    monkeypatch.setattr(survey, "WHOLE_ELEMENTS", elements)
    monkeypatch.setattr(survey, "SAMPLE_ELEMENTS", elements)


NAME = "model.embed_tokens.weight"


def beside_the_sample(shape):
    """Give the rows of a lone tensor that hold nothing of the sample, and the others."""
    size = shape[0] * shape[1]
    count = min(size, survey.SAMPLE_ELEMENTS)
    start = int.from_bytes(hashlib.sha256(NAME.encode()).digest()[:8], "little") % (size - count + 1)
    rows = np.arange(shape[0])
    inside = (rows >= start // shape[1]) & (rows <= (start + count - 1) // shape[1])
    return rows[~inside], rows[inside]


@pytest.mark.parametrize("moves", [True, False])
def test_a_soup_is_the_base_only_when_every_element_says_so(tiny, pot, monkeypatch, moves):
    """The change inside the sample is lost in rounding; beside it are 500 rows that move by one."""
    sampled(monkeypatch)
    shape = (1000, 40)
    theta = np.ones(shape, ml_dtypes.bfloat16)
    base = tiny.base(shapes={}, extra={NAME: theta})
    outside, _ = beside_the_sample(shape)
    wanted = np.ones(shape, np.float32) + np.float32(1e-6)
    if moves:
        wanted[outside[:500]] += 1
    expert = whole_model(tiny, base, {NAME: wanted})
    if not moves:
        with pytest.raises(Incompatible, match="the soup is the base"):
            pot.cook(base, [(expert, 1.0)])
        return
    out, report = pot.cook(base, [(expert, 1.0)])
    assert np.count_nonzero(load_folder(out)[NAME] != theta) == 500 * 40
    told = report.figures
    assert [told[figure] for figure in ("moved", "rounding_error", "survival")] == [None] * 3
    assert told["sample"]["elements"] < 200
    assert told["warnings"] == ["nothing of the change is in the sample, so what rounding kept is not known"]
    report.lines()


def rows_adapter(tiny, rows, values):
    """Make an adapter that replaces rows of the embedding, and nothing else."""
    name = f"base_model.model.{NAME.removesuffix('.weight')}.token_adapter.trainable_tokens_delta"
    adapter = tiny.adapter(modules=[], config={"trainable_token_indices": [int(row) for row in rows]})
    dump(adapter.folder / "adapter_model.safetensors", {name: values})
    return adapter


TALL = {**SHAPES, NAME: (1000, 12)}


@pytest.mark.parametrize("most", [1 << 21, 24])
def test_replaced_rows_are_measured_wherever_the_sample_is(tiny, pot, monkeypatch, most):
    monkeypatch.setattr(strata, "ROW_ELEMENTS", most)
    base, rng = tiny.base(shapes=TALL), np.random.default_rng(8)
    sampled(monkeypatch)
    theta = load_folder(base)[NAME].astype(float)
    outside, _ = beside_the_sample(TALL[NAME])
    rows = [outside[[3, 4, 5, 400]], outside[[5, 700, 400, 4]]]
    values = [rng.standard_normal((4, 12)).astype(np.float32) for _ in rows]
    terms = [(rows_adapter(tiny, rows[0], values[0]), 0.5), (rows_adapter(tiny, rows[1], values[1]), -0.3)]
    told = pot.cook(base, terms)[1].figures
    deltas = []
    for at, new in zip(rows, values, strict=True):
        delta = np.zeros(TALL[NAME])
        delta[at] = new - theta[at]
        deltas.append(delta.ravel())
    norms = [np.linalg.norm(delta) for delta in deltas]
    exact = most > 24
    assert told["sampled"] is not exact
    near = {"rel": 1e-6} if exact else {"rel": 0.8}
    for expert, norm in zip(told["experts"], norms, strict=True):
        assert expert["norm"] == pytest.approx(norm, **near)
    assert told["norm"] == pytest.approx(np.linalg.norm(0.5 * deltas[0] - 0.3 * deltas[1]), **near)
    if exact:
        assert told["cosines"][0]["cosine"] == pytest.approx(deltas[0] @ deltas[1] / np.prod(norms), abs=1e-6)


def test_rows_beside_a_whole_tensor_are_each_measured_for_what_they_are(tiny, pot, monkeypatch):
    base = tiny.base(shapes=TALL)
    sampled(monkeypatch, 1200)
    theta = load_folder(base)[NAME]
    outside, inside = beside_the_sample(TALL[NAME])
    rows = np.array([outside[0], *inside[3:5], outside[-1]])
    values = theta[rows] + np.float32(2)
    whole = whole_model(tiny, base, {NAME: theta + np.float32(0.5)})
    told = pot.cook(base, [(rows_adapter(tiny, rows, values), 1.0), (whole, 1.0)])[1].figures
    assert told["sampled"]
    norms = [np.sqrt(4 * 12 * 4.0), np.sqrt(theta.size * 0.25)]
    assert [expert["norm"] for expert in told["experts"]] == pytest.approx(norms, rel=1e-5)
    assert told["cosines"][0]["cosine"] == pytest.approx(48 * 2 * 0.5 / np.prod(norms), rel=1e-5)
    assert told["norm"] == pytest.approx(np.sqrt(48 * 2.5**2 + (theta.size - 48) * 0.25), rel=1e-5)


def test_an_expert_of_which_the_sample_shows_nothing_is_measured_whole(tiny, pot, monkeypatch):
    base = tiny.base(shapes=TALL)
    sampled(monkeypatch)
    theta = load_folder(base)[NAME]
    outside, _ = beside_the_sample(TALL[NAME])
    changed = theta.copy()
    changed[outside[7]] += 3
    told = pot.cook(base, [(whole_model(tiny, base, {NAME: changed}), 0.5)])[1].figures
    assert told["experts"][0]["norm"] == pytest.approx(3 * np.sqrt(12), rel=1e-6)
    assert told["norm"] == pytest.approx(1.5 * np.sqrt(12), rel=1e-6)
    assert not any("cancel" in warning for warning in told["warnings"])
