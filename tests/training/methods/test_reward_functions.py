"""What the trainer is handed: every reward by name, weights by direction, no score mistaken for a zero."""

import dataclasses
from types import MappingProxyType

import pytest

from rshub.prompts.prompt import Prompt, PromptSet
from rshub.rewards import metrics
from rshub.rewards.samples import TextSample, Turn
from rshub.rewards.spec import reward_from_spec
from rshub.training.methods.reward_functions import reward_functions, text_sample

REWARDS = {"recall": reward_from_spec("metric:rouge1.recall"), "length": reward_from_spec("metric:length")}
BATCH = {
    "prompts": ["p", "p", "p"],
    "completions": ["the cat", "a dog", "x y z"],
    "references": [["the cat sat"], [], ["x"]],
}


def test_every_reward_is_handed_over_by_name_and_those_watched_weigh_nothing():
    functions, weights = reward_functions(REWARDS, {"recall": 1.0})
    assert [function.__name__ for function in functions] == ["recall", "length"]
    assert weights == [1.0, 0.0]


def test_a_sample_that_a_reward_in_use_leaves_unscored_is_unscored_for_all():
    (recall, length), _ = reward_functions(REWARDS, {"recall": 1.0})
    assert recall(**BATCH, trainer_state=None) == [pytest.approx(2 / 3), None, 1.0]
    assert length(**BATCH) == [2.0, None, 3.0]


def test_a_sample_that_only_a_watched_reward_leaves_unscored_is_scored_by_the_others():
    (recall, length), _ = reward_functions(REWARDS, {"length": 1.0})
    assert length(**BATCH) == [2.0, 2.0, 3.0]
    assert recall(**BATCH)[1] is None


def test_conversations_are_read_like_plain_texts():
    (recall, _), _ = reward_functions(REWARDS, {"recall": 1.0})
    prompt = [{"role": "user", "content": "p"}]
    answer = [{"role": "assistant", "content": "the cat"}]
    assert recall(prompts=[prompt], completions=[answer], references=[["the cat"]]) == [1.0]


def test_prompts_without_references_are_scored_where_that_is_possible():
    (_, length), _ = reward_functions(REWARDS, {"length": 1.0})
    assert length(prompts=["p"], completions=["a b"]) == [2.0]


def test_conversations_keep_their_turns_and_data_sets_may_hold_one_reference_or_none():
    prompt = [{"role": "system", "content": "be brief"}, {"role": "user", "content": [{"type": "text", "text": "hi"}]}]
    answer = [{"role": "assistant", "content": None}, {"role": "assistant", "content": "hello"}]
    sample = text_sample(prompt, answer, "hello there")
    assert [(turn.role, turn.content) for turn in sample.turns] == [
        ("system", "be brief"),
        ("user", "hi"),
        ("assistant", ""),
        ("assistant", "hello"),
    ]
    assert (sample.prompt, sample.references) == ("be brief\nhi", ("hello there",))
    assert text_sample("p", "c") == TextSample(prompt="p", completion="c")
    assert text_sample(prompt, "hello").turns[-1] == Turn(role="assistant", content="hello")


def test_statistics_are_fitted_on_the_whole_set_and_not_on_the_batch():
    rows = [
        {"prompt": "p", "references": ["a red cat"]},
        {"prompt": "p", "references": ["a blue dog"]},
        {"prompt": "p"},
    ]
    (cider,), _ = reward_functions({"cider": reward_from_spec("metric:cider")}, {"cider": 1.0}, rows)
    rare, common = cider(prompts=["p", "p"], completions=["red", "a"], references=[["a red cat"], ["a red cat"]])
    assert rare > common == 0  # every prompt has an "a"


def test_a_reward_to_be_minimised_gets_the_opposite_sign(monkeypatch):
    falling = dataclasses.replace(metrics.METRICS["metric:length"], direction="min")
    monkeypatch.setattr(metrics, "METRICS", MappingProxyType({**metrics.METRICS, "metric:length": falling}))
    rewards = {"length": reward_from_spec("metric:length"), "recall": REWARDS["recall"]}
    assert rewards["length"].digest != REWARDS["length"].digest
    assert reward_functions(rewards, {"length": 2.0, "recall": 1.0})[1] == [-2.0, 1.0]


def test_what_a_form_knows_of_a_prompt_reaches_the_rewards_as_it_does_in_an_evaluation():
    seen = []

    class Watching:
        direction = "max"

        def __call__(self, samples, context):
            seen.extend(samples)
            return [0.0] * len(samples)

    turns = (Turn(role="user", content="a review, please"), Turn(role="assistant", content="This was"))
    plain = Prompt(text="ask: This was", references=(" bad.",), question="a review, please", begun="This was")
    chat = dataclasses.replace(plain, text="a review, please\nThis was", turns=turns)
    for prompt, completion in ((plain, " good."), (chat, [{"role": "assistant", "content": " good."}])):
        (row,) = PromptSet(prompts=(prompt,), name="n", split="s", digest="d").rows()
        (watching,), _ = reward_functions({"watching": Watching()}, {})
        watching(prompts=[row.pop("prompt")], completions=[completion], **{key: [value] for key, value in row.items()})
    assert seen == [plain.sample(" good."), chat.sample(" good.")]
    assert seen[1].turns[-1].content == "This was good."
