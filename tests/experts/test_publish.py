"""Publishing, on the embedded hub with the real client."""

import hashlib
import json
import shutil

import pytest
import yaml

from rshub.errors import HubError, Incompatible, IntegrityError, InvalidInput, NotFound
from rshub.experts.browse import info, ls
from rshub.experts.manifest import ExpertManifest
from rshub.experts.publish import publish
from tests.tiny_models import dump, load


def sha(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_what_is_published_says_what_it_is_and_is_found(registry):
    scores = [{"reward": "recall", "value": 0.8, "stderr": 0.01, "n": 64, "split": "test", "measured_by": "ada"}]
    done = registry.expert("ada/recall", "recall", spec="metric:rouge1.recall", license="mit", scores=scores)

    there = registry.hub().info("ada/recall", "v1.0.0")
    assert there.commit == done.commit
    assert set(there.files) == {
        ".gitattributes", "README.md", "adapter_config.json", "adapter_model.safetensors", "expert.json",
    }  # fmt: skip
    assert {"rewarded-soup", "rewarded-soup-expert", "reward:recall", "base_model:lab/base", "license:mit"} <= set(
        there.tags
    )
    assert "base_model:adapter:lab/base" in there.tags

    folder = registry.hub().download("ada/recall", list(there.files), commit=there.commit)
    manifest = ExpertManifest.from_bytes((folder / "expert.json").read_bytes())
    assert manifest.base.revision == registry.base
    assert manifest.base.files == {"model.safetensors": sha(registry.base_folder / "model.safetensors")}
    assert {name: claim.sha256 for name, claim in manifest.artefact.files.items()} == {
        name: sha(folder / name) for name in ("adapter_config.json", "adapter_model.safetensors")
    }
    assert sha(folder / "adapter_model.safetensors") == sha(
        registry.adapters["ada/recall"].folder / "adapter_model.safetensors"
    )
    config = json.loads((folder / "adapter_config.json").read_text())
    assert (config["base_model_name_or_path"], config["revision"]) == ("lab/base", registry.base)
    card = (folder / "README.md").read_text().split("---", 2)
    front = yaml.safe_load(card[1])
    assert front["base_model_relation"] == "adapter"
    assert front["library_name"] == "peft"
    assert "metric:rouge1.recall" in card[2]

    (found,) = ls(base="lab/base", reward="recall", endpoint=registry.endpoint)
    assert (found.repo_id, found.version.tag, found.manifest.own_score.value) == ("ada/recall", "v1.0.0", 0.8)
    assert info("ada/recall", endpoint=registry.endpoint).commit == done.commit


def test_a_second_release_gets_the_next_version_and_replaces_nothing(registry):
    first = registry.expert("ada/recall", "recall")
    second = registry.expert("ada/recall", "recall", adapter=registry.tiny.adapter(seed=9))
    assert (first.tag, second.tag) == ("v1.0.0", "v1.1.0")
    tags = registry.hub().refs("ada/recall").tags
    assert tags == {"v1.0.0": first.commit, "v1.1.0": second.commit}


def test_a_dry_run_sends_nothing_and_promises_the_same_files(registry):
    adapter = registry.tiny.adapter(seed=3)
    planned = registry.expert("ada/recall", "recall", adapter=adapter, dry_run=True)
    assert planned.commit is None
    assert not registry.hub().exists("ada/recall")
    done = registry.expert("ada/recall", "recall", adapter=adapter)
    assert planned.files == done.files


def test_options_win_over_the_file_and_the_file_over_the_adapter(registry, tmp_path):
    written = tmp_path / "expert.yaml"
    written.write_text(
        "reward:\n  name: recall\n  description: Says everything.\nbase: lab/base\nlicence: mit\n"
        "bounds: {min: -0.5, max: 1.5}\nscores:\n- {reward: recall, value: 0.5}\n"
    )
    done = publish(
        registry.tiny.adapter().folder, "ada/recall", from_file=written, license="apache-2.0",
        endpoint=registry.endpoint, token=registry.tokens["ada"],
    )  # fmt: skip
    manifest = done.manifest
    assert (manifest.reward.name, manifest.reward.description) == ("recall", "Says everything.")
    assert manifest.licence == "apache-2.0"
    assert (manifest.bounds.min, manifest.own_score.value) == (-0.5, 0.5)


def test_an_unknown_key_in_the_file_is_refused_with_the_nearest(registry, tmp_path):
    written = tmp_path / "expert.yaml"
    written.write_text("reward: {name: recall}\nlicense: mit\n")
    with pytest.raises(InvalidInput, match="licence"):
        publish(registry.tiny.adapter().folder, "ada/r", base="lab/base", from_file=written, endpoint=registry.endpoint)


def test_a_pull_request_changes_and_tags_nothing_until_it_is_merged(registry):
    first = registry.expert("ada/recall", "recall")
    proposed = registry.expert("ada/recall", "recall", adapter=registry.tiny.adapter(seed=5), create_pr=True, who="ben")
    assert proposed.tag is None
    assert proposed.pr_url.endswith("/ada/recall/discussions/1")
    assert registry.hub().info("ada/recall").commit == first.commit
    assert set(registry.hub().refs("ada/recall").tags) == {"v1.0.0"}


def refused(registry, error, adapter=None, repo="ada/recall", who="ada", **options):
    adapter = adapter or registry.tiny.adapter()
    options = {"reward": "recall", "base": "lab/base"} | options
    with pytest.raises(error) as caught:
        publish(adapter.folder, repo, endpoint=registry.endpoint, token=registry.tokens.get(who, who), **options)
    assert caught.value.remedy or caught.value.where
    return caught.value


def test_nothing_reaches_the_hub_when_something_is_wrong(registry):
    tiny = registry.tiny
    refused(registry, InvalidInput, reward=None)
    refused(registry, InvalidInput, reward="Re Call")
    refused(registry, InvalidInput, reward="init")
    refused(registry, InvalidInput, base="./folder")
    refused(registry, InvalidInput, version="one")
    refused(registry, InvalidInput, init="magic")
    refused(registry, InvalidInput, scores=[{"reward": "recall", "value": float("nan")}])
    refused(registry, NotFound, base="lab/nothing")
    refused(registry, NotFound, base="lab/base@v9")
    stray = tiny.adapter(modules=["model.layers.7.mlp.up_proj"], shapes={"model.layers.7.mlp.up_proj.weight": (8, 8)})
    assert "model.layers.7.mlp.up_proj" in str(refused(registry, Incompatible, stray))
    wide = tiny.adapter(
        modules=["model.layers.0.self_attn.q_proj"], shapes={"model.layers.0.self_attn.q_proj.weight": (13, 12)}
    )
    refused(registry, Incompatible, wide)
    refused(registry, Incompatible, tiny.adapter(config={"peft_type": "IA3"}))
    assert not registry.hub().exists("ada/recall")


def test_damaged_adapters_are_refused_by_name(registry):
    tiny = registry.tiny
    cut = tiny.adapter()
    weights = cut.folder / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-5])
    refused(registry, IntegrityError, cut)
    sick = tiny.adapter(seed=4)
    tensors = load(sick.folder / "adapter_model.safetensors")
    name = sorted(tensors)[2]
    tensors[name] = tensors[name] * float("nan")
    dump(sick.folder / "adapter_model.safetensors", tensors)
    assert name in str(refused(registry, IntegrityError, sick))
    pickle = tiny.adapter(seed=5)
    shutil.move(pickle.folder / "adapter_model.safetensors", pickle.folder / "adapter_model.bin")
    assert "safetensors" in refused(registry, IntegrityError, pickle).remedy
    assert not registry.hub().exists("ada/recall")


def test_only_those_who_may_write_publish(registry):
    refused(registry, NotFound, who="hf_not_a_token")
    refused(registry, NotFound, who="ben")
    assert not registry.hub().exists("ada/recall")


def test_a_repo_holds_one_expert_and_private_stays_private(registry):
    registry.expert("ada/recall", "recall")
    assert "holds an expert for recall" in str(refused(registry, InvalidInput, reward="precision"))
    assert "public already" in str(refused(registry, InvalidInput, private=True))
    registry.expert("ada/secret", "recall", private=True)
    assert [entry.repo_id for entry in ls(endpoint=registry.endpoint)] == ["ada/recall"]
    mine = ls(endpoint=registry.endpoint, token=registry.tokens["ada"])
    assert [entry.repo_id for entry in mine] == ["ada/recall", "ada/secret"]


def test_without_a_network_the_error_says_so(registry):
    with pytest.raises(HubError, match="no connection") as caught:
        publish(
            registry.tiny.adapter().folder, "ada/r", reward="recall", base="lab/base", endpoint="http://127.0.0.1:9"
        )
    assert caught.value.can_retry


def test_what_a_training_left_beside_the_adapter_is_told(registry):
    adapter = registry.tiny.adapter(seed=90)
    (adapter.folder / "training.json").write_text('{"method": "rloo", "seed": 3}')
    assert registry.expert("ada/recall", "recall", adapter=adapter).manifest.training == {"method": "rloo", "seed": 3}
    told = registry.expert("ada/recall", "recall", adapter=adapter, training={"method": "by hand"})
    assert told.manifest.training == {"method": "by hand"}


def test_a_later_release_keeps_what_a_newer_rshub_wrote_and_mends_what_is_broken(registry):
    done = registry.expert("ada/recall", "recall")
    document = done.manifest.to_json()
    document["from_the_future"] = [1]
    document["reward"]["colour"] = "blue"
    registry.hub().commit("ada/recall", {"expert.json": json.dumps(document).encode()}, message="newer")
    again = registry.expert("ada/recall", "recall").manifest.to_json()
    assert (again["from_the_future"], again["reward"]["colour"]) == ([1], "blue")
    registry.hub().commit("ada/recall", {"expert.json": b"{"}, message="broken")
    assert registry.expert("ada/recall", "recall").tag == "v1.2.0"


def test_a_revision_is_no_place_to_publish_to(registry):
    refused(registry, InvalidInput, repo="ada/recall@v1")


def test_no_manifest_and_one_that_is_too_large_have_a_next_step(registry):
    registry.plain_adapter("ada/plain")
    with pytest.raises(NotFound, match=r"no file expert\.json") as missing:
        info("ada/plain", endpoint=registry.endpoint)
    registry.hub().commit("ada/plain", {"expert.json": b" " * (2**22 + 1)}, message="huge")
    with pytest.raises(IntegrityError, match="are more than") as huge:
        info("ada/plain", endpoint=registry.endpoint)
    assert missing.value.remedy
    assert huge.value.remedy
