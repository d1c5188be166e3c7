"""What a bug report needs of this machine: versions, endpoint, cache. Never a token, only whether there is one."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from huggingface_hub import constants, get_token

from rshub import __version__
from rshub.hub.client import without_login

PACKAGES = (
    "huggingface_hub",
    "hf_xet",
    "safetensors",
    "numpy",
    "ml_dtypes",
    "torch",
    "transformers",
    "peft",
    "trl",
    "datasets",
    "accelerate",
    "starlette",
    "dulwich",
    "matplotlib",
)


def env(*, endpoint: str | None = None) -> dict[str, Any]:
    """Describe the environment.

    Args:
        endpoint: The hub that would be talked to; None takes huggingface_hub's default.

    Returns:
        Versions by name (None: not installed), the endpoint, the cache folder, and the switches of huggingface_hub.
    """
    return {
        "rshub": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: _version(name) for name in PACKAGES},
        "endpoint": without_login((endpoint or constants.ENDPOINT).rstrip("/")),
        "cache": str(constants.HF_HUB_CACHE),
        "offline": bool(constants.HF_HUB_OFFLINE),
        "xet": not constants.HF_HUB_DISABLE_XET,
        "token": get_token() is not None,
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
