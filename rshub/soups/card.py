"""The model card of a soup, rendered from its lock and its report: for people and for search, and never read back."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from string import Template
from typing import Any

from rshub.errors import InvalidInput
from rshub.experts.card import SOUP_FAMILY_TAG, front_matter, plain
from rshub.preferences.preference import Preference
from rshub.soups.lock import LockedExpert, Pin, SoupLock
from rshub.soups.writing.build import SoupReport

SOUP_TAG = "rewarded-soup-merge"
HERE = "./soup"
"""What the folder of a soup is called in its own card."""

TEMPLATE = Path(__file__).with_name("templates") / "soup_card.md"
"""Every word of others is made plain before it is put there."""

MODEL = """from transformers import AutoModelForCausalLM, AutoTokenizer

model = AutoModelForCausalLM.from_pretrained({soup})
tokenizer = AutoTokenizer.from_pretrained({soup})"""

ADAPTER = """from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

base = AutoModelForCausalLM.from_pretrained({base})
tokenizer = AutoTokenizer.from_pretrained({base})
model = PeftModel.from_pretrained(base, {soup})"""


def render_soup_card(lock: SoupLock, report: SoupReport, *, name: str | None) -> str:
    """Render ``README.md``.

    Args:
        lock: What the soup is made of.
        report: What its making cost.
        name: Where it is published; None for a folder, whose card is the same whatever the folder is called.
    """
    base = lock.base
    again = f"{shlex.quote(lock.preference)} --base {shlex.quote(_bare(base))}"
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        front_matter=front_matter(_metadata(lock)),
        title=plain(name or lock.preference),
        experts="".join(f"{_row(expert)}\n" for expert in lock.experts),
        preference=plain(lock.preference),
        mapping=lock.mapping,
        method=lock.form.method,
        base=_named(base) + (f" at {base.revision}" if base.revision else ""),
        use=_use(lock, name or HERE),
        again=again + (" --extrapolate" if _extrapolates(lock.preference) else ""),
        figures="".join(f"- {plain(line)}\n" for line in report.lines()),
    )


def _row(expert: LockedExpert) -> str:
    """Describe an expert as a row of the table."""
    version = plain(expert.tag or "untagged")
    version += f" ({expert.pin.revision[:8]})" if expert.pin.revision else ""
    return f"| {_named(expert.pin)} | {plain(expert.reward or 'unknown')} | {expert.coefficient} | {version} |"


def _named(pin: Pin) -> str:
    """Name a repo, or a folder, whose name may hold anything."""
    return pin.repo_id or plain(_bare(pin))


def _bare(pin: Pin) -> str:
    """Give a repo, or the path of a folder, as it is."""
    return pin.repo_id or pin.path or ""


def _use(lock: SoupLock, name: str) -> str:
    """Write how the soup is loaded; what names it stands there as Python writes it."""
    soup, base = json.dumps(name), json.dumps(_bare(lock.base))
    base += f", revision={json.dumps(lock.base.revision)}" if lock.base.revision else ""
    return (ADAPTER if lock.form.format == "adapter" else MODEL).format(soup=soup, base=base)


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
