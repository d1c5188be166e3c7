"""The forms by name. A new data set is one file beside this one, and one line here."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from rshub.prompts.forms import assistant, movie_review, news_summary, reddit_summary, stack_exchange
from rshub.prompts.forms.form import Form

PLAIN = "plain"
"""Prompts as they are, with no form of a data set to read them by."""

FORMS: Mapping[str, Form] = MappingProxyType(
    {
        form.name: form
        for form in (
            news_summary.FORM,
            reddit_summary.FORM,
            stack_exchange.FORM,
            movie_review.FORM,
            assistant.FORM,
            assistant.OPENING,
        )
    }
)
