"""rshub: publish one adapter per reward, and compose rewarded soups by preference.

The public door. Each name is imported from its room when it is first used, so that ``import rshub`` stays light and
nothing below pulls torch in before it is needed.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from rshub.errors import RshubError as RshubError
    from rshub.evaluation.evaluate import evaluate as evaluate
    from rshub.evaluation.front import front as front
    from rshub.evaluation.selection.select import select as select
    from rshub.experts.browse import info as info
    from rshub.experts.browse import ls as ls
    from rshub.experts.publish import publish as publish
    from rshub.hub.environment import env as env
    from rshub.localhub import LocalHub as LocalHub
    from rshub.preferences.preference import Preference as Preference
    from rshub.soups.compose import compose as compose
    from rshub.soups.mixing.mixer import Mixer as Mixer
    from rshub.soups.resolve import resolve as resolve
    from rshub.soups.verify import verify as verify
    from rshub.training.train import train as train
    from rshub.training.train_all import train_all as train_all

_ROOMS = {
    "LocalHub": "rshub.localhub",
    "Mixer": "rshub.soups.mixing.mixer",
    "Preference": "rshub.preferences.preference",
    "RshubError": "rshub.errors",
    "compose": "rshub.soups.compose",
    "env": "rshub.hub.environment",
    "evaluate": "rshub.evaluation.evaluate",
    "front": "rshub.evaluation.front",
    "info": "rshub.experts.browse",
    "ls": "rshub.experts.browse",
    "publish": "rshub.experts.publish",
    "resolve": "rshub.soups.resolve",
    "select": "rshub.evaluation.selection.select",
    "train": "rshub.training.train",
    "train_all": "rshub.training.train_all",
    "verify": "rshub.soups.verify",
}

__all__ = [  # noqa: PLE0604 - the lazy names, and the version
    *_ROOMS,
    "__version__",
]


def __getattr__(name: str) -> Any:
    """Import a public name from its room on first use."""
    if name not in _ROOMS:
        raise AttributeError(f"module 'rshub' has no attribute {name!r}")
    return getattr(import_module(_ROOMS[name]), name)


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)
