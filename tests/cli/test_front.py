"""``rshub front``: figures on stdout also where the answer is no."""

import json

import pytest

CONTRACT = {"box", "front", "hypervolume", "over_staircase", "over_polyline", "connectivity", "morl"}


@pytest.fixture
def scores(tmp_path):
    def write(middle):
        def point(kind, share, a, b):
            return {"kind": kind, "coefficients": {"a": share, "b": 1 - share}, "rewards": {"a": a, "b": b}}

        path = tmp_path / "scores.json"
        points = [point("expert", 1.0, 1.0, 0.0), point("expert", 0.0, 0.0, 1.0), point("soup", 0.5, middle, middle)]
        value = {
            "schema": "rshub.scores/1",
            "rewards": {"a": {"direction": "max"}, "b": {"direction": "max"}},
            "points": points,
        }
        path.write_text(json.dumps(value))
        return path

    return write


def test_json_has_the_figures(rshub, scores):
    done = rshub("front", "--scores", scores(0.75), "--json", "--require", "connectivity")
    assert (done.code, done.err) == (0, "")
    value = done.json
    assert value["front"] == [0, 1, 2]
    assert value["hypervolume"] == pytest.approx(0.75 * 0.75)
    assert value["connectivity"]["a"]["worst_margin"] == pytest.approx(0.25)
    assert set(value) == {*CONTRACT, "reasons"}  # there is no MORL run, and what is null has its reason
    assert set(value["reasons"]) == {"morl.hypervolume", "morl.dominated_share"}
    assert value["morl"] == {"hypervolume": None, "dominated_share": None}


def test_json_is_the_contract_and_nothing_else_where_all_is_known(rshub, scores, tmp_path):
    path = scores(0.75)
    known = json.loads(path.read_text())
    known["points"].append({"kind": "morl", "rewards": {"a": 0.5, "b": 0.5}})
    path.write_text(json.dumps(known))
    value = rshub("front", "--scores", path, "--json").json
    assert set(value) == CONTRACT
    assert value["morl"] == {"hypervolume": 0.25, "dominated_share": 1.0}
    assert set(value["box"]) == {"nadir", "ideal"}
    assert set(value["connectivity"]["a"]) == {"worst_margin", "at", "share_holding"}


def test_a_requirement_that_fails_exits_with_3_after_the_figures(rshub, scores):
    path = scores(0.25)
    done = rshub("front", "--scores", path, "--json", "--require", "connectivity")
    assert done.code == 3
    assert done.json["connectivity"]["a"]["worst_margin"] == pytest.approx(-0.25)
    assert json.loads(done.err)["error"] == "Incompatible"
    assert rshub("front", "--scores", path).code == 0


def test_people_read_lines(rshub, scores):
    done = rshub("front", "--scores", scores(0.25))
    assert (done.code, done.err) == (0, "")
    assert "hypervolume" in done.out
    assert "connectivity of a: FAILS" in done.out


def test_checks_are_in_the_json_only_when_asked_for_and_always_in_the_text(rshub, scores):
    path = scores(0.75)
    plain, checked = (rshub("front", "--scores", path, "--json", *more).json for more in ((), ("--checks",)))
    assert "checks" not in plain
    assert set(checked) == {*plain, "rewards", "points", "notes", "checks"}
    assert {name: checked[name] for name in CONTRACT} == {name: plain[name] for name in CONTRACT}
    assert checked["checks"]["curvature"][0]["relative"] == pytest.approx(1.0)
    assert "curvature of a between a and b: 1.00" in rshub("front", "--scores", path).out


def test_coverage_is_judged_against_the_reference_that_is_given(rshub, scores, tmp_path):
    path = scores(0.75)
    other = tmp_path / "other.json"
    other.write_text(path.read_text().replace("0.75", "0.875"))
    assert rshub("front", "--scores", path, "--require", "coverage").code == 3  # there is nothing to compare with
    assert rshub("front", "--scores", path, "--require", "coverage", "--reference", path).code == 0
    done = rshub("front", "--scores", path, "--require", "coverage", "--reference", other, "--json", "--checks")
    assert done.code == 3
    assert "1 of 3 reference points" in done.err
    assert done.json["checks"]["coverage"]["escaping"] == [2]
    assert rshub("front", "--scores", path, "--reference", tmp_path / "none.json").code == 5
    alone = rshub("front", "--scores", path, "--reference", other, "--json")  # it brings the checks with it
    assert alone.json["checks"]["coverage"]["escaping"] == [2]


def test_the_plot_is_drawn_also_where_the_answer_is_no(rshub, scores, tmp_path):
    done = rshub("front", "--scores", scores(0.25), "--plot", tmp_path / "front.svg", "--require", "connectivity")
    assert done.code == 3
    assert "<svg" in (tmp_path / "front.svg").read_text()


@pytest.mark.parametrize(("text", "code"), [(None, 5), ("{", 2), ('{"schema": "rshub.scores/1"}', 2)])
def test_a_file_that_is_not_there_or_wrong_is_refused(rshub, tmp_path, text, code):
    path = tmp_path / "scores.json"
    if text is not None:
        path.write_text(text)
    done = rshub("front", "--scores", path, "--json")
    assert done.code == code
    assert done.error["exit_code"] == code


def test_the_report_is_one_page_written_also_where_the_answer_is_no(rshub, scores, tmp_path):
    folder = tmp_path / "page"
    done = rshub("front", "--scores", scores(0.25), "--report", folder, "--require", "connectivity", "--json")
    assert done.code == 3
    assert [path.name for path in folder.iterdir()] == ["index.html"]
    first = (folder / "index.html").read_bytes()
    assert b"Mixing has a price" in first
    done = rshub("front", "--scores", scores(0.75), "--report", folder, "--title", "Again")  # takes the old one's place
    assert (done.code, f"The page is {folder / 'index.html'}" in done.err) == (0, True)
    assert b"<h1>Again</h1>" in (folder / "index.html").read_bytes()
    (tmp_path / "file").write_text("kept")
    assert rshub("front", "--scores", scores(0.75), "--report", tmp_path / "file").code == 1
    assert (tmp_path / "file").read_text() == "kept"


def test_scores_can_be_written_again(rshub, scores, tmp_path):
    path = scores(0.75)
    assert rshub("front", "--scores", path, "--out", tmp_path / "again.json", "-q").code == 0
    assert json.loads((tmp_path / "again.json").read_text()) == json.loads(path.read_text())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "neither scores nor experts"),
        (("./x", "./y"), "takes --base, --grid, --reward, --prompts"),
        (("./x", "--base", "./b", "--grid", "3", "--prompts", "./p.jsonl"), "takes --reward"),
        (("./x", "--scores", "SCORES", "--grid", "3"), "nothing is measured with --grid"),
        (("--scores", "SCORES", "--base", "./b", "--seeds", "2"), "nothing is measured with --base, --seeds"),
        (("--scores", "SCORES", "--limit", "3", "--no-ledger"), "nothing is measured with --limit, --no-ledger"),
        (("--scores", "SCORES", "--batch", "3"), "nothing is measured with --batch"),
        (("./x", "--base", "./b", "--grid", "1"), "1 is not in the range"),
    ],
)
def test_measuring_and_judging_are_not_mixed_up(rshub, scores, words, said):
    path = scores(0.75)
    done = rshub("front", *(path if word == "SCORES" else word for word in words), "--json")
    assert done.code == 2
    assert said in done.error["message"]


@pytest.mark.parametrize(
    ("option", "place", "code"),
    [("--plot", "front.bmp", 2), ("--plot", "", 2), ("--out", "", 1), ("--report", "file", 1)],
)
def test_places_are_judged_before_anything_is_looked_up(rshub, tmp_path, option, place, code):
    (tmp_path / "file").write_text("kept")
    words = ("./nobody", "./either", "--base", "./none", "--grid", "3", "--reward", "metric:length", "--prompts", "./p")
    done = rshub("front", *words, option, tmp_path / place, "--json")
    assert done.code == code  # experts that are not there would be 5
    assert (tmp_path / "file").read_text() == "kept"


def test_judging_takes_no_model_library(process, scores, tmp_path):
    heavy = {"torch", "transformers", "peft"}
    words = ["front", "--scores", str(scores(0.75)), "--report", str(tmp_path / "page"), "-q"]
    code = f"import sys\nfrom rshub.cli.main import main\ntry:\n    main({words!r})\nexcept SystemExit as end:\n"
    done = process(code=code + f"    assert not end.code\nprint(sorted({heavy!r} & set(sys.modules)))")
    assert done.out.splitlines()[-1] == "[]"
