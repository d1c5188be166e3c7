"""The allow-list of adapter configs, and what is read out of them."""

import json
import math

import pytest

from rshub.deltas.peft_config import HARMLESS, NEEDED, REFUSED, lora_settings, matches
from rshub.errors import Incompatible, IntegrityError

PLAIN = {"peft_type": "LORA", "r": 8, "lora_alpha": 16}


def settings(**fields):
    return lora_settings(PLAIN | fields, label="the-expert")


def test_the_lists_do_not_overlap():
    assert not HARMLESS & NEEDED
    assert not set(REFUSED) & (HARMLESS | NEEDED)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_every_field_of_the_installed_peft_is_classified(tmp_path):
    peft = pytest.importorskip("peft")
    import dataclasses

    fields = {field.name for field in dataclasses.fields(peft.LoraConfig)}
    assert fields <= HARMLESS | NEEDED | set(REFUSED)
    peft.LoraConfig(r=3, lora_alpha=6).save_pretrained(tmp_path)
    read = lora_settings(json.loads((tmp_path / "adapter_config.json").read_text()), label="x")
    assert (read.rank, read.alpha) == (3, 6)


def test_scales_follow_rank_alpha_and_rslora():
    assert settings().scale("q", 8) == 2.0
    assert settings(use_rslora=True).scale("q", 4) == 8.0
    assert settings(lora_alpha=0.5).scale("q", 2) == 0.25
    assert settings(lora_alpha=-3).scale("q", 2) == -1.5
    read = settings(alpha_pattern={"a.q": 3, "q": 5}, rank_pattern={"b.q": 2}, use_rslora=True)
    assert read.scale("x.a.q", 9) == 1.0
    assert read.scale("x.b.q", 9) == pytest.approx(5 / math.sqrt(9))
    assert (read.expected_rank("x.b.q"), read.expected_rank("x.a.q")) == (2, 8)


def test_the_first_pattern_that_matches_wins():
    assert settings(rank_pattern={"q": 1, "a.q": 2}).expected_rank("a.q") == 1
    assert settings(rank_pattern={"a.q": 2, "q": 1}).expected_rank("a.q") == 2


def test_defaults_are_those_of_peft():
    read = lora_settings({"peft_type": "LORA"}, label="x")
    assert (read.rank, read.alpha, read.rslora, read.fan_in_fan_out) == (8, 8.0, False, False)


@pytest.mark.parametrize(
    ("pattern", "module", "fits"),
    [
        ("q_proj", "layers.0.q_proj", True),
        ("q_proj", "layers.0.xq_proj", False),
        ("q_proj", "q_proj", True),
        ("0.q_proj", "layers.10.q_proj", False),
        ("layers.0.q", "layers.0.q", True),
        ("^layers.0.q", "model.layers.0.q", False),
        ("^layers.0.q", "layers.0.q", True),
        (r"layers\.0\.q", "layersX0.q", False),
        ("a.b", "aXb", True),
        ("q", "", False),
    ],
)
def test_patterns_are_dotted_tails(pattern, module, fits):
    assert matches(pattern, module) is fits


@pytest.mark.parametrize(
    "pattern", ["(a+)+$", "q_proj|v_proj", r".*\.q_proj", "[qv]_proj", r"layers\.\d+\.q", "q+", "", "(?i)q"]
)
@pytest.mark.parametrize("field", ["rank_pattern", "alpha_pattern"])
def test_any_other_pattern_is_refused_by_name(pattern, field):
    with pytest.raises(Incompatible, match="the-expert") as caught:
        settings(**{field: {pattern: 4}})
    assert pattern in caught.value.where


@pytest.mark.parametrize("kind", ["IA3", "LOHA", "ADALORA", "lora", None, 7, ["LORA"]])
def test_another_kind_of_adapter_is_refused(kind):
    with pytest.raises(Incompatible, match="peft_type"):
        lora_settings(PLAIN | {"peft_type": kind}, label="x")


@pytest.mark.parametrize("field", sorted(REFUSED))
def test_fields_that_change_the_meaning_are_refused_by_name(field):
    value = {"layer_replication": [[0, 4]], "target_parameters": ["experts.down_proj"]}.get(field, True)
    with pytest.raises(Incompatible, match=field) as caught:
        settings(**{field: value})
    assert caught.value.where == field
    for empty in (None, False, [], {}):
        settings(**{field: empty})


@pytest.mark.parametrize("value", [1, 0, False, "x", {}, [1]])
def test_an_unknown_field_is_refused_unless_it_is_null(value):
    with pytest.raises(Incompatible, match="use_new_thing"):
        settings(use_new_thing=value)
    settings(use_new_thing=None)


@pytest.mark.parametrize("init", [True, False, "gaussian", "eva", "orthogonal", "mica", "Gaussian"])
def test_inits_that_leave_the_base_alone_are_read(init):
    settings(init_lora_weights=init)


@pytest.mark.parametrize(
    "init", ["pissa", "pissa_niter_16", "olora", "loftq", "corda", "lora_ga", "new", 1, 0, None, []]
)
def test_any_other_init_is_refused(init):
    with pytest.raises(Incompatible, match="init_lora_weights"):
        settings(init_lora_weights=init)


@pytest.mark.parametrize(
    "fields",
    [
        {"r": 0}, {"r": -1}, {"r": 2**31}, {"r": 4.0}, {"r": True}, {"r": "8"},
        {"lora_alpha": "16"}, {"lora_alpha": 1e308}, {"lora_alpha": float("nan")},
        {"lora_alpha": True}, {"use_rslora": 1}, {"fan_in_fan_out": "yes"},
        {"bias": "some"}, {"bias": True}, {"lora_bias": 1}, {"use_dora": "yes"}, {"modules_to_save": "lm_head"},
        {"modules_to_save": [""]}, {"modules_to_save": [3]}, {"trainable_token_indices": [1, 1]},
        {"trainable_token_indices": [-1]}, {"trainable_token_indices": [True]}, {"trainable_token_indices": 3},
        {"trainable_token_indices": {"embed_tokens": []}}, {"trainable_token_indices": {"embed_tokens": "1"}},
        {"rank_pattern": [1]}, {"rank_pattern": {"q": 0}}, {"alpha_pattern": {"q": None}}, {"alpha_pattern": "q"},
    ],
)  # fmt: skip
def test_fields_of_the_wrong_type_are_refused(fields):
    with pytest.raises(IntegrityError, match=next(iter(fields))):
        settings(**fields)


def test_target_modules_are_never_evaluated():
    settings(target_modules="(a|a)*(b|b)*(c|c)*$" * 50, layers_pattern="(x+x+)+y", exclude_modules="(z+)+")
