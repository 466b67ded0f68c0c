"""Records made by the reference implementation, or byte by byte where it would not write them."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from crc32c import crc32c
from tfrecord import example_pb2

Features = Mapping[str, Sequence[Any]]


def masked(data: bytes) -> bytes:
    crc = crc32c(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def frame(payload: bytes) -> bytes:
    length = struct.pack("<Q", len(payload))
    return length + masked(length) + payload + masked(payload)


def frames(payloads: Iterable[bytes]) -> bytes:
    return b"".join(map(frame, payloads))


def fill(feature: Any, values: Sequence[Any]) -> None:
    """Values into a Feature, by the type of the first; an empty list is one of integers."""
    first = values[0] if values else 0
    kind = {bytes: "bytes_list", float: "float_list", int: "int64_list"}[type(first)]
    found = getattr(feature, kind)
    found.SetInParent()
    found.value.extend(values)


def example(features: Features) -> bytes:
    message = example_pb2.Example()
    for name, values in features.items():
        fill(message.features.feature[name], values)
    return message.SerializeToString(deterministic=True)


def sequence_example(context: Features, lists: Mapping[str, Sequence[Sequence[Any]]]) -> bytes:
    message = example_pb2.SequenceExample()
    for name, values in context.items():
        fill(message.context.feature[name], values)
    for name, steps in lists.items():
        found = message.feature_lists.feature_list[name]
        for values in steps:
            fill(found.feature.add(), values)
    return message.SerializeToString(deterministic=True)


def varint(number: int) -> bytes:
    out = bytearray()
    number &= (1 << 64) - 1
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def sized(tag: int, data: bytes) -> bytes:
    return varint(tag) + varint(len(data)) + data


def entry(name: str | bytes, feature: bytes) -> bytes:
    """An entry of the map, by hand."""
    data = name.encode() if isinstance(name, str) else name
    return sized(0x0A, sized(0x0A, data) + sized(0x12, feature))


def by_hand(*entries: bytes) -> bytes:
    """An Example of entries of its map."""
    return sized(0x0A, b"".join(entries))


def ints(*values: int, packed: bool = True) -> bytes:
    if packed:
        return sized(0x1A, sized(0x0A, b"".join(map(varint, values))))
    return sized(0x1A, b"".join(b"\x08" + varint(value) for value in values))


def floats(*values: float, packed: bool = True) -> bytes:
    data = [struct.pack("<f", value) for value in values]
    if packed:
        return sized(0x12, sized(0x0A, b"".join(data)))
    return sized(0x12, b"".join(b"\x0d" + one for one in data))


def texts(*values: bytes) -> bytes:
    return sized(0x0A, b"".join(sized(0x0A, value) for value in values))


def as_read(payload: bytes, *, sequence: bool = False) -> dict[str, Any]:
    """What the reference implementation reads: a list for each feature that has a kind."""
    message = (example_pb2.SequenceExample if sequence else example_pb2.Example)()
    message.ParseFromString(payload)
    context = message.context if sequence else message.features
    found: dict[str, Any] = {}
    for name, feature in context.feature.items():
        kind = feature.WhichOneof("kind")
        if kind is not None:
            found[name] = list(getattr(feature, kind).value)
    if sequence:
        for name, steps in message.feature_lists.feature_list.items():
            found[name] = [list(_values(feature)) for feature in steps.feature]
    return found


def _values(feature: Any) -> Sequence[Any]:
    kind = feature.WhichOneof("kind")
    return () if kind is None else getattr(feature, kind).value
