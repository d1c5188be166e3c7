"""The model card of a soup, rendered from its lock and its report: for people and for search, and never read back."""

from __future__ import annotations

from typing import Any

from rshub.errors import InvalidInput
from rshub.experts.card import SOUP_FAMILY_TAG, card_template, front_matter
from rshub.preferences.preference import Preference
from rshub.soups.lock import SoupLock
from rshub.soups.writing.build import SoupReport

SOUP_TAG = "rewarded-soup-merge"
HERE = "./soup"
"""What the folder of a soup is called in its own card."""


def render_soup_card(lock: SoupLock, report: SoupReport, *, name: str | None) -> str:
    """Render ``README.md``.

    Args:
        lock: What the soup is made of.
        report: What its making cost.
        name: Where it is published; None for a folder, whose card is the same whatever the folder is called.
    """
    return card_template("rshub.soups", "soup_card.md").render(
        front_matter=front_matter(_metadata(lock)),
        name=name or HERE,
        title=name or lock.preference,
        lock=lock,
        figures=report.lines(),
        extrapolates=_extrapolates(lock.preference),
        is_adapter=lock.form.format == "adapter",
    )


def _extrapolates(preference: str) -> bool:
    """Say whether the preference is one that the command line takes with --extrapolate only."""
    try:
        Preference.parse(preference)
    except InvalidInput:
        return True
    return False


def _metadata(lock: SoupLock) -> dict[str, Any]:
    repos = [pin.repo_id for pin in (lock.base, *(expert.pin for expert in lock.experts)) if pin.repo_id]
    rewards = sorted({expert.reward for expert in lock.experts if expert.reward})
    return {
        "library_name": "peft" if lock.form.format == "adapter" else "transformers",
        "base_model": repos,
        "base_model_relation": "merge" if repos else None,
        "tags": [SOUP_FAMILY_TAG, SOUP_TAG, "merge", *(f"reward:{reward}" for reward in rewards)],
    }
