"""The page about a front: whole, one file, nothing to load, every figure in it, and the same bytes each time."""

import base64
import hashlib
import math
import xml.etree.ElementTree as ET
from itertools import pairwise

import numpy as np
import pytest

from rshub.fronts.front import front
from rshub.fronts.report.render import LONGEST, render_report
from rshub.fronts.report.values import Example, ExpertSheet
from tests.fronts.report.page import Page

DRAWN = {
    *("svg", "metadata", "RDF", "Work", "type", "format", "creator", "Agent", "title"),
    *("defs", "style", "g", "path", "use", "clipPath", "rect", "image"),
}


def render(scores, **more):
    return render_report(scores, front(scores=scores, checks=True), **more)


def test_a_page_is_well_formed_and_says_what_it_is(noisy):
    page = Page(render(noisy, title="Restaurants"))
    assert page.faults == []
    assert page.all("html") == [{"lang": "en"}]
    assert page.text("title") == page.text("h1") == "Restaurants"
    headings = [tag for tag, _ in page.elements if tag in {"h1", "h2", "h3", "h4"}]
    assert headings[0] == "h1"
    assert all(int(after[1]) <= int(before[1]) + 1 for before, after in pairwise(headings))
    identities = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(set(identities)) == len(identities)
    assert {link["href"] for link in page.all("a")} == {f"#{name}" for name in identities}


def test_nothing_is_loaded_and_nothing_runs(three):
    data = render(three)
    page = Page(data)
    assert not page.all("script")
    assert not page.all("iframe")
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    assert not [1 for _, attributes in page.elements if "style" in attributes]
    places = [attributes[name] for _, attributes in page.elements for name in ("src", "href") if name in attributes]
    assert places
    assert all(place.startswith(("data:", "#")) for place in places)
    (style,) = [text for tag, text in page.texts if tag == "style"]
    assert "url(" not in style
    assert "@import" not in style
    (policy,) = [meta["content"] for meta in page.all("meta") if "http-equiv" in meta]
    pinned = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules == {
        "default-src": "'none'",
        "img-src": "data:",
        "style-src": f"'sha256-{pinned}'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }


def test_every_picture_is_a_drawing_without_a_script_and_has_words(three, noisy):
    for scores, count in ((noisy, 2), (three, 5)):  # front and curves; front, web and three triangles
        pictures = Page(render(scores)).all("img")
        assert len(pictures) == count
        for picture in pictures:
            assert len(picture["alt"]) > 30
            kind, code = picture["src"].split(",")
            assert kind == "data:image/svg+xml;base64"
            drawing = ET.fromstring(base64.b64decode(code))
            names = {element.tag.rpartition("}")[2] for element in drawing.iter()}
            assert names <= DRAWN
            links = [v for e in drawing.iter() for k, v in e.attrib.items() if k.endswith("href")]
            assert all(link.startswith(("#", "data:image/png")) for link in links)


def test_every_measurement_is_in_the_table(noisy):
    page = Page(render(noisy))
    cells = [text for tag, text in page.texts if tag == "td"]
    errors = [text for tag, text in page.texts if tag == "span"]
    for point in noisy.points:
        for score in point.rewards.values():
            assert any(cell.strip() == f"{score.mean:.4g}" for cell in cells)
    assert f"± {1.959964 * 0.006:.2g}" in errors
    assert len(page.all("tr")) == 1 + len(noisy.rewards) + 1 + len(noisy.points)


def test_the_best_is_marked_in_the_direction_of_the_reward(typed):
    points = [{"kind": "soup", "rewards": {"a": a, "b": b}} for a, b in ((1, 3), (2, 4))]
    page = Page(render(typed({"a": "max", "b": "min"}, *points)))
    best = [attributes.get("class") for attributes in page.all("td") if "number" in (attributes.get("class") or "")]
    assert best == ["number", "number best", "number best", "number"]


def test_what_is_known_of_experts_is_shown_and_the_rest_is_not_stated(noisy):
    log = tuple({"step": n, "rewards": {"recall": 0.7 + 0.01 * n, "precision": 0.7 - 0.01 * n}} for n in range(5))
    sheet = ExpertSheet(
        label="recall", place="ada/x", made_by="ada", licence="mit", trained=(("steps", "40"),), log=log,
        trained_on=("recall",),
    )  # fmt: skip
    page = Page(render(noisy, experts=[sheet]))
    facts = [text for tag, text in page.texts if tag in {"dt", "dd"}]
    pairs = dict(zip(facts[::2], facts[1::2], strict=True))
    assert pairs["steps"] == "40"
    assert page.text("h3").startswith("recall\nprecision")
    assert "ada/x" in facts
    assert facts.count("not stated") == 7  # what was trained for and scored by of recall, all five of precision
    assert len(page.all("img")) == 3


def test_a_training_that_was_scored_otherwise_is_not_laid_over_the_front(noisy):
    for far, shown in ((0.0, True), (0.9, False)):
        log = tuple({"step": n, "rewards": {"recall": 0.7 + far, "precision": 0.7 - 0.01 * n}} for n in range(5))
        page = render(noisy, experts=[ExpertSheet(label="recall", log=log)])
        assert (b"Dotted lines are how the experts got there" in page) == shown


def test_answers_stand_side_by_side_and_long_ones_are_cut_and_say_so(noisy):
    examples = [Example(prompt="Where?", answers={"start": "", "only recall": "x" * (LONGEST + 5)})]
    page = Page(render(noisy, examples=examples))
    assert "Where?" in page.text()
    assert "(an empty answer)" in page.text()
    assert "[…cut here, 5 letters more]" in page.text()
    assert "No answers came with these measurements" not in page.text()
    assert "No answers came with these measurements" in Page(render(noisy)).text()


def test_what_was_not_measured_is_said(typed, noisy):
    said = Page(render(noisy)).text("li")
    assert "nobody judged the answers" in said
    assert "predictions averaged" in said
    assert "Models trained for a mixture" not in said
    assert "More answers than 400 for a figure" in said
    assert "no measurement error was given" in said  # MORL and init have none
    bare = typed(
        {"a": "max", "b": "max"}, {"kind": "soup", "rewards": {"a": 1}}, {"kind": "soup", "rewards": {"a": 2, "b": 2}}
    )
    said = Page(render(bare)).text("li")
    assert "b of 1 model in the table." in said
    assert "every figure is chance" in said
    assert "The start, that is the model before any expert was trained." in said
    assert "Models trained for a mixture" in said
    assert "every point has the same a, b" in said


@pytest.mark.parametrize(
    "points",
    [
        [],
        [{"kind": "init", "rewards": {}}],
        [{"kind": "soup", "rewards": {"a": 1, "b": 1}}],
        [{"kind": "soup", "rewards": {"a": {"mean": 1, "stderr": 0}, "b": 1}}] * 3,
        [{"kind": "expert", "coefficients": {f"e{n}": 1}, "rewards": {"a": n, "b": -n}} for n in range(20)],
        [
            {"kind": "soup", "coefficients": {"x": n / 500, "y": 1 - n / 500}, "rewards": {"a": n, "b": -n}}
            for n in range(501)
        ],
    ],
)
def test_odd_measurements_make_a_page_too(points, typed):
    scores = typed({"a": "max", "b": "min"}, *points)
    page = Page(render(scores))
    assert page.faults == []
    assert ("101 more models were measured" in page.text()) == (len(points) > 400)


def test_one_reward_makes_a_page_too(typed):
    page = Page(render(typed({"a": "max"}, {"kind": "soup", "rewards": {"a": 1}})))
    assert page.faults == []
    assert not page.all("img")


def test_the_same_measurements_give_the_same_bytes(noisy):
    assert render(noisy) == render(noisy)


def test_the_published_captioning_metrics_make_a_page(published):
    names = ("cider", "bleu_1", "bleu_2", "bleu_3", "bleu_4", "rouge_l", "spice", "meteor")
    scores, raw = published("captioning", names, {"bleu1": "bleu_1", "rouge": "rouge_l"})
    page = Page(render(scores))
    assert page.faults == []
    assert len(page.all("img")) == 3  # front, curves, web
    # hypothesis 1 in every metric, worked out here
    share = np.array([row["lambda"]["bleu1"] for row in raw["soups"]])
    values = {name: np.array([row["rewards"][name] for row in raw["soups"]]) for name in names}
    inside = (share > 0) & (share < 1)
    holds = [
        bool((value - (share * value[share == 1] + (1 - share) * value[share == 0]))[inside].min() >= -1e-12)
        for value in values.values()
    ]
    said = [text for tag, text in page.texts if tag == "span"][: len(names)]
    assert said == ["yes" if held else "no" for held in holds]
    assert math.isclose(sum(holds), len(names))


def test_long_names_and_preferences_do_not_widen_the_page(typed):
    """Whatever others wrote breaks anywhere, and a preference of ten thousand letters is cut in the table."""
    name, preference = "n" * 300, "p" * 10_000
    points = [
        {"kind": "expert", "coefficients": {name: 1}, "rewards": {name: 1.0}},
        {"kind": "expert", "coefficients": {"b": 1}, "rewards": {name: 0.0}},
        {"kind": "morl", "preference": preference, "rewards": {name: 0.5}},
    ]
    page = Page(render(typed({name: "max"}, *points)))
    (style,) = [text for tag, text in page.texts if tag == "style"]
    breaking = {
        tag.strip()
        for rule in style.split("}")
        if "overflow-wrap: anywhere" in rule
        for tag in rule.partition("{")[0].split(",")
    }
    assert {"h1", "h3", "h4", "p", "li", "dt", "dd", "figcaption", "caption", "pre"} <= breaking
    heads = [text for tag, text in page.texts if tag == "th"]
    (cut,) = [text for text in heads if "pppp" in text]
    assert len(cut) == 160
    assert cut.endswith("…")
