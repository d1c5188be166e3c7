"""Which files of a repo or folder are an expert's: one rule on names."""

import json

import pytest

from rshub.deltas.expert_files import expert_files, files_in
from rshub.errors import IntegrityError, NotFound

INDEX = json.dumps({"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}).encode()
PIPELINE = json.dumps({"unet": ["diffusers", "X"], "vae": ["diffusers", "Y"], "scheduler": ["diffusers", "Z"]}).encode()


def read(name):
    return PIPELINE if name == "model_index.json" else INDEX


ADAPTER = ("adapter_config.json", "adapter_model.safetensors")


@pytest.mark.parametrize(
    ("names", "counted"),
    [
        ((*ADAPTER, "model.safetensors", "training_args.bin"), ADAPTER),
        (("model.safetensors", "consolidated.safetensors", "README.md"), ("model.safetensors",)),
        (("model.safetensors", "config.json", "tokenizer.json"), ("config.json", "model.safetensors")),
        (
            ("model-1.safetensors", "model-2.safetensors", "model.safetensors.index.json", "old.safetensors"),
            ("model-1.safetensors", "model-2.safetensors", "model.safetensors.index.json"),
        ),
        (("a.safetensors", "b.safetensors", "c.bin"), ("a.safetensors", "b.safetensors")),
        (("best.safetensors", "step-1/model.safetensors"), ("best.safetensors",)),
        (
            (
                "unet/x.safetensors",
                "unet/config.json",
                "vae/model.safetensors",
                "optimizer.pt",
                "old/unet/x.safetensors",
                ".cache/x.safetensors",
            ),
            ("unet/config.json", "unet/x.safetensors", "vae/model.safetensors"),
        ),
        (
            ("model_index.json", "unet/x.safetensors", "other/x.safetensors", "copy.safetensors", "scheduler/a.json"),
            ("model_index.json", "unet/x.safetensors"),
        ),
    ],
)
def test_the_files_that_count(names, counted):
    assert expert_files(names, read, source="mine").names == counted


@pytest.mark.parametrize(
    ("names", "error", "words"),
    [
        (("adapter_config.json", "adapter_model.bin"), IntegrityError, "adapter_model.bin, a pickle"),
        (("model_index.json", "unet/x.safetensors", "vae/x.bin"), IntegrityError, "x.bin, a pickle"),
        (("README.md", "a/b/c.safetensors"), NotFound, "no tensors"),
        (("model_index.json", "scheduler/a.json"), NotFound, "no tensors"),
        (("model-1.safetensors", "model.safetensors.index.json"), IntegrityError, "names model-2.safetensors"),
    ],
)
def test_what_has_no_tensors_is_refused(names, error, words):
    with pytest.raises(error) as caught:
        expert_files(names, read, source="mine")
    assert words in caught.value.message


def test_a_folder_is_listed_as_far_as_it_matters(tmp_path):
    for name in ("unet/x.safetensors", "unet/deep/y.safetensors", ".cache/z.safetensors", "README.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    assert files_in(tmp_path) == ["README.md", "unet/x.safetensors"]
    (tmp_path / "top.safetensors").write_bytes(b"")
    assert files_in(tmp_path) == ["README.md", "top.safetensors"]
