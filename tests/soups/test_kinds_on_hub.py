"""Full, partial and stacked experts through the public functions, on the embedded hub."""

import json

import numpy as np
import pytest
import yaml

from rshub.errors import Incompatible, IntegrityError, InvalidInput
from rshub.experts.browse import info, ls
from rshub.experts.publish import publish
from rshub.soups.compose import compose
from rshub.soups.lock import SoupLock
from rshub.soups.resolve import resolve
from rshub.soups.verify import verify
from tests.soups.test_pipelines import TO_Q, UNET, pipeline, random, tensors
from tests.soups.test_pipelines import adapter as unet_adapter
from tests.soups.test_weight_sets import close, dense, part
from tests.tiny_models import dump, load_folder


def put(registry, folder, repo, reward, *, base="lab/base", **options):
    owner = repo.split("/")[0]
    return publish(
        folder, repo, reward=reward, base=base, endpoint=registry.endpoint, token=registry.tokens[owner], **options
    )


def cook(registry, what, out, *, base="lab/base", **options):
    return compose(what, base=None if what.endswith(".json") else base, out=out, endpoint=registry.endpoint, **options)


def front(registry, repo, commit):
    folder = registry.hub().download(repo, ["README.md"], commit=commit)
    text = (folder / "README.md").read_text().split("---", 2)
    return yaml.safe_load(text[1]), text[2]


def test_a_model_a_part_of_one_and_an_adapter_become_one_soup(registry, tmp_path):
    tiny = registry.tiny
    whole = tiny.base(seed=9, shards=2)
    (whole / "training_args.bin").write_bytes(b"\x80\x04.")
    some = part(tiny, ["model.norm.weight", "lm_head.weight"])
    full = put(registry, whole, "ada/whole", "recall", license="mit")
    partial = put(registry, some, "ben/part", "precision")
    registry.expert("ada/lora", "length")

    shards = [f"model-0000{number}-of-00002.safetensors" for number in (1, 2)]
    assert set(full.manifest.artefact.files) == {*shards, "config.json", "model.safetensors.index.json"}
    assert set(registry.hub().info("ada/whole").files) == {
        *full.manifest.artefact.files, "README.md", "expert.json", ".gitattributes",
        "tokenizer.json", "generation_config.json", "chat_template.jinja",
    }  # fmt: skip
    claims = [(each.manifest.artefact.kind, each.manifest.artefact.format) for each in (full, partial)]
    assert claims == [("full", "plain"), ("partial", "plain")]
    assert full.manifest.artefact.rank is None
    assert partial.manifest.artefact.modules == ("lm_head", "model.norm")
    said, text = front(registry, "ada/whole", full.commit)
    assert (said["base_model_relation"], said["library_name"]) == ("finetune", "transformers")
    assert (said["pipeline_tag"], "lora" in said["tags"], "PEFT" in text) == ("text-generation", False, False)
    said, _ = front(registry, "ben/part", partial.commit)
    assert (said["base_model_relation"], "library_name" in said) == ("finetune", False)

    found = {entry.repo_id: entry.to_json()["kind"] for entry in ls(endpoint=registry.endpoint)}
    assert found == {"ada/whole": "full", "ben/part": "partial", "ada/lora": "lora"}
    assert "partial, plain, 2 modules" in "\n".join(info("ben/part", endpoint=registry.endpoint).lines())

    soup = cook(registry, "recall=0.5, precision=0.3, length=0.2", tmp_path / "soup")
    terms = [(whole, 0.5), (some, 0.3), (registry.adapters["ada/lora"], 0.2)]
    close(load_folder(tmp_path / "soup"), dense(registry.base_folder, terms))
    pinned = {expert.label: expert.pin.files for expert in soup.lock.experts}
    assert set(pinned["recall"]) == set(full.manifest.artefact.files)
    assert set(pinned["precision"]) == {"tuned.safetensors"}
    again = cook(registry, str(tmp_path / "soup" / "soup.lock.json"), tmp_path / "again")
    assert again.lock.outputs == soup.lock.outputs
    for target in ("ada/whole", "ben/part", "ada/lora", str(tmp_path / "again")):
        checks = verify(target, endpoint=registry.endpoint)
        assert checks.ok, checks.to_json()


def test_folders_and_repos_without_a_manifest_are_welcome(registry, tmp_path):
    some = part(registry.tiny, ["model.norm.weight"])
    hub = registry.hub("ben")
    hub.create_repo("ben/plain")
    hub.commit("ben/plain", {"best.safetensors": some / "tuned.safetensors"}, message="A part")
    cook(registry, "ben/plain=0.5", tmp_path / "one", extrapolate=True)
    cook(registry, f'"{some}"=0.5', tmp_path / "two", extrapolate=True)
    close(load_folder(tmp_path / "one"), dense(registry.base_folder, [(some, 0.5)]))
    close(load_folder(tmp_path / "two"), dense(registry.base_folder, [(some, 0.5)]))


def test_another_release_may_be_of_another_kind(registry):
    put(registry, registry.tiny.adapter().folder, "ada/recall", "recall")
    some = part(registry.tiny, ["model.norm.weight"])
    done = put(registry, some, "ada/recall", "recall")
    assert done.tag == "v1.1.0"
    there = set(registry.hub().info("ada/recall").files)
    assert there == {"README.md", "expert.json", "tuned.safetensors", ".gitattributes"}
    assert put(registry, some, "ada/recall", "recall").tag == "v1.2.0"


def test_what_cannot_be_published_is_refused_before_anything_is_sent(registry):
    some = part(registry.tiny, ["model.norm.weight"])
    with pytest.raises(InvalidInput) as caught:
        publish(some, "ada/part", reward="recall", endpoint=registry.endpoint, token=registry.tokens["ada"])
    assert caught.value.where == "--base"
    values = np.full(12, np.nan, np.float32)
    dump(some / "tuned.safetensors", {"model.norm.weight": values})
    with pytest.raises(IntegrityError, match=r"model\.norm\.weight holds NaN"):
        put(registry, some, "ada/part", "recall")
    dump(some / "tuned.safetensors", {"model.norm.weight": np.ones(13, np.float32)})
    with pytest.raises(Incompatible, match=r"model\.norm\.weight"):
        put(registry, some, "ada/part", "recall")
    assert not registry.hub().exists("ada/part")


def test_claims_of_another_kind_do_not_pass(registry):
    done = put(registry, part(registry.tiny, ["model.norm.weight"]), "ada/part", "recall")
    document = done.manifest.to_json()
    document["artefact"]["kind"] = "full"
    made = registry.hub().commit("ada/part", {"expert.json": json.dumps(document).encode()}, message="more")
    checks = {check.name: check for check in verify(f"ada/part@{made.commit}", endpoint=registry.endpoint).checks}
    assert checks["fit"].ok is False
    assert "partial" in checks["fit"].detail


def test_an_adapter_below_the_experts_counts_once(registry, tmp_path):
    """With SFT adapter Delta_0 frozen below: theta = theta_0 + Delta_0 + sum lambda_i Delta_i."""
    registry.expert("ada/sft", "style")
    for repo, reward in (("ada/a", "recall"), ("ben/b", "precision")):
        registry.expert(repo, reward, init="stacked:ada/sft")
    sft, first, second = (registry.adapters[name] for name in ("ada/sft", "ada/a", "ben/b"))
    for number, (preference, one, other) in enumerate(
        [("recall=0.3, precision=0.7", 0.3, 0.7), ("recall=0.5", 0.5, 0.0), ("recall=0", 0.0, 0.0)]
    ):
        out = tmp_path / f"soup-{number}"
        soup = cook(registry, preference, out, extrapolate=True)
        close(load_folder(out), registry.tiny.dense(registry.base_folder, [(sft, 1.0), (first, one), (second, other)]))
        assert soup.lock.init_kind == "stacked"
        assert SoupLock.load(out / "soup.lock.json") == soup.lock
    as_adapter = cook(registry, "recall=0.5", tmp_path / "adapter", extrapolate=True, format="adapter")
    assert as_adapter.report.figures["rank"]["written"] == 8
    card = front(registry, "ada/a", info("ada/a", endpoint=registry.endpoint).commit)[1]
    assert "frozen adapter ada/sft" in card


def test_starts_do_not_mix_and_both_are_named(registry):
    registry.expert("ada/sft", "style")
    registry.expert("ada/a", "recall", init="stacked:ada/sft")
    registry.expert("ben/b", "precision", init="adapter:ada/sft")
    registry.expert("ben/c", "length")
    for other in ("ben/b", "ben/c"):
        with pytest.raises(Incompatible, match="do not share one start") as caught:
            resolve(f"ada/a=0.5, {other}=0.5", base="lab/base", endpoint=registry.endpoint)
        assert "stacked:" in caught.value.message
        assert ("adapter:" if other == "ben/b" else "base") in caught.value.message
    with pytest.raises(Incompatible, match="no lineage covers"):
        resolve("recall=0.5, precision=0.5", base="lab/base", endpoint=registry.endpoint)
    with pytest.raises(InvalidInput, match="no start"):
        registry.expert("ben/d", "other", init="stacked")


def test_a_lock_that_does_not_name_the_kind_of_its_start_means_a_continued_adapter(registry):
    registry.expert("ada/sft", "style")
    registry.expert("ada/a", "recall", init="adapter:ada/sft")
    lock = resolve("recall=1", base="lab/base", endpoint=registry.endpoint).lock
    document = lock.to_json()
    assert document["init"].pop("kind") == "adapter"
    assert SoupLock.from_bytes(json.dumps(document).encode()) == lock
    document["init"]["kind"] = "merged"
    with pytest.raises(InvalidInput, match=r"init\.kind"):
        SoupLock.from_bytes(json.dumps(document).encode())


def test_a_pipeline_goes_the_whole_way(registry, tmp_path):
    tiny = registry.tiny
    base = pipeline(tiny, shards=2)
    hub = registry.hub()
    hub.create_repo("lab/pipe")
    hub.commit(
        "lab/pipe",
        {path.relative_to(base).as_posix(): path for path in base.rglob("*.*") if path.is_file()},
        message="x",
    )
    lora, delta = unet_adapter(tiny)
    tuned = tiny.path("tuned")
    (tuned / "unet").mkdir()
    conv = random({"conv_in.weight": UNET["conv_in.weight"]}, 7)
    dump(tuned / "unet/tuned.safetensors", conv)
    put(registry, lora, "ada/lora", "sharp", base="lab/pipe")
    done = put(registry, tuned, "ben/part", "bright", base="lab/pipe")
    assert (done.manifest.artefact.kind, done.manifest.artefact.format) == ("partial", "diffusers")
    assert front(registry, "ben/part", done.commit)[0]["library_name"] == "diffusers"
    assert verify("ben/part", endpoint=registry.endpoint).ok
    soup = cook(registry, "sharp=0.5, bright=0.5", tmp_path / "soup", base="lab/pipe")
    want = {name: values.astype(np.float64) for name, values in tensors(base).items()}
    want[f"unet/{TO_Q}.weight"] += 0.5 * delta
    want["unet/conv_in.weight"] += 0.5 * (conv["conv_in.weight"] - want["unet/conv_in.weight"])
    close(tensors(tmp_path / "soup"), want)
    assert {"model_index.json", "scheduler/scheduler_config.json", "tokenizer/merges.txt", "vae/config.json"} <= set(
        soup.lock.outputs
    )
    assert not any(name.endswith((".py", ".bin")) for name in soup.lock.outputs)
    assert set(soup.lock.base.files) == {path.relative_to(base).as_posix() for path in base.glob("*/*.safetensors")}
    cook(registry, "sharp=1", tmp_path / "adapter", base="lab/pipe", format="adapter")
    local = cook(registry, f'"{tuned}"=1', tmp_path / "local", base=str(base))
    assert "unet/config.json" in local.lock.base.files
    again = cook(registry, str(tmp_path / "local" / "soup.lock.json"), tmp_path / "again")
    assert again.lock.outputs == local.lock.outputs
    assert verify(str(tmp_path / "again"), endpoint=registry.endpoint).ok
