"""``expert.json``."""

import copy
import json

import pytest

from rshub.errors import IntegrityError
from rshub.experts.manifest import ExpertManifest

SHA = "ab" * 32
DOCUMENT = {
    "schema": "rshub.expert/1",
    "reward": {"name": "recall", "direction": "max", "spec": "metric:rouge1.recall", "spec_digest": SHA, "mood": "new"},
    "base": {"repo_id": "org/base", "revision": "c" * 40, "files": {"model.safetensors": SHA}},
    "init": {"kind": "base"},
    "artefact": {
        "kind": "lora",
        "format": "peft",
        "files": {"adapter_model.safetensors": {"sha256": SHA, "size": 12}},
        "rank": 8,
        "modules": ["layers.0.q_proj"],
    },
    "training": {"method": "rloo", "seed": 0, "mixture": {"recall": 1.0}},
    "scores": [{"reward": "recall", "value": 0.8, "stderr": 0.01, "n": 512, "judge": "somebody"}],
    "bounds": {"min": -0.5, "max": 1.5},
    "licence": "mit",
    "from_the_future": {"a": [1]},
}


def read(document):
    return ExpertManifest.from_bytes(json.dumps(document).encode())


def test_what_it_does_not_know_is_kept_and_written_back():
    again = read(DOCUMENT).to_json()
    assert again["from_the_future"] == {"a": [1]}
    assert again["reward"]["mood"] == "new"
    assert again["scores"][0]["judge"] == "somebody"
    assert again["training"] == DOCUMENT["training"]


def test_reading_what_was_written_gives_the_same_manifest():
    manifest = read(DOCUMENT)
    again = ExpertManifest.from_bytes(manifest.to_bytes())
    assert again.to_json() == manifest.to_json()
    assert again.own_score.value == 0.8


def at(path, value):
    document = copy.deepcopy(DOCUMENT)
    inner = document
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return document


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("schema",), "rshub.expert/2"),
        (("reward", "name"), "Not A Name"),
        (("reward", "direction"), "up"),
        (("base", "revision"), "main"),
        (("base", "files"), {"model.safetensors": "short"}),
        (("init", "kind"), "magic"),
        (("artefact", "files"), {}),
        (("artefact", "files"), {"../../etc/passwd": {"sha256": SHA, "size": 1}}),
        (("artefact", "files"), {"a\\b": {"sha256": SHA, "size": 1}}),
        (("artefact", "rank"), 2**40),
        (("artefact", "modules"), [1]),
        (("scores",), [{"reward": "recall", "value": "high"}]),
        (("bounds",), {"min": 2, "max": 1}),
        (("training",), []),
    ],
)
def test_a_broken_manifest_is_refused_with_the_path_of_the_fault(path, value):
    with pytest.raises(IntegrityError) as caught:
        read(at(path, value))
    assert path[0] in str(caught.value)
