"""Tiny classifiers made in code, as folders that can be published; nothing is downloaded."""

import pytest

WORDS = ("good", "bad", "dog", "cat", "the", "a", "user", "assistant", "be", "kind", "now", "is")


def tokenizer(*, special=("[UNK]", "[CLS]", "[SEP]", "[PAD]"), bert=True, template=None, **options):
    """Make a word tokenizer; as BERT's it frames texts and pairs."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    vocabulary = {word: place for place, word in enumerate([*special, *WORDS])}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    if bert:
        made.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]",
            pair="[CLS] $A [SEP] $B:1 [SEP]:1",
            special_tokens=[("[CLS]", vocabulary["[CLS]"]), ("[SEP]", vocabulary["[SEP]"])],
        )
    fast = PreTrainedTokenizerFast(tokenizer_object=made, unk_token="[UNK]", **options)
    fast.chat_template = template
    return fast


def bert(folder, *, labels=("bad", "good", "so so"), seed=0, **options):
    """Write a BERT-like classifier with random weights."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        config = BertConfig(
            vocab_size=16,
            hidden_size=8,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=16,
            max_position_embeddings=24,
            id2label=dict(enumerate(labels)),
            label2id={label: place for place, label in enumerate(labels)},
            initializer_range=0.7,
            pad_token_id=3,
        )
        BertForSequenceClassification(config).eval().save_pretrained(folder)
    tokenizer(pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]", **options).save_pretrained(folder)
    return folder


CHAT = "{% for m in messages %}{{ m['role'] }} {{ m['content'] }} [EOS] {% endfor %}"


def llama(folder, *, seed=1, template=CHAT, causal=False):
    """Write a decoder reward model as TRL's RewardTrainer leaves one: one output, a chat template, an end of text."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM, LlamaForSequenceClassification

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        config = LlamaConfig(
            vocab_size=16,
            hidden_size=8,
            num_hidden_layers=1,
            num_attention_heads=2,
            num_key_value_heads=1,
            intermediate_size=16,
            max_position_embeddings=24,
            num_labels=1,
            initializer_range=0.7,
            pad_token_id=3,
            eos_token_id=1,
        )
        made = (LlamaForCausalLM if causal else LlamaForSequenceClassification)(config)
        made.eval().save_pretrained(folder)
    tokenizer(
        special=("[UNK]", "[EOS]", "[BOS]", "[PAD]"),
        bert=False,
        template=template,
        eos_token="[EOS]",
        pad_token="[PAD]",
    ).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    """A hub with reward models: ``lab/mood`` (three labels), ``lab/grade`` (a regressor), ``lab/chosen`` (a reward
    model of a decoder) and some that must be refused.
    """
    from rshub.hub.client import Hub
    from rshub.localhub import LocalHub

    root = tmp_path_factory.mktemp("shelf")
    with LocalHub(root / "hub") as served:
        hub = Hub(served.endpoint, served.add_user("ada", orgs=[("lab", "write")]))
        hub.folders = {}
        hub.commits = {}

        def put(repo, folder, leave=(), extra=None):
            hub.create_repo(repo, exist_ok=True)
            files = {path.name: path for path in folder.iterdir() if path.name not in leave} | (extra or {})
            hub.folders[repo] = folder
            hub.commits[repo] = hub.commit(repo, files, message="A reward model").commit

        hub.put = put
        put("lab/mood", bert(root / "mood"))
        put("lab/grade", bert(root / "grade", labels=("LABEL_0",), seed=2))
        put("lab/chosen", llama(root / "chosen"))
        put("lab/bare", llama(root / "bare", template=None))
        put("lab/writer", llama(root / "writer", causal=True))
        put("lab/pickled", hub.folders["lab/mood"], leave=("model.safetensors",), extra={"pytorch_model.bin": b"\x80"})
        yield hub
