"""The public door: which names there are, and that a name is never shadowed by the room it comes from."""

import importlib
import inspect
import json
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import rshub

ROOT = Path(__file__).parents[1]
NAMES = {
    "LocalHub",
    "Mixer",
    "Preference",
    "RshubError",
    "__version__",
    "compose",
    "env",
    "evaluate",
    "front",
    "info",
    "ls",
    "publish",
    "resolve",
    "select",
    "train",
    "train_all",
    "verify",
}
CLASSES = {"LocalHub", "Mixer", "Preference", "RshubError"}
CALLABLES = sorted(NAMES - {"__version__"})

LOOK_TWICE = """
import importlib, inspect, json, sys, types
import rshub
for name in sys.argv[2:]:
    importlib.import_module(name)
kinds = []
for _ in range(2):
    found = getattr(rshub, sys.argv[1])
    kinds.append("module" if isinstance(found, types.ModuleType) else "class" if inspect.isclass(found)
                 else "function" if inspect.isfunction(found) else type(found).__name__)
print(json.dumps(kinds))
"""


def look_twice(name, *imported_before):
    done = subprocess.run(
        [sys.executable, "-c", LOOK_TWICE, name, *imported_before],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_door_has_these_names_and_no_others():
    assert set(rshub.__all__) == NAMES
    assert len(rshub.__all__) == len(NAMES)
    assert set(dir(rshub)) == NAMES


def test_no_room_has_the_name_of_a_verb():
    assert not {module.name for module in pkgutil.iter_modules(rshub.__path__)} & NAMES


@pytest.mark.parametrize("name", CALLABLES)
def test_a_name_is_a_function_or_a_class_and_stays_so(name):
    assert look_twice(name) == ["class" if name in CLASSES else "function"] * 2


@pytest.mark.parametrize("name", CALLABLES)
def test_a_name_is_the_same_after_its_room_and_its_command_were_imported(name):
    home = inspect.getmodule(getattr(rshub, name)).__name__
    command = [f"rshub.cli.{name}"] if (ROOT / "rshub" / "cli" / f"{name}.py").is_file() else []
    assert look_twice(name, home, *command) == ["class" if name in CLASSES else "function"] * 2


def test_every_name_is_documented():
    for name in CALLABLES:
        assert inspect.getdoc(getattr(rshub, name)), name


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="composed"):
        rshub.composed  # noqa: B018 - the access is the test


def test_importing_the_door_imports_no_room():
    line = "import sys, rshub; print([m for m in sys.modules if m.startswith('rshub.')])"
    done = subprocess.run(
        [sys.executable, "-c", line], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "[]\n"


def test_every_module_can_be_imported_and_says_what_it_is():
    for module in pkgutil.walk_packages(rshub.__path__, "rshub."):
        if module.name != "rshub.__main__":
            assert importlib.import_module(module.name).__doc__, module.name
