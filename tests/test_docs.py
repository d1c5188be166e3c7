"""What the README promises is there, and what is there is in the README."""

import re
import shlex
from pathlib import Path

import click
import pytest

from rshub.cli.main import program

README = Path(__file__).parents[1] / "README.md"
TEXT = README.read_text(encoding="utf-8")


def commands(command, path=("rshub",)):
    if not isinstance(command, click.Group):
        yield path, command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        yield from commands(command.get_command(context, name), (*path, name))


COMMANDS = dict(commands(program))
BLOCKS = re.findall(r"^```(?:bash|sh|shell|console)\n(.*?)^```", TEXT, flags=re.MULTILINE | re.DOTALL)
TYPED = [line.removeprefix("$ ") for block in BLOCKS for line in block.splitlines() if re.match(r"(\$ )?rshub ", line)]


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_is_in_the_readme(path):
    assert re.search(rf"\b{' '.join(path)}\b", TEXT), f"README.md does not show {' '.join(path)}"


@pytest.mark.parametrize("line", TYPED)
def test_every_command_line_of_the_readme_can_be_typed(line):
    words = shlex.split(line, comments=True)
    path = max((path for path in COMMANDS if tuple(words[: len(path)]) == path), key=len, default=None)
    assert path is not None, f"there is no command {line}"
    COMMANDS[path].make_context(" ".join(path), words[len(path) :])
