"""The edge of the program: the one place where errors become lines on stderr and an exit code.

An error is one line, its remedy another; what an error gathered (several faults, rejected experts) stands indented
between them. With ``--json`` the same is one line of JSON. stdout carries data only, so it stays empty. Nothing below
the command line ends the process or prints an error.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import click
from click.shell_completion import shell_complete

from rshub.cli.output import colour_on, plain
from rshub.errors import Incompatible, InvalidInput, MissingExtra, RshubError

INTERRUPTED = 130
READER_GONE = 141

EXTRAS = {
    "accelerate": "train",
    "datasets": "train",
    "dulwich": "hub",
    "lz4": "hub",
    "matplotlib": "plots",
    "peft": "train",
    "starlette": "hub",
    "torch": "torch",
    "transformers": "train",
    "trl": "train",
    "uvicorn": "hub",
}


def run(program: click.Command, arguments: Sequence[str]) -> int:
    """Run a command line and give its exit code.

    Args:
        program: The command to run.
        arguments: What was typed after its name.
    """
    words = list(arguments)
    as_json, debug = _flag("--json", words), _flag("--debug", words) or _switched_on("RSHUB_DEBUG")
    _ready_the_streams()
    if completing := os.environ.get("_RSHUB_COMPLETE"):
        return shell_complete(program, {}, "rshub", "_RSHUB_COMPLETE", completing)
    before = signal.signal(signal.SIGTERM, _terminated)
    try:
        try:
            with program.make_context("rshub", words) as context:
                program.invoke(context)
        except click.exceptions.Exit as done:
            code = done.exit_code
        else:
            code = 0
        sys.stdout.flush()
    except (KeyboardInterrupt, click.Abort):
        _let_go(sys.stdout)
        return INTERRUPTED
    except BrokenPipeError:
        _let_go(sys.stdout)
        return READER_GONE
    except Exception as fault:  # noqa: BLE001 - the edge of the program: everything ends in a line and a code
        _let_go(sys.stdout)
        error = as_rshub_error(fault, command=_verb(words))
        with contextlib.suppress(OSError):
            if debug:
                traceback.print_exception(fault)
            _show(error, kind=_kind(fault, error), as_json=as_json)
        return error.exit_code
    finally:
        signal.signal(signal.SIGTERM, before)
    return code


def as_rshub_error(fault: Exception, *, command: str) -> RshubError:
    """Turn whatever was raised into an error with a message, a remedy and an exit code."""
    if isinstance(fault, RshubError):
        return fault
    if isinstance(fault, click.UsageError):
        path = fault.ctx.command_path if fault.ctx is not None else "rshub"
        return InvalidInput(fault.format_message().rstrip("."), remedy=f"see {path} --help")
    if isinstance(fault, click.ClickException):
        return RshubError(fault.format_message())
    if isinstance(fault, ModuleNotFoundError) and (fault.name or "").split(".")[0] in EXTRAS:
        return MissingExtra(EXTRAS[str(fault.name).split(".")[0]], needed_for=command)
    remedy = "run it again with --debug (or RSHUB_DEBUG=1) for the traceback"
    if isinstance(fault, OSError) and fault.strerror:
        place = f"{fault.filename}: " if fault.filename is not None else ""
        return RshubError(f"{place}{fault.strerror}", remedy=remedy)
    said = f": {fault}" if str(fault) else ""
    return RshubError(f"unexpected {type(fault).__name__}{said}", remedy=remedy)


def _show(error: RshubError, *, kind: str, as_json: bool) -> None:
    """Print an error on stderr, as lines or as one line of JSON."""
    if as_json:
        print(json.dumps(error.to_json() | {"error": kind}), file=sys.stderr)
        return
    label = click.style("Error:", fg="red", bold=True) if colour_on(sys.stderr) else "Error:"
    print(label, plain(error.message), file=sys.stderr)
    for line in _details(error):
        print(f"  {plain(line)}", file=sys.stderr)
    if error.remedy:
        print("Hint:", plain(error.remedy), file=sys.stderr)


def _details(error: RshubError) -> Iterator[str]:
    """Give the further faults that an error gathered, one a line."""
    if isinstance(error, InvalidInput) and len(error.problems) > 1:
        yield from error.problems
    if isinstance(error, Incompatible):
        for verdict in error.verdicts:
            if repo := verdict.get("repo"):  # what is said of no repo stands in the message
                yield from (f"{repo}: {reason.get('message', reason.get('code', ''))}" for reason in verdict["reasons"])


def _kind(fault: Exception, error: RshubError) -> str:
    """Name the error for a program: the class of the tree, or the foreign class that nobody expected."""
    return type(fault).__name__ if type(error) is RshubError else type(error).__name__


def _flag(name: str, words: Sequence[str]) -> bool:
    """Say whether a flag was typed, even where the rest of the line cannot be parsed."""
    return name in (words[: words.index("--")] if "--" in words else words)


def _switched_on(variable: str) -> bool:
    return os.environ.get(variable, "").lower() not in {"", "0", "false", "no", "off"}


def _verb(words: Sequence[str]) -> str:
    return f"rshub {words[0]}" if words else "rshub"


def _ready_the_streams() -> None:
    """Make a closed stream a silent one, and a narrow encoding no reason to fail."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - it lasts as long as we do
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _let_go(stream: Any) -> None:
    """Keep the interpreter from writing what is left to a stream that nobody reads or that cannot take it."""
    try:
        stream.flush()
    except (OSError, ValueError):
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _terminated(number: int, _frame: FrameType | None) -> NoReturn:
    """End by the ordinary way out, so that half-written folders are cleared."""
    sys.exit(128 + number)
