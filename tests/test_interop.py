"""Other libraries take a dataset as it is, through the Arrow C stream."""

from __future__ import annotations

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

import arrowsmith
from conftest import run_threads


@pytest.fixture(params=["in.parquet", "in.csv", "in.arrow"])
def ds(request, table, tmp_path, no_leaks):
    path = tmp_path / request.param
    if path.suffix == ".parquet":
        pq.write_table(table, path, row_group_size=64)
    elif path.suffix == ".csv":
        pyarrow.csv.write_csv(table, path)
    else:
        with pa.ipc.new_file(path, table.schema) as writer:
            writer.write_table(table, max_chunksize=64)
    return arrowsmith.open(path)


def test_duckdb_queries_a_dataset(ds, table):
    query = "select lang, count(*) n, sum(score) s from {} group by lang order by lang nulls first"
    got = duckdb.sql(query.format("ds")).to_arrow_table()
    expected = table
    expected = duckdb.sql(query.format("expected")).to_arrow_table()
    assert got.to_pydict() == expected.to_pydict()


def test_duckdb_joins_a_dataset_with_itself(ds):
    one, other = ds.filter("id < 10"), ds.filter("id >= 5")
    assert one is not other  # DuckDB finds both by their names
    joined = duckdb.sql("select one.id from one join other using (id) order by 1").to_arrow_table()
    assert joined["id"].to_pylist() == [5, 6, 7, 8, 9]


def test_duckdb_may_stop_early(ds):
    assert duckdb.sql("select id from ds limit 3").to_arrow_table().num_rows == 3


def test_polars_takes_a_dataset(ds, table):
    expected = pl.from_arrow(table)
    assert pl.DataFrame(ds).equals(expected)
    assert ds.to_polars().equals(expected)


def test_pandas_takes_a_dataset(ds, table):
    expected = table.to_pandas()
    pd.testing.assert_frame_equal(pd.DataFrame.from_arrow(ds), expected, check_dtype=False)
    pd.testing.assert_frame_equal(ds.to_pandas(), expected)


def test_pandas_options_are_passed_on(ds):
    frame = ds.to_pandas(types_mapper=pd.ArrowDtype)
    assert frame["id"].dtype == pd.ArrowDtype(pa.int64())


def test_pyarrow_takes_a_dataset(ds, table):
    assert pa.table(ds).equals(table)
    with pa.RecordBatchReader.from_stream(ds) as reader:
        assert reader.schema.equals(table.schema)
        assert reader.read_all().equals(table)
    with ds.to_reader() as reader:
        assert pa.Table.from_batches(list(reader), schema=reader.schema).equals(table)


def test_a_requested_schema_is_cast_to(ds):
    wanted = pa.schema([(name, kind) for name, kind in zip(ds.schema.names, ds.schema.types)])  # noqa: B905
    wanted = wanted.set(0, pa.field("id", pa.float64()))
    reader = pa.RecordBatchReader.from_stream(ds, schema=wanted)
    assert reader.schema.field("id").type == pa.float64()
    assert pc.sum(reader.read_all()["id"]).as_py() == sum(range(1000))


def test_a_reader_that_is_forgotten_ends_the_run(ds):
    reader = ds.to_reader()
    reader.read_next_batch()
    assert run_threads()
    del reader
    assert not run_threads()


def test_numpy_columns_come_without_a_copy(table, tmp_path):
    path = tmp_path / "in.arrow"
    with pa.ipc.new_file(path, table.schema) as writer:
        writer.write_table(table)
    (batch,) = arrowsmith.open(path).batches()
    values = batch["id"].to_numpy(zero_copy_only=True)
    assert values.dtype == np.int64
    assert values.sum() == sum(range(1000))


def test_an_error_in_the_stream_reaches_the_consumer(tmp_path):
    path = tmp_path / "in.csv"
    path.write_text("a,b\n" + "1,2\n" * 5000 + "3\n" + "1,2\n" * 5000)
    ds = arrowsmith.open(path, range_bytes=4096)
    with pytest.raises(pa.ArrowInvalid, match="line 5002"):
        pa.table(ds)
    with pytest.raises(Exception, match="line 5002"):
        pl.DataFrame(ds)
    with pytest.raises(Exception, match="line 5002"):
        duckdb.sql("select sum(a) from ds").to_arrow_table()
