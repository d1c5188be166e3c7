"""The tiny world is seeded, closed, and holds the conflict that the demo is about."""

import json
import random
from itertools import pairwise

import pytest

from rshub.demo import world
from rshub.rewards.samples import TextSample
from rshub.rewards.spec import reward_from_spec


def test_a_corpus_is_the_same_for_the_same_seed_and_another_for_another():
    assert world.corpus(20, seed=1, references=2) == world.corpus(20, seed=1, references=2)
    assert world.corpus(20, seed=1, references=2) != world.corpus(20, seed=2, references=2)


def test_prompts_list_every_fact_and_texts_name_the_place():
    for row in world.corpus(200, seed=3, references=3):
        words = row["prompt"].split()
        assert len(words) == len(world.FACTS) + 1
        assert words[-1] == "=>"
        assert all(word in values for word, values in zip(words, world.FACTS.values(), strict=False))
        assert len(row["references"]) == 3
        assert all(text.split()[0] == words[0] for text in row["references"])
        assert all(len(text.split()) < world.MAX_WORDS for text in row["references"])


def test_no_text_holds_a_word_outside_the_vocabulary():
    words = set(world.vocabulary())
    for row in world.corpus(5000, seed=4, references=1):
        assert words.issuperset(row["prompt"].split())
        assert words.issuperset(row["references"][0].split())


def test_the_article_goes_with_the_next_word():
    texts = [row["references"][0] for row in world.corpus(500, seed=5, references=1)]
    assert any(" is an italian " in text for text in texts)
    assert not any(f" is a {vowel}" in text for text in texts for vowel in "aeiou")


def test_facts_are_mentioned_as_often_as_is_said():
    texts = [row["references"][0] for row in world.corpus(4000, seed=6, references=1)]
    assert sum("rating" in text for text in texts) / 4000 == pytest.approx(world.MENTION["rating"], abs=0.03)
    assert sum("kids are" in text for text in texts) / 4000 == pytest.approx(world.MENTION["kids"], abs=0.03)


def test_saying_more_trades_precision_for_recall_along_a_front_with_a_corner():
    """Policies that mention the j most usual facts: both rewards move monotonically, and the middle beats the chord."""
    recall, precision = reward_from_spec("metric:rouge1.recall"), reward_from_spec("metric:rouge1.precision")
    rng = random.Random(0)
    records = [world.record(rng) for _ in range(300)]
    wanted = [tuple(world.written(facts, rng) for _ in range(4)) for facts in records]
    order = sorted(world.MENTION, key=world.MENTION.get, reverse=True)
    front = []
    for count in range(2, len(order) + 1):
        samples = [
            TextSample(
                prompt="",
                completion=world.text(facts, order[:count], world.OPINIONS[facts["rating"]][0]),
                references=references,
            )
            for facts, references in zip(records, wanted, strict=True)
        ]
        front.append((recall(samples).mean(), precision(samples).mean()))
    assert all(after[0] > before[0] for before, after in pairwise(front))
    (recall_low, precision_high), (recall_high, precision_low) = front[0], front[-1]
    assert precision_high > precision_low + 0.2
    core = front[2]  # food, type, area, rating
    along = (core[0] - recall_low) / (recall_high - recall_low)
    assert core[1] > precision_high + along * (precision_low - precision_high) + 0.05


def test_json_lines_read_back():
    rows = world.corpus(3, seed=0, references=2)
    assert [json.loads(line) for line in world.jsonl(rows).splitlines()] == rows
