"""The log survives a kill at any byte: whole lines are kept as they were, and what was cut off is dropped."""

import pytest

from rshub.training.runs.log_file import as_text, keep_lines

LINES = [{"step": step, "rewards": {"recall": step / 7, "precision": None}, "kl": 1e-3 * step} for step in (1, 2, 3)]


@pytest.fixture
def log(tmp_path):
    return tmp_path / "training_log.jsonl"


def test_a_log_that_was_cut_off_at_any_byte_keeps_its_whole_lines(log):
    whole = "".join(map(as_text, LINES))
    before = len("".join(map(as_text, LINES[:2])))
    for end in range(before, len(whole)):
        log.write_text(whole[:end])
        kept = LINES if end == len(whole) - 1 else LINES[:2]
        assert keep_lines(log, 9) == kept, whole[:end]
        assert log.read_text() == "".join(map(as_text, kept))


def test_lines_of_steps_that_are_taken_again_are_dropped(log):
    assert keep_lines(log, 2) == []
    log.write_text("".join(map(as_text, LINES)))
    assert keep_lines(log, 2) == LINES[:2]
    assert log.read_text() == "".join(map(as_text, LINES[:2]))


def test_a_log_that_cannot_be_rewritten_stays_as_it_was(log, monkeypatch):
    text = "".join(map(as_text, LINES))
    log.write_text(text)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        keep_lines(log, 2)
    assert log.read_text() == text
    assert list(log.parent.iterdir()) == [log]
