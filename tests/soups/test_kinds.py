"""Soups of experts that hold more than factors, against the dense float64 sum of what each of them does alone."""

import json

import ml_dtypes
import numpy as np
import pytest

from rshub.errors import Incompatible, IntegrityError
from tests.tiny_models import SHAPES, dump, load_folder

PATH = "base_model.model."
Q, V, WORDS = "model.layers.0.self_attn.q_proj", "model.layers.0.self_attn.v_proj", "model.embed_tokens"
BIASED = SHAPES | {f"{Q}.bias": (12,), f"{V}.bias": (8,)}


class Kinds:
    """Writes experts of several kinds, and says what each does to the stored tensors, in float64."""

    def __init__(self, tiny):
        self.tiny = tiny
        self.rng = np.random.default_rng(7)

    def some(self, *shape):
        return self.rng.standard_normal(shape).astype(np.float32)

    def write(self, tensors, **config):
        folder = self.tiny.path("adapter")
        dump(folder / "adapter_model.safetensors", {PATH + name: values for name, values in tensors.items()})
        plain = {"peft_type": "LORA", "r": 2, "lora_alpha": 3, "lora_dropout": 0.1}
        (folder / "adapter_config.json").write_text(json.dumps(plain | config))
        return folder

    def biases(self):
        a, b, added, saved = self.some(2, 12), self.some(12, 2), self.some(12), self.some(8)
        folder = self.write(
            {f"{Q}.lora_A.weight": a, f"{Q}.lora_B.weight": b, f"{Q}.lora_B.bias": added, f"{V}.bias": saved},
            lora_bias=True, bias="all",
        )  # fmt: skip

        def alone(theta):
            return theta | {
                f"{Q}.weight": theta[f"{Q}.weight"] + 1.5 * b.astype(float) @ a,
                f"{Q}.bias": theta[f"{Q}.bias"] + 1.5 * added.astype(float),
                f"{V}.bias": saved.astype(float),
            }

        return folder, alone

    def saved(self):
        norm, head, rows = self.some(12), self.some(23, 12), self.some(3, 12)
        folder = self.write(
            {
                "model.norm.weight": norm,
                "lm_head.modules_to_save.default.weight": head,
                f"{WORDS}.token_adapter.trainable_tokens_delta": rows,
                "v_head.summary.weight": self.some(1, 12),
            },
            modules_to_save=["norm", "lm_head"], trainable_token_indices={"embed_tokens": [22, 0, 7]},
        )  # fmt: skip

        def alone(theta):
            words = theta[f"{WORDS}.weight"].copy()
            words[[22, 0, 7]] = rows
            return theta | {f"{WORDS}.weight": words, "model.norm.weight": norm, "lm_head.weight": head}

        return folder, alone

    def lengths(self):
        a, b, m = self.some(2, 12), self.some(12, 2), 1 + self.rng.random(12).astype(np.float32)
        ea, eb, em = self.some(2, 23), self.some(12, 2), 1 + self.rng.random(12).astype(np.float32)
        under = self.some(23, 12)
        folder = self.write(
            {
                f"{Q}.lora_A.weight": a, f"{Q}.lora_B.weight": b, f"{Q}.lora_magnitude_vector": m,
                f"{WORDS}.lora_embedding_A": ea, f"{WORDS}.lora_embedding_B": eb,
                f"{WORDS}.lora_magnitude_vector": em, f"{WORDS}.base_layer.weight": under,
            },
            use_dora=True, use_rslora=True,
        )  # fmt: skip

        def alone(theta):
            scale = 3 / np.sqrt(2)
            q = theta[f"{Q}.weight"] + scale * b.astype(float) @ a
            words = under + scale * (eb.astype(float) @ ea).T
            return theta | {
                f"{Q}.weight": m[:, None] * q / np.linalg.norm(q, axis=1, keepdims=True),
                f"{WORDS}.weight": em * words / np.linalg.norm(words, axis=0),
            }

        return folder, alone

    def under(self):
        ea, eb, under = self.some(2, 23), self.some(12, 2), self.some(23, 12)
        folder = self.write(
            {
                f"{WORDS}.lora_embedding_A": ea,
                f"{WORDS}.lora_embedding_B": eb,
                f"{WORDS}.base_layer.weight": under,
            }
        )
        return folder, lambda theta: theta | {f"{WORDS}.weight": under + 1.5 * (eb.astype(float) @ ea).T}


@pytest.fixture
def kinds(tiny):
    return Kinds(tiny)


NAMES = ("biases", "saved", "lengths", "under")


def dense(base, terms):
    theta = {name: values.astype(np.float64) for name, values in load_folder(base).items()}
    moved = [(weight, alone(theta)) for alone, weight in terms]
    return {
        name: values + sum(weight * (after[name] - values) for weight, after in moved) for name, values in theta.items()
    }


@pytest.mark.parametrize("name", NAMES)
def test_one_expert_alone_is_itself(tiny, pot, kinds, name):
    base = tiny.base(shapes=BIASED, dtype="F64", shards=2)
    folder, alone = getattr(kinds, name)()
    got, want = pot.checkpoint(base, [(folder, 1.0)]), dense(base, [(alone, 1.0)])
    for tensor, values in got.items():
        np.testing.assert_allclose(values, want[tensor], rtol=0, atol=1e-13, err_msg=tensor)


@pytest.mark.parametrize(("dtype", "atol"), [("F64", 1e-13), ("F32", 1e-6), ("BF16", 0.04)])
def test_a_mixture_of_all_kinds_is_the_sum_of_their_deltas(tiny, pot, kinds, dtype, atol):
    base = tiny.base(shapes=BIASED, dtype=dtype)
    experts = [getattr(kinds, name)() for name in NAMES]
    weights = (0.7, -0.45, 1.2, 0.3)
    plain = tiny.adapter(rank=3)
    want = dense(base, [(alone, weight) for (_, alone), weight in zip(experts, weights, strict=True)])
    for tensor in want:
        want[tensor] = want[tensor] + 0.5 * plain.delta(tensor.removesuffix(".weight"))
    terms = [(folder, weight) for (folder, _), weight in zip(experts, weights, strict=True)] + [(plain, 0.5)]
    got = pot.checkpoint(base, terms)
    for tensor, values in got.items():
        np.testing.assert_allclose(values.astype(np.float64), want[tensor], rtol=0, atol=atol, err_msg=tensor)
    if dtype == "BF16":
        right = [got[tensor] == values.astype(ml_dtypes.bfloat16) for tensor, values in want.items()]
        assert np.mean(np.concatenate([one.reshape(-1) for one in right])) > 0.999
    again = pot.checkpoint(base, terms[::-1])
    assert all(again[tensor].tobytes() == values.tobytes() for tensor, values in got.items())


def test_what_was_left_out_is_told_with_the_soup(tiny, pot, kinds):
    _, report = pot.cook(tiny.base(shapes=BIASED), [(kinds.saved()[0], 0.5)])
    assert any("v_head.summary.weight" in warning and "left out" in warning for warning in report.figures["warnings"])


@pytest.mark.parametrize(
    ("tensors", "config"),
    [
        ({"model.norm.weight": (12,)}, {}),
        ({f"{WORDS}.token_adapter.trainable_tokens_delta": (1, 12)}, {"trainable_token_indices": [3]}),
    ],
)
def test_nan_in_a_saved_tensor_is_refused_by_name(tiny, pot, kinds, tensors, config):
    folder = kinds.write({name: np.full(shape, np.nan, np.float32) for name, shape in tensors.items()}, **config)
    with pytest.raises(IntegrityError, match=rf"the tensor {PATH}{next(iter(tensors))} holds NaN"):
        pot.cook(tiny.base(), [(folder, 1.0)])


def test_lengths_give_no_adapter(tiny, pot, kinds):
    with pytest.raises(Incompatible, match="changed by DoRA"):
        pot.cook(tiny.base(shapes=BIASED), [(kinds.lengths()[0], 1.0)], format="adapter")


@pytest.mark.parametrize("name", NAMES)
def test_factors_cannot_be_averaged_where_there_is_more(tiny, pot, kinds, name):
    folder, _ = getattr(kinds, name)()
    with pytest.raises(Incompatible, match="more than factors"):
        pot.plan(tiny.base(shapes=BIASED), [(folder, 1.0)], method="factor")


def test_a_layer_saved_under_another_name_than_the_one_beneath_the_factors_is_refused(tiny, pot, kinds):
    factors = {f"{Q}.lora_A.weight": kinds.some(2, 12), f"{Q}.lora_B.weight": kinds.some(12, 2)}
    saved = kinds.some(12, 12)
    base = tiny.base()
    with pytest.raises(Incompatible, match="do not add up") as caught:
        pot.plan(base, [(kinds.write(factors | {f"{Q}.weight": saved}), 1.0)])
    assert Q in caught.value.where
    pot.plan(base, [(kinds.write(factors | {f"{Q}.base_layer.weight": saved}), 1.0)])


def test_a_base_that_is_not_finite_is_refused_where_its_values_cancel_too(tiny, pot):
    base, *experts = (tiny.base(seed=n) for n in range(3))
    tensors = load_folder(base)
    hurt = tensors[f"{Q}.weight"].copy()
    hurt[3, 4] = np.nan
    dump(base / "model.safetensors", tensors | {f"{Q}.weight": hurt})
    with pytest.raises(IntegrityError, match=f"the base's tensor {Q}.weight holds NaN"):
        pot.cook(base, [(expert, 0.5) for expert in experts])
