"""What is kept of the scores of one model: their mean, its error, and the values of the prompts."""

from dataclasses import replace

import numpy as np
import pytest

from rshub.errors import InvalidInput
from rshub.evaluation.points import line, manifest_rows, measured_on, score_of
from rshub.evaluation.sampling import Sampling
from rshub.prompts.prompt import Prompt, PromptSet


def test_the_values_of_prompts_are_kept_in_their_order():
    nan = np.nan
    score = score_of("r", np.array([[1.0, nan, 4.0, nan], [3.0, nan, nan, 2.0]]))
    assert score.samples == (2.0, None, 4.0, 2.0)
    assert score_of("r", np.array([[5.0]])).samples == (5.0,)


def test_uneven_seeds_still_agree_with_the_mean_that_is_written():
    scores = np.array([[0.0, 1.0], [np.nan, 1.0], [np.nan, 1.0]])
    score = score_of("r", scores)
    assert score.mean == pytest.approx(0.75)
    assert score.samples == (0.0, 1.0)


def test_scores_that_are_missing_are_left_out_of_mean_error_and_count():
    nan = np.nan
    score = score_of("r", np.array([[1.0, nan, 4.0, nan], [3.0, nan, nan, 2.0]]))
    assert score.mean == pytest.approx((1 + 3 + 4 + 2) / 4)
    assert score.n == 4
    assert score.stderr == pytest.approx(np.std([2.0, 4.0, 2.0], ddof=1) / np.sqrt(3))
    assert score_of("r", np.array([[5.0]])).stderr is None
    with pytest.raises(InvalidInput, match="no sample could be scored"):
        score_of("r", np.array([[nan, nan]]))


def test_a_line_has_both_ends_and_sums_to_one():
    points = line("a", "b", 8)
    assert len(points) == 9
    assert points[0] == {"a": 1.0, "b": 0.0}
    assert points[-1] == {"a": 0.0, "b": 1.0}
    assert all(sum(point.values()) == 1 for point in points)


def test_all_that_decides_a_score_is_in_what_scores_are_compared_by():
    prompt = Prompt(text="Question: Why? Answer: It", references=("is so.",), question="Why?", begun="It")
    prompts = PromptSet(prompts=(prompt,), name="p.jsonl", split="p", digest="0" * 64)

    def how(prompts=prompts, sampling=Sampling(), dtype="float32"):  # noqa: B008
        facts = measured_on(prompts, sampling, dtype=dtype)
        return facts["prompts"]["digest"], facts["generation"]["digest"]

    same = how()
    assert how(replace(prompts, name="elsewhere", digest="1" * 64), Sampling(batch=1)) == same
    for key, value in {"text": "x", "references": (), "question": "How?", "begun": "It is"}.items():
        other = how(replace(prompts, prompts=(replace(prompt, **{key: value}),)))
        assert (other[0] != same[0], other[1]) == (True, same[1]), key
    for other in (how(dtype="bfloat16"), how(sampling=Sampling(temperature=0.5)), how(sampling=Sampling(seeds=2))):
        assert (other[0], other[1] != same[1]) == (same[0], True)


def test_a_manifest_names_prompts_as_a_scores_file_does():
    prompts = PromptSet(prompts=(Prompt(text="a"),), name="p.jsonl", split="p", digest="0" * 64)
    asked = measured_on(prompts, Sampling(), dtype="float32")["prompts"]
    score = score_of("r", np.array([[1.0, 3.0]]))
    (row,) = manifest_rows({"r": score}, asked, measured_by="ada")
    assert row == {
        "reward": "r", "value": 2.0, "stderr": pytest.approx(1.0), "n": 2, "split": "p",
        "prompts_digest": asked["digest"], "measured_by": "ada",
    }  # fmt: skip
