"""Large-file pointers and the attributes that ask for them, as Git LFS specifies. Pure: bytes in, values out.

Source: the Git LFS specification, "The Pointer"; gitattributes(5).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO

from dulwich.attrs import GitAttributes, Pattern, parse_git_attributes

LONGEST_POINTER = 1024  # bytes; the specification's own limit
LONGEST_ATTRIBUTE_LINE = 2048  # bytes; git ignores longer ones and fsck reports them

_POINTER = re.compile(
    rb"version https://git-lfs\.github\.com/spec/v1\n(?:ext-[^\n]*\n)*oid sha256:([0-9a-f]{64})\nsize ([0-9]{1,18})\n?"
)
_LARGE = (
    "7z arrow bin bz2 ckpt ftz gz h5 joblib mlmodel model msgpack npy npz onnx ot parquet pb pickle pkl pt pth rar"
    " safetensors tar tflite tgz wasm xz zip zst"
)
_LARGE_PATTERNS = (
    *(f"*.{suffix}" for suffix in _LARGE.split()),
    "*.bin.*",
    "*.lfs.*",
    "*.tar.*",
    "saved_model/**/*",
    "*tfevents*",
)
DEFAULT_ATTRIBUTES = "".join(f"{pattern} filter=lfs diff=lfs merge=lfs -text\n" for pattern in _LARGE_PATTERNS).encode()


@dataclass(frozen=True, kw_only=True)
class Pointer:
    """What stands in git for a large file: its sha256 and size in bytes."""

    oid: str
    size: int

    def encoded(self) -> bytes:
        """The blob that git stores."""
        return f"version https://git-lfs.github.com/spec/v1\noid sha256:{self.oid}\nsize {self.size}\n".encode()


def parse_pointer(data: bytes) -> Pointer | None:
    """Return the pointer that a blob holds, or None for an ordinary file."""
    if len(data) > LONGEST_POINTER:
        return None
    match = _POINTER.fullmatch(data)
    return None if match is None else Pointer(oid=match[1].decode(), size=int(match[2]))


def parse_attributes(data: bytes) -> GitAttributes:
    """Read a `.gitattributes` file; lines that git would not understand are skipped, as git does."""
    lines = (line for line in data.splitlines() if len(line) <= LONGEST_ATTRIBUTE_LINE)
    return GitAttributes(
        [(Pattern(pattern), attributes) for pattern, attributes in parse_git_attributes(BytesIO(b"\n".join(lines)))]
    )


def wants_pointer(attributes: GitAttributes, path: str) -> bool | None:
    """Whether a path is stored as a large file; None when no line speaks of it."""
    value = attributes.match_path(path.encode()).get(b"filter")
    return None if value is None else value == b"lfs"


def with_lines_for(data: bytes, paths: Iterable[str]) -> bytes:
    """Return a `.gitattributes` file that stores these paths, too, as large files."""
    text = data + (b"\n" if data and not data.endswith(b"\n") else b"")
    for path in paths:
        escaped = re.sub(r"([*?\[\\])", r"\\\1", path)
        escaped = re.sub(r"\s", "[[:space:]]", escaped)
        if escaped[0] in '!#"':
            # These begin a negation, a comment or a quoted pattern; an anchored pattern begins with a slash instead.
            escaped = "/" + escaped
        text += f"{escaped} filter=lfs diff=lfs merge=lfs -text\n".encode()
    return text
