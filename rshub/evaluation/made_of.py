"""What base and experts of a measurement hold, whatever they are called: an expert trained anew is another expert."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rshub.evaluation.base_content import base_content
from rshub.evaluation.lineup import Lineup
from rshub.experts.measurements import content_of
from rshub.hub.client import Hub
from rshub.preferences.preference import INIT
from rshub.soups.lock import Pin


def made_of(base: Pin, lineup: Lineup, hub: Hub) -> dict[str, Any]:
    """Describe base and experts for a scores file; scores compare only where the digests of both are the same.

    Raises:
        NotFound: The base is not there.
        HubError: The hub or the network failed.
    """
    name = f"{base.repo_id}@{base.revision}" if base.path is None else Path(base.path).name
    pins = {**lineup.experts, **({INIT: lineup.init} if lineup.init is not None else {})}
    return {
        "base": {"name": name, "digest": base_content(base, hub)},
        "experts": {label: {"digest": content_of(pin.files)} for label, pin in pins.items()},
    }
