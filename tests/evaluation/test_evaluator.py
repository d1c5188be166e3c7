"""One way to measure: what is known costs nothing, what was cut short goes on, and predictions can be averaged."""

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import pytest

from rshub.demo.world import corpus, jsonl
from rshub.errors import Incompatible, InvalidInput
from rshub.evaluation.evaluator import Evaluator
from rshub.evaluation.ledger import Ledger
from rshub.evaluation.points import measured_on
from rshub.evaluation.sampling import Sampling
from rshub.prompts.read import read_prompts
from rshub.rewards.samples import TextSample
from rshub.rewards.spec import reward_from_spec

RECALL, LENGTH = reward_from_spec("metric:rouge1.recall"), reward_from_spec("metric:length")
HALF = {"recall": 0.5, "precision": 0.5}
SHORT = Sampling(max_new_tokens=8)


@pytest.fixture(scope="module")
def many(kitchen):
    """A hundred and fifty prompts: two full stretches of the ledger and a part of one."""
    (kitchen / "many.jsonl").write_bytes(jsonl(corpus(150, seed=5, references=2)))
    return read_prompts(kitchen / "many.jsonl")


def opened(kitchen, prompts, *, experts=None, **options):
    folders = experts or {name: kitchen / name for name in ("recall", "precision", "morl")}
    defaults = {"base": str(kitchen / "base"), "rewards": {"recall": RECALL}, "sampling": SHORT}
    return Evaluator.open(folders, prompts=prompts, **(defaults | options))


@pytest.fixture
def counted(monkeypatch):
    """Give the list of how many prompts each call had to write texts for, with ``load`` where a model was loaded."""
    from rshub.evaluation.workbench import Workbench

    calls = []
    write, mixer = Workbench.write, Workbench.mixer

    def writing(self, voices, prompts, *args, **options):
        calls.append(len(prompts))
        return write(self, voices, prompts, *args, **options)

    def loading(self):
        if self._mixer is None:
            calls.append("load")
        return mixer(self)

    monkeypatch.setattr(Workbench, "write", writing)
    monkeypatch.setattr(Workbench, "mixer", loading)
    return calls


def test_what_is_known_loads_no_model_and_a_reward_added_later_costs_no_text(kitchen, many, tmp_path, counted):
    ledger = Ledger(tmp_path / "ledger")
    with opened(kitchen, many, ledger=ledger) as evaluator:
        first = evaluator.point(HALF)
    assert counted == [150, "load"]
    counted.clear()
    with opened(kitchen, many, ledger=ledger, rewards={"recall": RECALL, "length": LENGTH}) as evaluator:
        second = evaluator.point(HALF)
        texts = evaluator.completions(HALF)
    assert counted == []
    assert second.rewards["recall"] == first.rewards["recall"]
    # the texts of the ledger are what was scored
    lengths = LENGTH([TextSample(prompt="", completion=text) for text in texts])
    assert second.rewards["length"].samples == tuple(lengths.tolist())
    with opened(kitchen, many) as evaluator:
        assert evaluator.completions(HALF) == texts


def test_the_first_prompts_share_with_all_of_them_and_labels_do_not_matter(kitchen, many, tmp_path, counted):
    ledger = Ledger(tmp_path / "ledger")
    with opened(kitchen, replace(many, prompts=many.prompts[:70]), ledger=ledger) as evaluator:
        few = evaluator.scores([evaluator.point(HALF)]).unknown["prompts"]
    assert counted == [70, "load"]
    with opened(kitchen, replace(many, prompts=many.prompts[:64]), ledger=ledger) as evaluator:
        evaluator.point(HALF)
    assert counted == [70, "load"]
    with opened(kitchen, many, ledger=ledger) as evaluator:
        whole = evaluator.scores([evaluator.point(HALF)]).unknown["prompts"]
    assert counted == [70, "load", 86, "load"]  # the stretch that was cut is written whole
    assert (few["count"], whole["count"]) == (70, 150)
    assert few["digest"] != whole["digest"]
    counted.clear()
    copies = {"b": shutil.copytree(kitchen / "precision", tmp_path / "elsewhere"), "a": kitchen / "recall"}
    base = shutil.copytree(kitchen / "base", tmp_path / "base")
    with opened(kitchen, many, experts=copies, base=str(base), ledger=ledger) as evaluator:
        point = evaluator.point({"b": 0.5, "a": 0.5})
    assert counted == []
    assert point.rewards["recall"].n == 150


@pytest.mark.parametrize("change", ["seed", "tokens", "temperature", "coefficient", "base", "prompt"])
def test_whatever_decides_the_texts_is_in_the_key(kitchen, many, tmp_path, counted, change):
    few = replace(many, prompts=many.prompts[:3])
    with opened(kitchen, few, ledger=Ledger(tmp_path / "ledger")) as evaluator:
        evaluator.point(HALF)
    counted.clear()
    options, coefficients = {"ledger": Ledger(tmp_path / "ledger")}, HALF
    if change == "seed":
        options["sampling"] = Sampling(max_new_tokens=8, seeds=2)
    elif change == "tokens":
        options["sampling"] = Sampling(max_new_tokens=7)
    elif change == "temperature":
        options["sampling"] = Sampling(max_new_tokens=8, temperature=0.5)
    elif change == "coefficient":
        coefficients = {"recall": 0.5 + 1e-12, "precision": 0.5}
    elif change == "base":
        other = shutil.copytree(kitchen / "base", tmp_path / "base")
        config = json.loads((other / "generation_config.json").read_text())
        (other / "generation_config.json").write_text(json.dumps(config | {"pad_token_id": 0}))
        options["base"] = str(other)
    else:
        few = replace(few, prompts=(*few.prompts[:2], many.prompts[5]))
    with opened(kitchen, few, **options) as evaluator:
        evaluator.point(coefficients)
    assert counted == [3, "load"]


def test_references_decide_scores_and_not_texts(kitchen, many, tmp_path, counted):
    ledger = Ledger(tmp_path / "ledger")
    few = replace(many, prompts=many.prompts[:5])
    other = replace(few, prompts=tuple(replace(prompt, references=("luna",)) for prompt in few.prompts))
    with opened(kitchen, few, ledger=ledger) as evaluator:
        first = evaluator.point(HALF)
    counted.clear()
    with opened(kitchen, other, ledger=ledger) as evaluator:
        second = evaluator.point(HALF)
    assert counted == []
    assert first.rewards["recall"].samples != second.rewards["recall"].samples


def test_what_was_cut_short_goes_on_where_it_was(kitchen, many, tmp_path, counted):
    class Killed(Exception):
        pass

    def stop(_count):
        told.append(_count)
        if sum(told) >= 64:
            raise Killed

    told = []
    ledger = Ledger(tmp_path / "ledger")
    sampling = Sampling(max_new_tokens=8, batch=32)
    with pytest.raises(Killed), opened(kitchen, many, ledger=ledger, sampling=sampling, told=stop) as evaluator:
        evaluator.point(HALF)
    counted.clear()
    told.clear()
    with opened(kitchen, many, ledger=ledger, sampling=sampling, told=told.append) as evaluator:
        point = evaluator.point(HALF)
    assert sum(told) == 150
    assert counted == [86, "load"]
    with opened(kitchen, many) as evaluator:
        whole = evaluator.point(HALF)
    assert point.rewards == whole.rewards


@pytest.mark.slow
def test_a_process_that_is_killed_leaves_whole_entries(kitchen, many, tmp_path):
    """Killed for good in the middle of many seeds: what it wrote is used, and the figures are those of one run."""
    code = f"""
        from rshub.evaluation.evaluator import Evaluator
        from rshub.evaluation.sampling import Sampling
        from rshub.evaluation.ledger import Ledger
        from rshub.prompts.read import read_prompts
        from rshub.rewards.spec import reward_from_spec
        from pathlib import Path
        kitchen = Path({str(kitchen)!r})
        with Evaluator.open(
            {{"recall": kitchen / "recall", "precision": kitchen / "precision"}}, base=str(kitchen / "base"),
            rewards={{"recall": reward_from_spec("metric:rouge1.recall")}},
            prompts=read_prompts(kitchen / "many.jsonl"),
            sampling=Sampling(max_new_tokens=40, seeds=200), ledger=Ledger(Path({str(tmp_path / "ledger")!r})),
        ) as evaluator:
            evaluator.point({HALF!r})
    """
    environment = {**os.environ, "PYTHONPATH": "."}
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], env=environment) as child:
        deadline = time.monotonic() + 120
        while (
            child.poll() is None
            and time.monotonic() < deadline
            and len(list((tmp_path / "ledger").rglob("*.json"))) < 5
        ):
            time.sleep(0.05)
        child.send_signal(signal.SIGKILL)
    left = sorted((tmp_path / "ledger" / "completions").rglob("*.json"))
    assert len(left) >= 3
    before = {path: path.read_bytes() for path in left}
    sampling = Sampling(max_new_tokens=40, seeds=2)
    with opened(kitchen, many, ledger=Ledger(tmp_path / "ledger"), sampling=sampling) as evaluator:
        resumed = evaluator.point(HALF)
    with opened(kitchen, many, sampling=sampling) as evaluator:
        assert resumed.rewards == evaluator.point(HALF).rewards
    assert {path: path.read_bytes() for path in left} == before


def test_a_damaged_entry_is_made_again(kitchen, many, tmp_path, counted):
    ledger = Ledger(tmp_path / "ledger")
    with opened(kitchen, many, ledger=ledger) as evaluator:
        first = evaluator.point(HALF)
    counted.clear()
    victim = min((tmp_path / "ledger" / "completions").rglob("*.json"))
    shutil.rmtree(tmp_path / "ledger" / "scores")
    victim.write_bytes(victim.read_bytes()[:-20])
    with opened(kitchen, many, ledger=ledger) as evaluator:
        second = evaluator.point(HALF)
    assert counted in ([64, "load"], [22, "load"])
    assert second == first


def test_points_say_what_they_are(kitchen, many):
    few = replace(many, prompts=many.prompts[:4])
    with opened(kitchen, few) as evaluator:
        expert = evaluator.point({"recall": 1.0})
        soup = evaluator.point({"recall": 0.25, "init": 0.75}, preference="recall=0.25, init=0.75")
        start = evaluator.point({})
        morl = evaluator.point({"morl": 1.0}, kind="morl", preference="recall=0.5, precision=0.5")
        scores = evaluator.scores([expert, soup, start, morl])
        with pytest.raises(InvalidInput, match="extrapolates"):
            evaluator.point({"recall": 1.5, "precision": -0.5})
        with pytest.raises(InvalidInput, match="no expert 'recal' is open here; did you mean 'recall'"):
            evaluator.point({"recal": 1.0})
    assert [point.kind for point in (expert, soup, start, morl)] == ["expert", "soup", "init", "morl"]
    assert (expert.mixture, soup.mixture, morl.mixture) == ({"recall": 1.0}, None, {"precision": 0.5, "recall": 0.5})
    assert (morl.coefficients, soup.preference) == (None, "recall=0.25, init=0.75")
    assert scores.unknown["prompts"]["count"] == 4
    assert scores.unknown["generation"] == measured_on(few, SHORT, dtype="float32")["generation"]
    with opened(kitchen, few, extrapolate=True) as evaluator:
        assert evaluator.point({"recall": 1.5, "precision": -0.5}).kind == "soup"


def naive_ensemble(mixer, shares, prompt, steps):
    """Write greedily with averaged probabilities: whole forward passes, one row, no cache, no padding."""
    import torch

    ids = mixer.tokenizer(prompt, return_tensors="pt")["input_ids"]
    start = ids.shape[1]
    for _ in range(steps):
        average = 0.0
        for label, share in shares.items():
            with torch.no_grad():
                logits = mixer.mix({label: 1.0})(ids).logits[0, -1]
            average = average + share * logits.double().softmax(-1)
        ids = torch.cat([ids, average.argmax().view(1, 1)], dim=1)
        if ids[0, -1] == mixer.model.generation_config.eos_token_id:
            break
    return mixer.tokenizer.decode(ids[0, start:], skip_special_tokens=True)


def ensembles(evaluator, coefficients, seed=0):
    """Give the texts of an ensemble."""
    return evaluator._meter.completions(evaluator.lineup.ensemble(coefficients), seed=seed)


def test_an_ensemble_averages_probabilities_token_by_token(kitchen, many):
    from rshub.soups.mixing.mixer import Mixer

    shares = {"recall": 0.3, "precision": 0.5, "morl": 0.2}
    cut = [replace(prompt, text=" ".join(prompt.text.split()[n % 4 :])) for n, prompt in enumerate(many.prompts[:12])]
    few = replace(many, prompts=tuple(cut))  # of several lengths, so that rows are padded
    with opened(kitchen, few, sampling=Sampling(max_new_tokens=14, temperature=0)) as evaluator:
        texts = ensembles(evaluator, shares)
        soup = evaluator.completions(shares)
    mixer = Mixer(kitchen / "base", {name: kitchen / name for name in shares})
    assert texts == [naive_ensemble(mixer, shares, prompt.text, 14) for prompt in few.prompts]
    assert len(set(texts)) > 1
    assert len(soup) == 12


def test_an_ensemble_is_sampled_from_the_average_and_one_voice_is_the_expert(kitchen, many):
    import torch

    from rshub.soups.mixing.mixer import Mixer

    draws = 3000
    same = replace(many, prompts=many.prompts[:1] * draws)
    shares = {"recall": 0.25, "precision": 0.75}
    with opened(kitchen, same, sampling=Sampling(max_new_tokens=1, batch=draws)) as evaluator:
        texts = ensembles(evaluator, shares)
        assert ensembles(evaluator, {"recall": 1.0}) == list(evaluator.completions({"recall": 1.0}))
    mixer = Mixer(kitchen / "base", {name: kitchen / name for name in shares})
    ids = mixer.tokenizer(many.prompts[0].text, return_tensors="pt")["input_ids"]
    expected = 0.0
    for label, share in shares.items():
        with torch.no_grad():
            expected = expected + share * mixer.mix({label: 1.0})(ids).logits[0, -1].double().softmax(-1)
    for token, probability in enumerate(expected.tolist()):
        word = mixer.tokenizer.decode([token], skip_special_tokens=True)
        if word:
            assert texts.count(word) / draws == pytest.approx(probability, abs=5 * (probability / draws) ** 0.5 + 1e-3)


def test_whole_weights_speak_in_an_ensemble_too(kitchen, many, tmp_path):
    """The precision expert as a composed model is the same voice as the adapter."""
    from rshub.soups.compose import compose

    compose(f"{kitchen}/precision=1", base=str(kitchen / "base"), out=tmp_path / "whole")
    few = replace(many, prompts=many.prompts[:6])
    sampling = Sampling(max_new_tokens=6, temperature=0)
    with opened(kitchen, few, sampling=sampling) as evaluator:
        expected = ensembles(evaluator, HALF)
    folders = {"recall": kitchen / "recall", "whole": tmp_path / "whole"}
    with opened(kitchen, few, experts=folders, sampling=sampling) as evaluator:
        assert ensembles(evaluator, {"recall": 0.5, "whole": 0.5}) == expected


@pytest.fixture(scope="module")
def talking(kitchen):
    """The base with a chat template that puts ``=>`` behind what is said."""
    folder = shutil.copytree(kitchen / "base", kitchen / "talking")
    (folder / "chat_template.jinja").write_text(
        "{% for message in messages %}{% if message['role'] == 'bot' %}{{ raise_exception('no bots') }}{% endif %}"
        "{{ message['content'] }}{% endfor %}{% if add_generation_prompt %} =>{% endif %}"
    )
    return folder


def conversations(path, prompts, role="user"):
    rows = [
        {
            "prompt": [{"role": role, "content": prompt.text.removesuffix(" =>")}],
            "references": list(prompt.references),
        }
        for prompt in prompts
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return read_prompts(path)


def test_conversations_go_through_the_chat_template(kitchen, many, talking, tmp_path):
    few = replace(many, prompts=many.prompts[:6])
    asked = conversations(tmp_path / "talk.jsonl", few.prompts)
    experts, alone = {"recall": kitchen / "recall"}, {"recall": 1.0}
    with opened(kitchen, few, experts=experts) as plain:
        expected, point = plain.completions(alone), plain.point(alone)
    with opened(kitchen, asked, experts=experts, base=str(talking)) as evaluator:
        assert evaluator.completions(alone) == expected
        assert evaluator.point(alone).rewards == point.rewards


def test_a_base_that_cannot_talk_and_a_template_that_refuses_say_so(kitchen, many, talking, tmp_path):
    asked = conversations(tmp_path / "talk.jsonl", many.prompts[:2])
    with opened(kitchen, asked) as evaluator, pytest.raises(Incompatible, match="no chat template"):
        evaluator.point(HALF)
    odd = conversations(tmp_path / "odd.jsonl", many.prompts[:2], role="bot")
    with (
        opened(kitchen, odd, experts={"recall": kitchen / "recall"}, base=str(talking)) as evaluator,
        pytest.raises(Incompatible, match="refuses a conversation: no bots"),
    ):
        evaluator.point({"recall": 1.0})


def test_a_base_without_room_for_the_completions_says_so(kitchen, many):
    sampling = Sampling(max_new_tokens=127)
    with (
        opened(kitchen, many, experts={"recall": kitchen / "recall"}, sampling=sampling) as evaluator,
        pytest.raises(Incompatible, match="room for 128 tokens; the longest prompt has") as caught,
    ):
        evaluator.point({"recall": 1.0})
    assert caught.value.remedy.startswith("ask for at most")


def test_a_device_that_is_not_there_is_refused(kitchen, many):
    with pytest.raises(InvalidInput, match="no device 'cuda:77'"):
        opened(kitchen, many, device="cuda:77")


def test_experts_of_another_base_are_refused_before_anything_is_loaded(kitchen, many, tmp_path, counted):
    from tests.tiny_models import Tiny

    alien = Tiny(tmp_path).adapter()
    with pytest.raises(InvalidInput, match="'init' names the start"):
        opened(kitchen, many, experts={"init": kitchen / "recall"})
    with opened(kitchen, many, experts={"alien": alien.folder}) as evaluator, pytest.raises(Incompatible):
        evaluator.point({"alien": 1.0})
    assert Path(kitchen).is_dir()
