"""The card of a repo of measurements: a table of its files, and the command that uses them.

It is rendered over all that lies in the repo, so every word of it may be somebody else's and is made plain first.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from string import Template

from rshub.errors import RshubError
from rshub.experts.card import SOUP_FAMILY_TAG, front_matter, plain
from rshub.experts.measurements import ENDING, FOLDER, MAX_BYTES, MOST_FILES, TAG, Measurement, read_measurement
from rshub.formats.names import REWARD_NAME, is_repo_id
from rshub.hub.client import Hub, RepoInfo
from rshub.types import RepoId

BASE_TAG = "base_model:"
CARD_TEMPLATE = Path(__file__).with_name("templates") / "measurements_card.md"
"""Every word of others is made plain before it is put there."""


def render_measurements_card(
    repo_id: RepoId, who: str, new: Mapping[str, bytes], there: RepoInfo, hub: Hub, *, base: str
) -> str:
    """Render the card over all files, those that were there before among them; its command is about ``base``."""
    rows, rewards = [], dict[str, None]()
    bases = {tag for tag in there.tags if is_repo_id(tag.removeprefix(BASE_TAG)) and tag.startswith(BASE_TAG)}
    earlier = sorted(name for name in there.files if name.startswith(FOLDER) and name.endswith(ENDING))[:MOST_FILES]
    for name in sorted({*earlier, *new}):
        try:
            data = new.get(name) or _read(hub, repo_id, name, there.commit)
            found = read_measurement(data, repo_id=repo_id, commit=there.commit, name=name)
        except RshubError:
            rows.append(f"| {plain(name)} | could not be read | | | | | |")
            continue
        rows.append(_row(found))
        if is_repo_id(_base_of(found)):
            bases.add(f"{BASE_TAG}{_base_of(found)}")
        rewards |= dict.fromkeys(name for name in found.rewards if REWARD_NAME.fullmatch(name))
    return Template(CARD_TEMPLATE.read_text(encoding="utf-8")).substitute(
        front_matter=front_matter({"tags": [SOUP_FAMILY_TAG, TAG, *sorted(bases)]}),
        repo_id=repo_id,
        measured_by=plain(who),
        example=", ".join(f"{name}:1" for name in rewards),
        base=base,
        rows="\n".join(rows),
    )


def _read(hub: Hub, repo_id: RepoId, name: str, commit: str) -> bytes:
    return hub.read(repo_id, name, commit=commit, max_bytes=MAX_BYTES, repo_type="dataset")


def _row(found: Measurement) -> str:
    """Describe one file in the card's table."""
    prompts, generation = found.scores.unknown["prompts"], found.scores.unknown["generation"]
    settings = ", ".join(f"{key} {value}" for key, value in generation.items() if key != "digest")
    cells = (
        found.name,
        _base_of(found),
        ", ".join(found.experts),
        ", ".join(found.rewards),
        len(found.scores.points),
        f"{prompts.get('count', 'some')} of {prompts.get('name', 'prompts')} ({found.prompts[:8]})",
        f"{settings} ({found.generation[:8]})",
    )
    return f"| {' | '.join(plain(cell) for cell in cells)} |"


def _base_of(found: Measurement) -> str:
    return str(found.scores.unknown["base"].get("repo_id"))
