"""Damaged ``.npy`` and ``.npz`` files: an error in one line, or what NumPy reads of them too."""

from __future__ import annotations

import contextlib
import io
import random
import tracemalloc
import warnings
import zipfile
import zlib

import numpy as np
import pyarrow as pa
import pytest

import every_type
from arrowsmith.errors import ArrowsmithError
from arrowsmith.formats.numpy import NumpyOptions
from arrowsmith.formats.numpy.reader import NumpyReader
from arrowsmith.location.source import FileSource
from arrowsmith.plugin import ScanRequest

CASES = 700
_SPLICED = (b"\xff" * 8, b"9" * 6, b"")
MB = 1 << 20


class Context(every_type.Context):
    def warn(self, message: str) -> None:
        """A member whose name was damaged is no array any more."""


def numbers() -> np.ndarray:
    return np.arange(60, dtype=np.int32)


def fields() -> np.ndarray:
    kind = [("n", "<i4"), ("t", "<U3"), ("p", "<f8", (2,)), ("s", [("a", "|b1"), ("d", "<M8[s]")])]
    return np.array([(n, "ab", (n, 1), (True, n)) for n in range(20)], kind)


def file_of(kind: str) -> bytes:
    out = io.BytesIO()
    if kind == "plain":
        np.save(out, numbers().reshape(20, 3))
    elif kind == "fields":
        np.save(out, fields())
    else:
        save = np.savez if kind == "stored" else np.savez_compressed
        save(out, n=numbers(), t=np.array(["a", "bc"] * 30), z=numbers() * 1j)
    return out.getvalue()


def places(data: bytes, kind: str) -> list[range]:
    """Where damage tells most: headers, the zip directory; and anywhere."""
    size = len(data)
    if kind in ("plain", "fields"):
        return [range(128), range(8, 100), range(size)]
    directory = data.index(b"PK\x01\x02")
    return [range(directory, size), range(190), range(size - 22, size), range(size)]


def damaged(data: bytes, kind: str, chance: random.Random) -> bytes:
    place = chance.choice(chance.choice(places(data, kind)))
    how = chance.randrange(6)
    changed = bytearray(data)
    if how <= 1:
        changed[place] ^= 1 << chance.randrange(8)
    elif how == 2:
        del changed[place:]
    elif how == 3:
        changed[place : place + chance.randrange(1, 9)] = chance.choice(_SPLICED)
    elif how == 4:
        start = chance.randrange(len(data))
        changed[place:place] = data[start : start + chance.randrange(1, 40)]
    else:
        changed[place] = chance.choice(b"()[]{},:'0123456789-OUSV<>|\\\0\xff")
    return bytes(changed)


def read(path) -> pa.Table | None:
    """The table, None for an error that is one line."""
    try:
        with NumpyReader(FileSource(path), NumpyOptions(), Context()) as reader:
            assert reader.count() is not None
            table = pa.Table.from_batches(reader.scan(ScanRequest(batch_rows=7)), reader.schema)
    except ArrowsmithError as caught:
        message = str(caught)
        assert "\n" not in message
        assert str(path) in message
        return None
    table.validate(full=True)
    return table


def known(path) -> dict[str, np.ndarray] | None:
    """What NumPy reads, None if it does not."""
    with warnings.catch_warnings(), contextlib.ExitStack() as stack:
        warnings.simplefilter("ignore")
        try:
            found = np.load(stack.enter_context(open(path, "rb")), allow_pickle=False)
            if isinstance(found, np.ndarray):
                return {"value": found}
            return dict(stack.enter_context(found))
        except (ValueError, OSError, EOFError, KeyError, SyntaxError, TypeError, MemoryError):
            return None
        except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, UnicodeError):
            return None


@pytest.mark.parametrize("kind", ["plain", "fields", "stored", "packed"])
def test_damage_is_an_error_or_what_numpy_reads(tmp_path, kind):
    data = file_of(kind)
    chance = random.Random(f"numpy {kind}")
    path = tmp_path / ("a.npz" if kind in ("stored", "packed") else "a.npy")
    good = compared = 0
    tracemalloc.start()
    try:
        for _ in range(CASES):
            path.write_bytes(damaged(data, kind, chance))
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            table = read(path)
            assert tracemalloc.get_traced_memory()[1] - before < 4 * MB
            if table is None:
                continue
            good += 1
            arrays = known(path)
            for name, array in (arrays or {}).items():
                if array.dtype.kind not in "iu" or array.dtype.names or not array.ndim:
                    continue
                column = table.column(name)
                assert len(column) == len(array)
                values = column.combine_chunks()
                if isinstance(values, pa.ExtensionArray):
                    values = values.storage.flatten()
                assert values.to_numpy().tolist() == array.reshape(-1).tolist()
                compared += 1
    finally:
        tracemalloc.stop()
    assert good > CASES // 20
    assert compared > 10 or kind == "fields"


def test_every_cut_is_an_error(tmp_path):
    for kind in ("plain", "stored", "packed"):
        data = file_of(kind)
        path = tmp_path / "a.bin"
        for size in range(1, len(data), 7):
            path.write_bytes(data[:size])
            assert read(path) is None, (kind, size)


def test_packed_members_are_checked_against_what_they_declare(tmp_path):
    data = file_of("packed")
    directory = data.index(b"PK\x01\x02")
    path = tmp_path / "a.npz"
    for field, message in ((16, "checksum"), (24, "needs|follow|ends|larger")):
        changed = bytearray(data)
        changed[directory + field] ^= 1
        path.write_bytes(changed)
        with (
            pytest.raises(ArrowsmithError, match=message),
            NumpyReader(FileSource(path), NumpyOptions(), Context()) as reader,
        ):
            list(reader.scan(ScanRequest()))
