"""``rshub demo``, told to a program and to a person."""

import json
import shlex
import sys

import pytest

pytest.importorskip("trl", reason="needs the extra 'train'")


def test_a_folder_that_is_taken_is_refused_before_anything_happens(rshub, tmp_path):
    (tmp_path / "mine.txt").write_text("keep me")
    done = rshub("demo", "--fast", "--out", tmp_path, "--json")
    assert done.code == 1
    assert done.error["error"] == "OutputError"
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.slow
def test_the_story_ends_well_and_what_it_says_to_type_next_works(process, serving, tmp_path):
    out = tmp_path / "story"
    elsewhere = {"HF_TOKEN": "hf_ofAnotherHub"}  # what belongs to another hub does no harm here
    done = process("demo", "--fast", "--out", out, "--json", env=elsewhere)
    assert (done.code, done.err) == (0, "")
    assert done.json["out"] == str(out)
    scores = json.loads((out / "scores.json").read_text())
    assert {point["kind"] for point in scores["points"]} == {"expert", "soup", "morl", "init"}
    assert process("front", "--scores", out / "scores.json", "--json").json["hypervolume"] == pytest.approx(
        done.json["front"]["hypervolume"]
    )

    typed = [shlex.split(command) for command in done.json["next"]]
    assert all(words[:3] == [sys.executable, "-m", "rshub"] for words in typed)  # as the story was started here
    serve, *others = (words[3:] for words in typed)
    with serving(out / "hub") as endpoint:
        assert serve[:4] == ["hub", "serve", "--root", str(out / "hub")]
        for words in others:
            words[words.index("--endpoint") + 1] = endpoint
            tried = process(*words, "--json", env=elsewhere)
            assert tried.code == 0, tried.err
    assert others[0][0] == "ls"
    assert (tmp_path / "my-soup" / "model.safetensors").is_file()
    given = typed[1][typed[1].index("--token") + 1].encode()
    assert not [path for path in out.rglob("*") if path.is_file() and given in path.read_bytes()]
