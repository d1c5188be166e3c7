"""Preferences as pairs of conversations: of real people where the slice is at hand, of the world where it is not."""

import gzip
import json

from rshub.prompts.prompt import Prompt
from rshub.rewards.samples import Turn
from scripts.twins.comparisons import Drawn
from scripts.twins.people import LONGEST, pair_of, people_pairs, slice_digest, world_pairs

ASKED = Prompt(text="How?", turns=(Turn(role="user", content="How?"),))


def dialogue(answer):
    return f"\n\nHuman: Hi\n\nAssistant: Hello\n\nHuman: How?\n\nAssistant: {answer}"


def test_people_prefer_the_chosen_answer_to_the_last_question(tmp_path):
    slice_ = tmp_path / "slice.jsonl.gz"
    rows = [{"chosen": dialogue("So."), "rejected": dialogue("No.")}, {"chosen": "odd", "rejected": "odd"}]
    slice_.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode()))
    (pair,) = people_pairs(slice_)
    question = {"role": "user", "content": "How?"}
    assert pair.chosen == [question, {"role": "assistant", "content": "So."}]
    assert pair.rejected == [question, {"role": "assistant", "content": "No."}]
    assert slice_digest(slice_) is not None


def test_without_the_slice_there_are_none(tmp_path):
    assert people_pairs(tmp_path / "absent.jsonl.gz") == []
    assert slice_digest(tmp_path / "absent.jsonl.gz") is None


def test_long_answers_are_cut_and_those_that_are_then_the_same_are_left_out():
    words = " ".join(["so"] * LONGEST)
    long = Prompt(text="How?", turns=ASKED.turns, references=(f"{words} yes",), rejected=("no",))
    pair = pair_of(long)
    assert pair is not None
    assert pair.chosen[1]["content"] == words
    assert pair_of(Prompt(text="How?", turns=ASKED.turns, references=(f"{words} a",), rejected=(f"{words} b",))) is None
    assert pair_of(Prompt(text="How?", turns=ASKED.turns, references=("a",))) is None


def test_of_the_world_the_better_answer_is_chosen_and_equals_are_left_out():
    drawn = [
        Drawn(answers=("worse", "better"), utilities=(0.0, 1.0)),
        Drawn(answers=("better", "worse"), utilities=(1.0, 0.0)),
        Drawn(answers=("this", "that"), utilities=(1.0, 1.0)),
    ]
    pairs = world_pairs([ASKED] * 3, drawn)
    assert [(pair.chosen[-1]["content"], pair.rejected[-1]["content"]) for pair in pairs] == [("better", "worse")] * 2
