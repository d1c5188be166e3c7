"""Tiny bases and adapters as files in milliseconds, and the dense float64 sum that they should give.

Nothing here uses the package: files are written and read by hand, and the reference is one line of dense algebra.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, field
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

DTYPES = {
    "F32": np.float32,
    "F64": np.float64,
    "F16": np.float16,
    "BF16": ml_dtypes.bfloat16,
    "F8_E4M3": ml_dtypes.float8_e4m3fn,
    "F8_E5M2": ml_dtypes.float8_e5m2,
    "I64": np.int64,
    "I32": np.int32,
    "U8": np.uint8,
    "I8": np.int8,
    "BOOL": np.bool_,
}
NAMES = {np.dtype(value): key for key, value in DTYPES.items()}
SHAPES = {
    "model.embed_tokens.weight": (23, 12),
    "model.layers.0.self_attn.q_proj.weight": (12, 12),
    "model.layers.0.self_attn.v_proj.weight": (8, 12),
    "model.layers.0.mlp.down_proj.weight": (12, 20),
    "model.layers.0.input_layernorm.weight": (12,),
    "model.layers.1.self_attn.q_proj.weight": (12, 12),
    "model.layers.1.self_attn.v_proj.weight": (8, 12),
    "model.layers.1.mlp.down_proj.weight": (12, 20),
    "model.layers.1.input_layernorm.weight": (12,),
    "model.norm.weight": (12,),
    "lm_head.weight": (23, 12),
}
MODULES = tuple(name.removesuffix(".weight") for name in SHAPES if "proj" in name)
CONFIG = {
    "model_type": "llama",
    "architectures": ["LlamaForCausalLM"],
    "torch_dtype": "float32",
    "tie_word_embeddings": False,
}


def dump(path: Path, tensors: dict, metadata: dict | None = None, pad: bool = True) -> None:
    """Write a safetensors file by hand."""
    header, at = ({"__metadata__": metadata} if metadata else {}), 0
    for name, values in tensors.items():
        header[name] = {
            "dtype": NAMES[values.dtype],
            "shape": list(values.shape),
            "data_offsets": [at, at + values.nbytes],
        }
        at += values.nbytes
    text = json.dumps(header).encode()
    if pad:
        text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(v.tobytes() for v in tensors.values()))


def load(path: Path) -> dict:
    """Read a safetensors file by hand."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    return {
        name: np.frombuffer(
            data[8 + length + entry["data_offsets"][0] : 8 + length + entry["data_offsets"][1]],
            dtype=DTYPES[entry["dtype"]],
        ).reshape(entry["shape"])
        for name, entry in header.items()
    }


def load_folder(folder: Path) -> dict:
    """Read all safetensors files of a folder."""
    tensors = {}
    for path in sorted(folder.glob("*.safetensors")):
        tensors |= load(path)
    return tensors


@dataclass
class TinyAdapter:
    """An adapter that was written, with what is needed to add it up densely."""

    folder: Path
    factors: dict = field(default_factory=dict)
    scales: dict = field(default_factory=dict)

    def delta(self, module: str) -> np.ndarray | float:
        """Give scale * B A in float64, or zero."""
        if module not in self.factors:
            return 0.0
        a, b = self.factors[module]
        return self.scales[module] * (b.astype(np.float64) @ a.astype(np.float64))


class Tiny:
    """Writes tiny things under a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.count = 0

    def path(self, kind: str) -> Path:
        self.count += 1
        folder = self.root / f"{kind}-{self.count}"
        folder.mkdir(parents=True)
        return folder

    def base(self, *, shapes=None, dtype="F32", shards=1, config=None, seed=0, extra=None, scale=1.0, pad=True) -> Path:
        """Write a base; ``extra`` are tensors to carry along as they are."""
        rng = np.random.default_rng(seed)
        folder = self.path("base")
        tensors = {
            name: (scale * rng.standard_normal(shape)).astype(DTYPES[dtype])
            for name, shape in (shapes or SHAPES).items()
        }
        tensors |= extra or {}
        (folder / "config.json").write_text(json.dumps(CONFIG if config is None else config))
        (folder / "tokenizer.json").write_text('{"version": "1.0"}')
        (folder / "generation_config.json").write_text("{}")
        (folder / "chat_template.jinja").write_text("{{ messages }}")
        if shards == 1:
            dump(folder / "model.safetensors", tensors, {"format": "pt"}, pad)
            return folder
        names = list(tensors)
        weight_map = {}
        for number in range(shards):
            shard = f"model-{number + 1:05d}-of-{shards:05d}.safetensors"
            part = {name: tensors[name] for name in names[number::shards]}
            dump(folder / shard, part, {"format": "pt"}, pad)
            weight_map |= dict.fromkeys(part, shard)
        total = sum(values.nbytes for values in tensors.values())
        (folder / "model.safetensors.index.json").write_text(
            json.dumps({"metadata": {"total_size": total}, "weight_map": weight_map})
        )
        return folder

    def adapter(
        self, *, modules=MODULES, shapes=None, rank=4, alpha=8, seed=1, dtype="F32", ranks=None, alphas=None,
        rslora=False, size=0.1, key="base_model.model.{module}.lora_{side}.weight", config=None, factors=None,
    ) -> TinyAdapter:  # fmt: skip
        """Write an adapter of random factors, or of given ones; ``ranks`` and ``alphas`` are exceptions by module."""
        rng = np.random.default_rng(seed)
        folder = self.path("adapter")
        made = TinyAdapter(folder)
        for module in modules:
            out, inputs = (shapes or SHAPES)[module + ".weight"]
            r = (ranks or {}).get(module, rank)
            a = (size * rng.standard_normal((r, inputs))).astype(DTYPES[dtype])
            b = (size * rng.standard_normal((out, r))).astype(DTYPES[dtype])
            if factors and module in factors:
                a, b = factors[module]
            made.factors[module] = (a, b)
            scale = (alphas or {}).get(module, alpha)
            made.scales[module] = scale / np.sqrt(r) if rslora else scale / r
        tensors = {}
        for module, (a, b) in made.factors.items():
            tensors[key.format(module=module, side="A")] = a
            tensors[key.format(module=module, side="B")] = b
        dump(folder / "adapter_model.safetensors", tensors, {"format": "pt"})
        settings = {
            "peft_type": "LORA", "task_type": "CAUSAL_LM", "r": rank, "lora_alpha": alpha, "use_rslora": rslora,
            "target_modules": ["q_proj"], "bias": "none", "rank_pattern": ranks or {}, "alpha_pattern": alphas or {},
            "init_lora_weights": True, "lora_dropout": 0.0, "fan_in_fan_out": False, "base_model_name_or_path": "org/b",
        }  # fmt: skip
        (folder / "adapter_config.json").write_text(json.dumps({**settings, **(config or {})}))
        return made

    @staticmethod
    def dense(base: Path, terms) -> dict:
        """Give theta_0 + sum of coefficient * delta for every tensor, in float64."""
        out = {}
        for name, values in load_folder(base).items():
            module = name.removesuffix(".weight")
            if values.dtype.kind not in "fV" and values.dtype != ml_dtypes.bfloat16:
                out[name] = values
                continue
            out[name] = values.astype(np.float64) + sum(c * adapter.delta(module) for adapter, c in terms)
        return out


@pytest.fixture
def tiny(tmp_path):
    """Write tiny bases and adapters under the test's own folder."""
    return Tiny(tmp_path / "tiny")
