"""What is known of an expert without its base: bytes that it carries, whether it was trained, where it began."""

import json

import numpy as np
import pytest

from rshub.errors import Incompatible, IntegrityError
from rshub.experts import claims
from rshub.experts.publish import publish
from rshub.soups.resolve import resolve
from rshub.soups.verify import verify
from tests.tiny_models import dump, load


def put(registry, folder, repo="ada/whole", *, base="lab/ints", **options):
    return publish(
        folder, repo, reward="recall", base=base, endpoint=registry.endpoint, token=registry.tokens["ada"], **options
    )


def checks(registry, repo):
    return {check.name: check for check in verify(repo, endpoint=registry.endpoint).checks}


def rewrite(registry, done, change):
    """Commit another manifest and give the address of that commit."""
    document = done.manifest.to_json()
    change(document)
    made = registry.hub().commit(done.repo, {"expert.json": json.dumps(document).encode()}, message="another")
    return f"{done.repo}@{made.commit}"


@pytest.fixture
def ints(registry):
    """Put a base with integers on the hub, and give an expert that carries them."""
    extra = {"ids": np.arange(7), "mask": np.ones((3, 3), np.bool_), "none": np.zeros(0, np.int64)}
    registry.put_base(registry.tiny.base(extra=extra, shards=2), "lab/ints")
    return registry.tiny.base(seed=9, extra=extra)


def changed(folder):
    tensors = load(folder / "model.safetensors")
    tensors["ids"] = tensors["ids"] + 1
    dump(folder / "model.safetensors", tensors)


def test_integers_are_held_against_the_base_on_the_hub(registry, ints, monkeypatch):
    assert put(registry, ints).notes == ()
    assert checks(registry, "ada/whole")["carried"].ok
    changed(ints)
    with pytest.raises(Incompatible, match="ids is I64 and differs"):
        put(registry, ints)
    monkeypatch.setattr(claims, "MOST_BYTES", 0)
    done = put(registry, ints)
    monkeypatch.undo()
    assert [word in done.notes[0] for word in ("not compared", "and 1 more")] == [True] * 2
    found = checks(registry, "ada/whole")
    assert (found["carried"].ok, "ids" in found["carried"].detail) == (False, True)


def test_what_is_too_large_to_compare_is_not_called_well(registry, ints, monkeypatch):
    put(registry, ints)
    monkeypatch.setattr(claims, "MOST_READS", 1)
    found = checks(registry, "ada/whole")["carried"]
    assert (found.ok, "not compared" in found.detail) == (None, True)


def test_what_changes_nothing_is_no_expert(registry):
    tiny = registry.tiny
    with pytest.raises(Incompatible, match="changes nothing") as caught:
        put(registry, registry.base_folder, base="lab/base")
    assert "after training" in caught.value.remedy
    trained = tiny.adapter(seed=3)
    for side, counts in (("lora_B", True), ("lora_A", True), ("q_proj.lora_B", False)):
        tensors = load(trained.folder / "adapter_model.safetensors")
        fresh = tiny.adapter(seed=3).folder
        zero = {name: values * 0 if side in name else values for name, values in tensors.items()}
        dump(fresh / "adapter_model.safetensors", zero)
        if counts:
            with pytest.raises(Incompatible, match="changes nothing"):
                put(registry, fresh, "ada/lora", base="lab/base")
        else:
            assert put(registry, fresh, "ada/lora", base="lab/base").commit


def test_training_began_on_its_own_base(registry):
    tiny = registry.tiny
    registry.put_base(tiny.base(seed=5), "lab/other")
    stranger = tiny.adapter(seed=6, config={"base_model_name_or_path": "lab/other"})
    registry.plain_adapter("ada/plain", stranger)
    registry.expert("ada/released", "recall", base="lab/other", adapter=stranger)
    registry.expert("ada/fitting", "recall")
    registry.plain_adapter("ada/unknown")
    folder = tiny.adapter(seed=7).folder
    for init in ("adapter:ada/plain", "stacked:ada/released"):
        with pytest.raises(Incompatible, match="another base, lab/other"):
            put(registry, folder, "ada/next", base="lab/base", init=init)
    for init in ("adapter:ada/fitting", "adapter:ada/unknown"):
        assert put(registry, folder, "ada/next", base="lab/base", init=init).commit


def test_a_wrong_size_is_found_and_not_used(registry):
    done = registry.expert("ada/recall", "recall")
    sizes = {"adapter_model.safetensors": 1}

    def lie(document):
        for name, size in sizes.items():
            document["artefact"]["files"][name]["size"] += size

    place = rewrite(registry, done, lie)
    assert checks(registry, place)["sizes"].ok is False
    with pytest.raises(IntegrityError, match="its size is not the one"):
        resolve(f"{place}=1", base="lab/base", endpoint=registry.endpoint)
    folder = registry.hub().download("ada/recall", done.files, commit=place.partition("@")[2])
    assert not verify(str(folder), endpoint=registry.endpoint).ok
    with pytest.raises(IntegrityError, match="its size is not the one"):
        resolve(f"{folder}=1", base="lab/base", endpoint=registry.endpoint)


def test_a_shared_tensor_must_be_there(registry):
    done = registry.expert("ada/recall", "recall")
    there = "model.layers.0.self_attn.q_proj.lora_A.weight"
    for shared, well in (([there], True), ([f"base_model.model.{there}"], True), (["score.weight"], False)):
        place = rewrite(registry, done, lambda document, shared=shared: document["artefact"].update(shared=shared))
        found = checks(registry, place)["weights"]
        assert (found.ok, "score.weight" in found.detail) == (well, not well)


def test_the_digest_of_a_start_is_that_of_the_start(registry):
    registry.plain_adapter("ada/sft", registry.tiny.adapter(seed=82))
    done = registry.expert("ada/wise", "wise", init="adapter:ada/sft")
    assert checks(registry, "ada/wise")["init"].ok
    place = rewrite(registry, done, lambda document: document["init"].update(digest="0" * 64))
    assert checks(registry, place)["init"].ok is False
    place = rewrite(registry, done, lambda document: document["init"].update(repo_id="ada/nothing"))
    assert checks(registry, place)["init"].ok is None
