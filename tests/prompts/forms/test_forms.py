"""Rows of the public data sets become prompts; rows that ask nothing are left out, faults have their place."""

import json

import pytest

from rshub.errors import InvalidInput
from rshub.prompts.read import read_prompts
from rshub.rewards.samples import Turn

ARTICLE = "LONDON (Reuters) - Shares of the maker of very small boats rose on Monday - by a lot -\nanalysts said. " * 2
POST = "I have a small boat and my neighbour has a very large one, and every day he tells me about it. " * 2


def read(tmp_path, rows, form, **options):
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    said = ",".join([f"as={form}", *(f"{key}={value}" for key, value in options.items())])
    return read_prompts(f"{tmp_path}/rows.jsonl#{said}").prompts


def news(**values):
    return {"text": ARTICLE, "prediction": [{"text": "Boats  rise.\n", "score": 1.0}], "id": "a"} | values


def test_news_is_what_follows_the_dash_of_the_agency(tmp_path):
    (prompt,) = read(tmp_path, [news()], "news-summary")
    story = (
        "Shares of the maker of very small boats rose on Monday - by a lot - analysts said. "
        "LONDON (Reuters) - Shares of the maker of very small boats rose on Monday - by a lot - analysts said."
    )
    assert prompt.question == story
    assert prompt.text == (
        f"### Instruction:\nSummarize this article in one sentence.\n\n### Input:\n{story}\n\n### Response:\n"
    )
    assert (prompt.references, prompt.rejected, prompt.turns, prompt.begun) == (("Boats rise.",), (), (), "")


def test_news_of_the_wrong_length_or_read_before_is_left_out(tmp_path):
    rows = [
        news(text="x" * 100),
        news(text="y" * 101, id="b"),
        news(text="z" * 1499, id="c"),
        news(text="w" * 1500, id="d"),
        news(text="again " * 20, id="b"),
        news(text=None, id="e"),
        news(text="no summary " * 10, id=None, prediction=None),
    ]
    found = read(tmp_path, rows, "news-summary")
    assert [prompt.question[0] for prompt in found] == ["y", "z", "n"]
    assert [prompt.references for prompt in found] == [("Boats rise.",), ("Boats rise.",), ()]
    assert len(read(tmp_path, rows, "news-summary", chars="99-")) == 5


def comparison(choice=1, post=POST, **info):
    return {
        "info": {"id": "t3_a", "post": post, "title": "Boats", "subreddit": "sailing", "site": None, "article": None}
        | info,
        "summaries": [{"text": " A boat.", "policy": "ref"}, {"text": " He boasts of\nhis boat.", "policy": "sup4"}],
        "choice": choice,
        "worker": "w",
        "batch": "b",
        "split": "train",
        "extra": {"confidence": 4},
    }


def test_posts_have_the_chosen_summary_and_the_other_one(tmp_path):
    rows = [comparison(), comparison(choice=0), comparison(choice=0, id="t3_b"), comparison(post=None, id="t3_c")]
    first, second = read(tmp_path, rows, "reddit-summary")
    assert (first.references, first.rejected) == (("He boasts of his boat.",), ("A boat.",))
    assert (second.references, second.rejected) == (("A boat.",), ("He boasts of his boat.",))
    assert first.question == POST.strip()
    assert "Summarize this post in one sentence." in first.text
    with pytest.raises(InvalidInput, match=r"rows.jsonl:1: 'choice' is none of the 2 summaries: 2"):
        read(tmp_path, [comparison(choice=2)], "reddit-summary")


def test_questions_have_the_better_and_the_worse_answer(tmp_path):
    row = {"qid": 7, "question": "How do I\n\n`tar`?", "date": "2020", "metadata": [], "response_j": "man tar",
           "response_k": "Use zip."}  # fmt: skip
    rows = [row, row | {"response_k": "No."}, row | {"qid": 8, "question": "x" * 300}, row | {"qid": 9}]
    first, second = read(tmp_path, rows, "stack-exchange")
    assert first.text == "### Instruction:\nHow do I `tar`?\n\n### Response:\n"
    assert (first.references, first.rejected, first.question) == (("man tar",), ("Use zip.",), "How do I `tar`?")
    assert second == first


REVIEW = "I went to see this one because of the boat.<br /><br />It was " + "a very long boat and " * 12 + "I left."


def test_a_review_begins_in_the_prompt_and_goes_on_in_the_reference(tmp_path):
    (prompt,) = read(tmp_path, [{"text": REVIEW, "label": 0}, {"text": "short", "label": 1}], "movie-review")
    whole = REVIEW.replace("<br /><br />", " ")
    assert prompt.text == f"### Instruction:\nWrite a movie review.\n\n### Response:\n{prompt.begun}"
    assert prompt.begun + prompt.references[0] == whole
    assert 2 <= len(prompt.begun.split()) <= 7
    assert prompt.references[0].startswith(" ")
    assert prompt.question == "Write a movie review."


def test_how_much_is_begun_is_decided_by_the_answer_alone(tmp_path):
    rows = [{"text": f"Film number {number} " + "was long and loud and dull " * 10, "label": 0} for number in range(60)]
    counts = [len(prompt.begun.split()) for prompt in read(tmp_path, rows, "movie-review")]
    assert set(counts) == {2, 3, 4, 5, 6, 7}
    assert counts[::-1] == [len(p.begun.split()) for p in read(tmp_path, rows[::-1], "movie-review")]
    assert {len(p.begun.split()) for p in read(tmp_path, rows, "movie-review", begin="3-3")} == {3}


CHOSEN = "\n\nHuman: what is a\nboat?\n\nAssistant: A ship.\n\nHuman: big?\n\nAssistant: Small."
REJECTED = "\n\nHuman: what is a\nboat?\n\nAssistant: A ship.\n\nHuman: big?\n\nAssistant: Go away."


def test_a_dialogue_asks_for_the_turn_in_which_the_two_part(tmp_path):
    rows = [{"chosen": CHOSEN, "rejected": REJECTED}]
    (prompt,) = read(tmp_path, rows, "assistant")
    assert prompt.text == (
        "### Instruction:\nwhat is a boat?\n\n### Response:\nA ship.\n\n### Instruction:\nbig?\n\n### Response:\n"
    )
    assert (prompt.references, prompt.rejected) == (("Small.",), ("Go away.",))
    (chat,) = read(tmp_path, rows, "assistant", style="chat")
    assert chat.turns == (
        Turn(role="user", content="what is a boat?"),
        Turn(role="assistant", content="A ship."),
        Turn(role="user", content="big?"),
    )
    assert chat.asked()[2] == {"role": "user", "content": "big?"}
    (opening,) = read(tmp_path, rows, "assistant-opening")
    assert opening.text == "### Instruction:\nwhat is a boat?\n\n### Response:\n"
    assert (opening.references, opening.rejected) == (("A ship.",), ())


@pytest.mark.parametrize(
    ("chosen", "rejected"),
    [
        ("", ""),
        ("what is a boat?", "no"),
        ("\n\nHuman: hi", "\n\nHuman: hi"),
        ("\n\nAssistant: hi", "\n\nAssistant: ho"),
        ("\n\nHuman: hi\n\nAssistant:", "\n\nHuman: hi\n\nAssistant: ho"),
        ("\n\nHuman: hi\n\nHuman: you\n\nAssistant: ho", "\n\nHuman: hi\n\nHuman: you\n\nAssistant: no"),
        ("\n\nHuman: hi\n\nAssistant: a\n\nHuman: b", "\n\nHuman: hi\n\nAssistant: a\n\nHuman: c"),
        (None, None),
    ],
)
def test_a_dialogue_of_another_shape_is_left_out(tmp_path, chosen, rejected):
    rows = [{"chosen": chosen, "rejected": rejected}, {"chosen": CHOSEN, "rejected": REJECTED}]
    (prompt,) = read(tmp_path, rows, "assistant")
    assert prompt.references == ("Small.",)
    with pytest.raises(InvalidInput, match="none of its 1 rows asks what assistant prompts ask"):
        read(tmp_path, rows[:1], "assistant")


def test_dialogues_that_are_the_same_have_no_rejected_answer(tmp_path):
    (prompt,) = read(tmp_path, [{"chosen": CHOSEN, "rejected": CHOSEN}], "assistant")
    assert (prompt.references, prompt.rejected) == (("Small.",), ())


def test_any_form_may_begin_the_answer_or_be_a_conversation(tmp_path):
    long = news(prediction=[{"text": "Boats rise by a lot on Monday in London, say analysts of boats", "score": 1}])
    (prompt,) = read(tmp_path, [long, news(id="short")], "news-summary", begin="2-4")
    assert prompt.text.endswith(f"### Response:\n{prompt.begun}")
    assert prompt.begun + prompt.references[0] == long["prediction"][0]["text"]
    (chat,) = read(tmp_path, [long], "news-summary", style="chat", begin="2-4")
    assert [turn.role for turn in chat.turns] == ["user", "assistant"]
    assert chat.turns[1].content == chat.begun == prompt.begun
    sample = chat.sample(" and on")
    assert [turn.content for turn in sample.turns[1:]] == [f"{chat.begun} and on"]
    assert (sample.begun, sample.completion) == (chat.begun, " and on")


@pytest.mark.parametrize(
    ("row", "form", "why"),
    [
        ({"document": "x"}, "news-summary", r"rows.jsonl:1: no column 'text'; columns there: document"),
        ({"text": "x", "predictions": []}, "news-summary", r"no column 'prediction'; columns there: text, predictions"),
        ({"text": 1, "prediction": []}, "news-summary", r"rows.jsonl:1: 'text' is no text"),
        ({"text": "x", "prediction": ["y"]}, "news-summary", r"'prediction' is no list of objects"),
        ({"text": "x", "prediction": [{"label": "y"}]}, "news-summary", r"no column 'prediction\[0\].text'"),
        ({"post": "x"}, "reddit-summary", r"no column 'info'; columns there: post"),
        ({"info": "x"}, "reddit-summary", r"'info' holds no columns of its own"),
        ({"info": {"id": 1}}, "reddit-summary", r"no column 'info.post'; columns there: id"),
        ({"question": "x", "response_j": "y"}, "stack-exchange", r"no column 'response_k'"),
        ({"review": "x"}, "movie-review", r"no column 'text'"),
        ({"chosen": "x"}, "assistant", r"no column 'rejected'"),
        ({"question": "x"}, "plain", r"'prompt' is no text: columns there: question"),
    ],
)
def test_a_column_that_is_missing_is_named_with_what_is_there(tmp_path, row, form, why):
    with pytest.raises(InvalidInput, match=why):
        read(tmp_path, [row], form)
