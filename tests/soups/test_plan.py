"""Plans: what is decided and what is refused before a byte is written."""

import json

import numpy as np
import pytest

from rshub.errors import Incompatible, IntegrityError, InvalidInput, NotFound
from rshub.soups.plan import plan_soup
from rshub.tensors.checkpoint import Checkpoint
from tests.tiny_models import CONFIG, MODULES, SHAPES, dump, load

LOW = MODULES[0]


def test_a_plan_says_what_it_would_do(tiny, pot):
    base = tiny.base(dtype="BF16", shards=3)
    terms = [(tiny.adapter(rank=4), 0.7), (tiny.adapter(rank=2, modules=[LOW]), 0.3), (tiny.path("no"), 0.0)]
    told = pot.plan(base, terms).describe()
    assert told == json.loads(json.dumps(told))
    assert told["touched"]["tensors"] == len(MODULES)
    assert told["touched"]["elements"] == sum(int(np.prod(SHAPES[module + ".weight"])) for module in MODULES)
    assert told["touched"]["names"] == sorted(module + ".weight" for module in MODULES)
    assert told["rank"]["full"] == 6
    assert [(e["label"], e["coefficient"], e["rank"]) for e in told["experts"]] == [
        ("expert-0", 0.7, 4), ("expert-1", 0.3, 2), ("expert-2", 0.0, 0),
    ]  # fmt: skip
    assert told["bytes"]["written"] == 2 * sum(int(np.prod(shape)) for shape in SHAPES.values())
    assert told["base"]["bytes"] == sum(path.stat().st_size for path in base.glob("*.safetensors"))
    assert pot.plan(base, terms, dtype="float32").describe()["bytes"]["written"] == 2 * told["bytes"]["written"]
    adapter = pot.plan(base, terms, format="adapter", pad_rank=8).describe()
    sides = sum(sum(SHAPES[module + ".weight"]) for module in MODULES)
    assert adapter["bytes"]["written"] == 4 * 8 * sides
    assert adapter["rank"] == {"full": 6, "written": 8}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"format": "adaptor"}, "did you mean 'adapter'"),
        ({"dtype": "bf16"}, "there is no dtype 'bf16'"),
        ({"method": "deltas"}, "there is no method 'deltas'; did you mean 'delta'"),
        ({"density": 0.5}, "the method 'delta' has no use for a density"),
        ({"method": "ties", "seed": 3}, "the method 'ties' has no use for a seed"),
        ({"method": "ties", "density": 0.0}, "density = 0.0"),
        ({"method": "dare", "density": 1.5}, "density = 1.5"),
        ({"method": "dare", "density": float("nan")}, "density = nan"),
        ({"method": "dare", "seed": -1}, "seed = -1"),
        ({"rank": 0, "format": "adapter"}, "rank = 0"),
        ({"rank": 4}, "no meaning for a checkpoint"),
        ({"pad_rank": 4}, "no meaning for a checkpoint"),
        ({"pad_rank": 2, "format": "adapter"}, "less than the soup's rank 4"),
        ({"dtype": "bfloat16", "format": "adapter"}, "float32"),
    ],
)
def test_an_option_that_is_not_one_is_refused(tiny, pot, options, says):
    with pytest.raises(InvalidInput, match=says) as caught:
        pot.plan(tiny.base(), [(tiny.adapter(), 1.0)], **options)
    assert caught.value.remedy


def test_an_unknown_method_names_those_that_exist(tiny, pot):
    with pytest.raises(InvalidInput) as caught:
        pot.plan(tiny.base(), [(tiny.adapter(), 1.0)], method="nuslerp")
    assert all(name in caught.value.remedy for name in ("delta", "factor", "slerp", "ties", "dare"))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_coefficient_that_is_no_number_is_refused(tiny, pot, value):
    with pytest.raises(InvalidInput, match="expert-0"):
        pot.plan(tiny.base(), [(tiny.adapter(), value)])


def test_a_zero_term_is_not_read_but_stays_in_the_record(tiny, pot):
    plan = pot.plan(tiny.base(), [(tiny.path("empty"), 0.0), (tiny.adapter(), 1.0)])
    assert len(plan.terms) == 2
    assert len(plan.ingredients) == 1


def test_what_is_not_there_is_not_found(tiny, pot, tmp_path):
    with pytest.raises(NotFound, match="no such folder"):
        pot.plan(tiny.base(), [(tmp_path / "nothing", 1.0)])
    with pytest.raises(NotFound, match="adapter_model"):
        pot.plan(tiny.base(), [(tiny.path("empty"), 1.0)])
    with pytest.raises(NotFound, match="no such folder"):
        Checkpoint.open(tmp_path / "nothing")
    with pytest.raises(NotFound, match="no safetensors"):
        Checkpoint.open(tiny.path("empty"))


def test_a_tensor_that_matches_nothing_is_named(tiny, pot):
    shapes = SHAPES | {"model.layers.7.self_attn.q_proj.weight": (12, 12)}
    stray = tiny.adapter(shapes=shapes, modules=[LOW, "model.layers.7.self_attn.q_proj"])
    with pytest.raises(Incompatible, match=r"expert-0: the tensor \S*layers\.7\S*lora_A.* matches nothing") as caught:
        pot.plan(tiny.base(), [(stray, 1.0)])
    assert "layers.7" in caught.value.where
    assert "other names" in caught.value.remedy


def test_shapes_that_do_not_fit_are_named_with_both(tiny, pot):
    stray = tiny.adapter(shapes={LOW + ".weight": (12, 14)}, modules=[LOW])
    with pytest.raises(Incompatible, match=r"\[12, 4\].*\[4, 14\].*does not fit.*q_proj\.weight \[12, 12\]"):
        pot.plan(tiny.base(), [(stray, 1.0)])


@pytest.mark.parametrize(
    "key",
    [
        "base_model.model.{module}.lora_{side}.default.weight",
        "{module}.lora_{side}.weight",
        "module.base_model.model.{module}.lora_{side}.weight",
        "_orig_mod.base_model.model.{module}.lora_{side}.weight",
        "base_model.model._orig_mod.{module}.lora_{side}.weight",
        "_fsdp_wrapped_module.base_model.model.{module}.lora_{side}.weight",
    ],
)
def test_wrappers_in_names_are_stripped(tiny, pot, key):
    base = tiny.base()
    plain, wrapped = tiny.adapter(), tiny.adapter(key=key)
    want, got = (pot.checkpoint(base, [(one, 0.5)]) for one in (plain, wrapped))
    assert all(got[name].tobytes() == values.tobytes() for name, values in want.items())


def test_a_body_name_on_one_side_only_is_allowed_for(tiny, pot):
    bare = {name.removeprefix("model."): shape for name, shape in SHAPES.items()}
    adapter = tiny.adapter()
    base = tiny.base(shapes=bare)
    want = {name.removeprefix("model."): v for name, v in pot.checkpoint(tiny.base(), [(adapter, 1.0)]).items()}
    got = pot.checkpoint(base, [(adapter, 1.0)])
    assert all(got[name].tobytes() == values.tobytes() for name, values in want.items())
    modules = [module.removeprefix("model.") for module in MODULES]
    shorter = tiny.adapter(shapes=bare, modules=modules)
    longer = pot.checkpoint(tiny.base(), [(shorter, 1.0)])
    assert all(longer["model." + name].tobytes() == got[name].tobytes() for name in bare if "proj" in name)


def test_a_name_that_could_be_two_tensors_is_refused(tiny, pot):
    shapes = {"model.q.weight": (3, 3), "transformer.q.weight": (3, 3)}
    adapter = tiny.adapter(shapes={"q.weight": (3, 3)}, modules=["q"], rank=1)
    with pytest.raises(Incompatible, match="more than one"):
        pot.plan(tiny.base(shapes=shapes), [(adapter, 1.0)])


def test_two_modules_for_one_tensor_are_refused(tiny, pot):
    adapter = tiny.adapter(shapes={"model.q.weight": (3, 3), "q.weight": (3, 3)}, modules=["model.q", "q"], rank=1)
    with pytest.raises(Incompatible, match="two modules"):
        pot.plan(tiny.base(shapes={"q.weight": (3, 3)}), [(adapter, 1.0)])


def test_experts_that_name_one_tensor_in_two_ways_give_no_adapter(tiny, pot):
    bare = {name.removeprefix("model."): shape for name, shape in SHAPES.items()}
    terms = [
        (tiny.adapter(modules=[LOW]), 1.0),
        (tiny.adapter(shapes=bare, modules=["layers.1.self_attn.q_proj"], seed=2), 1.0),
    ]
    pot.cook(tiny.base(), terms)
    with pytest.raises(Incompatible, match="name the base's tensors differently"):
        pot.cook(tiny.base(), terms, format="adapter")


@pytest.mark.parametrize(
    "quantisation", [{"quant_method": "gptq"}, {"quant_method": "bitsandbytes", "load_in_4bit": True}]
)
def test_a_quantised_base_is_refused(tiny, pot, quantisation):
    base = tiny.base(config=CONFIG | {"quantization_config": quantisation})
    for form in ("checkpoint", "adapter"):
        with pytest.raises(Incompatible, match="quantised"):
            pot.plan(base, [(tiny.adapter(), 1.0)], format=form)


def test_a_packed_tensor_is_refused_where_it_is_touched(tiny, pot):
    base = tiny.base(extra={LOW + ".weight": np.zeros((12, 12), np.uint8)})
    with pytest.raises(Incompatible, match=f"{LOW}.weight of the base is U8"):
        pot.plan(base, [(tiny.adapter(), 1.0)])
    pot.cook(base, [(tiny.adapter(modules=MODULES[1:]), 1.0)])


@pytest.mark.parametrize(
    ("tie", "stored", "tied"),
    [(True, True, True), (True, False, True), (None, False, True), (None, True, False), (False, True, False)],
)
def test_a_head_that_changes_alone_is_the_embedding_no_longer(tiny, pot, tie, stored, tied):
    config = {key: value for key, value in CONFIG.items() if key != "tie_word_embeddings"}
    if tie is not None:
        config["tie_word_embeddings"] = tie
    shapes = {name: shape for name, shape in SHAPES.items() if stored or name != "lm_head.weight"}
    plan = pot.plan(tiny.base(config=config, shapes=shapes), [(tiny.adapter(modules=["lm_head"]), 1.0)])
    assert [one.tensor for one in plan.touched] == ["lm_head.weight"]
    assert (plan.untied is not None) is tied


def embedding_adapter(tiny, module="model.embed_tokens"):
    folder = tiny.path("adapter")
    rng = np.random.default_rng(0)
    dump(
        folder / "adapter_model.safetensors",
        {
            f"base_model.model.{module}.lora_embedding_A": rng.standard_normal((2, 23)).astype(np.float32),
            f"base_model.model.{module}.lora_embedding_B": rng.standard_normal((12, 2)).astype(np.float32),
        },
    )
    (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": 2, "lora_alpha": 2}))
    return folder


@pytest.mark.parametrize(
    "config",
    [
        {"tie_word_embeddings": True, "vocab_size": 40},
        {"text_config": {"tie_word_embeddings": True, "vocab_size": 40}},
        {"vocab_size": 40},
        {"tie_word_embeddings": True},
    ],
)
def test_an_embedding_of_positions_is_not_tied(tiny, pot, config):
    folder = embedding_adapter(tiny, "model.embed_positions")
    shapes = {name.replace("embed_tokens", "embed_positions"): shape for name, shape in SHAPES.items()}
    del shapes["lm_head.weight"]
    base = tiny.base(shapes=shapes | {"model.embed_tokens.weight": (40, 12)}, config={"model_type": "x"} | config)
    plan = pot.plan(base, [(folder, 1.0)])
    assert [one.tensor for one in plan.touched] == ["model.embed_positions.weight"]
    assert plan.untied is None


def test_an_embedding_that_changes_alone_is_the_head_no_longer(tiny, pot):
    folder = embedding_adapter(tiny)
    assert pot.plan(tiny.base(), [(folder, 1.0)]).untied is None
    shapes = {name: shape for name, shape in SHAPES.items() if name != "lm_head.weight"}
    for config in (CONFIG | {"tie_word_embeddings": True}, {"model_type": "x"}):
        plan = pot.plan(tiny.base(config=config, shapes=shapes), [(folder, 1.0)])
        assert [one.tensor for one in plan.touched] == ["model.embed_tokens.weight"]
        assert plan.untied is not None


def test_square_layers_are_not_guessed_when_the_others_contradict_the_config(tiny, pot):
    shapes = {"square.weight": (4, 4), "long.weight": (4, 9)}
    base = tiny.base(shapes=shapes)
    adapter = tiny.adapter(shapes={"square.weight": (4, 4), "long.weight": (9, 4)}, modules=["square", "long"], rank=2)
    with pytest.raises(Incompatible, match=r"square\.lora_A.*both ways"):
        pot.plan(base, [(adapter, 1.0)])


def test_a_headers_only_base_serves_for_planning(tiny):
    folder = tiny.base()
    data = (folder / "model.safetensors").read_bytes()
    base = Checkpoint.from_headers({"model.safetensors": (data[:9000], len(data))}, configs={}, source="org/b")
    assert plan_soup(base=base, terms=[], format="adapter").touched == ()


def test_a_tensor_in_two_shards_is_refused(tiny):
    base = tiny.base(shards=2)
    first, second = sorted(base.glob("*.safetensors"))
    dump(second, load(second) | dict(list(load(first).items())[:1]))
    with pytest.raises(IntegrityError, match=r"model-00002.*holds model\.embed_tokens\.weight"):
        Checkpoint.open(base)
