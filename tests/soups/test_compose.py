"""Composing from a preference or a lock: whole, checked, reproducible, or not there at all."""

import hashlib
import json
import shutil

import numpy as np
import pytest

from rshub.errors import HubError, Incompatible, IntegrityError, InvalidInput, NotFound, OutputError
from rshub.hub.client import Hub
from rshub.soups.compose import compose
from rshub.soups.verify import verify
from tests.soups.cooking import PAIR, cook
from tests.tiny_models import load_folder


def expected(registry, **coefficients):
    terms = [(registry.adapters[name.replace("__", "/")], value) for name, value in coefficients.items()]
    return registry.tiny.dense(registry.base_folder, terms)


def close(folder, wanted):
    found = load_folder(folder)
    assert set(found) == set(wanted)
    for name, values in wanted.items():
        np.testing.assert_allclose(found[name].astype(np.float64), values, rtol=0, atol=1e-6)


def test_a_preference_becomes_a_model(pair, tmp_path):
    soup = cook(pair, tmp_path / "soup")
    close(tmp_path / "soup", expected(pair, ada__recall=0.25, ben__precision=0.75))
    told = soup.to_json()
    assert told["coefficients"] == {"precision": 0.75, "recall": 0.25}
    for name, claim in told["files"].items():
        data = (tmp_path / "soup" / name).read_bytes()
        assert claim == {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
    assert {"README.md", "soup.lock.json", "config.json", "tokenizer.json", "generation_config.json"} <= {
        path.name for path in (tmp_path / "soup").iterdir()
    }
    assert soup.report.figures["sum_coefficients"] == 1.0


def test_a_lock_gives_the_same_bytes_again_and_a_changed_one_does_not_pass(pair, tmp_path):
    first = cook(pair, tmp_path / "a")
    again = cook(pair, tmp_path / "b", str(tmp_path / "a" / "soup.lock.json"))
    assert first.lock.outputs == again.lock.outputs
    for name in first.lock.outputs:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    document = json.loads((tmp_path / "a" / "soup.lock.json").read_text())
    document["preference"] = "precision=0.5, recall=0.5"
    document["coefficients"] = {"precision": 0.5, "recall": 0.5}
    for expert in document["experts"]:
        expert["coefficient"] = 0.5
    (tmp_path / "changed.json").write_text(json.dumps(document))
    with pytest.raises(IntegrityError, match="other bytes"):
        cook(pair, tmp_path / "c", str(tmp_path / "changed.json"))
    assert not (tmp_path / "c").exists()
    cook(pair, tmp_path / "c", str(tmp_path / "changed.json"), digests=False)


def test_a_lock_rebuilds_in_its_own_form_and_in_another_when_asked(pair, tmp_path):
    cook(pair, tmp_path / "adapter", format="adapter", pad_rank=16)
    lock = str(tmp_path / "adapter" / "soup.lock.json")
    again = cook(pair, tmp_path / "again", lock)
    assert again.lock.form.format == "adapter"
    assert again.report.figures["rank"]["written"] == 16
    whole = cook(pair, tmp_path / "whole", lock, format="checkpoint")
    assert whole.lock.form.pad_rank is None
    close(tmp_path / "whole", expected(pair, ada__recall=0.25, ben__precision=0.75))


def test_the_order_in_which_things_are_said_changes_no_byte(pair, tmp_path):
    one = cook(pair, tmp_path / "a", "recall=0.25, precision=0.75")
    two = cook(pair, tmp_path / "b", "0.75*precision + 0.25*recall")
    assert one.lock.to_bytes() == two.lock.to_bytes()


def test_experts_that_continue_an_adapter_are_anchored_to_it(pair, tmp_path):
    pair.plain_adapter("ada/sft", pair.tiny.adapter(seed=50))
    for who, reward in (("ada", "wise"), ("ben", "brief")):
        pair.expert(f"{who}/{reward}", reward, init="adapter:ada/sft")
    cook(pair, tmp_path / "soup", "wise=0.5, brief=0.25", extrapolate=True)
    close(tmp_path / "soup", expected(pair, ada__wise=0.5, ben__brief=0.25, ada__sft=0.25))


def test_all_of_the_start_is_the_base_bit_for_bit(pair, tmp_path):
    cook(pair, tmp_path / "soup", "init=1")
    weights = "model.safetensors"
    assert (tmp_path / "soup" / weights).read_bytes() == (pair.base_folder / weights).read_bytes()


def test_plain_folders_compose_with_experts_without_a_hub_for_them(pair, tmp_path):
    local = pair.tiny.adapter(seed=60)
    pair.adapters["mine"] = local
    cook(pair, tmp_path / "soup", f"{local.folder}=0.5, ada/recall=0.5", base=str(pair.base_folder))
    close(tmp_path / "soup", expected(pair, mine=0.5, ada__recall=0.5))


def test_a_pushed_soup_carries_its_card_and_lock_and_verifies(pair, tmp_path):
    done = cook(pair, tmp_path / "soup", push="ada/soup", token=pair.tokens["ada"])
    info = pair.hub().info("ada/soup", "v1.0.0")
    assert info.commit == done.pushed["commit"]
    assert {"rewarded-soup", "rewarded-soup-merge", "base_model:merge:ada/recall"} <= set(info.tags)
    assert verify("ada/soup", endpoint=pair.endpoint).ok
    with pytest.raises(InvalidInput, match="something else than a soup"):
        cook(pair, tmp_path / "other", push="ada/recall", token=pair.tokens["ada"])
    assert not (tmp_path / "other").exists()  # nothing is composed for a place that cannot take it
    with pytest.raises(NotFound, match="may not"):
        cook(pair, tmp_path / "other", push="ben/soup", token=pair.tokens["ada"])
    assert not (tmp_path / "other").exists()


def test_a_soup_that_could_not_be_pushed_is_kept(pair, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise HubError("the hub is out of order", remedy="try again")

    monkeypatch.setattr(Hub, "commit", fail)
    with pytest.raises(HubError, match="out of order") as caught:
        cook(pair, tmp_path / "kept", push="ada/soup", token=pair.tokens["ada"])
    assert "the soup itself is whole" in caught.value.remedy
    assert verify(str(tmp_path / "kept"), endpoint=pair.endpoint).ok


def test_verify_names_what_was_changed(pair, tmp_path):
    cook(pair, tmp_path / "soup")
    assert verify(str(tmp_path / "soup"), endpoint=pair.endpoint).ok
    config = tmp_path / "soup" / "config.json"
    config.write_bytes(config.read_bytes() + b" ")
    checked = verify(str(tmp_path / "soup"), endpoint=pair.endpoint)
    assert [check.name for check in checked.checks if not check.ok] == ["file config.json"]


def test_verify_checks_an_expert_against_its_base_and_its_claims(pair, tmp_path):
    good = verify("ada/recall", endpoint=pair.endpoint)
    assert good.ok
    assert {"expert.json", "spec", "weights", "base", "fit", "card"} <= {check.name for check in good.checks}
    info = pair.hub().info("ada/recall")
    names = [name for name in info.files if name != ".gitattributes"]
    folder = shutil.copytree(pair.hub().download("ada/recall", names, commit=info.commit), tmp_path / "expert")
    document = json.loads((folder / "expert.json").read_text())
    document["reward"]["spec_digest"] = "0" * 64
    document["artefact"]["rank"] = 3
    document["base"]["files"]["model.safetensors"] = "1" * 64
    (folder / "expert.json").write_text(json.dumps(document))
    bad = verify(str(folder), endpoint=pair.endpoint)
    assert {check.name for check in bad.checks if check.ok is False} == {"spec", "weights", "base"}


def refused(registry, error, out, what=PAIR, **options):
    with pytest.raises(error) as caught:
        cook(registry, out, what, **options)
    assert caught.value.remedy
    leftovers = [path.name for path in out.parent.iterdir() if path.name.startswith((out.name, f".{out.name}"))]
    assert leftovers == []
    return caught.value


def test_whatever_is_wrong_leaves_nothing_behind(pair, tmp_path):
    out = tmp_path / "soup"
    refused(pair, InvalidInput, out, "recall=0.5, precison=0.5")
    refused(pair, InvalidInput, out, "recall=0.5")
    refused(pair, InvalidInput, out, format="gguf")
    refused(pair, InvalidInput, out, dtype="int4")
    refused(pair, InvalidInput, out, layout="spilt")
    refused(pair, InvalidInput, out, method="stir")
    refused(pair, InvalidInput, out, mapping="surrogate")
    refused(pair, InvalidInput, out, base=None)
    refused(pair, NotFound, out, base="lab/nothing")
    refused(pair, NotFound, out, "./nothing=1")
    refused(pair, NotFound, out, str(tmp_path / "no.lock.json"))
    refused(pair, Incompatible, out, base=str(pair.tiny.base(seed=9)))


def test_a_taken_or_impossible_output_is_refused_before_any_work(pair, tmp_path):
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "x").write_text("mine")
    with pytest.raises(OutputError, match="not empty"):
        cook(pair, tmp_path / "taken")
    assert (tmp_path / "taken" / "x").read_text() == "mine"
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        cook(pair, tmp_path / "file" / "soup")


def test_a_place_for_the_lock_that_cannot_take_it_is_refused_before_any_work(pair, tmp_path):
    for lock in (tmp_path, tmp_path / "nowhere" / "x.json"):
        with pytest.raises(OutputError):
            cook(pair, tmp_path / "soup", lock=lock)
    with pytest.raises(InvalidInput, match="UTF-8"):
        cook(pair, tmp_path / "s\udcff")
    assert list(tmp_path.glob("s*")) == []


def edited(document, *path, value):
    changed = json.loads(json.dumps(document))
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return changed


def test_a_lock_that_contradicts_itself_or_leaves_things_loose_is_refused(pair, tmp_path):
    cook(pair, tmp_path / "soup")
    document = json.loads((tmp_path / "soup" / "soup.lock.json").read_text())
    expert = document["experts"][0]
    wrong = [
        edited(document, "coefficients", value={"precision": 5.0, "recall": -3.0}),
        edited(document, "preference", value="./zz=1"),
        edited(document, "preference", value="precision=0.5, recall=0.5"),
        edited(document, "experts", value=[expert, expert, document["experts"][1]]),
        edited(document, "experts", value=[expert]),
        edited(document, "experts", 0, "coefficient", value=0.5),
        edited(document, "mapping", value="teleport"),
        edited(document, "units", value="furlong"),
        edited(document, "base", "files", value={}),
        edited(document, "base", "files", value={"model.safetensors": "short"}),
        edited(document, "base", "revision", value="main"),
        edited(document, "experts", 0, "files", value={"../../x": "a" * 64}),
        edited(document, "experts", 0, "files", value={"a\0b": "a" * 64}),
        edited(document, "experts", 0, "files", value={"": "a" * 64, "x" * 600: "a" * 64}),
        edited(document, "experts", 0, "files", value={}),
        edited(document, "base", value={"path": "", "files": document["base"]["files"]}),
        edited(document, "form", "format", value="gguf"),
        edited(document, "form", "rank", value=10**30),
        edited(document, "schema", value="rshub.soup/9"),
    ]
    for number, changed in enumerate(wrong):
        lock = tmp_path / f"{number}.json"
        lock.write_text(json.dumps(changed))
        refused(pair, InvalidInput, tmp_path / "again", str(lock))


def test_a_base_of_which_a_shard_is_not_pinned_is_refused(pair, tmp_path):
    base = pair.tiny.base(shards=3)
    local = pair.tiny.adapter(seed=70)
    cook(pair, tmp_path / "soup", f"{local.folder}=1", base=str(base))
    document = json.loads((tmp_path / "soup" / "soup.lock.json").read_text())
    document["outputs"] = None
    document["base"]["files"].pop("model-00002-of-00003.safetensors")
    (tmp_path / "loose.json").write_text(json.dumps(document))
    assert "model-00002" in str(refused(pair, InvalidInput, tmp_path / "again", str(tmp_path / "loose.json")))


def test_a_local_base_that_changed_is_refused_in_both_formats(pair, tmp_path):
    base = pair.tiny.base()
    local = pair.tiny.adapter(seed=71)
    cook(pair, tmp_path / "soup", f"{local.folder}=1", base=str(base))
    weights = base / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    for form in ("checkpoint", "adapter"):
        lock = str(tmp_path / "soup" / "soup.lock.json")
        assert "was pinned" in str(refused(pair, IntegrityError, tmp_path / "again", lock, format=form))


def test_ranks_and_coefficients_beyond_reason_are_refused(pair, tmp_path):
    out = tmp_path / "soup"
    refused(pair, InvalidInput, out, format="adapter", pad_rank=2_000_000_000)
    refused(pair, InvalidInput, out, format="adapter", rank=0)
    refused(pair, InvalidInput, out, "recall=1e300", extrapolate=True)


def test_an_expert_that_changed_under_its_lock_is_refused(pair, tmp_path):
    local = pair.tiny.adapter(seed=61)
    cook(pair, tmp_path / "soup", f"{local.folder}=1")
    shutil.copy(pair.tiny.adapter(seed=62).folder / "adapter_model.safetensors", local.folder)
    with pytest.raises(IntegrityError, match="was pinned"):
        cook(pair, tmp_path / "again", str(tmp_path / "soup" / "soup.lock.json"))


def test_pickles_are_never_opened(pair, tmp_path):
    pickle = pair.tiny.adapter(seed=63)
    (pickle.folder / "adapter_model.safetensors").rename(pickle.folder / "adapter_model.bin")
    pair.plain_adapter("ada/pickle", pickle, files=("adapter_config.json", "adapter_model.bin"))
    for name in ("ada/pickle", str(pickle.folder)):
        assert "pickle" in str(refused(pair, IntegrityError, tmp_path / "soup", f"{name}=1"))
    base = pair.tiny.base()
    (base / "model.safetensors").rename(base / "pytorch_model.bin")
    assert "pickle" in str(refused(pair, IntegrityError, tmp_path / "soup", "init=1", base=str(base)))


def test_no_network_and_a_wrong_token_are_told_apart(pair, tmp_path):
    with pytest.raises(HubError):
        compose(PAIR, base="lab/base", out=tmp_path / "soup", endpoint="http://127.0.0.1:9")
    with pytest.raises(NotFound):
        compose(PAIR, base="lab/base", out=tmp_path / "soup", endpoint=pair.endpoint, token="hf_wrong")
    assert not (tmp_path / "soup").exists()


def test_figures_that_hold_the_start_of_the_experts_say_so(pair, tmp_path):
    pair.plain_adapter("ada/sft", pair.tiny.adapter(seed=50))
    for who, reward in (("ada", "wise"), ("ben", "brief")):
        pair.expert(f"{who}/{reward}", reward, init="adapter:ada/sft")
    whole = cook(pair, tmp_path / "whole", "wise=0.5, brief=0.5")
    assert any("include the start" in line for line in whole.lines())
    part = cook(pair, tmp_path / "part", "wise=0.5, brief=0.25", extrapolate=True)
    assert not any("include the start" in line for line in part.lines())
    assert any("what the experts added" in line for line in part.lines())


def test_a_dry_run_says_what_would_be_done_and_writes_nothing(pair, tmp_path):
    soup = cook(pair, tmp_path / "soup", dry_run=True)
    assert list(tmp_path.glob("soup*")) == list(tmp_path.glob(".soup*")) == []
    told = soup.to_json()["plan"]
    made = cook(pair, tmp_path / "made")
    written = sum(values.nbytes for values in load_folder(tmp_path / "made").values())
    assert told["bytes"]["written"] == written
    assert told["touched"]["tensors"] == made.report.figures["touched"]["tensors"]
    assert any("nothing was written" in line for line in soup.lines())


def test_an_error_names_the_base_as_it_was_asked_for(pair, tmp_path):
    base = tmp_path / "base"
    shutil.copytree(pair.base_folder, base)
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps(config | {"quantization_config": {"quant_method": "some"}}))
    lora = pair.tiny.adapter()
    with pytest.raises(Incompatible, match="quantised") as caught:
        cook(pair, tmp_path / "soup", f'"{lora.folder}"=1', base=str(base))
    assert caught.value.message.startswith(str(base))


def test_the_card_of_a_folder_does_not_depend_on_its_name(pair, tmp_path):
    cook(pair, tmp_path / "soup")
    cook(pair, tmp_path / "again", str(tmp_path / "soup" / "soup.lock.json"))
    for path in (tmp_path / "soup").iterdir():
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes(), path.name


@pytest.mark.parametrize("harm", ["changed", "gone"])
def test_a_lock_is_not_well_when_a_file_beside_the_local_base_is_not(pair, tmp_path, harm):
    base = tmp_path / "base"
    shutil.copytree(pair.base_folder, base)
    lora = pair.tiny.adapter()
    cook(pair, tmp_path / "soup", f'"{lora.folder}"=1', base=str(base))
    lock = tmp_path / "soup" / "soup.lock.json"
    assert verify(str(lock), endpoint=pair.endpoint).ok
    if harm == "gone":
        (base / "tokenizer.json").unlink()
    else:
        (base / "config.json").write_text("{}")
    assert not verify(str(lock), endpoint=pair.endpoint).ok
