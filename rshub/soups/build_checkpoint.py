"""A soup as a whole model: the base's files with some byte ranges changed.

Names, shards and layout are the base's. With the stored dtypes each header is copied as it is; with another dtype the
tensors keep their order and every floating-point one is cast. Whole models are never in memory.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from pathlib import Path

from rshub.errors import IntegrityError
from rshub.formats.canonical import load_json
from rshub.formats.header import LENGTH_BYTES, header_length, render_header, span_bytes
from rshub.soups.honesty import sample_ranges
from rshub.soups.ingredients import Touched
from rshub.soups.plan import ComposePlan
from rshub.tensors.dtypes import FLOATS, working
from rshub.tensors.kernels import Sample, TensorRewrite
from rshub.tensors.parts import FilePlan, Literal, Part, Rewritten, Verbatim
from rshub.tensors.windows import WINDOW_BYTES, write_files
from rshub.types import Digest, TensorName


def write_checkpoint(
    plan: ComposePlan,
    staging: Path,
    *,
    digests: bool = True,
    progress: Callable[[int, int], None] | None = None,
    workers: int | None = None,
    window: int = WINDOW_BYTES,
) -> tuple[dict[str, tuple[Digest | None, int]], list[Sample]]:
    """Write the shards of a soup.

    Returns:
        Each shard's sha256 and size (bytes), and the samples for the figures of honesty.

    Raises:
        RshubError: When a tensor cannot be changed, by name.
        OSError: When a shard cannot be written.
    """
    sampled = sample_ranges(plan)
    touched = {one.tensor: one for one in plan.touched}
    files = [_file_plan(plan, shard, touched, sampled) for shard in plan.base.shards]
    for shard in plan.base.shards:
        (staging / shard).parent.mkdir(exist_ok=True)
    written = write_files(files, staging, digests=digests, workers=workers, window=window, progress=progress)
    samples = [
        sample for file in files for part in file.parts if isinstance(part, Rewritten) for sample in part.tensor.samples
    ]
    return {file.name: (written[file.name], file.size) for file in files}, samples


def _file_plan(
    plan: ComposePlan, shard: str, touched: Mapping[TensorName, Touched], sampled: Mapping[TensorName, range]
) -> FilePlan:
    """Lay out one output shard: its header, and its tensors in the order of the base's bytes."""
    prefix = plan.base.prefixes[shard]
    size = plan.base.sizes[shard]
    spans = sorted(
        ((name, span) for name, span in plan.base.tensors.items() if span.shard == shard),
        key=lambda item: (item[1].start, item[1].end, item[0]),
    )
    same = all(plan.target_dtype(span.dtype) == span.dtype for _, span in spans)
    length = LENGTH_BYTES + header_length(prefix, file_size=size, source=shard)
    header = prefix[:length]
    if not same:
        metadata = load_json(header[LENGTH_BYTES:], source=shard, error=IntegrityError).get("__metadata__")
        header = render_header(
            ((span.name, plan.target_dtype(span.dtype), span.shape) for _, span in spans), metadata=metadata
        )
    parts: list[Part] = [Literal(start=0, data=header)]
    at = len(header)
    for name, span in spans:
        target = plan.target_dtype(span.dtype)
        end = at + span_bytes(target, span.shape)
        if name in touched or target != span.dtype:
            one = touched.get(name)
            rewrite = TensorRewrite(
                name=name,
                rows=one.rows if one else 1,
                columns=one.columns if one else (span.end - span.start) // FLOATS[span.dtype].itemsize,
                source_dtype=span.dtype,
                target_dtype=target,
                source_start=span.start,
                change=functools.partial(plan.change, one, working(span.dtype, target)) if one else None,
                sampled=sampled.get(name, range(0)),
            )
            parts.append(Rewritten(start=at, tensor=rewrite))
        elif isinstance(last := parts[-1], Verbatim) and last.source_start + last.end - last.start == span.start:
            parts[-1] = Verbatim(start=last.start, end=end, source_start=last.source_start)
        else:
            parts.append(Verbatim(start=at, end=end, source_start=span.start))
        at = end
    return FilePlan(name=shard, source=plan.base.path(shard), parts=parts)
