"""Rewards against lambda: what stands in each panel, and what is refused."""

import numpy as np
import pytest
from matplotlib.image import imread

from rshub.errors import InvalidInput
from rshub.fronts.pictures.curve import curves, error_of, plot_curves


def point(kind, share, **rewards):
    return {"kind": kind, "coefficients": {"a": share, "b": 1 - share}, "rewards": rewards}


def test_every_published_metric_is_a_curve_with_its_chord(published):
    names = ("cider", "bleu_1", "bleu_2", "bleu_3", "bleu_4", "rouge_l", "spice", "meteor")
    scores, raw = published("captioning", names, {"bleu1": "bleu_1", "rouge": "rouge_l"})
    leader, found = curves(scores, ["bleu_1", *names])
    assert leader == "bleu_1"
    assert [curve.reward for curve in found] == ["bleu_1", "cider", *names[2:]]
    assert [curve.reward for curve in found if curve.trained] == ["bleu_1", "rouge_l"]
    share = np.array([row["lambda"]["bleu1"] for row in raw["soups"]])
    for curve in found:
        value = np.array([row["rewards"][curve.reward] for row in raw["soups"]])[np.argsort(share)]
        assert [row[0] for row in curve.soups] == sorted(share.tolist())
        assert [row[1] for row in curve.soups] == value.tolist()
        assert curve.chord == (value[0], value[-1])
        assert curve.start is None


def test_several_measurements_of_one_lambda_become_their_mean(typed):
    scores = typed(
        {"a": "max", "b": "min"},
        point("expert", 1.0, a=1, b=5),
        point("expert", 0.0, a=0, b=2),
        point("soup", 0.5, a={"mean": 0.6, "stderr": 0.3}, b=3),
        point("soup", 0.5, a={"mean": 0.8, "stderr": 0.4}, b=4),
        point("ensemble", 0.5, a=0.9),
        point("morl", 0.5, a=9),
        {"kind": "soup", "coefficients": {"a": 0.4, "b": 0.4, "init": 0.2}, "rewards": {"a": 7}},
        {"kind": "init", "rewards": {"a": -1}},
        {"kind": "init", "rewards": {"a": -2}},
    )
    leader, (first, second) = curves(scores)
    assert leader == "a"
    assert first.soups == ((0.0, 0.0, None), (0.5, pytest.approx(0.7), pytest.approx(0.25)), (1.0, 1.0, None))
    assert first.ensembles == ((0.5, 0.9, None),)
    assert (first.start, first.chord, first.trained) == (-1.5, (0.0, 1.0), True)
    assert second.soups[1] == (0.5, 3.5, None)
    assert (second.start, second.direction) == (None, "min")


def test_an_error_is_taken_from_the_values_of_the_prompts(typed):
    values = [0.1, 0.4, None, 0.9]
    known = np.array([0.1, 0.4, 0.9])
    score = {"mean": known.mean(), "samples": values}
    scores = typed({"a": "max"}, point("expert", 1.0, a=score), point("expert", 0.0, a=0))
    found = error_of(scores.points[0].rewards["a"])
    assert found == pytest.approx(known.std(ddof=1) / np.sqrt(3), rel=1e-12)
    assert error_of(scores.points[1].rewards["a"]) is None


def test_a_curve_needs_two_experts_and_a_known_reward(typed, three, noisy):
    with pytest.raises(InvalidInput, match="between two experts"):
        curves(three)
    with pytest.raises(InvalidInput, match="did you mean 'recall'"):
        curves(noisy, ["recal"])
    with pytest.raises(InvalidInput, match="no reward was named"):
        curves(noisy, [])
    with pytest.raises(InvalidInput, match="no soup of two experts"):
        curves(typed({"a": "max", "b": "max"}, point("soup", 0.5, a=1)), ["b"])
    many = {f"r{number}": number for number in range(31)}
    with pytest.raises(InvalidInput, match="31 rewards are more than the 30"):
        curves(typed(dict.fromkeys(many, "max"), point("soup", 0.5, **many)))


def test_experts_that_are_no_rewards_say_nothing_of_training(typed):
    points = [{"kind": "soup", "coefficients": {"org/one": s, "org/two": 1 - s}, "rewards": {"a": s}} for s in (0, 1)]
    assert curves(typed({"a": "max"}, *points))[1][0].trained is None


@pytest.mark.parametrize(
    "points",
    [
        [point("soup", 0.5, a=1, b=2)],
        [point("soup", share, a=1, b={"mean": 2, "stderr": 0.1}) for share in (0, 0.5, 0.5, 1)],
        [point("soup", n / 300, a={"mean": n % 7, "stderr": 0.2}, b=n % 5) for n in range(301)],
        [point("soup", 1.5, a=1), point("expert", 1.0, b=1), point("ensemble", 0.5, a=2)],
        [point("soup", 0, a=1e100, b=1e-300), point("soup", 1, a=-1e100, b=0)],
    ],
)
def test_odd_tables_are_drawn_without_a_warning(points, tmp_path, typed):
    scores = typed({"a": "max", "b": "min"}, *points)
    plot_curves(scores, tmp_path / "one.png", title="$odd " * 60)
    plot_curves(scores, tmp_path / "two.png", title="$odd " * 60)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("letter", ["W", "i"])
def test_names_of_wide_letters_end_within_the_picture_and_within_their_panel(count, letter, tmp_path, typed):
    """The edges of the picture stay white, and so does what lies between the titles of two panels."""
    names = [f"{end}{letter * 60}{end}" for end in "ABC"]
    points = [
        {"kind": "soup", "coefficients": dict(zip(names, (s, 1 - s), strict=False)), "rewards": dict.fromkeys(names, s)}
        for s in (0.0, 0.5, 1.0)
    ]
    plot_curves(typed(dict.fromkeys(names, "max"), *points), tmp_path / "wide.png", rewards=names[:count])
    picture = imread(tmp_path / "wide.png")[:, :, :3]
    assert (picture[:, -2:] == 1.0).all()
    assert (picture[:, :2] == 1.0).all()
    inked = np.flatnonzero((picture < 0.9).any(axis=(1, 2)))
    lines = np.split(inked, np.flatnonzero(np.diff(inked) > 1) + 1)
    titles = lines[1] if count > 1 else lines[2]  # below a headline of one line, or of two in a narrow picture
    columns = np.flatnonzero((picture[titles] < 0.9).any(axis=(0, 2)))
    assert int((np.diff(columns) > 35).sum()) == count - 1


def test_rewards_that_no_soup_has_are_said_to_be_left_out(typed, tmp_path):
    scores = typed({"a": "max", "b": "max"}, point("soup", 0.5, a=1))
    assert plot_curves(scores, tmp_path / "curves.svg") == [
        "picture: 1 rewards were measured at no soup and are not drawn"
    ]
