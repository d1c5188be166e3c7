"""The five worlds against the forms of the public data sets, and against what their recipes say."""

import random

import pytest

from rshub.prompts.read import read_prompts
from rshub.rewards.spec import reward_from_spec
from rshub.training.recipe_file import read_recipe
from scripts.twins.comparisons import as_read, comparisons
from scripts.twins.corpus import corpus, prompts
from scripts.twins.sizes import FULL
from scripts.twins.task import ANSWER, JOINED, PAIR
from scripts.twins.tasks import TASKS
from scripts.twins.tokens import LOOK_AT, phrases, pieces, words_of
from scripts.twins.twin import recipe, rewards
from scripts.twins.world import anything

PAPER = {"news", "reddit", "stack", "review", "assistant"}
COLUMNS = {
    "news": {"text", "prediction", "id"},
    "reddit": {"info", "summaries", "choice"},
    "stack": {"qid", "question", "response_j", "response_k"},
    "review": {"text", "label"},
    "assistant": {"chosen", "rejected"},
}
every_task = pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)


class FakeWords:
    """As much of a tokenizer as writing a conversation needs."""

    eos_token = "</s>"

    @staticmethod
    def apply_chat_template(turns, tokenize):
        return "|".join(f"{turn['role']}:{turn['content']}" for turn in turns)


def test_there_is_a_world_for_every_task_of_the_paper():
    assert set(TASKS) == PAPER
    assert len(TASKS["assistant"].judges) == 4
    assert all(len(TASKS[name].judges) == 2 for name in PAPER - {"assistant"})


@every_task
def test_rows_have_the_columns_of_the_public_data_set_and_its_form_reads_every_one(task, tmp_path):
    texts = corpus(task, 200, seed=1)
    assert all(COLUMNS[task.name] <= row.keys() for row in texts.rows)
    asked = prompts(task, texts, tmp_path)
    assert len(asked) == 200
    assert list(tmp_path.iterdir()) == []
    assert all(prompt.references for prompt in asked)


@every_task
def test_a_corpus_is_the_same_for_the_same_seed_and_shares_no_row_with_another(task):
    first, again, other = (corpus(task, 50, seed=seed) for seed in (1, 1, 2))
    assert first.to_bytes() == again.to_bytes() != other.to_bytes()
    longer = corpus(task, 60, seed=1)
    assert longer.rows[:50] == first.rows


@pytest.mark.parametrize("name", ["news", "reddit"])
def test_a_prompt_tells_what_is_stated_and_nothing_of_what_is_not(name, tmp_path):
    texts = corpus(TASKS[name], 200, seed=1)
    for known, prompt in zip(texts.records, prompts(TASKS[name], texts, tmp_path), strict=True):
        for slot, value in known.facts.items():
            assert (value in prompt.question) == (slot in known.stated), (slot, prompt.question)


def test_what_a_review_begins_with_does_not_depend_on_what_it_goes_on_to_say(tmp_path):
    task = TASKS["review"]
    texts = corpus(task, 200, seed=1)
    rng = random.Random(0)
    for known, prompt in zip(texts.records, prompts(task, texts, tmp_path), strict=True):
        honest = {slot: known.facts[slot] for slot in ("genre", "maker", "when")}
        assert task.answer({**anything(task.slots, known, rng), **honest}).startswith(prompt.begun)


@every_task
def test_judges_conflict_and_agree_on_something(task):
    texts = corpus(task, 300, seed=1)
    rng = random.Random(0)
    judges = list(task.judges.values())[:2]
    apart = []
    for known in texts.records:
        one, other = (anything(task.slots, known, rng) for _ in range(2))
        apart.append([judge.judgement(known, one) - judge.judgement(known, other) for judge in judges])
    conflicts = sum(first * second < 0 for first, second in apart)
    agreements = sum(first * second > 0 for first, second in apart)
    assert conflicts > 0.1 * len(apart)
    assert agreements > 0.1 * len(apart)


@every_task
def test_the_recipe_names_what_the_twin_publishes_and_leaves_room_for_every_answer(task):
    read = read_recipe(recipe(task.name))
    assert {name: reward.spec for name, reward in read.rewards.items()} == {
        name: reward_from_spec(spec).spec for name, spec in rewards(task).items()
    }
    assert (read.base, read.dataset) == (f"twins/{task.name}-base", f"twins/{task.name}:train#{task.form}")
    assert read.method == "rloo"
    rng = random.Random(0)
    longest = max(
        len(pieces(task.answer(anything(task.slots, known, rng)))) for known in corpus(task, 500, seed=1).records
    )
    assert longest < read.max_completion_length <= 2 * longest


@every_task
def test_a_judge_reads_what_its_spec_has_a_model_read(task, tmp_path):
    texts = corpus(task, 40, seed=1)
    asked = prompts(task, texts, tmp_path)
    for name, judge in task.judges.items():
        drawn = comparisons(task, judge, texts)
        read = as_read(judge, asked, drawn, words=FakeWords)
        for prompt, pair, found in zip(asked, drawn, read, strict=True):
            for answer, text in zip(pair.answers, found.texts, strict=True):
                begun = prompt.begun.split()
                rest = " ".join(answer.split()[len(begun) :])
                sample = prompt.sample((" " if begun else "") + rest)
                assert text == expected(judge, sample, answer), name


def expected(judge, sample, answer):
    """Write a sample out as the documentation of rewards says that a spec does."""
    if judge.reads == PAIR:
        return sample.question or sample.prompt, (sample.begun + sample.completion)
    if judge.reads == ANSWER:
        return sample.begun + sample.completion, None
    assert judge.reads == JOINED
    if sample.turns:
        return "|".join(f"{turn.role}:{turn.content}" for turn in sample.turns), None
    end = "" if judge.labels else "</s>"
    return f"{sample.prompt} {sample.completion.strip()}{end}", None


def test_comparisons_of_two_judges_with_different_seeds_are_different_data():
    task = TASKS["stack"]
    texts = corpus(task, 40, seed=1)
    first, second = (comparisons(task, judge, texts) for judge in task.judges.values())
    assert [pair.answers for pair in first] != [pair.answers for pair in second]


@every_task
def test_the_words_of_a_few_thousand_texts_are_all_that_a_world_has(task, tmp_path):
    known, others = (prompts(task, corpus(task, count, seed=seed), tmp_path) for count, seed in ((3000, 3), (300, 1)))
    repeated = phrases(
        [prompt.text for prompt in known[:LOOK_AT]], [prompt.references[0] for prompt in known[:LOOK_AT]]
    )
    words, more = (
        set(words_of([text for prompt in some for text in (prompt.text, *prompt.references)], repeated))
        for some in (known, others)
    )
    assert more <= words
    assert len(words) < 200


def test_training_and_test_splits_are_large_enough_to_tell_three_errors():
    assert FULL.test_prompts >= 500
    assert FULL.train_prompts >= 2000


def test_prompts_are_read_from_a_file_by_the_form_alone(tmp_path):
    task = TASKS["news"]
    (tmp_path / "rows.jsonl").write_bytes(corpus(task, 5, seed=1).to_bytes())
    read = read_prompts(f"{tmp_path}/rows.jsonl#{task.form}").prompts
    assert [prompt.text for prompt in read] == [
        prompt.text for prompt in prompts(task, corpus(task, 5, seed=1), tmp_path)
    ]
