"""The picture: what it holds, that it is a whole file of its kind, the same bytes each time, and never in the way."""

import subprocess
import sys

import pytest

from rshub.errors import InvalidInput, MissingExtra, OutputError
from rshub.fronts.front import front
from rshub.fronts.pictures.front import plot_front
from rshub.fronts.pictures.view import view

STARTS = {".png": b"\x89PNG\r\n\x1a\n", ".svg": b"<?xml", ".pdf": b"%PDF-"}


def soup(a, b, coefficients=None, kind="soup", **more):
    point = {"kind": kind, "rewards": {"a": a, "b": b}} | more
    return point if coefficients is None else point | {"coefficients": coefficients}


def test_what_the_noisy_front_shows(noisy):
    shown = view(noisy)
    assert (shown.x, shown.y, shown.leader) == ("recall", "precision", "recall")
    assert [point.kind for point in shown.drawn] == ["expert", *["soup"] * 7, "expert", "morl", "init"]
    assert shown.experts == {"recall": (0.848, 0.667), "precision": (0.515, 0.901)}
    assert [point.share for point in shown.drawn][:9] == [1 - number / 8 for number in range(9)]
    assert shown.path[0] == (0.515, 0.901)
    assert len(shown.path) == len(shown.gain) == 9
    assert len(shown.chords) == 1
    assert shown.drawn[0].stderr == (0.006, 0.005)


def test_a_front_that_sags_shows_no_gain(typed):
    points = [soup(0, 1, {"x": 1}), soup(1, 0, {"y": 1}), soup(0.4, 0.6, {"x": 0.5, "y": 0.5})]
    assert view(typed({"a": "max", "b": "max"}, *points)).gain == ()


def test_soups_that_another_beats_in_the_shown_rewards_are_marked(typed):
    scores = typed({"a": "max", "b": "min"}, soup(1, 1), soup(2, 2), soup(1, 2), soup(0, 9, kind="morl"))
    assert [point.kind for point in view(scores).drawn] == ["soup", "soup", "beaten", "morl"]


def test_lambda_is_shown_between_two_experts_only(typed):
    three = [soup(n, -n, {name: 1}) for n, name in enumerate("xyz")]
    shown = view(typed({"a": "max", "b": "max"}, *three, soup(1, 1, {"x": 0.5, "z": 0.5})))
    assert (shown.leader, shown.path) == (None, ())
    assert len(shown.chords) == 3
    two = [soup(0, 1, {"x": 1}), soup(1, 0, {"y": 1}), soup(1, 1, {"x": 0.4, "y": 0.4, "init": 0.2})]
    shown = view(typed({"a": "min", "b": "max"}, *two))
    assert shown.leader == "x"  # the better one in a, which is to be small
    assert [point.share for point in shown.drawn] == [1.0, 0.0, None]


def test_more_than_two_rewards_are_said_to_be_left_out(published):
    scores, _ = published("captioning", ("cider", "bleu_1", "rouge_l"), {"bleu1": "bleu_1", "rouge": "rouge_l"})
    assert (view(scores).x, view(scores).y) == ("cider", "bleu_1")
    assert (view(scores, y="cider").x, view(scores, y="cider").y) == ("bleu_1", "cider")
    assert "2 of 3 rewards" in view(scores, x="rouge_l").notes[0]


def test_points_that_cannot_be_drawn_are_counted(typed):
    scores = typed({"a": "max", "b": "max"}, soup(1, 1), {"kind": "soup", "rewards": {"a": 1}})
    assert view(scores).notes == ("picture: 1 of the points lack a or b and are not drawn",)


def test_training_runs_leave_a_trail_of_the_steps_that_logged_both_rewards(noisy, tmp_path):
    steps = [{"recall": 0.70, "precision": 0.75}, {"recall": None, "precision": 1.0}, {"recall": 0.8, "precision": 0.7}]
    runs = {"recall": steps, "nothing": [{"recall": 1.0}, {"precision": float("nan"), "recall": 1.0}]}
    shown = view(noisy, trajectories=runs)
    assert shown.trails == {"recall": ((0.70, 0.75), (0.8, 0.7))}
    assert shown.notes == ("picture: the training run nothing logged no recall with precision",)
    plain, trailed = tmp_path / "plain.svg", tmp_path / "trailed.svg"
    plot_front(noisy, plain)
    assert plot_front(noisy, trailed, trajectories=runs) == list(shown.notes)
    assert trailed.read_bytes() != plain.read_bytes()
    assert b"#009e73" in trailed.read_bytes()
    assert b"#009e73" not in plain.read_bytes()


@pytest.mark.parametrize("suffix", STARTS)
def test_a_picture_of_each_kind_is_the_same_bytes_each_time(suffix, tmp_path, noisy):
    first, second = tmp_path / f"one{suffix}", tmp_path / f"two{suffix.upper()}"
    assert plot_front(noisy, first) == plot_front(noisy, second) == []
    assert first.read_bytes().startswith(STARTS[suffix])
    assert first.read_bytes() == second.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == [first.name, second.name]


def test_the_published_news_front_is_drawn_with_its_notes(tmp_path, news):
    result = front(scores=news[0], plot=tmp_path / "front.svg", title="News")
    assert (tmp_path / "front.svg").stat().st_size > 10_000
    assert result["notes"] == []


def test_a_picture_is_drawn_before_a_requirement_fails(tmp_path, noisy):
    from rshub.errors import Incompatible

    with pytest.raises(Incompatible):
        front(scores=noisy, plot=tmp_path / "front.png", require=["coverage"])
    assert (tmp_path / "front.png").exists()


@pytest.mark.parametrize(
    "points",
    [
        [soup(1, 1)],
        [soup(0, 0, {"x": 1}), soup(0, 0, {"y": 1}), soup(0, 0, {"x": 0.5, "y": 0.5})],
        [soup(1e100, -1e100, {"x": 1}), soup(-1e100, 1e100, {"y": 1})],
        [soup(1e-300, 0, {"x": 1}), soup(0, 1e-300, {"y": 1})],
        [soup(1, 1, kind="init"), soup(2, 2, kind="morl"), soup(3, 3, {"x": 0.5, "y": 0.5}, kind="ensemble")],
        [soup({"mean": 1, "stderr": 0}, {"mean": 1, "stderr": 9}, kind="expert"), soup(2, {"mean": 2, "stderr": 1})],
        [soup(n % 7, n % 5, {"x": n / 300, "y": 1 - n / 300}) for n in range(301)],
        [soup(n, -n, {f"expert-{n}": 1}) for n in range(12)],
        [
            soup(0, 1, {"$x_1^": 1}),
            soup(1, 0, {"\u4e00\u4e8c\\frac": 1}),
            soup(1, 1, {"$x_1^": 0.5, "\u4e00\u4e8c\\frac": 0.5}),
        ],
    ],
)
def test_odd_tables_are_drawn_without_a_warning(points, tmp_path, typed):
    path = tmp_path / "front.png"
    plot_front(typed({"a": "max", "b": "min"}, *points), path, title="$odd")
    assert path.read_bytes().startswith(STARTS[".png"])


def test_what_cannot_be_drawn_is_refused(tmp_path, noisy, typed):
    for path, options, why in (
        ("front.gif", {}, ".gif is no suffix of a picture"),
        ("front", {}, "no suffix"),
        ("front.png", {"x": "recal"}, "did you mean 'recall'"),
        ("front.png", {"x": "recall", "y": "recall"}, "both axes are recall"),
    ):
        with pytest.raises(InvalidInput, match=why):
            plot_front(noisy, tmp_path / path, **options)
    with pytest.raises(InvalidInput, match="two rewards"):
        plot_front(typed({"a": "max"}), tmp_path / "front.png")
    with pytest.raises(InvalidInput, match="no point has both"):
        plot_front(typed({"a": "max", "b": "max"}), tmp_path / "front.png")
    assert list(tmp_path.iterdir()) == []


def test_a_picture_that_cannot_be_written_is_refused_and_leaves_nothing(tmp_path, noisy):
    (tmp_path / "file").write_text("kept")
    (tmp_path / "folder.png").mkdir()
    for path in (tmp_path / "file" / "front.png", tmp_path / "folder.png", tmp_path / "nul\0.png"):
        with pytest.raises(OutputError) as caught:
            plot_front(noisy, path)
        assert caught.value.remedy
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "folder.png"]
    plot_front(noisy, tmp_path / "new" / "front.png")
    assert (tmp_path / "new" / "front.png").read_bytes().startswith(STARTS[".png"])


def test_without_matplotlib_the_extra_is_named(tmp_path, noisy, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtra) as caught:
        plot_front(noisy, tmp_path / "front.png")
    assert caught.value.extra == "plots"


def test_matplotlib_is_imported_for_a_picture_alone_and_pyplot_never(tmp_path):
    script = (
        "import sys, rshub.fronts.front\n"
        "from rshub.fronts.pictures import curve, front, regret, spider, style, ternary, training\n"
        "from pathlib import Path\n"
        "from rshub.preferences.scores import Scores\n"
        "assert 'matplotlib' not in sys.modules\n"
        'data = b\'{"rewards": {"a": {"direction": "max"}, "b": {"direction": "max"}}, \''
        'b\'"points": [{"kind": "soup", "rewards": {"a": 1, "b": 2}}]}\'\n'
        "rshub.fronts.front.front(scores=Scores.parse(data), plot=Path(sys.argv[1]))\n"
        "assert 'matplotlib' in sys.modules and 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "front.png")], check=True, timeout=60)
