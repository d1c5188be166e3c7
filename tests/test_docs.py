"""What the README promises is there, and what is there is in the README."""

import re
from pathlib import Path

import click
import pytest

from rshub.cli.main import program

README = Path(__file__).parents[1] / "README.md"

pytestmark = pytest.mark.skipif(not README.is_file(), reason="there is no README.md yet")


def commands(command, path=("rshub",)):
    if not isinstance(command, click.Group):
        yield path, command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        yield from commands(command.get_command(context, name), (*path, name))


COMMANDS = dict(commands(program))


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_is_in_the_readme(path):
    assert re.search(rf"\b{' '.join(path)}\b", README.read_text()), f"README.md does not show {' '.join(path)}"


def test_every_command_of_the_readme_exists():
    written = set(re.findall(r"^\$?\s*rshub (?!-)([a-z]+)", README.read_text(), flags=re.MULTILINE))
    assert written <= {path[1] for path in COMMANDS}


def test_every_option_of_the_readme_exists():
    options = {
        option for command in (program, *COMMANDS.values()) for parameter in command.params for option in parameter.opts
    } | {"--help"}
    for line in re.findall(r"^\$?\s*(rshub .*)$", README.read_text(), flags=re.MULTILINE):
        for option in re.findall(r"(?<=\s)--[a-z-]+", line):
            assert option in options, line
