"""The program as a whole: what it imports to start, its help, its version, completion."""

import os
import re
import shlex
from pathlib import Path

import click
import pytest

from rshub import __version__
from rshub.cli.main import VERBS, program
from rshub.cli.verb import Verb

GOLDEN = Path(__file__).parents[1] / "golden" / "help"
HEAVY = ("torch", "transformers", "peft", "trl", "numpy", "huggingface_hub", "matplotlib", "starlette")


def commands(command=program, path=("rshub",)):
    """Walk over every command with its path."""
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from commands(command.get_command(context, name), (*path, name))


COMMANDS = dict(commands())


@pytest.mark.parametrize("arguments", [[], ["--help"], ["--version"], *([verb, "--help"] for verb in VERBS)])
def test_help_imports_nothing_heavy(process, arguments):
    report = (
        "import sys\nfrom rshub.cli.main import main\n"
        "try:\n    main(sys.argv[1:])\nfinally:\n"
        f"    print('HEAVY', sorted(set(sys.modules) & set({HEAVY!r})), file=sys.stderr)"
    )
    done = process(*arguments, code=report)
    assert done.code == 0
    assert done.err == "HEAVY []\n"


def test_importing_the_program_is_light(process):
    done = process(code=f"import sys, rshub.cli.main; print(sorted(set(sys.modules) & set({HEAVY!r})))")
    assert done.out == "[]\n"


def test_the_list_of_verbs_is_lazy(process):
    done = process(
        code="import sys\nfrom rshub.cli.main import program\nimport click\n"
        "program.get_command(click.Context(program), 'ls')\n"
        "print(sorted(m for m in sys.modules if m.startswith('rshub.cli.') and m.split('.')[-1] in "
        f"{VERBS!r}))"
    )
    assert done.out == "['rshub.cli.ls']\n"


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help_is_the_golden_one(rshub, monkeypatch, path):
    """Run with RSHUB_UPDATE_GOLDEN=1 to write the texts anew, then read the difference."""
    monkeypatch.setenv("COLUMNS", "100")
    shown = rshub(*path[1:], "--help")
    golden = GOLDEN / f"{'-'.join(path)}.txt"
    if os.environ.get("RSHUB_UPDATE_GOLDEN"):
        golden.write_text(shown.out)
    assert shown.code == 0
    assert shown.err == ""
    assert shown.out == golden.read_text()


def test_every_golden_help_belongs_to_a_command():
    assert {path.stem for path in GOLDEN.glob("*.txt")} == {"-".join(path) for path in COMMANDS}


@pytest.mark.parametrize("path", [path for path in COMMANDS if len(path) > 1], ids=" ".join)
def test_the_first_line_fits_the_list_of_commands(path):
    first = COMMANDS[path].help.splitlines()[0]
    assert first.endswith(".")
    assert len(first) <= 66


@pytest.mark.parametrize(
    ("path", "example"),
    [
        (path, example)
        for path, command in COMMANDS.items()
        if isinstance(command, Verb)
        for example in command.examples
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_every_example_can_be_typed(path, example):
    words = shlex.split(re.sub(r".*\$\((.*)\)", r"\1", example))
    assert tuple(words[: len(path)]) == path
    COMMANDS[path].make_context(" ".join(path), words[len(path) :])


def test_version(rshub):
    assert rshub("--version").out == f"rshub {__version__}\n"


def test_a_command_that_does_not_exist_is_a_usage_error(rshub):
    done = rshub("compsoe")
    assert done.code == 2
    assert done.err.splitlines()[0].startswith("Error: No such command 'compsoe'")
    assert "compose" in done.err


def test_completion_is_clicks_own(process):
    script = process(env={"_RSHUB_COMPLETE": "bash_source"})
    assert script.code == 0
    assert "_RSHUB_COMPLETE=bash_complete" in script.out
    words = process(env={"_RSHUB_COMPLETE": "bash_complete", "COMP_WORDS": "rshub comp", "COMP_CWORD": "1"})
    assert words.out == "plain,compose\n"
