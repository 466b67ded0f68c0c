"""Decode all features of a TFRecord file: a loop over frames and protobuf's own parser (upb)."""

from __future__ import annotations

import json
import struct
import sys

from crc32c import crc32c
from tfrecord import example_pb2


def masked(data: bytes) -> int:
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


rows = integers = total = floats = texts = size = 0
with open(sys.argv[1], "rb") as file:
    while header := file.read(12):
        length, crc = struct.unpack("<QI", header)
        payload = file.read(length)
        if masked(header[:8]) != crc or masked(payload) != struct.unpack("<I", file.read(4))[0]:
            raise SystemExit("a checksum does not match")
        rows += 1
        for feature in example_pb2.Example.FromString(payload).features.feature.values():
            kind = feature.WhichOneof("kind")
            values = list(getattr(feature, kind).value)
            if kind == "int64_list":
                integers += len(values)
                total += sum(values)
            elif kind == "float_list":
                floats += len(values)
            else:
                texts += len(values)
                size += sum(map(len, values))
facts = {
    "int64": {"count": integers, "sum": total},
    "float": {"count": floats},
    "bytes": {"count": texts, "bytes": size},
}
print(json.dumps({"rows": rows, "columns": facts}))
