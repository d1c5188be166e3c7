"""What ``rshub publish`` asks a person at a terminal."""

import os
import pty
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")


@pytest.fixture
def at_a_terminal(environment):
    """Run the program with stdin and stderr on a terminal, and type the answers."""

    def run(*arguments, answers=""):
        keyboard, terminal = pty.openpty()
        with subprocess.Popen(
            [sys.executable, "-m", "rshub", *map(str, arguments)],
            env=environment | {"TERM": "dumb"},
            stdin=terminal,
            stdout=subprocess.PIPE,
            stderr=terminal,
        ) as running:
            os.close(terminal)
            os.write(keyboard, answers.encode())
            out = running.stdout.read().decode()
            seen = b""
            while True:
                try:
                    seen += os.read(keyboard, 4096)
                except OSError:  # the other end is closed
                    break
            code = running.wait(60)
        os.close(keyboard)
        return code, out, seen.decode()

    return run


def test_it_asks_for_what_nobody_said_and_then_publishes(at_a_terminal, lab, rshub):
    code, out, seen = at_a_terminal(
        "publish", lab.folder / "helpful", "ada/asked", *lab.as_user, answers="helpful\ny\n"
    )
    assert code == 0
    assert "no reward was named" in seen
    assert "Publish this?" in seen
    assert out.startswith("ada/asked@")
    assert rshub("info", "ada/asked", "--json", *lab.as_user).json["manifest"]["reward"]["name"] == "helpful"


def test_no_means_no(at_a_terminal, lab, rshub):
    code, out, seen = at_a_terminal(
        "publish", lab.folder / "helpful", "ada/declined", "--reward", "helpful", *lab.as_user, answers="n\n"
    )
    assert (code, out) == (1, "")
    assert "Nothing was published." in seen
    assert rshub("info", "ada/declined", *lab.as_user).code == 5


@pytest.mark.parametrize("option", ["--yes", "--json", "-q", "--dry-run"])
def test_it_does_not_ask_where_nobody_wants_to_be_asked(at_a_terminal, lab, option):
    repo = f"ada/unasked{option.strip('-').replace('-', '')}"
    code, out, seen = at_a_terminal(
        "publish", lab.folder / "helpful", repo, "--reward", "helpful", *lab.as_user, option
    )
    assert code == 0
    assert "Publish this?" not in seen
    assert out


def test_ctrl_d_at_a_question_is_an_interrupt(at_a_terminal, lab):
    code, out, seen = at_a_terminal("publish", lab.folder / "helpful", "ada/gone", *lab.as_user, answers="\x04")
    assert (code, out) == (130, "")
    assert "Traceback" not in seen
