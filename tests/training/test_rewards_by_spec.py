"""One string trains in TRL and scores in evaluate: a classifier of a hub, an installed function, corpus statistics."""

import json
import sys

import numpy as np
import pytest

from rshub.errors import Incompatible, NotFound, RshubError
from rshub.evaluation.evaluate import evaluate
from rshub.experts.manifest import ExpertManifest
from rshub.experts.verify import check_expert
from rshub.hub.client import Hub
from rshub.localhub import LocalHub
from rshub.rewards.samples import TextSample
from rshub.rewards.spec import reward_from_spec
from rshub.training.train import train

CODE = """
SEEN = []

def vowels(samples, context):
    SEEN.append((tuple(samples), context["corpus"]))
    return [sum(map(s.completion.count, "aeiou")) for s in samples]

def broken(samples, context):
    return [0.0]
"""
REWARDS = {"taste": "hf:lab/taste", "cider": "metric:cider", "vowels": "entrypoint:vowels", "brief": "-metric:length"}


def judge(folder):
    """Write a one-output classifier over the letters of the tiny world."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

    letters = {letter: place for place, letter in enumerate(["[UNK]", "[PAD]", *"abcdefghijklmnopqrstuvwxyz ,.:"])}
    made = Tokenizer(models.WordLevel(letters, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    config = BertConfig(
        vocab_size=len(letters),
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        num_labels=1,
        initializer_range=0.7,
    )
    with torch.random.fork_rng():
        torch.manual_seed(3)
        BertForSequenceClassification(config).save_pretrained(folder)
    PreTrainedTokenizerFast(tokenizer_object=made, unk_token="[UNK]", pad_token="[PAD]").save_pretrained(folder)


@pytest.fixture(scope="module")
def kitchen(restaurant, tmp_path_factory):
    """A hub with the base and a reward model, and an installed package with two rewards."""
    root = tmp_path_factory.mktemp("kitchen")
    info = root / "site" / "taste_words-0.3.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: taste-words\nVersion: 0.3\n")
    (info / "entry_points.txt").write_text(
        "[rshub.rewards]\nvowels = taste_words_of_a_test:vowels\nbroken = taste_words_of_a_test:broken\n"
    )
    (root / "site" / "taste_words_of_a_test.py").write_text(CODE)
    judge(root / "judge")
    sys.path.insert(0, str(root / "site"))
    with LocalHub(root / "hub") as served:
        hub = Hub(served.endpoint, served.add_user("ada", orgs=[("lab", "write")]))
        hub.commits = {}
        for repo, folder in (("lab/base", restaurant / "base"), ("lab/taste", root / "judge")):
            hub.create_repo(repo)
            files = {path.name: path for path in folder.iterdir()}
            hub.commits[repo] = hub.commit(repo, files, message="A model").commit
        yield hub
    sys.path.remove(str(root / "site"))


@pytest.fixture(scope="module")
def trained(kitchen, recipe, tmp_path_factory):
    """An expert for a mixture of four kinds of rewards, published."""
    wanted = recipe | {
        "base": "lab/base",
        "rewards": REWARDS,
        "reward_weights": {"taste": 0.5, "cider": 0.25, "vowels": 0.25},
        "steps": 2,
    }
    folder = tmp_path_factory.mktemp("trained") / "expert"
    return train(wanted, output=folder, push="ada/taste", endpoint=kitchen.endpoint, token=kitchen._token)


def pinned(kitchen):
    return f"hf:lab/taste@{kitchen.commits['lab/taste']}"


def test_the_trainer_logs_every_reward_and_mixes_those_in_use(trained, kitchen):
    for line in trained.log:
        rewards = line["rewards"]
        assert set(rewards) == set(REWARDS)
        mixed = 0.5 * rewards["taste"] + 0.25 * rewards["cider"] + 0.25 * rewards["vowels"]
        assert line["reward"] == pytest.approx(mixed, abs=1e-4)
        assert rewards["brief"] < 0
    from taste_words_of_a_test import SEEN

    samples, corpus = SEEN[0]
    assert len(corpus) == 32
    assert all(isinstance(sample, TextSample) and sample.references in corpus for sample in samples)
    assert any(line.endswith(f"is {pinned(kitchen)}") for line in trained.lines())
    assert trained.training["rewards"]["taste"] == pinned(kitchen)
    assert trained.training["rewards"]["vowels"] == "entrypoint:taste-words/vowels@0.3"


def test_the_manifest_names_commit_and_version_and_its_digest_can_be_checked(trained, kitchen, tmp_path):
    folder = kitchen.download(
        "ada/taste",
        ["expert.json", "adapter_config.json", "adapter_model.safetensors"],
        commit=trained.published.commit,
    )
    manifest = ExpertManifest.from_json(json.loads((folder / "expert.json").read_text()), source="expert.json")
    spec = f"0.25*entrypoint:taste-words/vowels@0.3 + 0.5*{pinned(kitchen)} + 0.25*metric:cider"
    assert manifest.reward.spec == spec
    asked = "0.25*metric:cider + 0.25*entrypoint:vowels + 0.5*hf:lab/taste"
    assert manifest.reward.spec_digest == reward_from_spec(asked).pin(kitchen).digest
    checks = {check.name: check for check in check_expert(folder, manifest, kitchen)}
    assert checks["spec"].ok


def test_the_same_strings_score_in_evaluate(trained, kitchen, restaurant, tmp_path):
    from taste_words_of_a_test import SEEN

    SEEN.clear()
    named = [f"{name}={spec}" for name, spec in REWARDS.items()]
    scores = evaluate(
        [str(trained.folder)],
        rewards=named,
        prompts=restaurant / "train.jsonl",
        base="lab/base",
        limit=6,
        max_new_tokens=12,
        out=tmp_path / "scores.json",
        endpoint=kitchen.endpoint,
        token=kitchen._token,
    )
    (samples, corpus), point = SEEN[0], scores.points[0]
    assert corpus == tuple(sample.references for sample in samples)
    for name, spec in REWARDS.items():
        again = reward_from_spec(spec).pin(kitchen)(samples, {"corpus": corpus})
        assert point.rewards[name].mean == pytest.approx(float(np.mean(again)), abs=1e-5)
    written = json.loads((tmp_path / "scores.json").read_text())["rewards"]
    assert written["taste"]["spec"] == pinned(kitchen)
    assert written["taste"]["asked"] == "hf:lab/taste"
    assert written["taste"]["spec_digest"] == reward_from_spec(pinned(kitchen)).digest
    assert "asked" not in written["cider"]


def test_the_command_says_what_the_head_was(trained, kitchen, restaurant, capsys):
    from rshub.cli.main import main

    prompts = (
        "--prompts",
        str(restaurant / "train.jsonl"),
        "--base",
        "lab/base",
        "--limit",
        "2",
        "--max-new-tokens",
        "4",
    )
    hub = ("--endpoint", kitchen.endpoint, "--token", kitchen._token)
    with pytest.raises(SystemExit) as end:
        main(["evaluate", str(trained.folder), "--reward", "hf:lab/taste#index=0", *prompts, *hub])
    out, err = capsys.readouterr()
    assert end.value.code == 0
    assert f"taste: hf:lab/taste#index=0 is {pinned(kitchen)}#index=0 now" in err
    assert "taste (max)" in out


def test_what_is_missing_or_wrong_is_told_before_anything_is_generated(trained, kitchen, restaurant, monkeypatch):
    def measured(spec, **options):
        return evaluate(
            [str(trained.folder)],
            rewards=[spec],
            prompts=restaurant / "train.jsonl",
            base="lab/base",
            endpoint=kitchen.endpoint,
            token=kitchen._token,
            **options,
        )

    monkeypatch.setattr("rshub.evaluation.generate._write", lambda *_, **__: pytest.fail("it began"))
    with pytest.raises(NotFound):
        measured("hf:lab/nothing")
    with pytest.raises(Incompatible, match="no output 7"):
        measured("hf:lab/taste#index=7")
    with pytest.raises(NotFound, match="no installed package"):
        measured("entrypoint:nothing")


def test_a_reward_that_answers_nonsense_ends_a_training_with_its_name(kitchen, recipe, tmp_path):
    wanted = recipe | {"base": "lab/base", "rewards": {"broken": "entrypoint:broken"}, "reward_weights": {"broken": 1}}
    with pytest.raises(RshubError, match=r"entrypoint:taste-words/broken@0\.3: it gave 1 scores for \d+ samples"):
        train(wanted, output=tmp_path / "expert", endpoint=kitchen.endpoint, token=kitchen._token)


def test_a_reward_model_scores_as_trls_reward_trainer_read_it(kitchen, tmp_path):
    """The trainer's own token ids, through the model that it saved, are what the reward must give."""
    import torch
    from datasets import Dataset
    from transformers import AutoModelForSequenceClassification, AutoTokenizer
    from trl import RewardConfig, RewardTrainer

    from rshub.training.methods.reward_functions import text_sample
    from rshub.training.quiet import kept_random_state, quiet
    from tests.rewards.conftest import llama

    llama(tmp_path / "start")
    plain = {"prompt": "be kind", "chosen": " the dog is good", "rejected": " bad bad cat"}
    talk = {
        "prompt": [{"role": "user", "content": "be kind now"}],
        "chosen": [{"role": "assistant", "content": "the cat is good"}],
        "rejected": [{"role": "assistant", "content": "bad"}],
    }
    for name, row in (("plain", plain), ("talk", talk)):
        with quiet(), kept_random_state():
            trainer = RewardTrainer(
                model=AutoModelForSequenceClassification.from_pretrained(tmp_path / "start", dtype=torch.float32),
                args=RewardConfig(
                    output_dir=str(tmp_path / "scratch"),
                    max_steps=2,
                    learning_rate=0.05,
                    per_device_train_batch_size=1,
                    use_cpu=True,
                    bf16=False,
                    gradient_checkpointing=False,
                    save_strategy="no",
                    report_to="none",
                    disable_tqdm=True,
                ),
                train_dataset=Dataset.from_list([row]),
                processing_class=AutoTokenizer.from_pretrained(tmp_path / "start"),
            )
            trainer._send_telemetry = lambda: None
            read = trainer.train_dataset[0]
            trainer.train()
            trainer.save_model(tmp_path / name)
        with torch.no_grad():
            wanted = [
                trainer.model(input_ids=torch.tensor([read[side]])).logits.item()
                for side in ("chosen_ids", "rejected_ids")
            ]
        kitchen.create_repo(f"lab/{name}")
        files = {
            path.name: path
            for path in (tmp_path / name).iterdir()
            if path.name not in {"training_args.bin", "README.md"}
        }
        kitchen.commit(f"lab/{name}", files, message="A reward model")
        samples = [text_sample(row["prompt"], row[side]) for side in ("chosen", "rejected")]
        scores = reward_from_spec(f"hf:lab/{name}").pin(kitchen)(samples)
        assert scores == pytest.approx(wanted, abs=1e-5)
        assert abs(wanted[0] - wanted[1]) > 1e-3
