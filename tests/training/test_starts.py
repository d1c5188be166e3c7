"""Where a run starts is where its expert's lineage says it did: trained, published, found again and mixed.

The sums are worked out here in float64 from the tensors of base, start and experts.
"""

import json
import shutil

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from rshub.errors import Incompatible, InvalidInput, NotFound
from rshub.experts.base_identity import identify_base
from rshub.experts.manifest import ExpertManifest
from rshub.experts.publish import publish
from rshub.hub.client import Hub
from rshub.localhub import LocalHub
from rshub.soups.compose import compose
from rshub.training.start import find_start
from rshub.training.train import train

WEIGHTS = "adapter_model.safetensors"


class House:
    """A hub with the base, and what is trained on it."""

    def __init__(self, root, served, base):
        self.root = root
        self.access = {"endpoint": served.endpoint, "token": served.add_user("ada")}
        self.hub = Hub(served.endpoint, self.access["token"])
        self.dense = load_file(base / "model.safetensors")
        self.commits = {"ada/base": self.upload("ada/base", base)}

    def upload(self, repo, folder):
        self.hub.create_repo(repo)
        return self.hub.commit(repo, {path.name: path for path in folder.iterdir()}, message="A model").commit

    def train(self, name, recipe, **more):
        return train(recipe | {"base": "ada/base"} | more, output=self.root / name, **self.access)

    def push(self, name, recipe, **more):
        wanted = recipe | {"base": "ada/base"} | more
        return train(wanted, output=self.root / name, push=f"ada/{name}", **self.access)

    def manifest(self, name, commit):
        return ExpertManifest.from_bytes(
            self.hub.read(f"ada/{name}", "expert.json", commit=commit, max_bytes=10**6), source=name
        )

    def mix(self, preference, name, **options):
        compose(preference, base="ada/base", out=self.root / name, endpoint=self.access["endpoint"], **options)
        return load_file(self.root / name / "model.safetensors")


def delta_of(folder):
    """Give the delta of an adapter, tensor by tensor, in float64."""
    config = json.loads((folder / "adapter_config.json").read_text())
    tensors, scale = load_file(folder / WEIGHTS), config["lora_alpha"] / config["r"]
    deltas = {}
    for key, a in tensors.items():
        if ".lora_A." in key:
            b = tensors[key.replace(".lora_A.", ".lora_B.")]
            name = key.removeprefix("base_model.model.").replace(".lora_A.weight", ".weight")
            deltas[name] = scale * (b.astype(np.float64) @ a.astype(np.float64))
    return deltas


def added(base, *terms):
    """Add up deltas with their coefficients on the base, in float64."""
    return {
        name: value.astype(np.float64) + sum(c * deltas.get(name, 0.0) for c, deltas in terms)
        for name, value in base.items()
    }


def assert_close(found, wanted):
    assert set(found) == set(wanted)
    for name, value in wanted.items():
        np.testing.assert_allclose(found[name], value, atol=1e-6, rtol=1e-6, err_msg=name)


@pytest.fixture(scope="module")
def house(restaurant, plain, recipe, tmp_path_factory):
    """A supervised start, two experts that continue it, one stacked on it, one from the base, one that is whole."""
    root = tmp_path_factory.mktemp("house")
    with LocalHub(root / "hub") as served:
        house = House(root, served, restaurant / "base")
        house.sft = house.train("sft", plain("sft", steps=6))
        house.commits["ada/sft"] = house.upload("ada/sft", house.sft.folder)
        bare = {key: value for key, value in recipe.items() if key != "lora"}
        house.recipe = bare
        one_hot = {"recall": {"recall": 1.0}, "precision": {"precision": 1.0}}
        house.experts = {
            name: house.push(name, bare, init="adapter:ada/sft", reward_weights=weights)
            for name, weights in one_hot.items()
        }
        house.stacked = house.push("stacked", recipe, init="stacked:ada/sft")
        house.fresh = house.push("fresh", recipe)
        house.whole = house.push("whole", bare, artefact="full", learning_rate=1e-3)
        yield house


def test_a_continued_adapter_is_trained_from_where_it_was_and_nothing_else_is_saved(house):
    start = load_file(house.sft.folder / WEIGHTS)
    for name, done in house.experts.items():
        assert sorted(path.name for path in done.folder.iterdir()) == [
            "adapter_config.json", "adapter_model.safetensors", "training.json", "training_curve.png",
            "training_log.jsonl",
        ]  # fmt: skip
        moved = load_file(done.folder / WEIGHTS)
        assert set(moved) == set(start)
        farthest = max(np.abs(moved[key] - value).max() for key, value in start.items())
        assert 0 < farthest < 0.02, name  # three steps of 3e-3
        assert done.log[0]["kl"] == pytest.approx(0, abs=1e-5)  # the start is the adapter, not the base
        assert done.log[-1]["kl"] != 0
        assert done.training["init"] == f"adapter:ada/sft@{house.commits['ada/sft']}"


def test_the_start_is_in_the_manifest_and_the_picture_and_the_summary_are_published(house):
    for name, done in house.experts.items():
        manifest = house.manifest(name, done.published.commit)
        assert (manifest.init.kind, manifest.init.repo_id) == ("adapter", "ada/sft")
        assert manifest.init.revision == house.commits["ada/sft"]
        assert manifest.training["init_digest"] == manifest.init.digest
        files = house.hub.info(f"ada/{name}", done.published.commit).files
        assert {"training_curve.png", "README.md", "expert.json"} <= set(files)
        assert "ref/adapter_model.safetensors" not in files
    assert house.manifest("stacked", house.stacked.published.commit).init.kind == "stacked"
    assert house.manifest("fresh", house.fresh.published.commit).init.kind == "base"


def test_two_experts_that_continue_one_start_are_mixed_around_it(house):
    start = delta_of(house.sft.folder)
    recall, precision = (delta_of(house.experts[name].folder) for name in ("recall", "precision"))
    for number, (a, b) in enumerate(((0.5, 0.5), (0.25, 0.25), (0.0, 0.0), (1.0, 0.0))):
        told = f"ada/recall={a}, ada/precision={b}"
        found = house.mix(told, f"soup-{number}", extrapolate=a + b != 1)
        assert_close(found, added(house.dense, (1 - a - b, start), (a, recall), (b, precision)))


def test_a_stacked_expert_is_mixed_above_its_start(house):
    found = house.mix("ada/stacked=0.5", "soup-stacked", extrapolate=True)
    terms = (1.0, delta_of(house.sft.folder)), (0.5, delta_of(house.stacked.folder))
    assert_close(found, added(house.dense, *terms))
    assert house.stacked.log[0]["kl"] == pytest.approx(0, abs=1e-5)
    assert house.stacked.log[0]["rewards"] == pytest.approx(house.experts["recall"].log[0]["rewards"], abs=1e-6)


def test_experts_of_different_starts_do_not_mix(house):
    for other in ("ada/fresh", "ada/stacked", "ada/whole"):
        with pytest.raises(Incompatible):
            house.mix(f"ada/precision=0.5, {other}=0.5", "refused")


def test_a_whole_model_is_trained_published_and_mixed_as_one(house, restaurant):
    names = sorted(path.name for path in house.whole.folder.iterdir())
    assert {"config.json", "model.safetensors", "tokenizer.json", "training.json"} <= set(names)
    trained = load_file(house.whole.folder / "model.safetensors")
    moved = [name for name, value in house.dense.items() if (trained[name] != value).any()]
    assert len(moved) > 0.9 * len(house.dense)
    manifest = house.manifest("whole", house.whole.published.commit)
    assert (manifest.artefact.kind, manifest.artefact.rank, manifest.init.kind) == ("full", None, "base")
    found = house.mix("ada/whole=0.25, ada/fresh=0.75", "soup-whole")
    change = {name: trained[name].astype(np.float64) - value for name, value in house.dense.items()}
    assert_close(found, added(house.dense, (0.25, change), (0.75, delta_of(house.fresh.folder))))
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(house.whole.folder)
    assert model.dtype.is_floating_point
    assert AutoTokenizer.from_pretrained(house.whole.folder).pad_token == "<pad>"


def test_published_by_hand_the_start_is_taken_from_the_summary(house, plain):
    local = house.train("by-hand", house.recipe, init="adapter:ada/sft", steps=1)
    made = publish(local.folder, "ada/by-hand", reward="recall", dry_run=True, **house.access)
    assert (made.manifest.init.kind, made.manifest.init.repo_id) == ("adapter", "ada/sft")
    beside = house.train("beside", house.recipe, init=f"adapter:{house.sft.folder}", steps=1)
    assert (beside.folder / WEIGHTS).read_bytes() == (local.folder / WEIGHTS).read_bytes()
    with pytest.raises(InvalidInput, match="a folder, which nobody else can look up"):
        publish(beside.folder, "ada/beside", reward="recall", dry_run=True, **house.access)
    again = publish(beside.folder, "ada/beside", reward="recall", init="adapter:ada/sft", dry_run=True, **house.access)
    assert again.manifest.init.digest == made.manifest.init.digest


def test_what_cannot_be_a_start_is_refused_before_anything_is_trained(house, plain, tmp_path):
    def refused(error, why, **more):
        with pytest.raises(error, match=why):
            train(
                house.recipe | {"base": "ada/base"} | more,
                output=tmp_path / "refused",
                on_log=lambda _: pytest.fail("trained"),
                **house.access,
            )

    refused(NotFound, "nothing", init="adapter:ada/nothing")
    refused(NotFound, "adapter", init="adapter:ada/base")
    refused(InvalidInput, "is no start", init="adapter")
    refused(InvalidInput, "is no start", init="continued:ada/sft")
    refused(InvalidInput, "r: the recipe says 4, but .* has 8", init="adapter:ada/sft", lora={"r": 4})
    refused(InvalidInput, "there is no adapter", artefact="full", lora={"r": 4})
    refused(InvalidInput, "name a base that it is merged into", artefact="full", init="adapter:ada/sft")
    with pytest.raises(InvalidInput, match="the start of a published expert is a repo"):
        train(
            house.recipe | {"base": "ada/base", "init": f"adapter:{house.sft.folder}"},
            output=tmp_path / "refused",
            push="ada/never",
            on_log=lambda _: pytest.fail("trained"),
            **house.access,
        )
    assert not list(tmp_path.iterdir())


def test_an_adapter_in_a_folder_is_known_by_the_base_that_it_names(recall, restaurant, tmp_path):
    """The same weights in another place are the same base; one changed number makes another."""
    hub, init = Hub("http://127.0.0.1:9"), f"adapter:{recall.folder}"
    same, other = tmp_path / "same", tmp_path / "other"
    for folder in (same, other):
        shutil.copytree(restaurant / "base", folder)
    weights = load_file(other / "model.safetensors")
    name = min(weights)
    weights[name] = weights[name] + 1
    save_file(weights, other / "model.safetensors", metadata={"format": "pt"})
    for base in (restaurant / "base", same):
        assert find_start(init, identify_base(str(base), hub), hub).digest
    with pytest.raises(Incompatible, match=f"an adapter of another base, {restaurant / 'base'}; training on {other}"):
        find_start(init, identify_base(str(other), hub), hub)
    moved = tmp_path / "moved"
    shutil.copytree(recall.folder, moved)
    config = json.loads((moved / "adapter_config.json").read_text())
    (moved / "adapter_config.json").write_text(json.dumps(config | {"base_model_name_or_path": "/gone/base"}))
    assert find_start(f"adapter:{moved}", identify_base(str(other), hub), hub).digest


def test_what_was_measured_at_the_end_is_the_payoff_row_of_the_manifest(house, restaurant):
    """The mean is recomputed from the samples in the scores file."""
    measured = {"eval_prompts": str(restaurant / "train.jsonl"), "eval_limit": 8, "steps": 1}
    done = house.push("measured", house.recipe, init="adapter:ada/sft", **measured)
    manifest = house.manifest("measured", done.published.commit)
    assert {score.reward for score in manifest.scores} == {"recall", "precision"}
    written = json.loads((done.folder / "scores.json").read_text())["points"][0]["rewards"]
    for score in manifest.scores:
        assert score.value == pytest.approx(np.mean(written[score.reward]["samples"]), abs=1e-9)
        assert (score.n, score.split, score.measured_by) == (8, "train", "rshub train")
    card = house.hub.read("ada/measured", "README.md", commit=done.published.commit, max_bytes=10**6).decode()
    assert "(its own)" in card
    assert "](training_curve.png)" in card
