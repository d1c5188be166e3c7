"""Safetensors headers: what the format says, and the library's own files as a second opinion."""

import json

import numpy as np
import pytest
from safetensors.numpy import save

from rshub.errors import IntegrityError
from rshub.formats.header import header_length, parse_header, render_header


def frame(header, data=b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def entry(dtype="F32", shape=(2,), offsets=(0, 8)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


def test_a_file_of_the_library_is_read_as_the_library_wrote_it():
    tensors = {
        "b": np.arange(6, dtype=np.float32).reshape(2, 3),
        "a": np.array([1, 2], np.int64),
        "e": np.zeros((0, 3)),
    }
    data = save(tensors)
    spans = parse_header(data, file_size=len(data), source="x")
    assert set(spans) == set(tensors)
    for name, values in tensors.items():
        assert spans[name].shape == values.shape
        assert data[spans[name].start : spans[name].end] == values.tobytes()


def test_what_is_rendered_is_read_back():
    header = render_header([("one", "BF16", (3, 2)), ("two", "I64", ())], metadata={"format": "pt"})
    spans = parse_header(header, file_size=len(header) + 20, source="x")
    assert [(n, s.dtype, s.shape, s.start, s.end) for n, s in spans.items()] == [
        ("one", "BF16", (3, 2), len(header), len(header) + 12),
        ("two", "I64", (), len(header) + 12, len(header) + 20),
    ]
    assert len(header) % 8 == 0


def test_the_prefix_may_be_longer_than_the_header():
    data = frame({"a": entry()}, b"12345678")
    assert set(parse_header(data, file_size=len(data), source="x")) == {"a"}


def test_spaces_after_the_object_are_padding():
    data = frame(json.dumps({"a": entry()}).encode() + b"    ", b"12345678")
    assert set(parse_header(data, file_size=len(data), source="x")) == {"a"}


@pytest.mark.parametrize(
    ("header", "data", "says"),
    [
        ({"a": entry(), "b": entry(offsets=(4, 12))}, b"x" * 12, "overlaps"),
        ({"a": entry(), "b": entry(offsets=(9, 17))}, b"x" * 17, "hole"),
        ({"a": entry(offsets=(1, 9))}, b"x" * 9, "hole"),
        ({"a": entry()}, b"x" * 7, "truncated"),
        ({"a": entry()}, b"x" * 9, "no tensor"),
        ({"a": entry(dtype="F33")}, b"x" * 8, "unknown dtype"),
        ({"a": entry(dtype=["F32"])}, b"x" * 8, "unknown dtype"),
        ({"a": entry(shape=(3,))}, b"x" * 8, "spans 8 bytes"),
        ({"a": entry(shape=(-2,), offsets=(0, 8))}, b"x" * 8, "proper shape"),
        ({"a": entry(shape=(True, 2))}, b"x" * 8, "proper shape"),
        ({"a": entry(shape=(2.0,))}, b"x" * 8, "proper shape"),
        ({"a": entry(shape=(2**62, 2**62))}, b"x" * 8, "spans 8 bytes"),
        ({"a": entry(shape=(1,) * 33 + (2,))}, b"x" * 8, "proper shape"),
        ({"a": entry(offsets=(0, 8, 8))}, b"x" * 8, "data_offsets"),
        ({"a": entry(offsets=(8, 0))}, b"x" * 8, "spans -8 bytes"),
        ({"a": entry() | {"more": 1}}, b"x" * 8, "not described"),
        ({"a": {"dtype": "F32"}}, b"", "not described"),
        ({"a": 3}, b"", "not described"),
        ({"__metadata__": {"a": 1}}, b"", "__metadata__"),
        ({"__metadata__": []}, b"", "__metadata__"),
        (b"[]", b"", "does not begin with an object"),
        (b" {}", b"", "does not begin with an object"),
        (b'{"a":1', b"", "not JSON"),
        (b"{\xff}", b"", "UTF-8"),
        (b'{"a":{},"a":{}}', b"", "twice"),
    ],
)
def test_a_header_that_is_not_sound_is_refused(header, data, says):
    whole = frame(header, data)
    with pytest.raises(IntegrityError, match=says) as caught:
        parse_header(whole, file_size=len(whole), source="the-file")
    assert caught.value.where
    assert caught.value.remedy


def test_the_length_is_capped_before_anything_is_parsed():
    with pytest.raises(IntegrityError, match="more than"):
        header_length((1 << 40).to_bytes(8, "little"), file_size=1 << 50, source="x")
    with pytest.raises(IntegrityError, match="does not fit"):
        header_length((100).to_bytes(8, "little"), file_size=50, source="x")
    with pytest.raises(IntegrityError, match="too few"):
        header_length(b"123", file_size=3, source="x")


def test_a_prefix_that_is_cut_is_refused():
    data = frame({"a": entry()}, b"12345678")
    with pytest.raises(IntegrityError, match="cut short"):
        parse_header(data[:20], file_size=len(data), source="x")


def test_a_name_that_is_half_a_character_is_refused():
    data = frame(b'{"\\ud800": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}', bytes(8))
    with pytest.raises(IntegrityError, match="other half"):
        parse_header(data, file_size=len(data), source="x")
