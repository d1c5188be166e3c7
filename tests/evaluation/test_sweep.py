"""Sampling with common random numbers, and points whose numbers are means over what was sampled."""

import numpy as np
import pytest

from rshub.errors import InvalidInput
from rshub.rewards.samples import TextSample
from rshub.rewards.spec import reward_from_spec

RECALL = reward_from_spec("metric:rouge1.recall")
LENGTH = reward_from_spec("metric:length")


@pytest.fixture(scope="module")
def mixer(kitchen):
    from rshub.soups.mixing.mixer import Mixer

    return Mixer(kitchen / "base", {name: kitchen / name for name in ("recall", "precision")})


@pytest.fixture(scope="module")
def prompts(kitchen):
    from rshub.prompts.read import read_prompts

    return read_prompts(kitchen / "test.jsonl").prompts


def test_the_same_seed_gives_the_same_texts_and_leaves_the_random_state_alone(mixer, prompts):
    import torch

    from rshub.evaluation.generate import generate

    texts = [prompt.text for prompt in prompts]
    model = mixer.mix({})
    state = torch.get_rng_state()
    first = generate(model, mixer.tokenizer, texts, seed=0, max_new_tokens=8, batch=8)
    assert torch.equal(torch.get_rng_state(), state)
    torch.rand(3)
    assert generate(model, mixer.tokenizer, texts, seed=0, max_new_tokens=8, batch=8) == first
    assert generate(model, mixer.tokenizer, texts, seed=1, max_new_tokens=8, batch=8) != first
    assert len(first) == 20
    assert all(0 < len(text.split()) <= 8 for text in first)
    assert not any("<" in text or asked in text for text, asked in zip(first, texts, strict=True))


def test_a_batch_draws_its_own_random_numbers(mixer, prompts):
    """The second batch is the same whatever was written in the first: its seed comes from its place alone."""
    from rshub.evaluation.generate import generate

    texts = [prompt.text for prompt in prompts]
    model = mixer.mix({})
    whole = generate(model, mixer.tokenizer, texts, seed=0, max_new_tokens=8, batch=10)
    other = generate(model, mixer.tokenizer, [texts[0]] * 10 + texts[10:], seed=0, max_new_tokens=8, batch=10)
    assert other[:10] != whole[:10]
    assert other[10:] == whole[10:]


def test_greedy_texts_are_the_most_probable_words(mixer, prompts):
    import torch

    from rshub.evaluation.generate import generate

    text = generate(mixer.mix({}), mixer.tokenizer, [prompts[0].text], seed=0, max_new_tokens=1, temperature=0)
    ids = mixer.tokenizer(prompts[0].text, return_tensors="pt")["input_ids"]
    with torch.no_grad():
        best = mixer.model(ids).logits[0, -1].argmax()
    assert text == [mixer.tokenizer.decode(best, skip_special_tokens=True)]


def test_sampling_follows_the_model_over_the_whole_vocabulary(mixer, prompts):
    """Frequencies of the first word over many draws against the softmax itself: no top-k, no top-p, temperature 1."""
    import torch

    from rshub.evaluation.generate import generate

    draws = 4000
    model = mixer.mix({})
    texts = generate(model, mixer.tokenizer, [prompts[0].text] * draws, seed=3, max_new_tokens=1, batch=draws)
    with torch.no_grad():
        logits = model(mixer.tokenizer(prompts[0].text, return_tensors="pt")["input_ids"]).logits[0, -1]
    expected = logits.softmax(-1).tolist()
    words = [mixer.tokenizer.decode([token], skip_special_tokens=True) for token in range(len(expected))]
    counts = {word: texts.count(word) / draws for word in set(texts)}
    for word, share in zip(words, expected, strict=True):
        if word:
            assert counts.get(word, 0) == pytest.approx(share, abs=5 * (share / draws) ** 0.5 + 1e-3)


def test_a_sweep_gives_each_point_the_mean_of_its_samples(mixer, prompts):
    from rshub.evaluation.generate import generate
    from rshub.evaluation.sweep import line, sweep

    told = []
    scores = sweep(
        mixer,
        [{}, *line("recall", "precision", 2)],
        prompts=prompts,
        rewards={"recall": RECALL, "length": LENGTH},
        seeds=2,
        max_new_tokens=12,
        progress=lambda done, total: told.append((done, total)),
    )
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert [point.kind for point in scores.points] == ["init", "expert", "soup", "expert"]
    assert scores.points[2].coefficients == {"recall": 0.5, "precision": 0.5}
    model = mixer.mix({"recall": 0.5, "precision": 0.5})
    values = np.array(
        [
            RECALL(
                [
                    TextSample(prompt=prompt.text, completion=text, references=prompt.references)
                    for prompt, text in zip(
                        prompts,
                        generate(model, mixer.tokenizer, [p.text for p in prompts], seed=seed, max_new_tokens=12),
                        strict=True,
                    )
                ]
            )
            for seed in (0, 1)
        ]
    )
    measured = scores.points[2].rewards["recall"]
    assert measured.mean == pytest.approx(values.mean())
    assert measured.stderr == pytest.approx(np.std(values.mean(axis=0), ddof=1) / np.sqrt(20))
    assert measured.n == 40


def test_scores_that_are_missing_are_left_out_of_mean_error_and_count():
    from rshub.evaluation.sweep import score_of

    nan = np.nan
    score = score_of("r", np.array([[1.0, nan, 4.0, nan], [3.0, nan, nan, 2.0]]))
    assert score.mean == pytest.approx((1 + 3 + 4 + 2) / 4)
    assert score.n == 4
    assert score.stderr == pytest.approx(np.std([2.0, 4.0, 2.0], ddof=1) / np.sqrt(3))
    assert score_of("r", np.array([[5.0]])).stderr is None
    with pytest.raises(InvalidInput, match="no sample could be scored"):
        score_of("r", np.array([[nan, nan]]))


def test_a_line_has_both_ends_and_sums_to_one():
    from rshub.evaluation.sweep import line

    points = line("a", "b", 8)
    assert len(points) == 9
    assert points[0] == {"a": 1.0, "b": 0.0}
    assert points[-1] == {"a": 0.0, "b": 1.0}
    assert all(sum(point.values()) == 1 for point in points)
