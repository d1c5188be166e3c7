"""Writing a soup into an empty folder: the model's files, their digests, and the report.

The folder is given by ``fresh_folder``, so a soup that fails halfway is never seen. Cards and locks are written by
others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rshub.soups.honesty import figures, rounding_figures, truncation_warnings
from rshub.soups.plan import ComposePlan
from rshub.soups.report_lines import report_lines
from rshub.soups.survey import Surveyor
from rshub.soups.writing.build_adapter import write_adapter
from rshub.soups.writing.build_checkpoint import write_checkpoint
from rshub.soups.writing.earlier import EarlierSoup
from rshub.soups.writing.moved import moved_at_all
from rshub.soups.writing.side_files import write_side_files
from rshub.types import Digest


@dataclass(frozen=True, kw_only=True)
class SoupReport:
    """What was written: ``files`` maps each name to its sha256 (or None) and size (bytes); ``figures`` are JSON."""

    files: dict[str, dict[str, Any]]
    figures: dict[str, Any]

    def lines(self) -> list[str]:
        """Say for a person what was kept, what each expert brought, and what to be wary of."""
        return report_lines(self.figures)


def write_soup(
    plan: ComposePlan,
    staging: Path,
    *,
    base_model: str,
    base_revision: str | None,
    earlier: EarlierSoup | None = None,
    digests: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> SoupReport:
    """Write every model file of a soup.

    Args:
        plan: What to write.
        staging: An existing empty folder.
        base_model: The base's repo or path, for the adapter's config.
        base_revision: The base's commit, for the adapter's config.
        earlier: A soup whose untouched files are shared where this one has the same.
        digests: Whether to take the sha256 of each file.
        progress: Called now and then with what is done and what there is in all.

    Raises:
        RshubError: When an expert or the base turns out not to be sound, or nothing is left of the change.
        OSError: When a file cannot be written.
    """
    surveyor = Surveyor(plan)
    surveyor.begin()
    files: dict[str, tuple[Digest | None, int]]
    if plan.format == "adapter":
        files, rank = write_adapter(
            plan,
            staging,
            base_model=base_model,
            base_revision=base_revision,
            change=surveyor.change,
            digests=digests,
            progress=progress,
        )
        report = figures(plan, surveyor.finish())
        lost = rank["lost_energy"]
        report["warnings"] += truncation_warnings(lost)
        report |= {"rank": rank, "rounding_error": lost**0.5, "survival": 1.0 - lost, "moved": None}
    else:
        written = write_checkpoint(
            plan, staging, change=surveyor.change, earlier=earlier, digests=digests, progress=progress
        )
        found = surveyor.finish()
        report = figures(plan, found)
        rounding = rounding_figures(plan, found, written.samples, lambda: moved_at_all(plan, staging))
        report["warnings"] += rounding.pop("warnings")
        report |= rounding
        beside = write_side_files(plan, staging)
        files = {**written.files}
        files |= {name: (digest if digests else None, size) for name, (digest, size) in beside.items()}
        if earlier is not None:
            sizes = [written.files[name][1] for name in written.shared]
            report["shared"] = {"files": list(written.shared), "bytes": sum(sizes)}
    return SoupReport(
        files={name: {"sha256": digest, "size": size} for name, (digest, size) in sorted(files.items())},
        figures=report,
    )
