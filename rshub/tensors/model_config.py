"""A model's ``config.json``, read as everybody reads it, and its identity."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from typing import Any

from rshub.errors import IntegrityError
from rshub.formats.canonical import digest, half_characters, too_deep
from rshub.types import Digest

CONFIG = "config.json"
MAX_CONFIG_BYTES = 32 * 1024 * 1024
NOISE = ("transformers_version", "_diffusers_version", "_name_or_path", "dtype")
"""Fields that say nothing of the model."""


def parse_config(data: bytes, *, source: str) -> dict[str, Any]:
    """Read a model's config.

    Some model classes write infinities into theirs, which is no JSON but is read everywhere, so it is read here too.

    Raises:
        IntegrityError: It is no object of whole characters, or absurdly large or deep.
    """
    with contextlib.suppress(ValueError):
        text = data.decode("utf-8-sig") if len(data) <= MAX_CONFIG_BYTES else ""
        config = None if too_deep(text) else json.loads(text)
        if isinstance(config, dict) and not half_characters(text, config):
            return config
    raise IntegrityError(f"{source}: no plain JSON object", where=source, remedy="fetch the config again")


def config_digest(config: Mapping[str, Any]) -> Digest:
    """Take the sha256 of a config's canonical form without its noise; an infinity counts as its name."""
    return digest(_without_noise(config))


def pipeline_digest(configs: Mapping[str, Any]) -> Digest:
    """Take the sha256 of the configs of a pipeline's components, each without its noise."""
    return digest({component: _without_noise(config) for component, config in configs.items()})


def _without_noise(config: Mapping[str, Any]) -> dict[str, Any]:
    named = json.loads(json.dumps(dict(config)), parse_constant=str)
    return {key: value for key, value in named.items() if key not in NOISE}
