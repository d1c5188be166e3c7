"""``hf:org/model[@revision][#options]``: a sequence classifier or regressor of the Hub as a reward; its raw output.

    label=good | index=1 | difference=good-bad    which output; a model with one needs none of them
    activation=none|sigmoid|softmax|log_softmax   over all outputs, before one is taken; none: the raw logits
    input=joined|pair|completion                  what is read; joined: prompt and completion, one after the other
    template="Q: {prompt} A: {completion}"        written out, and second="..." for models that read pairs; {question}
                                                  is the prompt without the words around it, {answer} the completion
                                                  with the words that the prompt began it with, {sentence} its first
    max_length=512, dtype=float32|bfloat16|float16

Joined inputs are read as TRL's RewardTrainer trains on them: conversations through the tokenizer's chat template; plain
texts, for a model with one output, ended by the end-of-text token where the tokenizer has one and does not add it
itself. Texts that are too long lose their beginning when joined, and otherwise what the tokenizer is set to cut.

A revision that is no full commit is resolved when the reward is pinned, and the commit is in the canonical name: the
digest says which weights were meant. Models run nothing of their repo, and only safetensors are opened.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rshub.errors import Incompatible, InvalidInput, MissingExtra, RshubError
from rshub.formats.fields import COMMIT, nearest
from rshub.formats.names import is_repo_id
from rshub.rewards.grammar import TermText
from rshub.rewards.model_files import INDEX, WEIGHTS, shards, small_files
from rshub.rewards.samples import Context, TextSample
from rshub.rewards.term import UNBOUNDED, Direction, ModelSource, Range

if TYPE_CHECKING:
    from rshub.rewards.models import Text

BATCH = 32
ACTIVATIONS = ("none", "sigmoid", "softmax", "log_softmax")
INPUTS = ("joined", "pair", "completion")
DTYPES = ("float32", "bfloat16", "float16")
LONGEST = 1_000_000
SELECTIONS = ("label", "index", "difference")
KEYS = (*SELECTIONS, "activation", "input", "template", "second", "max_length", "dtype")

SLOTS = ("prompt", "completion", "question", "answer", "sentence")
WRITTEN = ("completion", "answer", "sentence")
"""The slots that hold what the model wrote."""

_SLOT = re.compile(r"\{([^{}]*)\}")
_DEFAULTS: Mapping[str, str] = MappingProxyType({"activation": "none", "input": "joined", "dtype": "float32"})
_RANGES: Mapping[str, Range] = MappingProxyType(
    {
        "none": UNBOUNDED,
        "sigmoid": (0.0, 1.0),
        "softmax": (0.0, 1.0),
        "log_softmax": (float("-inf"), 0.0),
    }
)


@dataclass(frozen=True, kw_only=True)
class ClassifierTerm:
    """A classifier as a reward.

    Args:
        text: As it is named, options in the order of ``KEYS`` and without those that say the default.
        source: The hub that it is fetched from, once it is pinned.
    """

    text: TermText
    source: ModelSource | None = field(default=None, compare=False, repr=False)
    _loaded: dict[tuple[str, str], Any] = field(default_factory=dict, compare=False, repr=False, init=False)
    """The model by hub and device; other terms share it while one of them holds it."""

    version: int = 1
    direction: Direction = "max"
    needs_references: bool = False

    @property
    def name(self) -> str:
        """The canonical text."""
        return str(self.text)

    @property
    def pinned(self) -> bool:
        """Whether a full commit is named."""
        return self.text.revision is not None and COMMIT.fullmatch(self.text.revision) is not None

    @property
    def range(self) -> Range:
        """The scores that are possible."""
        low, high = _RANGES[self._option("activation")]
        return (low - high, high - low) if "difference" in self.text.options else (low, high)

    @property
    def about(self) -> str:
        """What it measures."""
        taken = next(
            (f"{key} {'-'.join(self.text.options[key])}" for key in SELECTIONS if key in self.text.options), ""
        )
        what = {"none": "raw output"}.get(self._option("activation"), self._option("activation"))
        return f"{what} {taken} of {self.text.place}".replace("  ", " ")

    def pin(self, source: ModelSource | None) -> ClassifierTerm:
        """Name the commit that the revision means now, and remember where to fetch it.

        Raises:
            InvalidInput: No hub is at hand.
            NotFound: There is no such repo or revision, or it is no model.
            IntegrityError: Its weights are pickles.
            HubError: The hub or the network failed.
        """
        if source is None:
            raise self._homeless()
        if self.pinned:
            return replace(self, source=source)
        found = source.info(self.text.place, self.text.revision)
        small_files(found.files, source=f"{self.text.place}@{found.commit}")
        return replace(self, text=replace(self.text, revision=found.commit), source=source)

    def make_ready(self, context: Context) -> None:
        """Fetch and load the model, and check that it has the outputs that are asked for.

        Raises:
            MissingExtra: The model libraries are not installed.
            NotFound: The repo, the commit or a file is not there.
            IntegrityError: Its weights are pickles, or its index is malformed.
            Incompatible: It is no classifier, has no trained head, or lacks the output that is asked for; or it is to
                read conversations and cannot.
        """
        model = self._model(context)
        self._columns(model.labels)
        if context.get("conversational") and self._joined():
            model.refuse_mute()

    def score(self, samples: Sequence[TextSample], context: Context) -> NDArray[np.float64]:
        """Score samples in batches; nan where a sample gives the model nothing to read.

        Raises:
            RshubError: A score is no finite number, or the device's memory is full.
        """
        if not samples:
            return np.zeros(0)
        model = self._model(context)
        first, second = self._columns(model.labels)
        given = self.text.options.get("max_length")
        outputs = model.outputs(
            [self._text(sample, model) for sample in samples],
            batch_size=int(context.get("batch_size", BATCH)),
            max_length=int(given[0]) if given else None,
            keep_end=self._joined(),
        )
        read = ~np.isnan(outputs).all(axis=1)
        outputs = _activated(outputs, self._option("activation"))
        scores: NDArray[np.float64] = outputs[:, first] - (outputs[:, second] if second is not None else 0.0)
        bad = np.flatnonzero(read & ~np.isfinite(scores))
        if len(bad):
            raise RshubError(
                f"{self.name}: its score of sample {bad[0]} is {scores[bad[0]]}",
                where=self.name,
                remedy="use dtype=float32, or another model",
            )
        return scores

    def _text(self, sample: TextSample, model: Any) -> Text:
        """Give what the model reads of a sample."""
        if self._joined():
            text: Text = model.conversation(sample.turns) if sample.turns else model.joined(sample)
            return text
        from rshub.rewards.models import Text

        presets = {"pair": ("{prompt}", "{completion}"), "completion": ("{completion}", None)}
        if "template" in self.text.options:
            first, second = self._option("template"), self.text.options.get("second", (None,))[0]
        else:
            first, second = presets[self._option("input")]
        return Text(first=_filled(first, sample), second=_filled(second, sample) if second is not None else None)

    def _joined(self) -> bool:
        return "template" not in self.text.options and self._option("input") == "joined"

    def _option(self, key: str) -> str:
        return self.text.options[key][0] if key in self.text.options else _DEFAULTS[key]

    def _columns(self, labels: Sequence[str]) -> tuple[int, int | None]:
        """Find the outputs that are asked for."""
        options = self.text.options
        if "index" in options:
            index = int(options["index"][0])
            if index >= len(labels):
                raise self._unfit(f"it has no output {index}", labels)
            return index, None
        if "label" in options or "difference" in options:
            asked = options.get("label") or options["difference"]
            found = [self._column(label, labels) for label in asked]
            return found[0], found[1] if len(found) > 1 else None
        if len(labels) != 1:
            raise self._unfit(f"it has {len(labels)} outputs and none was chosen", labels)
        return 0, None

    def _column(self, label: str, labels: Sequence[str]) -> int:
        if labels.count(label) != 1:
            guess = nearest(label, labels) if label not in labels else ""
            hint = f"; did you mean {guess!r}?" if guess else ""
            raise self._unfit(f"{labels.count(label) or 'none'} of its outputs is called {label!r}{hint}", labels)
        return labels.index(label)

    def _model(self, context: Context) -> Any:
        """Load the model where it is to score, or give the one that is loaded."""
        try:
            from rshub.rewards.models import device_of, load
        except ImportError as fault:
            raise MissingExtra("train", needed_for=self.name) from fault
        if self.source is None:
            raise self._homeless()
        device = device_of(context.get("device"))
        key = (self.source.endpoint, device)
        if key not in self._loaded:
            self._loaded[key] = load(
                f"hf:{self.text.place}@{self.text.revision}",
                self._fetch(self.source),
                dtype=self._option("dtype"),
                device=device,
                origin=self.source.endpoint,
            )
        return self._loaded[key]

    def _fetch(self, source: ModelSource) -> Callable[[], Mapping[str, Any]]:
        """Give the function that fetches the files of the model: name to path."""

        def fetch() -> Mapping[str, Any]:
            commit = str(self.text.revision)
            label = f"{self.text.place}@{commit}"
            there = source.info(self.text.place, commit).files
            small = small_files(there, source=label)
            folder = source.download(self.text.place, small, commit=commit)
            indexed = INDEX in small
            weights = shards((folder / INDEX).read_bytes(), there, source=label) if indexed else [WEIGHTS]
            folder = source.download(self.text.place, weights, commit=commit)
            return {name: folder / name for name in [*small, *weights]}

        return fetch

    def _unfit(self, why: str, labels: Sequence[str]) -> Incompatible:
        shown = ", ".join(labels[:20]) + (", ..." if len(labels) > 20 else "")
        return Incompatible(
            f"{self.name}: {why}; its labels: {shown}", where=self.name, remedy="choose with #label=..., or #index=..."
        )

    def _homeless(self) -> InvalidInput:
        return InvalidInput(
            f"{self.name}: no hub to fetch it from", where=self.name, remedy="pin the reward to a hub before it scores"
        )


def classifier_term(text: TermText) -> ClassifierTerm:
    """Read the name and the options of a classifier; nothing is fetched yet.

    Raises:
        InvalidInput: It is no repo, or an option is not known, clashes with another, or has a wrong value.
    """
    if not is_repo_id(text.place):
        text.refuse(f"{text.place!r} is no repo", "a classifier lives in a repo: hf:owner/name[@revision]")
    options = text.options
    for key, value in options.items():
        if key not in KEYS:
            guess = nearest(key, KEYS)
            text.refuse(
                f"no option {key!r}" + (f"; did you mean {guess!r}?" if guess else ""), f"known: {', '.join(KEYS)}"
            )
        _check(text, key, value[0])
    if sum(key in options for key in SELECTIONS) > 1:
        text.refuse("more than one of label, index and difference", "keep one")
    if len(set(options.get("difference", ()))) == 1:
        text.refuse("a difference between a label and itself is always zero", "name two labels")
    if "template" in options and "input" in options:
        text.refuse("both input and template", "keep one")
    if "second" in options and "template" not in options:
        text.refuse("second is the second half of a template", "add template=..., or write input=pair")
    slots = {slot for key in ("template", "second") for slot in _SLOT.findall(options.get(key, ("",))[0])}
    if "template" in options and slots.isdisjoint(WRITTEN):
        text.refuse("the template leaves {completion} out", "a reward looks at what was written")
    kept = {key: options[key] for key in KEYS if key in options and options[key] != (_DEFAULTS.get(key),)}
    return ClassifierTerm(text=replace(text, options=kept))


def _check(text: TermText, key: str, value: str) -> None:
    """Refuse a value that its option cannot have."""
    choices = {"activation": ACTIVATIONS, "input": INPUTS, "dtype": DTYPES}.get(key)
    if choices is not None and value not in choices:
        guess = nearest(value, choices)
        hint = f"; did you mean {guess!r}?" if guess else ""
        text.refuse(f"{key}={value} is not known{hint}", f"one of {', '.join(choices)}")
    if key in {"index", "max_length"} and not (re.fullmatch(r"0|[1-9][0-9]{0,6}", value) and int(value) <= LONGEST):
        text.refuse(f"{key}={value} is no whole number up to {LONGEST}", f"write {key}=1")
    if key == "max_length" and value == "0":
        text.refuse("max_length=0 leaves nothing to read", "write at least 1")
    if key in {"template", "second"}:
        odd = [slot for slot in _SLOT.findall(value) if slot not in SLOTS]
        if odd:
            text.refuse(f"a template knows no {{{odd[0]}}}", f"use {', '.join(f'{{{slot}}}' for slot in SLOTS)}")


def _filled(template: str, sample: TextSample) -> str:
    """Put a sample's texts into a template, once: what the texts say is not looked at again."""
    answer = sample.begun + sample.completion
    texts = {
        "prompt": sample.prompt,
        "completion": sample.completion,
        "question": sample.question or sample.prompt,
        "answer": answer,
        "sentence": answer.partition(".")[0].strip() + ".",
    }
    return _SLOT.sub(lambda slot: texts[slot.group(1)], template)


def _activated(outputs: NDArray[np.float64], activation: str) -> NDArray[np.float64]:
    if activation == "none":
        return outputs
    if activation == "sigmoid":
        return np.asarray(0.5 * (1 + np.tanh(outputs / 2)), dtype=np.float64)
    shifted = outputs - outputs.max(axis=1, keepdims=True)
    logs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return np.asarray(np.exp(logs) if activation == "softmax" else logs, dtype=np.float64)
