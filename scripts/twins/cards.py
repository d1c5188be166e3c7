"""The cards of a twin's models: what each is made of, so that nobody takes it for more than it is."""

from __future__ import annotations

from scripts.twins.people import SLICE
from scripts.twins.task import Task


def base_card(task: str, loss: float) -> str:
    """Write the card of a base."""
    return _card(
        "text-generation",
        f"{task}-base",
        f"A tiny Llama for the task {task!r}, trained in seconds on generated text to {loss:.3f} nats per token. "
        "Experts start from it; it is of no other use.",
    )


def judge_card(task: Task, name: str, accuracy: float) -> str:
    """Write the card of a reward model."""
    judge = task.judges[name]
    if judge.people and SLICE.exists():
        data = "what people preferred in a slice of Anthropic/hh-rlhf, by TRL's RewardTrainer"
    else:
        data = f"answers of a generated world{' called ' + ' or '.join(judge.labels) if judge.labels else ''}"
    return _card(
        "text-classification",
        f"{task.name}-{name}",
        f"A tiny reward model for the task {task.name!r}, trained in seconds on {data}. Of held-out pairs it orders "
        f"{accuracy:.1%} rightly.",
    )


def _card(pipeline: str, title: str, about: str) -> str:
    front = f"---\nlibrary_name: transformers\npipeline_tag: {pipeline}\nlicense: apache-2.0\n---\n"
    return f"{front}\n# {title}\n\n{about}\n"
