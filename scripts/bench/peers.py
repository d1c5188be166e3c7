"""What composing is measured against: plain copies, PEFT and mergekit, each as a command in a process of its own."""

from __future__ import annotations

import importlib.util
import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

PEAK = """
def peak():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) / 1024
"""

PEFT = (
    PEAK
    + """
import json, sys
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM
base, out, way, whole, *experts = sys.argv[1:]
model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.bfloat16)
names = [f"expert{number}" for number in range(len(experts))]
model = PeftModel.from_pretrained(model, experts[0], adapter_name=names[0])
for name, expert in zip(names[1:], experts[1:]):
    model.load_adapter(expert, adapter_name=name)
model.add_weighted_adapter(names, [1 / len(names)] * len(names), "soup", combination_type=way)
model.set_adapter("soup")
if whole == "1":
    model.merge_and_unload().save_pretrained(out)
else:
    model.save_pretrained(out, selected_adapters=["soup"])
print(json.dumps({"peak": peak()}))
"""
)


def copies(source: Path, out: Path) -> dict[str, list[str]]:
    """Give the ways to copy a folder: through the page cache, and past it."""
    loop = f'for f in {shlex.quote(str(source))}/*; do dd if="$f" of={shlex.quote(str(out))}/"${{f##*/}}" bs=8M '
    loop += "oflag=direct status=none || exit 1; done"
    return {"cp": ["cp", "-r", str(source), str(out)], "dd": ["sh", "-c", f"mkdir {shlex.quote(str(out))}; {loop}"]}


def peft(base: Path, out: Path, experts: Sequence[Path], *, way: str, whole: bool) -> list[str] | None:
    """Give the command that does the same with PEFT; None where it is not installed."""
    if any(importlib.util.find_spec(name) is None for name in ("torch", "transformers", "peft")):
        return None
    return [sys.executable, "-c", PEFT, str(base), str(out), way, "1" if whole else "0", *map(str, experts)]


def mergekit(cli: Path, recipe: Path, base: Path, out: Path, experts: Sequence[Path]) -> list[str]:
    """Write a recipe for ``mergekit-yaml`` and give the command, without what an earlier run cached."""
    models = [{"model": f"{base}+{expert}", "parameters": {"weight": 1 / len(experts)}} for expert in experts]
    said = {"merge_method": "task_arithmetic", "base_model": str(base), "models": models, "dtype": "bfloat16"}
    recipe.write_text(json.dumps(said))  # JSON is YAML
    cache = recipe.parent / "mergekit-cache"
    run = [str(cli), str(recipe), str(out), "--lora-merge-cache", str(cache), "--no-copy-tokenizer"]
    return ["sh", "-c", f'rm -rf {shlex.quote(str(cache))}; exec "$@"', "sh", *run]
