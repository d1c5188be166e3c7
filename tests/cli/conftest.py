"""Running the program: in this process where it is enough, as a process of its own where streams and exits matter."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from rshub.cli.main import main

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, kw_only=True)
class Ran:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        assert self.out.count("\n") == 1, "JSON is one line"
        return json.loads(self.out)

    @property
    def error(self):
        assert self.out == "", "stdout stays empty on an error"
        return json.loads(self.err.splitlines()[-1])


@pytest.fixture
def rshub(capsys):
    """Run the program in this process."""

    def run(*arguments):
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return Ran(code=end.value.code, out=out, err=err)

    return run


@pytest.fixture
def environment():
    """An environment for a process: this one's, and the package on its path."""
    return {name: value for name, value in os.environ.items() if not name.startswith("_RSHUB")} | {
        "PYTHONPATH": str(ROOT),
        "NO_COLOR": "1",
        "COLUMNS": "100",
    }


@pytest.fixture
def process(environment, tmp_path):
    """Run the program, or a line of Python, as a process of its own."""

    def run(*arguments, code=None, env=(), stdin=""):
        start = ["-m", "rshub"] if code is None else ["-c", code]
        done = subprocess.run(
            [sys.executable, *start, *map(str, arguments)],
            env=environment | dict(env),
            input=stdin,
            capture_output=True,
            text=True,
            cwd=tmp_path,
            timeout=300,
            check=False,
        )
        return Ran(code=done.returncode, out=done.stdout, err=done.stderr)

    return run
