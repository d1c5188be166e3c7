"""Sampling with common random numbers: each prompt has its own, whatever else is in the batch."""

import pytest


@pytest.fixture(scope="module")
def mixer(kitchen):
    from rshub.soups.mixing.mixer import Mixer

    return Mixer(kitchen / "base", {name: kitchen / name for name in ("recall", "precision")})


@pytest.fixture(scope="module")
def prompts(kitchen):
    from rshub.prompts.read import read_prompts

    return read_prompts(kitchen / "test.jsonl").prompts


def generate(model, tokenizer, prompts, **how):
    from rshub.evaluation.generate import in_batches

    usual = {"max_new_tokens": 128, "temperature": 1.0, "batch": 256}
    return [text for texts in in_batches(model, tokenizer, prompts, **{**usual, **how}) for text in texts]


def test_the_same_seed_gives_the_same_texts_and_leaves_the_random_state_alone(mixer, prompts):
    import torch

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
    texts = [prompt.text for prompt in prompts]
    model = mixer.mix({})
    whole = generate(model, mixer.tokenizer, texts, seed=0, max_new_tokens=8, batch=10)
    other = generate(model, mixer.tokenizer, [texts[0]] * 10 + texts[10:], seed=0, max_new_tokens=8, batch=10)
    assert other[:10] != whole[:10]
    assert other[10:] == whole[10:]


def test_greedy_texts_are_the_most_probable_words(mixer, prompts):
    import torch

    text = generate(mixer.mix({}), mixer.tokenizer, [prompts[0].text], seed=0, max_new_tokens=1, temperature=0)
    ids = mixer.tokenizer(prompts[0].text, return_tensors="pt")["input_ids"]
    with torch.no_grad():
        best = mixer.model(ids).logits[0, -1].argmax()
    assert text == [mixer.tokenizer.decode(best, skip_special_tokens=True)]


def test_sampling_follows_the_model_over_the_whole_vocabulary(mixer, prompts):
    """Frequencies of the first word over many draws against the softmax itself: no top-k, no top-p, temperature 1."""
    import torch

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


def test_the_rest_of_a_batch_and_its_size_change_nothing(mixer, prompts):
    """Each prompt draws by its place alone, so a part of the set and small batches give the same texts."""
    texts = [prompt.text for prompt in prompts]
    model = mixer.mix({"recall": 0.5, "precision": 0.5})
    whole = generate(model, mixer.tokenizer, texts, seed=3, max_new_tokens=12)
    assert generate(model, mixer.tokenizer, texts, seed=3, max_new_tokens=12, batch=3) == whole
    part = generate(model, mixer.tokenizer, texts[5:9], seed=3, max_new_tokens=12, places=range(5, 9))
    assert part == whole[5:9]
    assert generate(model, mixer.tokenizer, texts[5:9], seed=3, max_new_tokens=12) != whole[5:9]


def test_what_the_base_says_of_sampling_is_not_followed(mixer, prompts):
    """Whatever stands in the base's generation config: a soup and an ensemble of it alone write what they wrote."""
    from rshub.evaluation.ensemble import Together
    from rshub.evaluation.generate import in_batches

    texts = [prompt.text for prompt in prompts]
    model = mixer.mix({})
    alone = Together(mixer, [{}], [1.0])
    how = {"seed": 0, "max_new_tokens": 12, "temperature": 1.0, "batch": 20}

    def written():
        whole = generate(model, mixer.tokenizer, texts, **how)
        assert [
            text for rows in in_batches(model, mixer.tokenizer, texts, write=alone, **how) for text in rows
        ] == whole
        return whole

    plain = written()
    word = mixer.tokenizer(plain[0].split()[0], add_special_tokens=False)["input_ids"][0]
    own = model.generation_config
    said = {"do_sample": True, "temperature": 0.3, "top_k": 1, "top_p": 0.1, "repetition_penalty": 5.0,
            "suppress_tokens": [word], "begin_suppress_tokens": [word], "bad_words_ids": [[word]],
            "min_new_tokens": 12, "min_length": 40, "forced_bos_token_id": word, "forced_eos_token_id": word,
            "sequence_bias": [[[word], -100.0]], "exponential_decay_length_penalty": (1, 9.0), "max_time": 1e-9,
            "no_repeat_ngram_size": 1, "num_beams": 2, "max_length": 3, "guidance_scale": 3.0}  # fmt: skip
    for key, value in said.items():
        model.generation_config = type(own)(**{**own.to_dict(), key: value})
        try:
            assert written() == plain, key
            assert getattr(model.generation_config, key) == value
        finally:
            model.generation_config = own


def test_a_batch_that_does_not_fit_is_halved(mixer, prompts):
    import torch

    from rshub.errors import RshubError
    from rshub.evaluation.generate import _write, in_batches

    texts = [prompt.text for prompt in prompts]
    model = mixer.mix({})
    sizes = []

    def small(model, tokenizer, rows, draw, tokens):
        sizes.append(len(rows))
        if len(rows) > room:
            raise torch.OutOfMemoryError("full")
        return _write(model, tokenizer, rows, draw, tokens)

    how = {"seed": 0, "max_new_tokens": 8, "temperature": 1.0, "batch": 16}
    room = 5
    batches = list(in_batches(model, mixer.tokenizer, texts, write=small, **how))
    assert [len(batch) for batch in batches] == [4] * 5
    whole = generate(model, mixer.tokenizer, texts, seed=0, max_new_tokens=8)
    assert [text for batch in batches for text in batch] == whole
    assert sizes == [16, 8, 4, 4, 4, 4, 4]
    room = 0
    with pytest.raises(RshubError, match="too small for one prompt"):
        list(in_batches(model, mixer.tokenizer, texts, write=small, **how))
