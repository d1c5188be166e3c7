"""Each command is one public function of the same name: what one can be told, so can the other."""

import inspect

import click
import pytest

import rshub
from rshub.cli.main import VERBS, program

SHOWING = {"as_json", "quiet", "debug", "yes"}
SHARED_BY_ALL = {"env": {"token"}}
NOT_TYPED = {
    "publish": {"scores", "training"},  # measurements come from --from, or from a caller
    "train": {"progress", "on_log"},
    "train-all": {"progress"},
    "compose": {"progress"},
    "evaluate": {"progress"},
    "front": {"x", "y", "progress", "show"},
    "select": {"measure", "progress"},
}
CALLED = {
    "compose": {"hash_": "hash", "format_": "format", "no_digest": "digests"},
    "publish": {"license_": "license", "repo": "repo_id"},
    "train": {"folder": "output", "license_": "license"},
    "train-all": {"folder": "output", "license_": "license"},
    "evaluate": {"no_ledger": "remember"},
    "front": {"no_ledger": "remember"},
    "select": {"no_ledger": "remember"},
}


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb not in {"demo", "hub"}])
def test_a_command_and_its_function_take_the_same_things(verb):
    command = program.get_command(click.Context(program), verb)
    renamed = CALLED.get(verb, {})
    shown = SHOWING | SHARED_BY_ALL.get(verb, set())
    typed = {renamed.get(p.name, p.name) for p in command.params if p.name not in shown}
    taken = set(inspect.signature(getattr(rshub, verb.replace("-", "_"))).parameters)
    assert typed == taken - NOT_TYPED.get(verb, set())
