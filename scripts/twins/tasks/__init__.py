"""The five tasks, one file each: facts and texts, nothing of models."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from scripts.twins.task import Task
from scripts.twins.tasks.news import NEWS

TASKS: Mapping[str, Task] = MappingProxyType({task.name: task for task in (NEWS,)})
