"""Tiny files of many formats, which a reader of another format must leave alone."""

from __future__ import annotations

import gzip
import io
import random
import struct
import tempfile
import zipfile
import zlib
from functools import cache
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from arrowsmith.catalog import Catalog, get_catalog
from arrowsmith.plugin.options import build_options
from arrowsmith.plugin.specs import SinkSpec
from arrowsmith.testing.checks import KitContext
from arrowsmith.testing.targets import MemoryTarget, write_batches


@cache
def foreign_samples() -> dict[str, tuple[str, bytes]]:
    """By format: a file name and its bytes.

    Example:
        >>> foreign_samples()["json"]
        ('people.json', b'[{"id": 1, "name": "Ada"}, {"id": 2, "name": "Bob"}]\\n')
    """
    return {
        "csv": ("people.csv", b"id,name,score\n1,Ada,0.5\n2,Bob,1.5\n3,Eve,2.5\n"),
        "json": ("people.json", b'[{"id": 1, "name": "Ada"}, {"id": 2, "name": "Bob"}]\n'),
        "parquet": ("people.parquet", _parquet()),
        "arrow": ("people.arrow", _arrow_file()),
        "gzip": ("people.bin", gzip.compress(b"id\n1\n2\n", mtime=0)),
        "zip": ("people.zip", _zip()),
        "png": ("dot.png", _png()),
        "noise": ("noise.bin", random.Random(7).randbytes(4096)),
        "zeros": ("zeros.bin", bytes(4096)),
    }


def installed_samples() -> dict[str, tuple[str, bytes]]:
    """A file of each installed format that can be written without being told how.

    By format: a file name and its bytes. A sink that refuses the table, or fails, gives none: that
    is for its own tests.
    """
    return dict(_written(get_catalog()))


@cache
def _written(catalog: Catalog) -> tuple[tuple[str, tuple[str, bytes]], ...]:
    found = []
    for name, spec in catalog.sinks().items():
        try:
            file = f"people{next(iter(spec.extensions), f'.{name}')}"
            found.append((name, (file, _bytes_of(catalog, spec, file))))
        except Exception:  # of another plugin than the one that is tested
            continue
    return tuple(found)


def _bytes_of(catalog: Catalog, spec: SinkSpec, file: str) -> bytes:
    options: Any = build_options(spec.options_class, {}, owner=spec.name)
    # A sink that opens the path by itself does so there, and gives no sample.
    with tempfile.TemporaryDirectory() as folder:
        target = MemoryTarget(f"{folder}/{file}")
        with catalog.load(spec)(target, _table().schema, options, KitContext()) as sink:
            write_batches(sink, _table().to_batches())
            sink.commit()
    return target.stream.getvalue()


def _table() -> pa.Table:
    columns = [pa.array([1, 2], pa.int64()), pa.array(["Ada", "Bob"], pa.string())]
    return pa.Table.from_arrays(columns, names=["id", "name"])


def _parquet() -> bytes:
    stream = io.BytesIO()
    pq.write_table(_table(), stream)
    return stream.getvalue()


def _arrow_file() -> bytes:
    stream = io.BytesIO()
    with pa.ipc.new_file(stream, _table().schema) as writer:
        writer.write_table(_table())
    return stream.getvalue()


def _zip() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(zipfile.ZipInfo("people.txt"), "Ada\nBob\n")
    return stream.getvalue()


def _png() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    pixels = zlib.compress(b"\0\0")
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", pixels), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)
