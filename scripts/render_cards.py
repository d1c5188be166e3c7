#!/usr/bin/env python3
"""Renders model_cards/ from what a demo left behind: an expert's card, a soup's card, and the picture of the front.

    .venv/bin/python scripts/render_cards.py rshub-demo     copy the facts from there, then render
    .venv/bin/python scripts/render_cards.py                render again from the facts in model_cards/

Beside each card lies the JSON that it was rendered from.
"""

import json
import shutil
import sys
from pathlib import Path

from rshub.experts.card import render_expert_card
from rshub.experts.manifest import ExpertManifest
from rshub.formats.canonical import file_bytes
from rshub.hub.client import Hub
from rshub.localhub import LocalHub
from rshub.soups.card import render_soup_card
from rshub.soups.lock import SoupLock
from rshub.soups.writing.build import SoupReport

CARDS = Path(__file__).resolve().parents[1] / "model_cards"
EXPERT, SOUP = "ada/restaurant-recall", "ada/restaurant-soup"


def main(demo: Path | None) -> None:
    if demo is not None:
        take(demo)
    for name, card in render(CARDS).items():
        (CARDS / name).write_text(card, encoding="utf-8")
        print(CARDS / name)


def take(demo: Path) -> None:
    """Copy the facts that the cards are rendered from."""
    with LocalHub(demo / "hub") as served:
        hub = Hub(served.endpoint)
        commit = hub.info(EXPERT, "v1.0.0").commit
        manifest = hub.read(EXPERT, "expert.json", commit=commit, max_bytes=2**20)
        config = json.loads(hub.read(EXPERT, "adapter_config.json", commit=commit, max_bytes=2**20))
        lock = hub.read(SOUP, "soup.lock.json", commit=hub.info(SOUP, "v1.0.0").commit, max_bytes=2**20)
    story = json.loads((demo / "story.json").read_text(encoding="utf-8"))
    (CARDS / "expert").mkdir(parents=True, exist_ok=True)
    (CARDS / "soup").mkdir(exist_ok=True)
    (CARDS / "expert" / "expert.json").write_bytes(manifest)
    named = {"repo_id": EXPERT, "tag": "v1.0.0", "task_type": config["task_type"]}
    (CARDS / "expert" / "card.json").write_bytes(file_bytes(named))
    (CARDS / "soup" / "soup.lock.json").write_bytes(lock)
    (CARDS / "soup" / "card.json").write_bytes(file_bytes({"name": SOUP, "figures": story["soup"]["report"]}))
    shutil.copy(demo / "front.png", CARDS / "front.png")
    shutil.copy(demo / "scores.json", CARDS / "scores.json")


def render(cards: Path) -> dict[str, str]:
    """Render every card from the JSON that lies beside it."""
    manifest = ExpertManifest.from_bytes((cards / "expert" / "expert.json").read_bytes())
    named = json.loads((cards / "expert" / "card.json").read_text(encoding="utf-8"))
    lock = SoupLock.load(cards / "soup" / "soup.lock.json")
    soup = json.loads((cards / "soup" / "card.json").read_text(encoding="utf-8"))
    report = SoupReport(files={}, figures=soup["figures"])
    return {
        "expert/README.md": render_expert_card(manifest, **named),
        "soup/README.md": render_soup_card(lock, report, name=soup["name"]),
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
