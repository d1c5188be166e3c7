"""The example cards are what the code renders from the JSON that lies beside them."""

import json
from pathlib import Path

import pytest
import yaml

from rshub.experts.card import render_expert_card
from rshub.experts.manifest import ExpertManifest
from rshub.soups.card import render_soup_card
from rshub.soups.lock import SoupLock
from rshub.soups.writing.build import SoupReport

CARDS = Path(__file__).parents[2] / "model_cards"


def facts(name):
    return json.loads((CARDS / name).read_text(encoding="utf-8"))


@pytest.fixture
def expert():
    manifest = ExpertManifest.from_bytes((CARDS / "expert" / "expert.json").read_bytes())
    return manifest, render_expert_card(manifest, **facts("expert/card.json"))


@pytest.fixture
def soup():
    named = facts("soup/card.json")
    lock = SoupLock.load(CARDS / "soup" / "soup.lock.json")
    return lock, render_soup_card(lock, SoupReport(files={}, figures=named["figures"]), name=named["name"])


def test_the_cards_are_what_is_rendered(expert, soup):
    remedy = "render them again: .venv/bin/python scripts/render_cards.py"
    assert (CARDS / "expert" / "README.md").read_text(encoding="utf-8") == expert[1], remedy
    assert (CARDS / "soup" / "README.md").read_text(encoding="utf-8") == soup[1], remedy


def test_the_front_matter_says_what_search_needs(expert, soup):
    manifest, card = expert
    front = yaml.safe_load(card.split("---")[1])
    assert front["base_model"] == manifest.base.repo_id
    assert (front["base_model_relation"], front["library_name"]) == ("adapter", "peft")
    assert {"rewarded-soup", "rewarded-soup-expert", f"reward:{manifest.reward.name}"} <= set(front["tags"])
    lock, card = soup
    front = yaml.safe_load(card.split("---")[1])
    assert front["base_model"] == [lock.base.repo_id, *(expert.pin.repo_id for expert in lock.experts)]
    assert front["base_model_relation"] == "merge"
    assert {"rewarded-soup", "rewarded-soup-merge"} <= set(front["tags"])


def test_a_publishers_words_do_nothing_in_a_card(expert):
    manifest, _ = expert
    document = manifest.to_json()
    document["reward"]["description"] = "<img src=x onerror=alert(1)> [click](javascript:x)\n---\n# Fake | row"
    document["training"] = {"method": "|evil|\n\n# heading", "<script>": {"a": "`b`"}}
    hostile = ExpertManifest.from_json(document)
    card = render_expert_card(hostile, **facts("expert/card.json"))
    body = card.split("---", 2)[2]
    assert "<img" not in body.replace("\\<", "")
    assert "<script" not in body.replace("\\<", "")
    assert "\n# Fake" not in body
    assert "\n# heading" not in body
    assert "[click]" not in body
