"""Classifiers in memory: loaded from files with nothing executed, and their outputs for texts, batch by batch.

A model without a trained head is refused: the library would give it a random one. Loading leaves the random state as it
was. Models that several rewards use are loaded once, as long as one of them is held.
"""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoModelForSequenceClassification, AutoTokenizer
from transformers.utils import logging

from rshub.errors import Incompatible, InvalidInput, RshubError
from rshub.rewards.samples import TextSample, Turn

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
NO_LIMIT = 10**8
"""Tokenizers that know no limit say a number beyond this one."""
OFFSET = 2
"""Positions that models after RoBERTa keep for padding."""

_shared: weakref.WeakValueDictionary[tuple[str, ...], Classifier] = weakref.WeakValueDictionary()


@dataclass(frozen=True, kw_only=True)
class Text:
    """What a model reads: one text or a pair; ``complete``: special tokens are in it already."""

    first: str
    second: str | None = None
    complete: bool = False


class Classifier:
    """A sequence classifier with its tokenizer.

    Attributes:
        labels: The names of its outputs, in their order.
    """

    def __init__(self, name: str, model: Any, tokenizer: Any) -> None:
        self.name = name
        self._model = model
        self._tokenizer = tokenizer
        config = model.config
        self.labels = tuple(str(config.id2label.get(place, place)) for place in range(config.num_labels))
        self._pad = _pad_id(model, tokenizer)
        ends = tokenizer("")["input_ids"][-1:]
        self._ends_itself = bool(ends) and ends[0] == tokenizer.eos_token_id

    def joined(self, sample: TextSample) -> Text:
        """Put completion after prompt; for a reward model with the end-of-text token, as in its training."""
        text, end = sample.prompt + sample.completion, self._tokenizer.eos_token
        ended = len(self.labels) == 1 and end is not None and not self._ends_itself and not text.endswith(end)
        return Text(first=text + end if ended else text)

    def refuse_mute(self) -> None:
        """Refuse conversations where the tokenizer cannot write any.

        Raises:
            Incompatible: It has no chat template.
        """
        if not self._tokenizer.chat_template:
            raise Incompatible(
                f"{self.name}: its tokenizer has no chat template, and the samples are conversations",
                where=self.name,
                remedy='say what it reads: #template="{prompt} {completion}", or input=pair',
            )

    def conversation(self, turns: Sequence[Turn]) -> Text:
        """Write a conversation by the tokenizer's chat template.

        Raises:
            Incompatible: It has none, or the template refuses these turns.
        """
        self.refuse_mute()
        messages = [{"role": turn.role, "content": turn.content} for turn in turns]
        try:
            text = self._tokenizer.apply_chat_template(messages, tokenize=False)
        except Exception as fault:  # a template of a repo may raise anything
            raise Incompatible(
                f"{self.name}: its chat template refuses a conversation: {fault}",
                where=self.name,
                remedy="check the roles of the turns, or say what it reads with #template=...",
            ) from fault
        return Text(first=str(text), complete=True)

    def outputs(
        self, texts: Sequence[Text], *, batch_size: int, max_length: int | None, keep_end: bool
    ) -> NDArray[np.float64]:
        """Give the raw outputs.

        Args:
            texts: What is read.
            batch_size: How many at once.
            max_length: Tokens that are read at most; what the model can take by default.
            keep_end: Cut the beginning of a text that is too long, not what the tokenizer would cut.

        Returns:
            Shape (texts, labels); nan for a text without a token.

        Raises:
            RshubError: The device's memory is full.
        """
        encoded = [self._encoded(text, max_length, keep_end=keep_end) for text in texts]
        outputs = np.full((len(texts), len(self.labels)), np.nan)
        # texts of one length go together: less padding, and the order of the samples decides nothing
        order = sorted(
            (place for place, row in enumerate(encoded) if row["input_ids"]),
            key=lambda place: len(encoded[place]["input_ids"]),
        )
        step = max(1, batch_size) if self._pad is not None else 1
        try:
            for start in range(0, len(order), step):
                places = order[start : start + step]
                with torch.inference_mode():
                    logits = self._model(**self._batch([encoded[place] for place in places])).logits
                outputs[places] = logits.float().cpu().numpy()
        except torch.OutOfMemoryError as fault:
            raise _full(self.name, str(self._model.device), "lower batch_size") from fault
        return outputs

    def _encoded(self, text: Text, max_length: int | None, *, keep_end: bool) -> Mapping[str, list[int]]:
        tokenizer = self._tokenizer
        limits = [limit for limit in (max_length, self._room()) if limit is not None]
        side = tokenizer.truncation_side
        if keep_end:
            tokenizer.truncation_side = "left"
        try:
            encoded = tokenizer(
                text=text.first,
                text_pair=text.second,
                add_special_tokens=not text.complete,
                truncation=bool(limits),
                max_length=min(limits) if limits else None,
            )
        finally:
            tokenizer.truncation_side = side
        return {key: encoded[key] for key in tokenizer.model_input_names if key in encoded}

    def _batch(self, rows: Sequence[Mapping[str, list[int]]]) -> dict[str, torch.Tensor]:
        """Pad rows on the right to one length."""
        longest = max(len(row["input_ids"]) for row in rows)
        fills = {"input_ids": self._pad or 0}
        return {
            key: torch.tensor(
                [row[key] + [fills.get(key, 0)] * (longest - len(row[key])) for row in rows], device=self._model.device
            )
            for key in rows[0]
        }

    def _room(self) -> int | None:
        """Give the most tokens that the model can take, if there is a limit."""
        config = self._model.config.get_text_config()
        positions = getattr(config, "max_position_embeddings", None)
        if positions and "roberta" in config.model_type:
            positions -= OFFSET
        said = self._tokenizer.model_max_length
        limits = [limit for limit in (positions, said) if isinstance(limit, int) and 0 < limit < NO_LIMIT]
        return min(limits, default=None)


def device_of(asked: Any) -> str:
    """Give the device to score on: the one that is asked for, else an accelerator if there is one.

    Raises:
        InvalidInput: There is no such device.
    """
    if asked is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=str(asked))
    except (RuntimeError, AssertionError) as fault:  # torch asserts where it was built without it
        raise InvalidInput(
            f"there is no device {str(asked)!r} here", where="device", remedy="use cpu, or leave it out"
        ) from fault
    return str(asked)


def load(name: str, fetch: Callable[[], Mapping[str, Path]], *, dtype: str, device: str, origin: str) -> Classifier:
    """Load a classifier, or give the one that is loaded.

    Args:
        name: The repo with its commit, as it is called in errors.
        fetch: Gives the files of the model, name to path.
        dtype: What its weights are cast to.
        device: Where it scores.
        origin: The hub that it comes from.

    Raises:
        Incompatible: It is no sequence classifier, needs code of its repo, or has no trained head.
        RshubError: The device's memory is full.
    """
    key = (origin, name, dtype, device)
    held = _shared.get(key)
    if held is not None:
        return held
    files = fetch()
    with tempfile.TemporaryDirectory(prefix="rshub-reward-") as folder, _quiet(), torch.random.fork_rng():
        for file, path in files.items():
            (Path(folder) / file).symlink_to(Path(path).resolve())
        sources = {"trust_remote_code": False, "local_files_only": True}
        try:
            tokenizer = AutoTokenizer.from_pretrained(folder, **sources)
            model, report = AutoModelForSequenceClassification.from_pretrained(
                folder, dtype=DTYPES[dtype], use_safetensors=True, output_loading_info=True, **sources
            )
        except Exception as fault:  # a stranger's config may raise anything
            why = next(iter(str(fault).replace(folder, name).splitlines()), type(fault).__name__)
            raise Incompatible(
                f"{name}: it cannot be loaded as a sequence classifier: {why}",
                where=name,
                remedy="use a model that transformers knows without code of its own",
            ) from fault
    missing = sorted(report["missing_keys"]) + sorted(str(entry) for entry in report["mismatched_keys"])
    if missing:
        raise Incompatible(
            f"{name}: {missing[0]} is not among its weights, so its scores would be random",
            where=name,
            remedy="use a model that was trained as a sequence classifier",
        )
    try:
        model = model.to(device)
    except torch.OutOfMemoryError as fault:
        raise _full(name, device, "use another device, or a smaller dtype") from fault
    classifier = Classifier(name, model.eval(), tokenizer)
    _shared[key] = classifier
    return classifier


def _full(name: str, device: str, remedy: str) -> RshubError:
    return RshubError(f"{name}: the memory of {device} is full", where=name, remedy=remedy)


def _pad_id(model: Any, tokenizer: Any) -> int | None:
    """Agree on the token that pads; models that read the last token's state look for it."""
    config = model.config.get_text_config()
    known = (tokenizer.pad_token_id, config.pad_token_id, tokenizer.eos_token_id)
    found: int | None = next((token for token in known if isinstance(token, int) and token >= 0), None)
    config.pad_token_id = found
    return found


@contextmanager
def _quiet() -> Iterator[None]:
    """Hold back the bars and the chatter of loading; what matters of it is checked."""
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
