"""Which files go with a model's weights; the installed transformers is the second opinion on names."""

import ast
import importlib.util
import os
from pathlib import Path

import pytest

from rshub.errors import IntegrityError
from rshub.tensors.checkpoint import Checkpoint
from rshub.tensors.companions import is_side_file, side_files
from rshub.tensors.weight_files import WeightFiles

PLAIN = WeightFiles(shards=("model.safetensors",))
PIPELINE = WeightFiles(shards=("unet/model.safetensors",), components=("scheduler", "tokenizer", "unet"))


def literals(tree):
    """Give the file names in every VOCAB_FILES_NAMES of a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
            if name == "VOCAB_FILES_NAMES" and isinstance(node.value, ast.Dict):
                yield from (value.value for value in node.value.values if isinstance(value, ast.Constant))


def test_every_vocabulary_of_the_installed_transformers_goes_along():
    found = importlib.util.find_spec("transformers")
    if found is None:
        pytest.skip("transformers is not installed")
    root = Path(found.origin).parent
    files = [*root.glob("tokenization*.py"), *root.glob("models/*/tokenization*.py")]
    names = {name for file in files for name in literals(ast.parse(file.read_text()))}
    assert len(names) > 10
    assert [name for name in sorted(names) if not is_side_file(name, PLAIN)] == []


def test_every_config_of_the_installed_transformers_goes_along():
    hub = pytest.importorskip("transformers.utils")
    names = [hub.CONFIG_NAME, hub.FEATURE_EXTRACTOR_NAME, hub.IMAGE_PROCESSOR_NAME, hub.VIDEO_PROCESSOR_NAME]
    names += [hub.AUDIO_TOKENIZER_NAME, hub.PROCESSOR_NAME, hub.GENERATION_CONFIG_NAME, hub.CHAT_TEMPLATE_FILE]
    names += [hub.LEGACY_PROCESSOR_CHAT_TEMPLATE_FILE, f"{hub.CHAT_TEMPLATE_DIR}/tools.jinja"]
    assert [name for name in names if not is_side_file(name, PLAIN)] == []


@pytest.mark.parametrize(
    "name",
    ["LICENSE.txt", "LICENCE", "Notice.md", "LICENSE-MODEL", "THIRD_PARTY_NOTICES.txt", "USE_POLICY.md", "tekken.json",
     "tekken_240911.json", "tokenizer.model.v3", "tokenizer.model.v7m1", "qwen.tiktoken", "config.4.0.0.json"],
)  # fmt: skip
def test_other_names_that_models_use(name):
    assert is_side_file(name, PLAIN)


@pytest.mark.parametrize(
    "name",
    ["api_key.txt", "credentials.json", "config.json.bak", "my-config.json", "config.local.json", "tokenizer.old.json",
     "license_key", "LICENSE.json", "NOTICE-internal.txt", "secrets.tiktoken.json", ".tiktoken", "a/config.json",
     "a/b/c.jinja", "../config.json", "tekken.json\n", "expert.json", "soup.lock.json", "README.md", "evil.py"],
)  # fmt: skip
def test_what_a_person_keeps_beside_a_model_stays_there(name):
    assert not is_side_file(name, PLAIN)
    assert not is_side_file(f"unet/{name}", PLAIN)


def test_only_the_index_of_the_weights_goes_along():
    indexed = WeightFiles(shards=("model-1.safetensors",), indices=("model.safetensors.index.json",))
    assert is_side_file("model.safetensors.index.json", indexed)
    assert not is_side_file("model.safetensors.index.json", PLAIN)
    assert not is_side_file("other.safetensors.index.json", indexed)


@pytest.mark.parametrize(
    "name",
    ["model_index.json", "scheduler/scheduler_config.json", "tokenizer/merges.txt", "unet/config.json",
     "tokenizer/additional_chat_templates/tools.jinja"],
)  # fmt: skip
def test_the_small_files_of_components_go_along(name):
    assert is_side_file(name, PIPELINE)
    assert is_side_file(name, PLAIN) == ("/" not in name)


@pytest.mark.parametrize(
    "name", ["vae/config.json", "unet/extra/config.json", "unet/pipeline.py", "unet/model.bin", "scheduler/keys.json"]
)
def test_other_files_beside_components_stay(name):
    assert not is_side_file(name, PIPELINE)


def test_pipes_and_folders_are_no_side_files(tiny):
    for make, name in ((os.mkfifo, "vocab.json"), (os.mkdir, "merges.txt")):
        base = tiny.base()
        opened = Checkpoint.open(base)
        make(base / name)
        with pytest.raises(IntegrityError, match=name):
            side_files(base, opened)
