"""The cache: made once, found again by what decided it, never half there."""

import pytest

from scripts.twins.kept import kept


def maker(calls):
    def make(folder):
        calls.append(folder)
        (folder / "model.bin").write_bytes(b"model")
        return {"accuracy": 0.5}

    return make


def test_the_second_call_finds_what_the_first_made(tmp_path):
    calls = []
    first, again = (kept(tmp_path, "judge", {"steps": 3}, maker(calls)) for _ in range(2))
    assert first == again
    assert first[1] == {"accuracy": 0.5}
    assert (first[0] / "model.bin").read_bytes() == b"model"
    assert len(calls) == 1


def test_other_facts_are_another_folder(tmp_path):
    calls = []
    folders = {kept(tmp_path, "judge", {"steps": steps}, maker(calls))[0] for steps in (3, 4)}
    assert len(folders) == len(calls) == 2


def test_what_failed_is_not_kept(tmp_path):
    def make(folder):
        (folder / "half").write_bytes(b"half")
        raise RuntimeError("no more power")

    with pytest.raises(RuntimeError, match="no more power"):
        kept(tmp_path, "judge", {"steps": 3}, make)
    assert [path for path in tmp_path.iterdir() if not path.name.startswith(".")] == []
    assert kept(tmp_path, "judge", {"steps": 3}, maker([]))[1] == {"accuracy": 0.5}
