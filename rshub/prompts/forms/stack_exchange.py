"""Questions to be answered: the rows of ``lvwerra/stack-exchange-paired``.

Columns: ``question``; ``response_j``, the better answer, and ``response_k``, the worse; ``qid`` where there is one. A
question stands in up to ten rows: the first of each ``qid`` is used.
"""

from __future__ import annotations

from rshub.prompts.forms.form import Exercise, Form
from rshub.prompts.forms.row import Row, one_line


def exercise(row: Row) -> Exercise | None:
    """Ask the question."""
    question = row.text("question")
    better, worse = (one_line(row.text(column) or "") for column in ("response_j", "response_k"))
    if question is None or not question.strip():
        return None
    return Exercise(
        instruction=one_line(question),
        measured=question,
        references=(better,) if better else (),
        rejected=(worse,) if worse else (),
        identity=str(row.values["qid"]) if row.values.get("qid") is not None else None,
    )


FORM = Form(name="stack-exchange", exercise=exercise, lengths=(0, 300))
