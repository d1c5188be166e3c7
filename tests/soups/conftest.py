"""Writing a soup in one line, for the tests of this room."""

import pytest

from rshub.soups.plan import Term, plan_soup
from rshub.soups.writing.build import write_soup
from rshub.tensors.checkpoint import Checkpoint
from rshub.tensors.writer import fresh_folder
from tests.soups.mixing.mixer_lab import lab  # noqa: F401 - a fixture
from tests.soups.mixing.mixer_llama import llama  # noqa: F401 - a fixture
from tests.tiny_models import load, load_folder


class Pot:
    """Plans and writes soups of tiny adapters into folders of its own."""

    def __init__(self, root):
        self.root = root
        self.count = 0

    def plan(self, base, terms, **options):
        checkpoint = base if isinstance(base, Checkpoint) else Checkpoint.open(base)
        asked = [
            Term(label=f"expert-{number}", folder=getattr(adapter, "folder", adapter), coefficient=coefficient)
            for number, (adapter, coefficient) in enumerate(terms)
        ]
        return plan_soup(base=checkpoint, terms=asked, **options)

    def cook(self, base, terms, *, digests=True, **options):
        """Give the folder and the report."""
        self.count += 1
        out = self.root / f"soup-{self.count}"
        plan = self.plan(base, terms, **options)
        with fresh_folder(out) as staging:
            report = write_soup(plan, staging, base_model="org/base", base_revision="0" * 40, digests=digests)
        return out, report

    def checkpoint(self, base, terms, **options):
        """Give the tensors of a checkpoint."""
        return load_folder(self.cook(base, terms, **options)[0])

    def adapter(self, base, terms, **options):
        """Give the tensors of an adapter."""
        return load(self.cook(base, terms, format="adapter", **options)[0] / "adapter_model.safetensors")


@pytest.fixture
def pot(tmp_path):
    return Pot(tmp_path)


@pytest.fixture
def pair(registry):
    registry.expert("ada/recall", "recall", spec="metric:rouge1.recall")
    registry.expert("ben/precision", "precision", spec="metric:rouge1.precision")
    return registry
