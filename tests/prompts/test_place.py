"""Where prompts lie and how they are read: what is typed reads back the same, and what is no option is refused."""

from pathlib import Path

import pytest

from rshub.errors import InvalidInput
from rshub.prompts.place import Reading, parse_place


def test_files_and_repos_are_told_apart():
    assert parse_place("prompts.jsonl").path == Path("prompts.jsonl")
    assert parse_place(Path("odd#name.jsonl")).path == Path("odd#name.jsonl")
    assert parse_place("./a.parquet#as=movie-review").path == Path("a.parquet")
    place = parse_place("owner/repo@refs/convert/parquet:comparisons/train#as=reddit-summary,limit=5")
    assert (place.repo.repo_id, place.repo.revision, place.split) == (
        "owner/repo",
        "refs/convert/parquet",
        "comparisons/train",
    )
    assert place.reading == Reading(form="reddit-summary", limit=5)
    assert parse_place("owner/repo:*/train").split == "*/train"


@pytest.mark.parametrize(
    ("options", "reading", "said"),
    [
        ("as=plain", Reading(), ""),
        ("limit=3", Reading(limit=3), ""),
        ("as=movie-review", Reading(form="movie-review"), "as=movie-review"),
        ("begin=2-7,as=news-summary", Reading(form="news-summary", begin=(2, 7)), "as=news-summary,begin=2-7"),
        ("as=assistant,style=chat", Reading(form="assistant", style="chat"), "as=assistant,style=chat"),
        ("as=assistant,chars=5-", Reading(form="assistant", chars=(5, None)), "as=assistant,chars=5-"),
        ("as=assistant,chars=0-9", Reading(form="assistant", chars=(0, 9)), "as=assistant,chars=0-9"),
    ],
)
def test_options_say_how_rows_are_read(options, reading, said):
    assert parse_place(f"owner/repo:test#{options}").reading == reading
    assert str(reading) == said


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ("", "no option ''"),
        ("form=assistant", "no option 'form'"),
        ("as=asistant", "did you mean assistant"),
        ("as=", "'as' has no value"),
        ("as=assistant,as=assistant", "'as' is there twice"),
        ("style=chat", "'style' needs the form of a data set"),
        ("as=assistant,style=cat", "did you mean chat"),
        ("as=assistant,begin=0-3", "no range of words"),
        ("as=assistant,begin=3-2", "no range of words"),
        ("as=assistant,begin=3-", "no range of words"),
        ("as=assistant,begin=3", "no range like 2-7"),
        ("as=assistant,chars=-3", "no range like 2-7"),
        ("limit=0", "no number above zero"),
        ("limit=x", "no number above zero"),
        ("limt=3", "did you mean 'limit'"),
    ],
)
def test_what_is_no_option_is_refused(options, why):
    with pytest.raises(InvalidInput, match=why):
        parse_place(f"owner/repo:test#{options}")
