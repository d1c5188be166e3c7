"""Which head is the embedding: judged from names and configs as real models write them."""

import pytest

from rshub.deltas.tying import TiedHead, refuse_other_ties, tied_head, tied_pair
from rshub.errors import Incompatible
from rshub.tensors.checkpoint import Checkpoint

WORDS = (23, 12)
LLAMA = {"model.embed_tokens.weight": WORDS, "model.norm.weight": (12,)}
HEAD = {"lm_head.weight": WORDS}
CAUSAL = {"architectures": ["LlamaForCausalLM"], "vocab_size": 23}
WHISPER = {"architectures": ["WhisperForConditionalGeneration"], "model_type": "whisper"}
TIED = {"tie_word_embeddings": True}


def opened(tiny, shapes, config):
    return Checkpoint.open(tiny.base(shapes=shapes, config=config))


@pytest.mark.parametrize(
    ("embedding", "head", "config"),
    [
        ("model.embed_tokens.weight", "lm_head.weight", CAUSAL | TIED),
        ("model.embed_tokens.weight", "lm_head.weight", TIED),
        ("model.embed_tokens.weight", "lm_head.weight", {}),
        ("model.embed_tokens.weight", "lm_head.weight", {"architectures": ["GemmaForCausalLM"], "model_type": "gemma"}),
        ("transformer.wte.weight", "lm_head.weight", {"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2"}),
        ("wte.weight", "lm_head.weight", {"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2"}),
        ("gpt_neox.embed_in.weight", "embed_out.weight", TIED),
        ("model.decoder.embed_tokens.weight", "lm_head.weight", {"model_type": "opt", **TIED}),
        ("decoder.embed_tokens.weight", "lm_head.weight", {"architectures": ["OPTForCausalLM"], "model_type": "opt"}),
        ("model.decoder.embed_tokens.weight", "proj_out.weight", WHISPER),
        ("transformer.word_embeddings.weight", "lm_head.weight", {"model_type": "bloom"}),
        (
            "model.language_model.embed_tokens.weight",
            "lm_head.weight",
            {
                "architectures": ["LlavaForConditionalGeneration"],
                "tie_word_embeddings": False,
                "text_config": {"tie_word_embeddings": True},
            },
        ),
        (
            "language_model.model.embed_tokens.weight",
            "language_model.lm_head.weight",
            {"architectures": ["Gemma3ForConditionalGeneration"], "text_config": TIED},
        ),
    ],
)
def test_a_head_that_is_not_stored_is_the_embedding(tiny, embedding, head, config):
    base = opened(tiny, {embedding: WORDS, "other.weight": (3, 3)}, config)
    assert tied_head(base) == TiedHead(head=head, embedding=embedding)
    refuse_other_ties(embedding, base, label="expert")


@pytest.mark.parametrize(
    ("shapes", "config"),
    [
        (LLAMA, CAUSAL | {"tie_word_embeddings": False}),
        (LLAMA | HEAD, CAUSAL | {"tie_word_embeddings": False}),
        (LLAMA | HEAD, CAUSAL),
        (LLAMA | HEAD, {}),
        (LLAMA | {"score.weight": (2, 12)}, {"architectures": ["LlamaForSequenceClassification"], **TIED}),
        (LLAMA | {"score.weight": (2, 12)}, TIED),
        ({"embed_tokens.weight": WORDS}, {"architectures": ["LlamaModel"], **TIED}),
        ({"embeddings.word_embeddings.weight": WORDS}, {"architectures": ["BertModel"]}),
        ({"q.weight": (4, 4)}, {}),
    ],
)
def test_a_stored_head_and_a_body_alone_are_not_tied(tiny, shapes, config):
    base = opened(tiny, shapes, config)
    assert tied_head(base) is None
    for name in shapes:
        refuse_other_ties(name, base, label="expert")


def test_an_expert_that_gives_words_and_a_body_alone_do_not_say_what_is_tied(tiny):
    name = "embed_tokens.weight"
    base = opened(tiny, {name: WORDS}, {"architectures": ["LlamaModel"], **TIED})
    with pytest.raises(Incompatible, match="a head that gives words"):
        refuse_other_ties(name, base, label="expert", words=True)
    said = opened(tiny, {name: WORDS}, {"architectures": ["LlamaModel"], "tie_word_embeddings": False})
    refuse_other_ties(name, said, label="expert", words=True)


def test_a_head_that_is_stored_a_second_time_is_no_head_that_is_missing(tiny):
    base = opened(tiny, LLAMA | HEAD, CAUSAL | TIED)
    assert tied_head(base) is None
    assert tied_pair(base) == TiedHead(head="lm_head.weight", embedding="model.embed_tokens.weight", stored=True)


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("shared.weight", {"architectures": ["T5ForConditionalGeneration"], "tie_word_embeddings": False}),
        ("model.shared.weight", {"architectures": ["BartForConditionalGeneration"]}),
        ("bert.embeddings.word_embeddings.weight", {"architectures": ["BertForMaskedLM"], "vocab_size": 23}),
        ("transformer.tok_embeddings.weight", {"architectures": ["OtherForCausalLM"]}),
        ("thinker.model.embed_tokens.weight", {"architectures": ["OtherForConditionalGeneration"]}),
        ("wte.weight", {}),
        ("model.decoder.embed_tokens.weight", {"architectures": ["TrOCRForCausalLM"], "model_type": "trocr"}),
        ("rwkv.embeddings.weight", {"architectures": ["RwkvForCausalLM"]}),
    ],
)
def test_an_embedding_whose_ties_are_not_known_is_refused_by_name(tiny, name, config):
    base = opened(tiny, {name: WORDS, "other.weight": (3, 3)}, config)
    assert tied_head(base) is None
    with pytest.raises(Incompatible, match=name) as caught:
        refuse_other_ties(name, base, label="expert")
    assert caught.value.remedy
    refuse_other_ties("other.weight", base, label="expert")


def test_an_embedding_of_something_else_than_words_is_free(tiny):
    config = {"architectures": ["OtherForCausalLM"], "vocab_size": 23}
    base = opened(tiny, {"x.word_embeddings.weight": (7, 12), "wpe.weight": (23, 12)}, config)
    refuse_other_ties("x.word_embeddings.weight", base, label="expert")
    refuse_other_ties("wpe.weight", base, label="expert")
