"""A checkpoint counts when it is whole; halves are swept by the one process that leads."""

import pytest

from rshub.training.runs.checkpoints import any_whole, latest, mark_whole, step_of


@pytest.fixture
def folder(tmp_path):
    """Checkpoints of which the latest was cut off, and one before it too."""
    for step in (5, 9, 10, 12):
        (tmp_path / f"checkpoint-{step}").mkdir()
        (tmp_path / f"checkpoint-{step}" / "state").write_bytes(bytes(step))
    for step in (5, 10):
        mark_whole(tmp_path, step)
    return tmp_path


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_process_that_leads_sweeps_the_halves_and_goes_on_from_the_latest_whole_one(folder):
    found = latest(folder, sweep=True)
    assert (found, step_of(found)) == (folder / "checkpoint-10", 10)
    assert names(folder) == ["checkpoint-10", "checkpoint-5"]


def test_a_process_that_follows_finds_the_same_one_and_removes_nothing(folder):
    before = names(folder)
    assert latest(folder, sweep=False) == folder / "checkpoint-10"
    assert names(folder) == before


def test_halves_alone_are_nothing_to_go_on_from(tmp_path):
    (tmp_path / "checkpoint-3").mkdir()
    assert latest(tmp_path, sweep=False) is None
    assert not any_whole(tmp_path)
    assert (latest(tmp_path, sweep=True), names(tmp_path)) == (None, [])
    assert (latest(None, sweep=True), step_of(None)) == (None, 0)
