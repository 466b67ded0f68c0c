"""Decode all features of a TFRecord file: the tfrecord package, which checks no checksums."""

from __future__ import annotations

import json
import sys

from tfrecord.reader import tfrecord_loader

rows = integers = total = floats = texts = size = 0
for record in tfrecord_loader(sys.argv[1], None):
    rows += 1
    for value in record.values():
        if isinstance(value, bytes):
            texts += 1
            size += len(value)
        elif value.dtype.kind == "i":
            integers += len(value)
            total += int(value.sum())
        else:
            floats += len(value)
facts = {
    "int64": {"count": integers, "sum": total},
    "float": {"count": floats},
    "bytes": {"count": texts, "bytes": size},
}
print(json.dumps({"rows": rows, "columns": facts}))
