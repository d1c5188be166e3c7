"""Posts to be summarised: the rows of ``openai/summarize_from_feedback``, configuration ``comparisons``.

Columns: ``info`` with ``id`` and ``post``; ``summaries``, two objects with ``text``; ``choice``, the number of the
better one. Rows about news articles have no post and ask nothing. A post is compared many times: the first row of each
``info.id`` is used.
"""

from __future__ import annotations

from rshub.prompts.forms.form import Exercise, Form
from rshub.prompts.forms.row import Row, one_line


def exercise(row: Row) -> Exercise | None:
    """Ask for a summary in one sentence."""
    info = row.inner("info")
    post, identity = info.text("post"), info.value("id")
    summaries = [one_line(summary.text("text") or "") for summary in row.items("summaries")]
    choice = row.value("choice")
    if post is None or not post.strip() or identity is None:
        return None
    if not isinstance(choice, int) or not 0 <= choice < len(summaries):
        row.refuse("choice", f"is none of the {len(summaries)} summaries: {choice!r}")
    return Exercise(
        instruction="Summarize this post in one sentence.",
        about=one_line(post),
        measured=post,
        references=tuple(filter(None, [summaries[choice]])),
        rejected=tuple(text for number, text in enumerate(summaries) if number != choice and text),
        identity=str(identity),
    )


FORM = Form(name="reddit-summary", exercise=exercise, lengths=(100, 1200))
