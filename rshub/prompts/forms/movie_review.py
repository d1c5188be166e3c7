"""Movie reviews to be continued: the rows of ``stanfordnlp/imdb`` (once called ``imdb``).

Column: ``text``; whether it praises (``label``) is not asked for. All rows ask for the same, so the first words of the
review stand in the prompt, and the rest is the reference.
"""

from __future__ import annotations

from rshub.prompts.forms.form import Exercise, Form
from rshub.prompts.forms.row import Row, one_line


def exercise(row: Row) -> Exercise | None:
    """Ask for a review that begins like this one."""
    text = row.text("text")
    review = one_line((text or "").replace("<br />", " "))
    if not text or not review:
        return None
    return Exercise(instruction="Write a movie review.", measured=text, references=(review,), begins=True)


FORM = Form(name="movie-review", exercise=exercise, lengths=(200, None))
