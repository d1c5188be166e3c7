"""The model in memory: a base with its experts, loaded when a text has to be written and not before.

What is measured is named by content: an expert is the digest of its files, whatever it is called and wherever it lies,
so one that is named twice is loaded once. Only this file of the room decides when the base is loaded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from rshub.errors import InvalidInput, MissingExtra
from rshub.evaluation.lineup import Voices
from rshub.evaluation.sampling import Sampling
from rshub.hub.client import Hub
from rshub.prompts.prompt import Prompt
from rshub.soups.fetch import fetch_base, fetch_expert
from rshub.soups.lock import Pin
from rshub.types import Digest

if TYPE_CHECKING:
    from rshub.soups.mixing.mixer import Mixer


class Workbench:
    """Writes texts with any mixture of some experts.

    Args:
        base: The base.
        experts: The experts by the digest of their files.
        hub: Where what is not on this machine comes from.
        dtype: In which dtype the base is loaded, as for the Mixer.
        device: Where to; an accelerator if there is one.

    Raises:
        MissingExtra: The model libraries are not installed.
        InvalidInput: There is no such device.
    """

    def __init__(
        self, base: Pin, experts: Mapping[Digest, Pin], hub: Hub, *, dtype: str = "float32", device: str | None = None
    ) -> None:
        self._base = base
        self._experts = experts
        self._hub = hub
        self.dtype = dtype
        self.device = _device(device)
        self._mixer: Mixer | None = None
        self._names = {content: pin.place for content, pin in experts.items()}

    def write(
        self, voices: Voices, prompts: Sequence[Prompt], places: Sequence[int], *, seed: int, sampling: Sampling
    ) -> Iterator[list[str]]:
        """Write a completion for each prompt, batch by batch.

        Args:
            voices: One mixture, or several whose predictions are averaged.
            prompts: What is asked.
            places: The place of each prompt in its set, which decides its random numbers.
            seed: Which random numbers.
            sampling: How much and how.

        Raises:
            Incompatible: A conversation that the base has no chat template for; a mixture that overflows.
            RshubError: Not even one prompt fits into the device's memory.
        """
        mixer = self.mixer()
        from rshub.evaluation.ensemble import Together
        from rshub.evaluation.generate import in_batches

        mixtures = [{self._names[content]: value for content, value in voice.items()} for _, voice in voices]
        together = Together(mixer, mixtures, [share for share, _ in voices]) if len(voices) > 1 else None
        return in_batches(
            mixer.mix(mixtures[0]),
            mixer.tokenizer,
            [prompt.asked() for prompt in prompts],
            seed=seed,
            max_new_tokens=sampling.max_new_tokens,
            temperature=sampling.temperature,
            batch=sampling.batch,
            places=places,
            write=together,
        )

    def mixer(self) -> Mixer:
        """Give the base with its experts, loaded at the first call."""
        if self._mixer is None:
            try:
                from rshub.soups.mixing.mixer import Mixer
            except ImportError as fault:
                raise MissingExtra("train", needed_for="evaluating") from fault
            pins = sorted(self._experts.items())
            folders = {self._names[content]: fetch_expert(pin, self._hub) for content, pin in pins}
            with fetch_base(self._base, self._hub) as folder:
                self._mixer = Mixer(folder, folders, dtype=self.dtype, device=self.device)
        return self._mixer

    def close(self) -> None:
        """Let go of the model."""
        if self._mixer is not None:
            self._mixer.close()
            self._mixer = None


def _device(asked: str | None) -> str:
    """Choose the device. This imports torch alone: what was measured before needs no more than that."""
    try:
        import torch
    except ImportError as fault:
        raise MissingExtra("train", needed_for="evaluating") from fault
    if asked is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=asked)
    except (RuntimeError, AssertionError) as fault:  # torch asserts where it was built without it
        raise InvalidInput(f"there is no device {asked!r} here", where="device", remedy="use cpu") from fault
    return asked
