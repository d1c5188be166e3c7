"""What a page knows of experts: their publisher, release, licence and training, and nothing that is not said."""

import json
from itertools import pairwise

import pytest

from rshub.errors import NotFound
from rshub.evaluation.front import front
from rshub.evaluation.front_grid import describe_experts
from rshub.evaluation.report import MOST_LINES
from rshub.preferences.scores import Scores
from tests.fronts.report.page import Page

VALUE = {
    "rewards": {"helpful": {"direction": "max"}, "brief": {"direction": "min"}},
    "points": [
        {"kind": "expert", "coefficients": {"helpful": 1}, "rewards": {"helpful": 1, "brief": 9}},
        {"kind": "expert", "coefficients": {"brief": 1}, "rewards": {"helpful": 0, "brief": 3}},
        {"kind": "soup", "coefficients": {"helpful": 0.5, "brief": 0.5}, "rewards": {"helpful": 0.8, "brief": 5}},
    ],
}


@pytest.fixture
def scores():
    return Scores.parse(json.dumps(VALUE).encode())


def test_manifests_say_who_made_the_experts(registry, scores, tmp_path):
    registry.expert(
        "ada/helpful", "helpful", spec="metric:length", license="mit", version="2.1.0",
        training={"method": "rloo", "seed": 7, "mixture": {"helpful": 1.0}, "trl": "1.16"},
    )  # fmt: skip
    plain = registry.plain_adapter("ben/brief")
    page = tmp_path / "page"
    front(
        ["ada/helpful", "brief=ben/brief"],
        scores=scores,
        report=page,
        endpoint=registry.endpoint,
        token=registry.tokens["ada"],
    )
    shown = Page((page / "index.html").read_bytes())
    facts = [text for tag, text in shown.texts if tag in {"dt", "dd", "h3"}]
    helpful = facts[facts.index("helpful") : facts.index("brief")]
    assert dict(zip(helpful[1::2], helpful[2::2], strict=True)) == {
        "made by": "ada (the account that published it)",
        "published at": f"ada/helpful, v2.1.0, commit {registry.hub().info('ada/helpful', 'v2.1.0').commit[:8]}",
        "trained for": "helpful (higher is better)",
        "scored by": "metric:length",
        "licence": "mit",
        "method": "rloo",
        "mixture": "helpful 1",
        "seed": "7",
    }
    brief = facts[facts.index("brief") :][1:11]
    assert dict(zip(brief[::2], brief[1::2], strict=True)) == {
        "made by": "ben (the account that published it)",
        "published at": f"ben/brief, commit {plain[:8]}",
        "trained for": "not stated",
        "scored by": "not stated",
        "licence": "not stated",
    }


def test_an_expert_that_is_not_there_stops_the_page(registry, scores, tmp_path):
    with pytest.raises(NotFound):
        front(["ada/nobody"], scores=scores, report=tmp_path / "page", endpoint=registry.endpoint)
    assert not (tmp_path / "page").exists()


def test_a_long_training_is_thinned_evenly_to_its_end(registry, tmp_path):
    folder = tmp_path / "expert"
    folder.mkdir()
    lines = [json.dumps({"step": step, "rewards": {"helpful": 0.5}}) for step in range(3 * MOST_LINES)]
    (folder / "training_log.jsonl").write_text("\n".join(lines))
    (sheet,) = describe_experts([folder], endpoint=registry.endpoint)
    steps = [line["step"] for line in sheet.log]
    assert (len(steps), steps[0], steps[-1]) == (MOST_LINES, 0, 3 * MOST_LINES - 1)
    assert {after - before for before, after in pairwise(steps)} <= {2, 3, 4}


def test_a_log_that_is_none_is_no_reason_to_refuse_a_page(scores, tmp_path):
    folder = tmp_path / "expert"
    folder.mkdir()
    (folder / "training_log.jsonl").write_bytes(
        b'{"step": 1, "rewards": {"helpful": 0.5}}\n\xff{\n[1]\n{"step": 2, "rewards": 7}\n'
        b'{"rewards": {"helpful": NaN}}'
    )
    front([folder], scores=scores, report=tmp_path / "page")
    shown = Page((tmp_path / "page" / "index.html").read_bytes())
    assert "not published; the folder expert" in shown.text()
    assert len(shown.all("img")) == 3  # front, curves, and the one step that was logged
