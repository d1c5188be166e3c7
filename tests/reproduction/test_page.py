"""The page says what the findings say, text as text, and so does the table for a README."""

import json

from scripts.reproduction.costs import Costs
from scripts.reproduction.finding import Finding, Picture
from scripts.reproduction.judging import FAILS, HOLDS, Effect
from scripts.reproduction.page import Chapter, Results, render
from scripts.reproduction.workshop import Model


def results(tmp_path, **known):
    finding = Finding(
        figure="1b, 2a",
        task="news",
        claim="A < B & <script>alert(1)</script>",
        rule="the rule",
        unit="miles",
        verdict=FAILS,
        effects=[Effect(name="gap", value=-0.25, low=-0.5, high=-0.125)],
        summary="gap -0.25",
        details=["more of it"],
        pictures=[Picture(file="pictures/one.png", title="One", caption="Across: a; up: b.")],
        scores=["scores/one.json"],
    )
    model = Model(
        name="quality",
        mixture={"quality": 1.0},
        seed=3,
        method="rloo",
        artefact="full",
        steps=40,
        kl=None,
        recipe="recipes/news-quality.yaml",
        cpu_seconds=25.4,
    )
    chapter = Chapter(
        task="news",
        facts=("a base",),
        amount="12 prompts",
        models=(model,),
        findings=(finding,),
        made=600.0,
        spent=90.0,
    )
    facts = {"out": tmp_path, "chapters": (chapter,), "fast": False, "cpu_seconds": 90.0}
    return Results(**facts | known)


def test_the_page_holds_every_number_and_runs_nothing(tmp_path):
    page = render(results(tmp_path))
    assert "<script>" not in page
    assert "A &lt; B &amp; &lt;script&gt;" in page
    assert page.count("does not hold here") >= 3
    for wanted in (
        "-0.2500",
        "-0.5000 to -0.1250",
        "the rule",
        "miles",
        "more of it",
        "Across: a; up: b.",
        "12 prompts",
    ):
        assert wanted in page
    assert 'src="pictures/one.png"' in page
    assert "rshub front --scores scores/one.json --checks" in page
    assert "rloo, all weights" in page
    assert "This run took 1.5 CPU-minutes; from nothing, with nothing kept, it takes 10.0." in page
    assert "mean nothing" not in page
    assert "mean nothing" in render(results(tmp_path, fast=True))


def test_the_same_for_programs_and_for_a_readme(tmp_path):
    found = results(tmp_path)
    told = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert told["verdicts"] == {HOLDS: 0, "cannot be decided": 0, FAILS: 1}
    (effect,) = told["chapters"][0]["findings"][0]["effects"]
    assert effect == {"name": "gap", "value": -0.25, "interval": [-0.5, -0.125]}
    assert found.lines()[2].startswith("| 1b, 2a | news | A < B")
    assert found.lines()[-1].startswith("Of 1 claims 0 hold, 1 do not hold here, and 0 cannot be decided.")


def test_a_piece_costs_what_it_cost_when_it_was_made(tmp_path):
    book = Costs(tmp_path / "costs.json")
    with book.of("training one"):
        sum(range(3_000_000))
    first = book.of_one("training one")
    assert first > 0
    later = Costs(tmp_path / "costs.json")
    with later.of("training one"):
        pass
    assert later.of_one("training one") == first == later.total()
    assert later.of_one("another") == 0.0
