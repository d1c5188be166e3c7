"""Every claim is judged as theory says on rewards that are known functions: it can hold, and it can fail."""

import json

import pytest

from rshub.preferences.scores import Scores
from scripts.reproduction.album import Album
from scripts.reproduction.claims import (
    beyond,
    choosing,
    ensembles,
    experts,
    fronts,
    seeds,
    start,
    uniform,
    unseen,
    weights,
)
from scripts.reproduction.judging import FAILS, HOLDS, OPEN
from tests.reproduction.quadratic import Blank, Quadratic, hills, pits


def verdicts(found):
    return [finding.verdict for finding in found]


@pytest.mark.parametrize(
    ("claim", "on_hills", "in_pits"),
    [
        (experts, [HOLDS], [HOLDS]),
        (fronts, [HOLDS, HOLDS, HOLDS], [FAILS, FAILS, HOLDS]),
        (unseen, [HOLDS], [FAILS]),
        (choosing, [HOLDS, HOLDS], None),
        (ensembles, [HOLDS], [HOLDS]),
        (start, [HOLDS, None], None),
        (seeds, [HOLDS, HOLDS], None),
        (beyond, [HOLDS], None),
        (weights, [HOLDS, HOLDS], [FAILS, FAILS]),
    ],
)
def test_claims_on_known_rewards(tmp_path, claim, on_hills, in_pits):
    for shape, expected in ((hills, on_hills), (pits, in_pits)):
        found = claim.find(Quadratic(shape), Blank(tmp_path))
        for finding, verdict in zip(found, expected or [None] * len(found), strict=True):
            assert verdict is None or finding.verdict == verdict, (finding.claim, finding.summary)
            for file in finding.scores:
                assert Scores.load(tmp_path / file).points
            json.dumps(finding.to_json(), allow_nan=False)


@pytest.mark.slow
@pytest.mark.parametrize("task", ["news", "assistant"])
def test_every_picture_is_drawn_and_says_how_much_was_measured(tmp_path, task):
    from scripts.reproduction.reproduce import EVERY, MORE  # which imports all that trains

    study = Quadratic(hills, task=task, rewards=4 if task == "assistant" else 2)
    album = Album(tmp_path)
    findings = [finding for claim in (*EVERY, *MORE[task]) for finding in claim(study, album)]
    pictures = [picture for finding in findings for picture in finding.pictures]
    assert len({picture.file for picture in pictures}) == len(pictures) >= 3
    for picture in pictures:
        assert (tmp_path / picture.file).read_bytes().startswith(b"\x89PNG")
        assert "200 held-out prompts" in picture.caption


def test_the_uniform_soup_of_four(tmp_path):
    found = uniform.find(Quadratic(hills, task="assistant", rewards=4), Blank(tmp_path))
    assert verdicts(found) == [HOLDS, HOLDS, HOLDS]
    low = uniform.find(Quadratic(pits, task="assistant", rewards=4), Blank(tmp_path))
    assert low[1].verdict == FAILS


def test_noise_leaves_claims_open(tmp_path):
    found = fronts.find(Quadratic(hills, luck=8.0), Blank(tmp_path))
    assert verdicts(found) == [OPEN, OPEN, OPEN]


def test_another_seed_that_is_worse_is_noticed(tmp_path):
    _, other = seeds.find(Quadratic(hills, apart=-0.6), Blank(tmp_path))
    assert other.verdict == FAILS
