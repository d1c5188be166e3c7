"""The seam at which foreign errors become ours; which becomes which is the business of ``errors_map``.

That table names every error of huggingface_hub, so it is imported only when there is an error to look up.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rshub.errors import RshubError


@contextmanager
def mapped(place: str, revision: str | None = None) -> Iterator[None]:
    """Run calls to huggingface_hub; what they raise comes out as an ``RshubError`` with its cause kept."""
    try:
        yield
    except RshubError:
        raise
    except Exception as fault:
        from rshub.hub.errors_map import translate

        ours = translate(fault, place=place, revision=revision)
        if ours is None:
            raise
        raise ours from fault
