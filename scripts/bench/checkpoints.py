"""Checkpoints for the benchmarks, written tensor by tensor: a Llama-shaped base in bf16, adapters and whole experts.

They are random, but sound: PEFT and mergekit load them too. Nothing is measured here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import ml_dtypes
import numpy as np

from rshub.formats.header import render_header

HIDDEN, INNER, VOCABULARY, SHARD_LAYERS = 2048, 5632, 512, 8
LINEAR = {
    "self_attn.q_proj": (HIDDEN, HIDDEN),
    "self_attn.k_proj": (HIDDEN // 4, HIDDEN),
    "self_attn.v_proj": (HIDDEN // 4, HIDDEN),
    "self_attn.o_proj": (HIDDEN, HIDDEN),
    "mlp.gate_proj": (INNER, HIDDEN),
    "mlp.up_proj": (INNER, HIDDEN),
    "mlp.down_proj": (HIDDEN, INNER),
}
NORMS = ("input_layernorm", "post_attention_layernorm")
LAYER_BYTES = 2 * sum(rows * columns for rows, columns in LINEAR.values())
SMALL, NUDGE = 0.02, 0.002

Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True, kw_only=True)
class Size:
    """How large a base is, in layers."""

    layers: int

    @classmethod
    def of(cls, gigabytes: float) -> Size:
        """Round to whole layers."""
        return cls(layers=max(1, round(gigabytes * 1e9 / LAYER_BYTES)))

    def shards(self) -> list[Shapes]:
        """Give the tensors of each shard."""
        found = []
        for first in range(0, self.layers, SHARD_LAYERS):
            numbers = range(first, min(self.layers, first + SHARD_LAYERS))
            tensors: Shapes = {"model.embed_tokens.weight": (VOCABULARY, HIDDEN)} if first == 0 else {}
            for layer in (f"model.layers.{number}" for number in numbers):
                tensors |= {f"{layer}.{module}.weight": shape for module, shape in LINEAR.items()}
                tensors |= {f"{layer}.{norm}.weight": (HIDDEN,) for norm in NORMS}
            found.append(tensors)
        found[-1] |= {"model.norm.weight": (HIDDEN,), "lm_head.weight": (VOCABULARY, HIDDEN)}
        return found

    def config(self) -> dict[str, object]:
        """Give the config of the model."""
        return {
            "architectures": ["LlamaForCausalLM"], "model_type": "llama", "torch_dtype": "bfloat16",
            "hidden_size": HIDDEN, "intermediate_size": INNER, "num_hidden_layers": self.layers,
            "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 64, "vocab_size": VOCABULARY,
            "tie_word_embeddings": False, "max_position_embeddings": 2048, "rms_norm_eps": 1e-6,
        }  # fmt: skip


def make_model(folder: Path, size: Size, *, seed: int, near: int | None = None) -> Path:
    """Write a model: random, or near the one that another seed makes."""
    folder.mkdir(parents=True)
    shards = size.shards()
    weight_map: dict[str, str] = {}
    for number, shapes in enumerate(shards):
        name = f"model-{number + 1:05d}-of-{len(shards):05d}.safetensors"
        _write(folder / name, shapes, seed=[seed, number], near=None if near is None else [near, number])
        weight_map |= dict.fromkeys(shapes, name)
    total = sum(path.stat().st_size for path in folder.iterdir())
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    (folder / "config.json").write_text(json.dumps(size.config()))
    return folder


def make_adapter(folder: Path, size: Size, *, rank: int, targets: Sequence[str], seed: int) -> Path:
    """Write an adapter as PEFT saves one, in float32."""
    folder.mkdir(parents=True)
    shapes: Shapes = {}
    for layer in range(size.layers):
        for module in targets:
            path = f"base_model.model.model.layers.{layer}.{module}.lora_"
            rows, columns = LINEAR[module]
            shapes |= {path + "A.weight": (rank, columns), path + "B.weight": (rows, rank)}
    rng = np.random.default_rng(seed)
    with (folder / "adapter_model.safetensors").open("wb") as file:
        file.write(render_header(((name, "F32", shape) for name, shape in shapes.items()), metadata={"format": "pt"}))
        for shape in shapes.values():
            file.write((0.01 * rng.standard_normal(shape, np.float32)).tobytes())
    config = {
        "peft_type": "LORA", "task_type": "CAUSAL_LM", "r": rank, "lora_alpha": 2 * rank, "bias": "none",
        "target_modules": [module.rpartition(".")[2] for module in targets], "base_model_name_or_path": "base",
        "inference_mode": True,
    }  # fmt: skip
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return folder


def folder_bytes(folder: Path) -> int:
    """Give the size of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _write(path: Path, shapes: Mapping[str, tuple[int, ...]], *, seed: list[int], near: list[int] | None) -> None:
    rng, start = np.random.default_rng(seed), None if near is None else np.random.default_rng(near)
    with path.open("wb") as file:
        file.write(render_header(((name, "BF16", shape) for name, shape in shapes.items()), metadata={"format": "pt"}))
        for shape in shapes.values():
            values = (SMALL if start is None else NUDGE) * rng.standard_normal(shape, np.float32)
            if start is not None:
                values += SMALL * start.standard_normal(shape, np.float32)
            file.write(values.astype(ml_dtypes.bfloat16).tobytes())
