"""All five twins in a hurry, from the world to measured experts, over the embedded hub; nothing is learned of note."""

import math

import pytest

from rshub.localhub import LocalHub
from rshub.prompts.read import read_prompts
from rshub.rewards.spec import reward_from_spec
from scripts.twins.tasks import TASKS
from scripts.twins.twin import OWNER, publish_twin


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("twins")
    with LocalHub(root / "hub") as served:
        token = served.add_user("ada", orgs=[(OWNER, "write")])
        where = {"endpoint": served.endpoint, "token": token}
        yield root, where, {task: publish_twin(task, **where, cache=root / "cache", fast=True) for task in TASKS}


def models(cache, task):
    return {
        path.parent.name.rpartition("-")[0]: path.read_bytes() for path in cache.glob(f"{task}-*/model.safetensors")
    }


@pytest.mark.slow
def test_every_twin_is_read_by_its_form_and_scored_by_its_reward_models(made):
    from rshub.hub.client import Hub

    _, where, twins = made
    hub = Hub(**where)
    assert list(twins) == ["news", "reddit", "stack", "review", "assistant"]
    for twin in twins.values():
        train, test = (read_prompts(place, **where) for place in (twin.train, twin.test))
        assert len(train.prompts) > len(test.prompts) > 0
        assert bool(test.prompts[0].turns) is (twin.task == "assistant")
        assert all(0 <= share <= 1 for share in twin.accuracy.values())
        assert twin.accuracy.keys() == twin.rewards.keys() == twin.recipe["rewards"].keys()
        samples = [prompt.sample(prompt.references[0]) for prompt in test.prompts]
        for spec in twin.rewards.values():
            reward = reward_from_spec(spec).pin(hub)
            reward.make_ready({})
            scores = reward(samples, {})
            assert len(scores) == len(samples)
            assert all(math.isfinite(score) for score in scores)
            assert len(set(scores)) > 1


@pytest.mark.slow
def test_every_expert_trains_from_the_recipe_and_is_measured(made):
    from scripts.twins.check import check, lines

    root, where, twins = made
    for task, twin in twins.items():
        checked = check(twin, root / "experts" / task, **where)
        assert {(gain.expert, gain.reward) for gain in checked.gains} == {
            (expert, reward) for expert in twin.rewards for reward in twin.rewards
        }
        assert checked.seconds.keys() == twin.rewards.keys()
        measured = {*twin.rewards, *twin.watched}
        for point in checked.points.values():
            assert point.rewards.keys() == measured
        shown = "\n".join(lines(checked))
        assert all(name in shown for name in measured)


@pytest.mark.slow
def test_a_second_call_makes_nothing_and_another_cache_makes_the_same_bytes(made):
    root, where, twins = made
    before = {path: path.stat().st_mtime_ns for path in (root / "cache").rglob("*")}
    for task in ("news", "assistant"):
        assert publish_twin(task, **where, cache=root / "cache", fast=True) == twins[task]
    assert {path: path.stat().st_mtime_ns for path in (root / "cache").rglob("*")} == before
    for task in ("news", "assistant"):
        publish_twin(task, **where, cache=root / "again", fast=True)
        first, second = (models(root / cache, task) for cache in ("cache", "again"))
        assert len(first) == len(TASKS[task].judges) + 1
        assert first == second


@pytest.mark.slow
def test_words_go_through_a_tokenizer_and_come_back(made):
    from transformers import AutoTokenizer

    root, where, twins = made
    for task, twin in twins.items():
        (folder,) = (root / "cache").glob(f"{task}-base-*")
        words = AutoTokenizer.from_pretrained(folder)
        for prompt in read_prompts(twin.test, **where).prompts:
            answer = prompt.references[0]
            ids = words(answer)["input_ids"]
            assert words.unk_token_id not in ids
            assert words.decode(ids).strip() == answer.strip()
            asked = words(prompt.text)["input_ids"]
            assert words.unk_token_id not in asked or prompt.turns
            if not prompt.turns and not prompt.begun:  # a phrase may hold the first words of a review
                assert words(f"{prompt.text} {answer.strip()}")["input_ids"] == asked + ids
