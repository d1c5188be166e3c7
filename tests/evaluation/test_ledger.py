"""What is kept is found by its key alone, and what is damaged is as good as absent. No model is needed for that."""

import json
import multiprocessing
import os

import pytest

from rshub.errors import OutputError
from rshub.evaluation.ledger import Ledger, cache_folder

KEY = {"base": "b", "seed": 0, "temperature": 1.0}


def entry_of(ledger):
    (path,) = ledger.folder.rglob("*.json")
    return path


def test_an_entry_is_found_by_all_of_its_key_and_by_nothing_else(tmp_path):
    ledger = Ledger(tmp_path / "ledger")
    assert ledger.find("completions", KEY) is None
    ledger.keep("completions", KEY, ["a text", "ünïcode\n"])
    assert ledger.find("completions", dict(reversed(KEY.items()))) == ["a text", "ünïcode\n"]
    assert ledger.find("completions", KEY | {"seed": 1}) is None
    assert ledger.find("scores", KEY) is None
    assert Ledger(tmp_path / "ledger").find("completions", KEY) == ["a text", "ünïcode\n"]
    assert ledger.size() == entry_of(ledger).stat().st_size


def test_numbers_come_back_bit_for_bit(tmp_path):
    ledger = Ledger(tmp_path)
    values = [0.1 + 0.2, 1e-300, -0.0, None, 1 / 3]
    ledger.keep("scores", KEY, values)
    assert [repr(value) for value in ledger.find("scores", KEY)] == [repr(value) for value in values]


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[: len(data) // 2],
        lambda data: data.replace(b"a text", b"a test"),
        lambda data: data.replace(b'"seed":0', b'"seed":1'),
        lambda data: b"",
        lambda data: b"[" * 100_000,
        lambda data: b"\xff\xfe",
        lambda data: json.dumps({"key": KEY, "value": ["other"], "digest": "0" * 64}).encode(),
        lambda data: b'{"value": ["a text"]}',
    ],
)
def test_what_is_damaged_is_absent_and_can_be_made_again(tmp_path, damage):
    ledger = Ledger(tmp_path)
    ledger.keep("completions", KEY, ["a text"])
    path = entry_of(ledger)
    path.write_bytes(damage(path.read_bytes()))
    assert ledger.find("completions", KEY) is None
    ledger.keep("completions", KEY, ["a text"])
    assert ledger.find("completions", KEY) == ["a text"]


def test_an_entry_under_another_name_is_not_taken_for_it(tmp_path):
    ledger = Ledger(tmp_path)
    ledger.keep("completions", KEY, ["a text"])
    ledger.keep("completions", KEY | {"seed": 1}, ["another"])
    first, second = sorted(tmp_path.rglob("*.json"))
    second.write_bytes(first.read_bytes())
    assert sorted(filter(None, (ledger.find("completions", KEY | {"seed": seed}) for seed in (0, 1)))) in (
        [["a text"]],
        [["another"]],
    )


def _fill(folder, mine):
    ledger = Ledger(folder)
    for number in range(60):
        ledger.keep("completions", {"number": number}, [f"text {number}"] * 50)
        ledger.keep("completions", {"number": number, "mine": mine}, [mine])


def test_two_processes_fill_one_folder(tmp_path):
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_fill, args=(tmp_path, str(number))) for number in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    ledger = Ledger(tmp_path)
    for number in range(60):
        assert ledger.find("completions", {"number": number}) == [f"text {number}"] * 50
        assert ledger.find("completions", {"number": number, "mine": "1"}) == ["1"]
    assert not [path for path in tmp_path.rglob("*") if path.suffix == ".partial"]


def test_a_folder_that_cannot_be_written_matters_only_where_it_was_asked_for(tmp_path):
    (tmp_path / "file").write_text("")
    Ledger(tmp_path / "file" / "ledger", needed=False).keep("completions", KEY, [])
    with pytest.raises(OutputError):
        Ledger(tmp_path / "file" / "ledger").keep("completions", KEY, [])


def test_the_users_ledger_lies_where_the_environment_says(tmp_path, monkeypatch):
    monkeypatch.setenv("RSHUB_CACHE", str(tmp_path))
    assert Ledger.of_user().folder == tmp_path / "ledger"
    monkeypatch.delenv("RSHUB_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "rshub"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_folder() == tmp_path / "home" / ".cache" / "rshub"
    assert os.environ["HOME"] == str(tmp_path / "home")
