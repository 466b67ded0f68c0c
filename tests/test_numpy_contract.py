"""The contract kit over ``.npy`` and ``.npz``."""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa

from arrowsmith.testing import ReaderContract, RoundTripContract, SinkContract

ROWS = 700


def npy(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.save(out, array, allow_pickle=False)
    return out.getvalue()


def npz(*, packed: bool = False, **arrays: np.ndarray) -> bytes:
    out = io.BytesIO()
    (np.savez_compressed if packed else np.savez)(out, **arrays)
    return out.getvalue()


def columns() -> dict[str, np.ndarray]:
    numbers = np.arange(ROWS)
    return {
        "id": numbers,
        "score": numbers.astype(np.float32) / 8,
        "word": np.array(["", "plain", "é €", "\U0001f600 x"])[numbers % 4],
        "flag": numbers % 3 == 0,
        "day": numbers.astype("M8[D]"),
        "pixels": numbers.astype(np.uint8).repeat(6).reshape(ROWS, 2, 3),
    }


def structured() -> np.ndarray:
    given = columns()
    kinds = [(name, array.dtype, array.shape[1:]) for name, array in given.items()]
    made = np.zeros(ROWS, kinds)
    for name, array in given.items():
        made[name] = array
    return made


def as_table() -> pa.Table:
    """The columns as pyarrow makes them."""
    given = columns()
    made = {name: pa.array(given[name]) for name in ("id", "score", "word", "flag", "day")}
    made["pixels"] = pa.FixedShapeTensorArray.from_numpy_ndarray(given["pixels"])
    return pa.table(made)


def with_nulls() -> pa.Table:
    """Types that come back as they were, with nulls where they may be."""
    table = as_table()
    numbers = pa.array([None if n % 5 == 0 else n for n in range(ROWS)], pa.int32())
    for name, column in {
        "small": numbers,
        "text": pa.array([None if n % 4 == 0 else "ż" * (n % 7) for n in range(ROWS)]),
        "raw": pa.array([None if n % 4 == 1 else bytes([n % 256, 1]) for n in range(ROWS)]),
        "at": pa.array([None if n % 3 == 0 else n for n in range(ROWS)], pa.timestamp("us")),
        "took": pa.array(range(ROWS), pa.duration("ms")),
        "half": pa.array(range(ROWS), pa.float32()).cast(pa.float16()),
        "fixed": pa.array([bytes(3)] * ROWS, pa.binary(3)),
    }.items():
        table = table.append_column(name, column)
    return table


def never_null() -> pa.Table:
    table = as_table()
    return table.cast(pa.schema([field.with_nullable(False) for field in table.schema]))


class TestNumpyReader(ReaderContract):
    name = "numpy"
    samples = {
        "plain.npy": npy(columns()["id"]),
        "swapped.npy": npy(columns()["id"].astype(">i8")),
        "pixels.npy": npy(columns()["pixels"]),
        "fortran.npy": npy(np.asfortranarray(np.arange(2100.0).reshape(700, 3))),
        "fields.npy": npy(structured()),
        "members.npz": npz(**columns()),
        "packed.npz": npz(packed=True, **columns()),
        "one.npy": npy(np.array(5)),
        "none.npy": npy(np.zeros((0, 4))),
    }
    expected = {
        "fields.npy": as_table(),
        "members.npz": as_table(),
        "packed.npz": as_table(),
        "swapped.npy": pa.table({"value": range(ROWS)}),
        "one.npy": pa.table({"value": [5]}),
    }


class TestStructuredSink(SinkContract):
    name = "numpy"
    table = never_null()


class TestMaskedSink(SinkContract):
    name = "numpy"
    table = with_nulls()
    options = {"nulls": "mask"}


class TestArchiveSink(SinkContract):
    name = "numpy"
    table = with_nulls()
    options = {"nulls": "mask", "container": "npz"}


class TestPackedSink(SinkContract):
    name = "numpy"
    table = never_null()
    options = {"container": "npz", "compression": "deflate"}


class TestStructuredRoundTrip(RoundTripContract):
    name = "numpy"
    table = with_nulls()
    write_options = {"nulls": "mask"}
    read_options = {"masks": True}


class TestArchiveRoundTrip(RoundTripContract):
    name = "numpy"
    table = with_nulls()
    write_options = {"nulls": "mask", "container": "npz"}
    read_options = {"masks": True}


class TestNanRoundTrip(RoundTripContract):
    name = "numpy"
    table = pa.table(
        {
            "x": pa.array([None if n % 7 == 0 else n / 8 for n in range(ROWS)], pa.float64()),
            "at": pa.array([None if n % 3 == 0 else n for n in range(ROWS)], pa.timestamp("s")),
        }
    )

    def as_read(self, table: pa.Table) -> pa.Table:
        return table.set_column(0, "x", table.column("x").fill_null(float("nan")))
