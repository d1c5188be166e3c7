"""Classifiers of a hub as rewards, against plain transformers that reads one text at a time without padding."""

import json
import sys

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer, PreTrainedModel

from rshub.errors import Incompatible, IntegrityError, InvalidInput, MissingExtra, NotFound, RshubError
from rshub.rewards.samples import TextSample, Turn
from rshub.rewards.spec import reward_from_spec

SAMPLES = [
    TextSample(prompt="the dog is", completion=" good"),
    TextSample(prompt="a cat", completion=" is bad now the cat is bad"),
    TextSample(prompt="be kind", completion=""),
    TextSample(prompt="now", completion=" the dog is good the cat is good a dog be kind"),
]
ALONE = {"trust_remote_code": False, "local_files_only": True}


class Plain:
    """The same model by the library alone."""

    def __init__(self, folder):
        self.tokenizer = AutoTokenizer.from_pretrained(folder, **ALONE)
        self.model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32, **ALONE).eval()

    def __call__(self, *texts, **options):
        with torch.no_grad():
            return self.model(**self.tokenizer(*texts, return_tensors="pt", **options)).logits[0].double().numpy()


@pytest.fixture
def plain(shelf):
    return lambda repo: Plain(shelf.folders[repo])


def scores(spec, shelf, samples=SAMPLES, **context):
    return reward_from_spec(spec).pin(shelf)(samples, context)


def test_raw_logits_of_the_label_that_is_asked_for(shelf, plain):
    mood = plain("lab/mood")
    wanted = np.array([mood(sample.prompt + sample.completion) for sample in SAMPLES])
    assert scores("hf:lab/mood#label=good", shelf) == pytest.approx(wanted[:, 1], abs=1e-5)
    assert scores('hf:lab/mood#label="so so"', shelf) == pytest.approx(wanted[:, 2], abs=1e-5)
    assert scores("hf:lab/mood#index=0", shelf) == pytest.approx(wanted[:, 0], abs=1e-5)
    assert scores("hf:lab/mood#difference=good-bad", shelf) == pytest.approx(wanted[:, 1] - wanted[:, 0], abs=1e-5)
    assert np.abs(wanted).max() > 0.1
    assert np.ptp(wanted, axis=0).min() > 0.01


def test_activations_only_where_they_are_asked_for(shelf, plain):
    mood = plain("lab/mood")
    wanted = torch.tensor(np.array([mood(sample.prompt + sample.completion) for sample in SAMPLES]))
    for name, value in (
        ("softmax", wanted.softmax(1)),
        ("log_softmax", wanted.log_softmax(1)),
        ("sigmoid", wanted.sigmoid()),
    ):
        spec = f"hf:lab/mood#label=good,activation={name}"
        assert scores(spec, shelf) == pytest.approx(value[:, 1].numpy(), abs=1e-5)
    difference = scores("hf:lab/mood#difference=good-bad,activation=softmax", shelf)
    assert difference == pytest.approx((wanted.softmax(1)[:, 1] - wanted.softmax(1)[:, 0]).numpy(), abs=1e-5)


def test_pairs_completions_and_templates(shelf, plain):
    grade = plain("lab/grade")
    pairs = [grade(sample.prompt, sample.completion)[0] for sample in SAMPLES]
    assert scores("hf:lab/grade#input=pair", shelf) == pytest.approx(pairs, abs=1e-5)
    assert scores('hf:lab/grade#template="{prompt}",second="{completion}"', shelf) == pytest.approx(pairs, abs=1e-5)
    only = [grade(sample.completion)[0] for sample in SAMPLES]
    assert scores("hf:lab/grade#input=completion", shelf) == pytest.approx(only, abs=1e-5)
    written = [grade(f"user {sample.prompt} [ ] assistant{sample.completion}")[0] for sample in SAMPLES]
    spec = 'hf:lab/grade#template="user {prompt} [ ] assistant{completion}"'
    assert scores(spec, shelf) == pytest.approx(written, abs=1e-5)
    odd = [TextSample(prompt="{completion}", completion="good")]
    assert scores('hf:lab/grade#template="{prompt} {completion}"', shelf, odd) == pytest.approx(
        [grade("{completion} good")[0]], abs=1e-5
    )


def test_the_question_and_the_answer_without_the_words_around_them(shelf, plain):
    grade = plain("lab/grade")
    begun = TextSample(prompt="user good [ ] bad", completion=" good. bad", question="good", begun="bad")
    for spec, texts in (
        ('template="{question}",second="{answer}"', ("good", "bad good. bad")),
        ('template="{question}",second="{sentence}"', ("good", "bad good.")),
        ('template="{prompt} {completion}"', ("user good [ ] bad  good. bad",)),
    ):
        assert scores(f"hf:lab/grade#{spec}", shelf, [begun]) == pytest.approx([grade(*texts)[0]], abs=1e-5)
    bare = TextSample(prompt="good", completion="bad")
    wanted = [grade("good", "bad")[0]]
    assert scores('hf:lab/grade#template="{question}",second="{answer}"', shelf, [bare]) == pytest.approx(
        wanted, abs=1e-5
    )


def test_a_reward_model_reads_as_it_was_trained(shelf, plain):
    """TRL's RewardTrainer ends plain texts with the end-of-text token and writes conversations by the template."""
    chosen = plain("lab/chosen")
    wanted = [chosen(sample.prompt + sample.completion + "[EOS]")[0] for sample in SAMPLES]
    assert scores("hf:lab/chosen", shelf) == pytest.approx(wanted, abs=1e-5)
    turns = (Turn(role="user", content="be kind"), Turn(role="assistant", content="the dog is good"))
    talk = TextSample(prompt="be kind", completion="the dog is good", turns=turns)
    messages = [{"role": turn.role, "content": turn.content} for turn in turns]
    encoded = chosen.tokenizer.apply_chat_template(messages, tokenize=True, return_dict=True, return_tensors="pt")
    with torch.no_grad():
        trained = chosen.model(**encoded).logits[0].numpy()
    assert scores("hf:lab/chosen", shelf, [talk, *SAMPLES]) == pytest.approx([*trained, *wanted], abs=1e-5)
    with pytest.raises(Incompatible, match="no chat template"):
        scores("hf:lab/bare", shelf, [talk])
    with pytest.raises(Incompatible, match="no chat template"):  # before anything is sampled
        reward_from_spec("hf:lab/bare").pin(shelf).make_ready({"conversational": True})
    spec = 'hf:lab/bare#template="{prompt} {completion}"'
    assert scores(spec, shelf, [talk]) == pytest.approx(plain("lab/bare")("be kind the dog is good"), abs=1e-5)
    reward_from_spec(spec).pin(shelf).make_ready({"conversational": True})


def test_the_batch_and_the_order_decide_nothing(shelf):
    many = [*SAMPLES] * 3
    for spec in ("hf:lab/mood#label=good", "hf:lab/chosen"):
        at_once = scores(spec, shelf, many)
        assert scores(spec, shelf, many, batch_size=1) == pytest.approx(at_once, abs=1e-5)
        assert scores(spec, shelf, many[::-1], batch_size=5, device="cpu")[::-1] == pytest.approx(at_once, abs=1e-5)
    assert scores("hf:lab/mood#label=good", shelf, []).shape == (0,)
    with pytest.raises(InvalidInput, match="no device 'abacus'"):
        scores("hf:lab/mood#label=good", shelf, device="abacus")


def test_texts_that_are_too_long_keep_what_was_written_last(shelf, plain):
    grade = plain("lab/grade")
    long = TextSample(prompt="bad " * 60, completion="the dog is good")
    wanted = grade("bad " * 18 + "the dog is good")[0]  # 24 positions, two of them for the frame
    assert scores("hf:lab/grade", shelf, [long]) == pytest.approx([wanted], abs=1e-5)
    short = grade("is good")[0]
    assert scores("hf:lab/grade#max_length=4", shelf, [long]) == pytest.approx([short], abs=1e-5)


def test_the_head_is_resolved_to_a_commit_and_the_digest_stays_with_it(shelf):
    commit = shelf.commits["lab/mood"]
    for asked in ("hf:lab/mood#label=good", "hf:lab/mood@main#label=good"):
        reward = reward_from_spec(asked).pin(shelf)
        assert reward.spec == f"hf:lab/mood@{commit}#label=good"
        assert reward.asked == asked
        assert reward.digest == reward_from_spec(reward.spec).digest
    before = reward_from_spec(f"hf:lab/mood@{commit}#label=good").pin(shelf)
    scored = before(SAMPLES)
    shelf.put("lab/mood", shelf.folders["lab/mood"], extra={"notes.txt": b"moved on"})
    after = reward_from_spec("hf:lab/mood#label=good").pin(shelf)
    assert after.digest != before.digest
    assert before.pin(shelf)(SAMPLES) == pytest.approx(scored)
    with pytest.raises(NotFound):
        reward_from_spec("hf:lab/nobody").pin(shelf)
    with pytest.raises(NotFound):
        reward_from_spec("hf:lab/mood@v9").pin(shelf)


def test_what_is_no_sound_classifier_is_refused_by_name(shelf):
    with pytest.raises(IntegrityError, match=r"pytorch_model\.bin alone"):
        reward_from_spec("hf:lab/pickled").pin(shelf)
    with pytest.raises(IntegrityError, match=r"pytorch_model\.bin alone"):
        scores(f"hf:lab/pickled@{shelf.commits['lab/pickled']}", shelf)
    with pytest.raises(Incompatible, match=r"score\.weight is not among its weights, so its scores would be random"):
        reward_from_spec("hf:lab/writer").pin(shelf).make_ready()
    config = json.loads((shelf.folders["lab/mood"] / "config.json").read_text())
    foreign = json.dumps(config | {"model_type": "x", "auto_map": {"AutoConfig": "evil.Config"}}).encode()
    shelf.put("lab/foreign", shelf.folders["lab/mood"], extra={"config.json": foreign, "evil.py": b"raise SystemExit"})
    with pytest.raises(Incompatible, match="cannot be loaded as a sequence classifier"):
        reward_from_spec("hf:lab/foreign#index=0").pin(shelf).make_ready()


def test_outputs_that_it_does_not_have_are_refused_with_its_labels(shelf):
    for spec, why in (
        ("hf:lab/mood", "3 outputs and none was chosen; its labels: bad, good, so so"),
        ("hf:lab/mood#label=goood", "did you mean 'good'"),
        ("hf:lab/mood#index=3", "no output 3"),
        ("hf:lab/mood#difference=good-worse", "called 'worse'"),
    ):
        with pytest.raises(Incompatible, match=why):
            reward_from_spec(spec).pin(shelf).make_ready()


def test_a_score_that_is_no_number_is_an_error_and_no_score(shelf, monkeypatch):
    reward = reward_from_spec("hf:lab/grade#max_length=9").pin(shelf)
    reward.make_ready()
    (term,) = reward.parts.values()
    (held,) = term._loaded.values()
    monkeypatch.setattr(held, "outputs", lambda texts, **_: np.array([[1.0], [np.inf]]))
    with pytest.raises(RshubError, match="its score of sample 1 is inf"):
        reward(SAMPLES[:2])


def test_a_device_without_room_for_the_model_is_an_error_that_names_both(shelf, monkeypatch):
    def full(*_):
        raise torch.OutOfMemoryError("tried to allocate 2 GiB")

    monkeypatch.setattr(PreTrainedModel, "to", full)
    reward = reward_from_spec("hf:lab/mood#label=good,dtype=bfloat16").pin(shelf)
    with pytest.raises(RshubError, match=r"lab/mood@\w+: the memory of \w+ is full") as caught:
        reward(SAMPLES, {"device": "cpu"})
    assert "dtype" in caught.value.remedy


def test_rewards_on_one_model_share_it_and_loading_draws_no_random_numbers(shelf):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    good, bad = (reward_from_spec(f"hf:lab/mood#label={label}").pin(shelf) for label in ("good", "bad"))
    both = reward_from_spec("0.5*hf:lab/mood#label=good - 2*hf:lab/mood#label=bad").pin(shelf)
    assert both(SAMPLES) == pytest.approx(0.5 * good(SAMPLES) - 2 * bad(SAMPLES))
    held = {
        id(model) for reward in (good, bad, both) for part in reward.parts.values() for model in part._loaded.values()
    }
    assert len(held) == 1
    assert torch.equal(before, torch.get_rng_state())


def test_a_text_without_a_token_is_not_scored(shelf, plain):
    silent = [TextSample(prompt="the dog", completion=""), TextSample(prompt="the dog", completion="good")]
    nothing, something = scores("hf:lab/bare#input=completion", shelf, silent)
    assert np.isnan(nothing)
    assert something == pytest.approx(plain("lab/bare")("good")[0], abs=1e-5)


def test_without_the_model_libraries_the_extra_is_named(shelf, monkeypatch):
    monkeypatch.setitem(sys.modules, "rshub.rewards.models", None)
    reward = reward_from_spec("hf:lab/mood#label=good").pin(shelf)
    assert reward.digest
    with pytest.raises(MissingExtra) as caught:
        reward.make_ready()
    assert caught.value.extra == "train"
