"""Where errors become lines and exit codes."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest

from rshub import errors
from rshub.cli.edge import EXTRAS, as_rshub_error, run
from rshub.errors import (
    HubError,
    Incompatible,
    IntegrityError,
    InvalidInput,
    MissingExtra,
    NotFound,
    OutputError,
    RshubError,
)

EVERY = [
    (RshubError("it broke", remedy="mend it"), 1),
    (OutputError("disk full", remedy="make room"), 1),
    (MissingExtra("train", needed_for="rshub train"), 1),
    (InvalidInput("bad option", remedy="see the help"), 2),
    (Incompatible("another base", remedy="name the right base"), 3),
    (IntegrityError("wrong digest", remedy="fetch it again"), 4),
    (NotFound("no such repo", remedy="log in"), 5),
    (HubError("no network", remedy="try again", repo_id="a/b", can_retry=True), 6),
]


def program_that(act):
    """Make a command of what a test wants to happen inside one."""

    @click.command()
    @click.option("--json", "as_json", is_flag=True)
    @click.option("--debug", is_flag=True)
    def command(as_json, debug):
        act()

    return command


def raising(error):
    def act():
        raise error

    return program_that(act)


def test_every_class_of_the_tree_is_tried():
    tree = {error for error in vars(errors).values() if isinstance(error, type) and issubclass(error, RshubError)}
    assert {type(error) for error, _ in EVERY} == tree


@pytest.mark.parametrize(("error", "code"), EVERY, ids=lambda value: type(value).__name__)
def test_an_error_is_one_line_and_its_remedy_another(capsys, error, code):
    assert run(raising(error), []) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err == f"Error: {error.message}\nHint: {error.remedy}\n"


@pytest.mark.parametrize(("error", "code"), EVERY, ids=lambda value: type(value).__name__)
def test_an_error_with_json_is_one_line_of_json_on_stderr(capsys, error, code):
    assert run(raising(error), ["--json"]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert json.loads(err) == error.to_json()
    assert json.loads(err)["exit_code"] == code


def test_gathered_faults_stand_between_error_and_hint(capsys):
    run(raising(InvalidInput("two faults", remedy="mend both", problems=["a: wrong", "b: missing"])), [])
    assert capsys.readouterr().err.splitlines() == [
        "Error: two faults",
        "  a: wrong",
        "  b: missing",
        "Hint: mend both",
    ]


def test_rejected_experts_are_shown_with_their_reasons(capsys):
    verdicts = [{"repo": "a/b", "commit": "c" * 40, "reasons": [{"code": "base", "message": "another base"}]}]
    run(raising(Incompatible("no expert fits", verdicts=verdicts)), [])
    assert capsys.readouterr().err.splitlines() == ["Error: no expert fits", "  a/b: another base"]


def test_what_is_said_of_no_repo_is_said_once(capsys):
    verdicts = [{"repo": None, "commit": None, "reasons": [{"code": "coverage", "message": "coverage fails"}]}]
    run(raising(Incompatible("front: coverage fails", verdicts=verdicts)), [])
    assert capsys.readouterr().err == "Error: front: coverage fails\n"


def test_an_unexpected_exception_is_one_line_and_tells_how_to_see_more(capsys):
    assert run(raising(ZeroDivisionError("by nought")), []) == 1
    err = capsys.readouterr().err
    assert err.splitlines()[0] == "Error: unexpected ZeroDivisionError: by nought"
    assert "--debug" in err.splitlines()[1]
    assert "RSHUB_DEBUG=1" in err.splitlines()[1]
    assert "Traceback" not in err


@pytest.mark.parametrize("switch", ["option", "variable"])
def test_debug_shows_the_traceback_and_then_the_same_lines(capsys, monkeypatch, switch):
    if switch == "variable":
        monkeypatch.setenv("RSHUB_DEBUG", "1")
    run(raising(NotFound("nowhere", remedy="look")), ["--debug"] if switch == "option" else [])
    err = capsys.readouterr().err
    assert err.startswith("Traceback")
    assert err.endswith("Error: nowhere\nHint: look\n")


def test_a_debug_variable_that_says_no_is_off(capsys, monkeypatch):
    monkeypatch.setenv("RSHUB_DEBUG", "0")
    run(raising(NotFound("nowhere")), [])
    assert "Traceback" not in capsys.readouterr().err


def test_an_error_of_the_system_names_the_file(capsys):
    assert run(raising(PermissionError(13, "Permission denied", "/some/file")), ["--json"]) == 1
    error = json.loads(capsys.readouterr().err)
    assert error["error"] == "PermissionError"
    assert error["message"] == "/some/file: Permission denied"


@pytest.mark.parametrize(("module", "extra"), EXTRAS.items())
def test_a_library_that_is_not_installed_names_its_extra(module, extra):
    error = as_rshub_error(ModuleNotFoundError("No module", name=f"{module}.sub"), command="rshub verb")
    assert isinstance(error, MissingExtra)
    assert f"rewarded-soups-hub[{extra}]" in error.remedy


def test_a_missing_module_of_our_own_is_no_missing_extra():
    error = as_rshub_error(ModuleNotFoundError("No module", name="rshub.nothing"), command="rshub verb")
    assert not isinstance(error, MissingExtra)


@pytest.mark.parametrize("fault", [KeyboardInterrupt, click.Abort])
def test_an_interrupt_is_quiet(capsys, fault):
    assert run(raising(fault()), []) == 130
    assert capsys.readouterr() == ("", "")


def test_text_from_elsewhere_cannot_drive_the_terminal(capsys):
    run(raising(NotFound("\x1b[2Jgone\nand \u202etxt.exe", remedy="\x07")), [])
    err = capsys.readouterr().err
    assert err == "Error: \\x1b[2Jgone and \\u202etxt.exe\nHint: \\x07\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["compose", "helpful=1", "--base", "a/b"], "Missing option '--out'"),
        (["compose", "helpful=1", "--out", "./x", "--format", "gguf"], "Invalid value for '--format'"),
        (["resolve", "helpful=1"], "Missing option '--base'"),
        (["resolve", "helpful=0.7,", "concise=0.3", "--base", "a/b"], "stands in quotes"),
        (["resolve", "helpful=1", "--base", "a/b", "--unitz", "raw"], "'--units'"),
        (["evaluate", "./soup", "--prompts", "./p.jsonl"], "Missing option '--reward'"),
        (["train", "./r.yaml", "--set", "seed"], "'seed' is not key=value"),
        (["train", "./r.yaml", "--set", "seed=1", "--set", "seed=2"], "seed is set twice"),
        (["hub", "serve", "--port", "70000"], "70000"),
        (["select"], "Missing option '--preference'"),
        (["federate"], "No such command 'federate'"),
    ],
)
def test_what_cannot_be_parsed_is_a_usage_error_in_the_same_form(rshub, arguments, message):
    done = rshub(*arguments)
    lines = done.err.splitlines()
    assert done.code == 2
    assert done.out == ""
    assert len(lines) == 2
    assert lines[0].startswith("Error: ")
    assert message in lines[0]
    assert lines[1].startswith("Hint: see rshub")

    same = rshub(*arguments, "--json")
    assert same.code == 2
    assert message in same.error["message"]
    assert same.error["error"] == "InvalidInput"


def test_a_json_flag_behind_the_end_of_options_is_no_flag(rshub):
    assert rshub("resolve", "--", "--json").err.startswith("Error: ")


def test_a_preference_may_begin_with_a_sign():
    from rshub.cli.resolve import resolve

    context = resolve.make_context("resolve", ["-0.5*a + 1.5*b", "--base", "x/y", "--extrapolate"])
    assert context.params["preference"] == "-0.5*a + 1.5*b"
    assert context.params["extrapolate"] is True


def test_a_reader_that_goes_away_is_quiet(environment):
    line = (
        "import sys, click\nfrom rshub.cli.edge import run\n"
        "@click.command()\ndef spill():\n    for n in range(10**6):\n        print('data', n)\n"
        "sys.exit(run(spill, []))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", line], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as writer:
        writer.stdout.readline()
        writer.stdout.close()
        assert writer.stderr.read() == b""
        assert writer.wait(60) == 141


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_result_that_cannot_be_written_is_an_error(environment):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "rshub", "--version"],
            env=environment,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == "Error: No space left on device"
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_quietly_and_clears_up(environment, tmp_path, number, code):
    line = (
        "import sys, time, click\nfrom pathlib import Path\nfrom rshub.cli.edge import run\n"
        "@click.command()\ndef wait():\n"
        "    try:\n        print('ready', flush=True)\n        time.sleep(60)\n"
        "    finally:\n        Path(sys.argv[1]).touch()\n"
        "sys.exit(run(wait, []))"
    )
    mark = tmp_path / "cleared"
    command = [sys.executable, "-c", line, str(mark)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as waiting:
        waiting.stdout.readline()
        time.sleep(0.1)
        waiting.send_signal(number)
        out, err = waiting.communicate(timeout=60)
    assert (out, err) == (b"", b"")
    assert waiting.returncode == code
    assert mark.exists()


def test_a_narrow_encoding_is_no_reason_to_fail(process):
    line = (
        "import sys, click\nfrom rshub.cli.edge import run\n"
        "@click.command()\ndef say():\n    print('0.5 ± 0.1')\nsys.exit(run(say, []))"
    )
    done = process(code=line, env={"PYTHONIOENCODING": "ascii"})
    assert done.code == 0
    assert done.out == "0.5 \\xb1 0.1\n"


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&- <&-"])
@pytest.mark.parametrize(("arguments", "code"), [("--version", 0), ("resolve", 2)])
def test_closed_streams_change_no_exit_code(environment, closed, arguments, code):
    done = subprocess.run(
        ["sh", "-c", f'"$0" -m rshub {arguments} {closed}', sys.executable],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == code
    assert "Traceback" not in done.stderr
