"""One call at a time works in an output, and what stands in the way is told with the next step."""

import errno
import fcntl

import pytest

from rshub.errors import OutputError
from rshub.training.series.lock import alone_in


def test_a_second_call_waits_for_the_first(tmp_path):
    with alone_in(tmp_path / "runs"):
        with pytest.raises(OutputError, match="under way there already"), alone_in(tmp_path / "runs"):
            pytest.fail("two at once")
    with alone_in(tmp_path / "runs") as handle:
        assert handle >= 0


def test_a_file_system_without_locks_is_worked_on_all_the_same(tmp_path, monkeypatch):
    def refuse(handle, operation):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with alone_in(tmp_path / "runs") as handle:
        assert handle >= 0


def test_an_output_that_cannot_be_made_says_what_to_do(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written: Not a directory") as caught:
        with alone_in(tmp_path / "file" / "runs"):
            pytest.fail("no folder")
    assert caught.value.remedy == "choose a path whose parents are folders"
