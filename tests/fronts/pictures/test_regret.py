"""Regret curves: cells in three shapes, logarithmic where that is possible, nothing drawn of nothing."""

import io

import pytest

from rshub.errors import InvalidInput
from rshub.fronts.pictures.regret import _row, plot_regret

TABLE = {
    "random": {8: (0.06, 0.008), 4: (0.09, 0.01)},
    "ours": {4: {"mean": 0.02, "stderr": None}, 8: 0.006, 16: {"mean": None, "stderr": None}},
}


def test_cells_are_a_mean_a_pair_or_named_and_come_in_order():
    assert _row(TABLE["random"]) == [(4, 0.09, 0.01), (8, 0.06, 0.008)]
    assert _row(TABLE["ours"]) == [(4, 0.02, None), (8, 0.006, None)]
    assert _row({"4": (float("nan"), 1.0), "2": (0.5, float("nan"))}) == [(2, 0.5, None)]


def test_a_table_is_drawn_the_same_each_time(tmp_path):
    drawn = [io.BytesIO(), io.BytesIO()]
    for buffer in drawn:
        assert plot_regret(TABLE, buffer, title="N = 3") == []
    assert drawn[0].getvalue() == drawn[1].getvalue()
    assert drawn[0].getvalue().startswith(b"<?xml")


@pytest.mark.parametrize(
    "table",
    [{"a": {1: 0.0, 2: 0.0}}, {"a": {5: 0.1}}, {"a" * 90: {n: 1 / n for n in range(1, 40)}}, {"a": {4: (0.1, 5.0)}}],
)
def test_odd_tables_are_drawn_without_a_warning(table, tmp_path):
    plot_regret(table, tmp_path / "regret.png")
    assert (tmp_path / "regret.png").stat().st_size > 10_000


def test_what_is_left_out_is_said(tmp_path):
    table = {f"selector {n}": {4: 0.1 + n} for n in range(10)} | {"nothing": {}}
    assert plot_regret(table, tmp_path / "regret.pdf") == [
        "picture: nothing has no regret to draw",
        "picture: shows 8 of 10 selectors",
    ]
    with pytest.raises(InvalidInput, match="no regret"):
        plot_regret({"nothing": {}}, tmp_path / "none.png")
    assert not (tmp_path / "none.png").exists()
