#!/usr/bin/env python3
"""The Mixer against PEFT in one process: the time to move to another lambda, and the forward pass once there.

A Llama of random weights and its experts are made on the spot. Everything is measured in turn, round after round, and
the medians are compared, so that what else the machine does meets all of them alike. PEFT moves with
``add_weighted_adapter`` (cat, linear, svd) and ``set_adapter``; its forward is that of one adapter with the experts'
ranks taken together, as the Mixer's is. Logits are compared with those of the merged weights in float32.

    scripts/bench/mixer.py --layers 12 --hidden 768 --rank 16 --experts 2
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.utils import logging

sys.path.insert(0, str(Path(__file__).parents[2]))

from rshub.soups.mixing.mixer import Mixer

WORDS = 4096


def make(folder: Path, args: argparse.Namespace) -> tuple[Path, dict[str, Path], Path]:
    """Write a base, the experts, and one adapter of their total rank."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=WORDS,
        hidden_size=args.hidden,
        intermediate_size=args.hidden * 8 // 3 // 64 * 64,
        num_hidden_layers=args.layers,
        num_attention_heads=args.hidden // 64,
        num_key_value_heads=args.hidden // 64,
        tie_word_embeddings=False,
    )
    LlamaForCausalLM(config).to(getattr(torch, args.dtype)).save_pretrained(folder / "base")
    places = {f"expert{number}": args.rank for number in range(args.experts)} | {"single": args.rank * args.experts}
    for name, rank in places.items():
        base = LlamaForCausalLM.from_pretrained(folder / "base", dtype=torch.float32)
        settings = LoraConfig(r=rank, lora_alpha=rank, target_modules="all-linear", task_type="CAUSAL_LM")
        model = get_peft_model(base, settings)
        for key, value in model.named_parameters():
            if "lora_" in key:
                torch.nn.init.normal_(value, std=0.02)
        model.save_pretrained(folder / name)
    return folder / "base", {name: folder / name for name in places if name != "single"}, folder / "single"


def timed(work: Callable[[], Any]) -> float:
    """Run once and give the milliseconds."""
    start = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return (time.perf_counter() - start) * 1e3


def peft_move(model: PeftModel, names: list[str], kind: str, number: int) -> Callable[[], None]:
    """Move to another lambda as PEFT does: make one more adapter, and switch to it."""

    def move() -> None:
        shares = np.random.default_rng(number).uniform(0.1, 0.9, len(names)).tolist()
        model.add_weighted_adapter(names, shares, f"{kind}{number}", combination_type=kind, svd_rank=None)
        model.set_adapter(f"{kind}{number}")

    return move


def there_and_back(mixer: Mixer, wanted: dict[str, float]) -> None:
    """Merge, and take the base's weights again."""
    with mixer.merged(wanted):
        pass


def load_peft(base: Path, folders: dict[str, Path], dtype: torch.dtype, device: str) -> PeftModel:
    """Load adapters on a base with PEFT."""
    model = LlamaForCausalLM.from_pretrained(base, dtype=dtype).to(device)
    first, *others = folders.items()
    adapted = PeftModel.from_pretrained(model, first[1], adapter_name=first[0])
    for name, folder in others:
        adapted.load_adapter(folder, adapter_name=name)
    return adapted.eval()


def main() -> None:
    reader = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    reader.add_argument("--layers", type=int, default=12)
    reader.add_argument("--hidden", type=int, default=768)
    reader.add_argument("--rank", type=int, default=16)
    reader.add_argument("--experts", type=int, default=2)
    reader.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    reader.add_argument("--batch", type=int, default=4)
    reader.add_argument("--tokens", type=int, default=32)
    reader.add_argument("--rounds", type=int, default=15)
    reader.add_argument("--moves", type=int, default=3, help="moves of each kind of PEFT's")
    reader.add_argument("--peft", default="cat,linear,svd", help="kinds of moves of PEFT")
    reader.add_argument("--threads", type=int, default=1)
    args = reader.parse_args()
    torch.set_num_threads(args.threads)
    logging.disable_progress_bar()
    warnings.filterwarnings("ignore")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = getattr(torch, args.dtype)
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        with torch.inference_mode(mode=False):
            base, experts, single = make(Path(folder), args)
        names = list(experts)
        model = LlamaForCausalLM.from_pretrained(base, dtype=dtype).to(device).eval()
        mixer = Mixer(base, experts, model=model)
        adapted = load_peft(base, {"single": single}, dtype, device)
        plain = LlamaForCausalLM.from_pretrained(base, dtype=dtype).to(device).eval()
        batch = torch.randint(0, WORDS, (args.batch, args.tokens), device=device)
        print(json.dumps({**vars(args), "device": device, "load": os.getloadavg()[0]}), file=sys.stderr)

        moves: dict[str, list[float]] = {}
        rng = np.random.default_rng(0)

        def soup() -> dict[str, float]:
            return dict(zip(names, rng.uniform(0.1, 0.9, len(names)).tolist(), strict=True))

        def rows() -> list[dict[str, float]]:
            return [soup() for _ in range(8)]

        for kind in args.peft.split(","):
            blended = load_peft(base, experts, dtype, device)
            for number in range(args.moves if kind != "svd" else 1):
                moves.setdefault(f"PEFT {kind}", []).append(timed(peft_move(blended, names, kind, number)))
                for name, work in (("mix", mixer.mix), ("mix_rows of 8", mixer.mix_rows)):
                    for _ in range(10):
                        wanted: Any = soup() if name == "mix" else rows()
                        moves.setdefault(name, []).append(timed(lambda work=work, wanted=wanted: work(wanted)))
            del blended
        moves["merged, there and back"] = [timed(lambda: there_and_back(mixer, soup())) for _ in range(args.moves)]

        forwards: dict[str, list[float]] = {}
        ways = {
            "base alone": lambda: plain(batch),
            "PEFT, one adapter of the total rank": lambda: adapted(batch),
            "Mixer, one lambda": lambda: mixer.mix(soup())(batch),
            "Mixer, a lambda for each row": lambda: mixer.mix_rows([soup() for _ in range(args.batch)])(batch),
            "Mixer, all zero": lambda: mixer.mix({})(batch),
        }
        for number in range(args.rounds + 2):
            for name, work in ways.items():
                took = timed(work)
                if number >= 2:
                    forwards.setdefault(name, []).append(took)

        wanted = soup()
        exact = Mixer(base, experts, model=LlamaForCausalLM.from_pretrained(base, dtype=torch.float32).to(device))
        with exact.merged(wanted) as merged:
            expected = merged(batch).logits
        error = (mixer.mix(wanted)(batch).logits.float() - expected).abs().max() / expected.abs().max()

    middle = {name: statistics.median(times) for name, times in (moves | forwards).items()}
    for name in moves:
        ratio = middle[name] / middle["mix"]
        print(f"move     {name:38} {middle[name]:10.3f} ms   {ratio:9.1f} x mix")
    for name in forwards:
        ratio = middle[name] / middle["PEFT, one adapter of the total rank"]
        print(f"forward  {name:38} {middle[name]:10.3f} ms   {ratio:9.3f} x PEFT")
    print(f"logits   largest error against merged float32 weights, of the largest logit: {float(error):.1e}")


if __name__ == "__main__":
    main()
