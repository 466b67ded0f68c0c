"""The contract kit over the plugin's reader and sink."""

from __future__ import annotations

import io
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import arrowsmith
from arrowsmith.testing import ReaderContract, RoundTripContract, SinkContract


def table(rows: int = 300) -> pa.Table:
    moments = pa.array([None if n % 7 == 0 else n * 10**9 for n in range(rows)], pa.int64())
    words = pa.array([None if n % 5 == 0 else f"word {n % 9}" for n in range(rows)])
    return pa.table(
        {
            "id": pa.array(range(rows), pa.int64()),
            "small": pa.array([None if n % 3 == 0 else n % 100 for n in range(rows)], pa.int8()),
            "price": pa.array([Decimal(n) / 4 for n in range(rows)], pa.decimal128(12, 2)),
            "score": pa.array([None if n % 4 == 0 else n / 8 for n in range(rows)]),
            "yes": pa.array([None if n % 6 == 0 else n % 2 == 0 for n in range(rows)]),
            "text": pa.array([None if n % 8 == 0 else f"é {n}" * (n % 4) for n in range(rows)]),
            "blob": pa.array([bytes([n % 256, 0]) for n in range(rows)]),
            "at": moments.cast(pa.timestamp("ns")).cast(pa.timestamp("us", "Europe/Warsaw"), False),
            "word": words.dictionary_encode(),
        }
    )


def stored(rows: pa.Table, **options: object) -> bytes:
    out = io.BytesIO()
    pq.write_table(rows, out, row_group_size=100, **options)
    return out.getvalue()


class TestReader(ReaderContract):
    name = "fastparquet"
    samples = {
        "pages1.parquet": stored(table()),
        "pages2.parquet": stored(table(), data_page_version="2.0", compression="zstd"),
    }
    expected = {"pages1.parquet": table(), "pages2.parquet": table()}

    def test_own_files_are_recognised(self, tmp_path):
        """They are the core's: this reader is chosen by its name alone."""
        path = tmp_path / "a.parquet"
        path.write_bytes(self.samples["pages1.parquet"])
        assert arrowsmith.open(path).format == "parquet"
        assert arrowsmith.open(path, format="fastparquet").format == "fastparquet"


class TestSink(SinkContract):
    name = "fastparquet"
    table = table()


class TestRoundTrip(RoundTripContract):
    name = "fastparquet"
    table = table()


@pytest.mark.parametrize("codec", ["none", "snappy", "gzip", "lz4"])
class TestCodecs:
    def test_codecs_are_read_by_pyarrow(self, codec, tmp_path):
        source, target = tmp_path / "a.parquet", tmp_path / "b.parquet"
        source.write_bytes(stored(table()))
        arrowsmith.open(source).write(target, format="fastparquet", compression=codec)
        assert pq.read_table(target).equals(table())
