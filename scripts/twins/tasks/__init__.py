"""The five tasks, one file each: facts and texts, nothing of models."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from scripts.twins.task import Task
from scripts.twins.tasks.assistant import ASSISTANT
from scripts.twins.tasks.news import NEWS
from scripts.twins.tasks.reddit import REDDIT
from scripts.twins.tasks.review import REVIEW
from scripts.twins.tasks.stack import STACK

TASKS: Mapping[str, Task] = MappingProxyType({task.name: task for task in (NEWS, REDDIT, STACK, REVIEW, ASSISTANT)})
