"""News to be summarised: the rows of ``argilla/news-summary``.

Columns: ``text``, the article; ``prediction``, a list of ``{"text", "score"}`` whose first is the summary; ``id`` where
there is one. The article is what follows the agency's dash, "LONDON (Reuters) - ...", or all of it without such a dash.
The data set's ``train`` holds 1 000 rows and its ``test`` 20 400: the experiments of the paper train on the split that
is called ``test``, and a recipe that follows them has to say so in its address.
"""

from __future__ import annotations

from rshub.prompts.forms.form import Exercise, Form
from rshub.prompts.forms.row import Row, one_line

AGENCY = "(Reuters) -"


def exercise(row: Row) -> Exercise | None:
    """Ask for a summary in one sentence."""
    text = row.text("text")
    summaries = row.items("prediction")
    if text is None:
        return None
    _, dash, after = text.partition(AGENCY)
    article = one_line(after if dash else text)
    if not article:
        return None
    summary = one_line(summaries[0].text("text") or "") if summaries else ""
    return Exercise(
        instruction="Summarize this article in one sentence.",
        about=article,
        measured=text,
        references=(summary,) if summary else (),
        identity=str(row.values["id"]) if row.values.get("id") is not None else None,
    )


FORM = Form(name="news-summary", exercise=exercise, lengths=(100, 1500))
