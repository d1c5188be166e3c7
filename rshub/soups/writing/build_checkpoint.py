"""A soup as a whole model: the base's files with some byte ranges changed.

Names, shards and layout are the base's, or split into what changes and what does not. A header is copied as it is where
the same tensors of the same dtypes follow it; with another dtype the tensors keep their order and every floating-point
one is cast. Whole models are never in memory.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rshub.errors import IntegrityError
from rshub.formats.canonical import load_json
from rshub.formats.header import LENGTH_BYTES, header_length, render_header, span_bytes
from rshub.soups.ingredients import Touched
from rshub.soups.plan import ComposePlan
from rshub.soups.survey import sample_ranges
from rshub.soups.writing.earlier import EarlierSoup
from rshub.soups.writing.output_layout import OutputShard, output_shards
from rshub.tensors.changes import Change
from rshub.tensors.dtypes import FLOATS, working
from rshub.tensors.kernels import Sample, TensorRewrite
from rshub.tensors.pieces import FilePlan, Literal, Piece, Rewritten, Verbatim
from rshub.tensors.windows import WINDOW_BYTES, write_files
from rshub.types import Digest, TensorName

Open = Callable[[Touched, np.dtype[Any]], Change]
"""Opens the deltas of one tensor and mixes them, in a working dtype."""


@dataclass(frozen=True, kw_only=True)
class Written:
    """The shards of a soup: each one's sha256 and size (bytes), samples for honesty, and what an earlier soup lent."""

    files: Mapping[str, tuple[Digest | None, int]]
    samples: Sequence[Sample]
    shared: Sequence[str]


def write_checkpoint(
    plan: ComposePlan,
    staging: Path,
    *,
    change: Open | None = None,
    earlier: EarlierSoup | None = None,
    digests: bool = True,
    progress: Callable[[int, int], None] | None = None,
    workers: int | None = None,
    window: int = WINDOW_BYTES,
) -> Written:
    """Write the shards of a soup.

    Args:
        plan: What to write.
        staging: An existing folder that has none of the files.
        change: Opens and mixes the deltas of one tensor in a working dtype; the plan's own way if absent.
        earlier: A soup whose untouched files are shared where this one has the same.
        digests: Whether to take the sha256 of each file.
        progress: Called now and then with the bytes done and the bytes in all.
        workers: Threads; see ``write_files``.
        window: Bytes per window.

    Raises:
        RshubError: When a tensor cannot be changed, by name.
        OSError: When a shard cannot be written.
    """
    sampled = sample_ranges(plan)
    touched = {one.tensor: one for one in plan.touched}
    whole: dict[str, set[TensorName]] = {shard: set() for shard in plan.base.shards}
    for name, placed in plan.base.tensors.items():
        whole[placed.shard].add(name)
    shared: dict[str, Digest] = {}
    files: list[FilePlan] = []
    for shard in output_shards(plan):
        file = _file_plan(plan, shard, touched, sampled, whole[shard.source], change=change or plan.change)
        (staging / file.name).parent.mkdir(exist_ok=True)
        digest = earlier.share(file, staging / file.name) if earlier and shard.untouched else None
        if digest is None:
            files.append(file)
        else:
            shared[file.name] = digest
    written = write_files(files, staging, digests=digests, workers=workers, window=window, progress=progress)
    samples = [
        sample
        for file in files
        for piece in file.pieces
        if isinstance(piece, Rewritten)
        for sample in piece.tensor.samples
    ]
    known = {name: (digest if digests else None, (staging / name).stat().st_size) for name, digest in shared.items()}
    return Written(
        files={**known, **{file.name: (written[file.name], file.size) for file in files}},
        samples=samples,
        shared=sorted(shared),
    )


def _file_plan(
    plan: ComposePlan,
    shard: OutputShard,
    touched: Mapping[TensorName, Touched],
    sampled: Mapping[TensorName, range],
    whole: set[TensorName],
    *,
    change: Open,
) -> FilePlan:
    """Lay out one output shard: its header, and its tensors in the order of the base's bytes.

    The header is the base's own, byte for byte, where the shard holds just what its source, ``whole``, does.
    """
    prefix = plan.base.prefixes[shard.source]
    length = LENGTH_BYTES + header_length(prefix, file_size=plan.base.sizes[shard.source], source=shard.source)
    header = prefix[:length]
    same = all(plan.target_dtype(span.dtype) == span.dtype for _, span in shard.tensors)
    if not same or {name for name, _ in shard.tensors} != whole:
        metadata = load_json(header[LENGTH_BYTES:], source=shard.source, error=IntegrityError).get("__metadata__")
        header = render_header(
            ((span.name, plan.target_dtype(span.dtype), span.shape) for _, span in shard.tensors), metadata=metadata
        )
    pieces: list[Piece] = [Literal(start=0, data=header)]
    at = len(header)
    for name, span in shard.tensors:
        target = plan.target_dtype(span.dtype)
        end = at + span_bytes(target, span.shape)
        if name in touched or target != span.dtype:
            one = touched.get(name)
            work = plan.work(one) if one else working(span.dtype, target)
            rewrite = TensorRewrite(
                name=name,
                rows=one.rows if one else 1,
                columns=one.columns if one else (span.end - span.start) // FLOATS[span.dtype].itemsize,
                source_dtype=span.dtype,
                target_dtype=target,
                source_start=span.start,
                work=work,
                change=functools.partial(change, one, work) if one else None,
                sampled=sampled.get(name, range(0)),
            )
            pieces.append(Rewritten(start=at, tensor=rewrite))
        elif isinstance(last := pieces[-1], Verbatim) and last.source_start + last.end - last.start == span.start:
            pieces[-1] = Verbatim(start=last.start, end=end, source_start=last.source_start)
        else:
            pieces.append(Verbatim(start=at, end=end, source_start=span.start))
        at = end
    return FilePlan(name=shard.name, source=plan.base.path(shard.source), pieces=pieces)
