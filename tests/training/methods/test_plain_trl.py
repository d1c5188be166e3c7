"""One-hot and mixed runs against plain TRL scripts with nothing of ours: same seed, same adapter bit for bit."""

import json
import re
from collections import Counter

import pytest
from safetensors.numpy import load_file

from rshub.training.train import train

pytestmark = pytest.mark.slow

WEIGHTS = "adapter_model.safetensors"


def shares(text, reference):
    """Give the share of the reference's words that the text has, and of the text's that the reference has."""
    said, wanted = (Counter(re.findall("[a-z0-9]+", words.lower())) for words in (text, reference))
    common = (said & wanted).total()
    return common / max(1, wanted.total()), common / max(1, said.total())


def recall(completions, references, **_):
    return [
        sum(shares(text, one)[0] for one in known) / len(known)
        for text, known in zip(completions, references, strict=True)
    ]


def precision(completions, references, **_):
    return [
        sum(shares(text, one)[1] for one in known) / len(known)
        for text, known in zip(completions, references, strict=True)
    ]


def script(method, rewards, weights, restaurant, output):
    """Train as a reader of TRL's documentation would."""
    import torch
    from datasets import load_dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import GRPOConfig, GRPOTrainer, RLOOConfig, RLOOTrainer

    own = {"rloo": {"normalize_advantages": True}, "grpo": {"scale_rewards": "none"}}[method]
    config, trainer = {"rloo": (RLOOConfig, RLOOTrainer), "grpo": (GRPOConfig, GRPOTrainer)}[method]
    made = trainer(
        model=AutoModelForCausalLM.from_pretrained(restaurant / "base", dtype=torch.float32),
        reward_funcs=list(rewards),
        args=config(
            output_dir=str(output / "scratch"), use_cpu=True, bf16=False, gradient_checkpointing=False, seed=0,
            max_steps=3, learning_rate=3e-3, lr_scheduler_type="constant", beta=0.02, reward_weights=weights,
            per_device_train_batch_size=16, num_generations=4, max_completion_length=32, top_k=0, report_to=[],
            save_strategy="no", logging_steps=1, disable_tqdm=True, **own,
        ),
        processing_class=AutoTokenizer.from_pretrained(restaurant / "base", padding_side="left"),
        train_dataset=load_dataset(
            "json", data_files=str(restaurant / "train.jsonl"), split="train", cache_dir=str(output / "cache")
        ),
        peft_config=LoraConfig(r=8, lora_alpha=16, lora_dropout=0.0, target_modules="all-linear"),
    )  # fmt: skip
    made._send_telemetry = lambda: None
    made.train()
    made.save_model(str(output / "plain"))
    return load_file(output / "plain" / WEIGHTS), [log for log in made.state.log_history if "learning_rate" in log]


@pytest.mark.parametrize("method", ["rloo", "grpo"])
@pytest.mark.parametrize("weights", [{"recall": 1.0, "precision": 0.0}, {"recall": 0.25, "precision": 0.75}])
@pytest.mark.filterwarnings("ignore")
def test_a_run_is_what_a_plain_script_trains(recipe, restaurant, tmp_path, method, weights):
    wanted = {key: value for key, value in recipe.items() if key != "normalize_advantages"}
    done = train(wanted | {"method": method, "reward_weights": weights}, output=tmp_path / "ours")
    assert json.loads((done.folder / "adapter_config.json").read_text())["r"] == 8
    mixed = [weights["recall"], weights["precision"]]
    theirs, history = script(method, (recall, precision), mixed, restaurant, tmp_path)
    for ours, log in zip(done.log, history, strict=True):
        for name in ("recall", "precision"):
            assert ours["rewards"][name] == pytest.approx(log[f"rewards/{name}/mean"], abs=1e-6)
    found = load_file(done.folder / WEIGHTS)
    assert found.keys() == theirs.keys()
    assert [key for key, value in theirs.items() if (found[key] != value).any()] == []


@pytest.mark.filterwarnings("ignore")
def test_one_hot_weights_are_what_a_script_with_one_reward_trains(recipe, restaurant, recall_alone, tmp_path):
    """What is only watched has no part in what is learned."""
    theirs, _ = script("rloo", (recall,), [1.0], restaurant, tmp_path)
    assert [key for key, value in theirs.items() if (recall_alone[key] != value).any()] == []


@pytest.fixture
def recall_alone(recipe, tmp_path):
    """The adapter of the run that only watches precision."""
    return load_file(train(recipe, output=tmp_path / "ours").folder / WEIGHTS)
