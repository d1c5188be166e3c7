"""The two streams, and what steers them."""

import io
import json
import sys

import pytest

from rshub.cli import output as output_file
from rshub.cli.output import Output, as_argument, colour_on, plain, sheet, size, table


class Terminal(io.StringIO):
    def isatty(self):
        return True


def shown(capsys, **mode):
    Output(**mode).show({"n": 1, "name": "é"}, lines=lambda: ["one", "two"], brief=lambda: ["1"])
    return capsys.readouterr()


def test_people_programs_and_scripts_see_different_things_on_stdout(capsys):
    assert shown(capsys) == ("one\ntwo\n", "")
    assert shown(capsys, quiet=True) == ("1\n", "")
    out, err = shown(capsys, as_json=True)
    assert err == ""
    assert json.loads(out) == {"n": 1, "name": "é"}
    assert out.isascii()
    assert out.count("\n") == 1


def test_nan_is_no_json():
    with pytest.raises(ValueError, match="JSON"):
        Output(as_json=True).show({"n": float("nan")}, lines=list)


def test_talk_goes_to_stderr_and_stops_for_programs(capsys):
    for mode, heard in (({}, True), ({"as_json": True}, False), ({"quiet": True}, False)):
        output = Output(**mode)
        output.talk("well")
        output.hint("rshub", "compose", "a=0.5, b=0.5", None, "--out", "./x")
        expected = "well\nNext: rshub compose 'a=0.5, b=0.5' --out ./x\n" if heard else ""
        assert capsys.readouterr() == ("", expected)


def test_progress_off_a_terminal_is_a_line_every_few_seconds(capsys, monkeypatch):
    clock = iter([0.0, 1.0, 4.9, 5.0, 6.0, 10.5])
    monkeypatch.setattr(output_file.time, "monotonic", lambda: next(clock))
    with Output().progress("composing") as tell:
        for done in (1, 2, 3, 4, 5):
            tell(done * 10**9, 8 * 10**9)
    assert capsys.readouterr() == ("", "composing: 3 GB of 8 GB\ncomposing: 5 GB of 8 GB\n")


def test_progress_on_a_terminal_is_a_bar_on_stderr(capsys, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(output_file, "BAR_DELAY", 0.0)
    with Output().progress("composing") as tell:
        tell(500, 1000)
    assert "composing" in terminal.getvalue()
    assert "50%" in terminal.getvalue()
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("mode", [{"as_json": True}, {"quiet": True}])
def test_progress_is_off_when_nobody_listens(mode):
    with Output(**mode).progress("composing") as tell:
        assert tell is None


def test_colour_needs_a_terminal_that_wants_it(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert colour_on(Terminal())
    assert not colour_on(io.StringIO())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not colour_on(Terminal())
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert not colour_on(Terminal())


def test_tables_line_up_and_cut_nothing_off():
    rows = [("a/b", "long " * 30), ("a/longer-name", "x")]
    lines = table(("REPO", "NOTE"), rows)
    assert [line.index(word) for line, word in zip(lines, ("NOTE", "long", "x"), strict=True)] == [15, 15, 15]
    assert lines[1].endswith(("long " * 30).rstrip())


def test_sheets_line_up():
    assert sheet([("a", "1"), ("long", "2")]) == ["a     1", "long  2"]


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("plain ± text", "plain ± text"),
        ("a\nb", "a b"),
        ("\x1b]0;x\x07", "\\x1b]0;x\\x07"),
        ("\u200b\u202e", "\\u200b\\u202e"),
    ],
)
def test_control_characters_are_written_out(text, safe):
    assert plain(text) == safe


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (12_300_000, "12.3 MB"), (2e12, "2 TB")]
)
def test_sizes_are_read_at_a_glance(count, text):
    assert size(count) == text


def test_progress_counts_things_by_their_name(capsys, monkeypatch):
    clock = iter([0.0, 5.0])
    monkeypatch.setattr(output_file.time, "monotonic", lambda: next(clock))
    with Output().progress("training", unit="step") as tell:
        tell(3, 10)
    assert capsys.readouterr().err == "training: 3 of 10 steps\n"


def test_a_path_in_a_hint_is_read_as_a_path(tmp_path):
    from pathlib import Path

    assert as_argument(Path("soup")) == "./soup"
    assert as_argument(Path("./soup")) == "./soup"
    assert as_argument(tmp_path) == str(tmp_path)


def test_progress_says_where_things_stand(capsys, monkeypatch):
    clock = iter([0.0, 5.0])
    monkeypatch.setattr(output_file.time, "monotonic", lambda: next(clock))
    with Output().progress("training", unit="step") as tell:
        tell(2, 9, "reward 0.512, kl 0.031")
    assert capsys.readouterr().err == "training: 2 of 9 steps, reward 0.512, kl 0.031\n"
