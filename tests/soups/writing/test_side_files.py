"""Copying the files that go with a soup."""

import hashlib

import pytest

from rshub.errors import NotFound
from rshub.soups.writing.side_files import write_side_files


def test_a_large_file_is_copied_like_any_other(tiny, pot):
    base = tiny.base()
    with (base / "tokenizer.model").open("wb") as file:
        file.truncate(130 << 20)
    want = hashlib.sha256(bytes(130 << 20)).hexdigest()
    out = tiny.path("out")
    written = write_side_files(pot.plan(base, [(tiny.adapter(), 1.0)]), out)
    assert written["tokenizer.model"] == (want, 130 << 20)
    assert (out / "tokenizer.model").stat().st_size == 130 << 20


def test_a_file_that_goes_away_is_named(tiny, pot, monkeypatch):
    base = tiny.base()
    plan = pot.plan(base, [(tiny.adapter(), 1.0)])
    monkeypatch.setattr("rshub.soups.writing.side_files.side_files", lambda folder, model: ["tokenizer.json"])
    (base / "tokenizer.json").unlink()
    with pytest.raises(NotFound, match=r"tokenizer\.json"):
        write_side_files(plan, tiny.path("out"))
