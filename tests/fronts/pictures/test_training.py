"""The picture of a training run: which curves it has, in which order, and that gaps stay gaps."""

import math

import pytest

from rshub.errors import InvalidInput
from rshub.fronts.pictures.training import _curves, plot_training

LOG = [
    {"step": 1, "steps": 3, "reward": 1, "rewards": {"a": 0.1, "b": 3}, "kl": 0.0, "length": 9},
    {"step": 2, "steps": 3, "reward": 1, "rewards": {"a": 0.2, "b": None}, "kl": None},
    {"step": 3, "steps": 3, "reward": 1, "rewards": {"a": 0.3, "c": None}, "kl": 0.2},
]


def test_trained_rewards_stand_first_and_what_was_not_logged_is_a_gap():
    found = {curve.title: curve for curve in _curves(LOG, ["b"])}
    assert list(found) == ["b", "a", "KL from the start, nats per token"]
    assert [curve.role for curve in found.values()] == ["trained on", "watched", ""]
    assert found["a"].values == (0.1, 0.2, 0.3)
    assert found["b"].values[0] == 3
    assert all(map(math.isnan, found["b"].values[1:]))
    assert found["a"].stroke != found["b"].stroke  # told apart without colour
    assert [curve.role for curve in _curves(LOG, [])] == ["", "", ""]


def test_supervised_runs_log_a_loss_and_no_reward():
    (curve,) = _curves([{"step": 1, "loss": 2.0}, {"step": 2, "loss": 1.5}], [])
    assert curve.title.startswith("loss")
    assert curve.values == (2.0, 1.5)


@pytest.mark.parametrize(
    "lines", [LOG, LOG[:1], [{"loss": 1}], [{"rewards": {f"r{n}" * 20: n for n in range(11)}}] * 90]
)
def test_runs_are_drawn_the_same_each_time(lines, tmp_path):
    for name in ("one.svg", "two.svg"):
        plot_training(lines, tmp_path / name, trained=["a"], title="A run")
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()


@pytest.mark.parametrize("lines", [[], [{"step": 1}], [{"step": 1, "rewards": {"a": None}, "kl": None, "loss": True}]])
def test_a_log_without_a_number_is_refused(lines, tmp_path):
    with pytest.raises(InvalidInput, match="no reward, KL or loss"):
        plot_training(lines, tmp_path / "training.png")
    assert list(tmp_path.iterdir()) == []
