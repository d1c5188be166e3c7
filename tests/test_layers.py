"""The floors of the house: arrows point down, and heavy or foreign libraries stay in the rooms that may hold them."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "rshub"
FILES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))

HEAVY = {"torch", "transformers", "peft", "trl", "datasets", "accelerate", "matplotlib"}
MAY_BE_HEAVY = ("training/", "evaluation/", "soups/mixing/", "rewards/models.py")


def lint(folder):
    """Run import-linter on the package in a folder."""
    return subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def copy_of_the_house(folder):
    shutil.copytree(PACKAGE, folder / "rshub", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def imports(path, *, module_level_only):
    """Give the top names that a file imports; what only the type checker sees does not count."""
    found = set()

    def visit(node):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                found.update(alias.name.split(".")[0] for alias in child.names)
            elif isinstance(child, ast.ImportFrom) and child.module and not child.level:
                found.add(child.module.split(".")[0])
            elif isinstance(child, ast.If) and ast.unparse(child.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}:
                for other in child.orelse:
                    visit(other)
            elif not (module_level_only and isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)):
                visit(child)

    visit(ast.parse((PACKAGE / path).read_text()))
    return found


def test_arrows_point_down():
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("formats/planted.py", "import rshub.cli.main"),
        ("experts/planted.py", "def late():\n    from rshub.soups import resolve"),
        ("localhub/planted.py", "from rshub.errors import RshubError"),
        ("hub/planted.py", "import rshub.localhub"),
    ],
)
def test_an_arrow_that_points_up_is_caught(tmp_path, file, line):
    house = copy_of_the_house(tmp_path)
    (house / "rshub" / file).write_text(line + "\n")
    done = lint(house)
    assert done.returncode == 1
    assert "planted" in done.stdout


def test_rooms_take_nothing_but_the_version_from_the_door():
    for path in FILES:
        if path.parts[0] in {"cli", "__init__.py", "__main__.py"}:
            continue
        for node in ast.walk(ast.parse((PACKAGE / path).read_text())):
            if isinstance(node, ast.Import):
                assert "rshub" not in {alias.name for alias in node.names}, path
            elif isinstance(node, ast.ImportFrom) and node.module == "rshub":
                below = {alias.name for alias in node.names if (PACKAGE / alias.name).is_dir()}
                assert {alias.name for alias in node.names} - below <= {"__version__"}, path


def test_only_the_hub_room_knows_huggingface_hub():
    knowing = {str(path.parent) for path in FILES if "huggingface_hub" in imports(path, module_level_only=False)}
    assert knowing == {"hub"}


def test_heavy_libraries_are_imported_where_they_are_used():
    heavy = {str(path): HEAVY & imports(path, module_level_only=True) for path in FILES}
    assert {path: found for path, found in heavy.items() if found and not path.startswith(MAY_BE_HEAVY)} == {}


def test_nothing_ever_unpickles():
    for path in FILES:
        assert not imports(path, module_level_only=False) & {"pickle", "cPickle", "dill", "joblib", "shelve"}, path


def test_only_the_command_line_prints():
    printing = {
        str(path)
        for path in FILES
        for node in ast.walk(ast.parse((PACKAGE / path).read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    }
    assert all(path.startswith("cli/") for path in printing), printing
