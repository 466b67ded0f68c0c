"""The sample files are what fixtures/README.md says, and are read as what they are."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import io
import runpy
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import arrowsmith
from arrowsmith.errors import DataError

FOLDER = Path(__file__).parent.parent / "fixtures"
NAMES = sorted(
    str(path.relative_to(FOLDER))
    for path in FOLDER.rglob("*")
    if path.is_file() and path.suffix not in (".py", ".md", ".pyc")
)
BAD_LINES = [11, 21, 31, 41]


def records(name: str, **dialect: str) -> list[list[str]]:
    """The records of a text file by the standard library."""
    return list(csv.reader(io.StringIO(text(name), newline=""), **dialect))


def text(name: str) -> str:
    return (FOLDER / name).read_bytes().decode("utf-8-sig")


def table(name: str, **options: object) -> pa.Table:
    return arrowsmith.open(str(FOLDER / name), **options).to_table()


def contents(path: Path) -> object:
    """What a file holds, apart from how it is compressed or laid out."""
    if path.suffix == ".gz":
        return gzip.decompress(path.read_bytes())
    if path.suffix == ".zst":
        with pa.CompressedInputStream(pa.OSFile(str(path)), "zstd") as stream:
            return stream.read()
    if path.suffix == ".parquet":
        return pq.read_table(path)
    if path.suffix == ".arrow":
        return pa.ipc.open_file(pa.OSFile(str(path))).read_all()
    if path.suffix == ".arrows":
        return pa.ipc.open_stream(pa.OSFile(str(path))).read_all()
    if path.suffix == ".npz":
        with np.load(path) as arrays:
            return {name: (array.dtype, array.tobytes()) for name, array in arrays.items()}
    return path.read_bytes()


@pytest.fixture(scope="module")
def remade(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fixtures")
    runpy.run_path(str(FOLDER / "make.py"))["write_all"](folder)
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_the_script_makes_the_file(name, remade):
    assert contents(remade / name) == contents(FOLDER / name)


def test_the_script_makes_nothing_else(remade):
    made = (path for path in remade.rglob("*") if path.is_file())
    assert sorted(str(path.relative_to(remade)) for path in made) == NAMES


def test_the_folder_is_small():
    assert sum((FOLDER / name).stat().st_size for name in NAMES) < 256_000


@pytest.mark.parametrize("name", sorted({name.partition("/")[0] for name in NAMES}))
def test_the_readme_names_the_file(name):
    assert f"`{name}" in (FOLDER / "README.md").read_text()


def test_people_keep_every_text_as_it_stands():
    header, *rows = records("people.csv")
    people = table("people.csv")
    assert people.num_rows == len(rows) == 250
    assert text("people.csv").count("\n") > 251
    for name in ("account", "name", "zip", "city", "note"):
        index = header.index(name)
        assert people[name].to_pylist() == [row[index] or None for row in rows]
    assert all(len(value) == 20 for value in people["account"].to_pylist())
    assert any(value.startswith("0") for value in people["zip"].to_pylist())


def test_people_have_the_types_and_nulls_that_polars_finds():
    people = table("people.csv")
    peer = pl.read_csv(
        FOLDER / "people.csv",
        null_values={"score": "NA"},
        try_parse_dates=True,
        schema_overrides={"zip": pl.String, "account": pl.String},
    )
    assert people.schema.field("joined").type == pa.date32()
    for name in ("id", "score", "active", "joined", "last_seen"):
        assert people[name].to_pylist() == peer[name].to_list()
    assert 0 < people["score"].null_count < 250
    assert 0 < people["last_seen"].null_count < 250


def test_sensors_are_instants_and_codes_stay_text():
    raw = (FOLDER / "sensors.tsv").read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf")
    assert raw.count(b"\r\n") == raw.count(b"\n") == 301
    sensors = table("sensors.tsv")
    rows = records("sensors.tsv", delimiter="\t")[1:]
    assert sensors["time"].to_pylist() == [dt.datetime.fromisoformat(row[0]) for row in rows]
    assert sensors["time"][0].as_py() == dt.datetime(2024, 3, 30, 23, tzinfo=dt.UTC)
    assert sensors["code"].to_pylist() == [row[4] for row in rows]
    assert [n for n in range(300) if not sensors["value"][n].is_valid] == list(range(0, 300, 11))
    assert table("sensors.tsv.zst").equals(sensors)


def test_stations_have_no_header():
    stations = table("stations.csv")
    rows = records("stations.csv", delimiter=";")
    assert stations.num_rows == len(rows) == 100
    assert stations.column(1).to_pylist() == [row[1] for row in rows]
    assert all(";" in row[1] for row in rows)
    assert stations.column(2).to_pylist() == [float(row[2]) for row in rows]


def test_orders_have_all_members():
    raw = (FOLDER / "orders.csv.gz").read_bytes()
    assert raw.count(b"\x1f\x8b\x08") == 3
    orders = table("orders.csv.gz")
    peer = duckdb.read_csv(str(FOLDER / "orders.csv.gz"), dtype={"sku": "VARCHAR"})
    assert orders.num_rows == 900
    assert orders.to_pylist() == peer.to_arrow_table().to_pylist()
    starts = [value.startswith("0") for value in orders["sku"].to_pylist()]
    assert any(starts)
    assert not all(starts)


def test_sales_are_one_table():
    sales = table("sales")
    assert sales.num_rows == 112
    assert sales.schema.field("discount").type == pa.float64()
    assert sales["discount"].to_pylist() == [None] * 56 + [5.0] * 28 + [2.5] * 28
    assert sales["day"][0].as_py() == dt.date(2023, 12, 1)


def test_late_values_make_a_conversion_start_over(tmp_path):
    source = arrowsmith.open(str(FOLDER / "late.csv"), sample_bytes="2KB", range_bytes="2KB")
    assert source.schema.field("ref").type == pa.int64()
    stats = source.write(str(tmp_path / "out.parquet"))
    written = pq.read_table(tmp_path / "out.parquet")
    rows = records("late.csv")[1:]
    assert stats.restarts == 1
    assert written["ref"].to_pylist() == [row[2] for row in rows]
    assert written["size"].to_pylist() == [float(row[1]) for row in rows]


def test_damaged_is_refused_at_its_first_bad_line():
    with pytest.raises(DataError, match="line 11"):
        table("damaged.csv")


@pytest.mark.parametrize(
    ("options", "lines"), [({}, BAD_LINES), ({"types": {"amount": "float64"}}, [*BAD_LINES, 51])]
)
def test_damaged_in_quarantine(options, lines, tmp_path):
    source = FOLDER / "damaged.csv"
    damaged = arrowsmith.open(
        str(source), on_error="quarantine", rejects=str(tmp_path / "bad.parquet"), **options
    )
    stats = damaged.write(str(tmp_path / "out.parquet"))
    rejects = pq.read_table(tmp_path / "bad.parquet").to_pylist()
    raw = source.read_bytes().split(b"\n")
    assert [reject["line"] for reject in rejects] == lines
    assert [reject["record"] for reject in rejects] == [line - 2 for line in lines]
    assert [reject["raw"] for reject in rejects] == [raw[line - 1] for line in lines]
    for reject in rejects:
        assert source.read_bytes()[reject["offset"] :].startswith(reject["raw"])
    assert stats.rows_out + stats.rejected == 60
    ids = pq.read_table(tmp_path / "out.parquet")["id"].to_pylist()
    assert ids == [n for n in range(1, 61) if n + 1 not in lines]


def test_events_are_one_table_in_three_formats():
    peer = pq.read_table(FOLDER / "events.parquet")
    assert pq.ParquetFile(FOLDER / "events.parquet").num_row_groups == 3
    assert table("events.parquet").equals(peer)
    for name in ("events.arrow", "events.arrows"):
        assert table(name).to_pylist() == peer.to_pylist()
    assert set(map(str, peer["at"].to_pylist()[1:2])) == {"2024-03-31 03:01:00+02:00"}


@pytest.mark.parametrize("suffix", ["parquet", "arrow", "arrows"])
def test_events_survive_any_conversion(suffix, tmp_path):
    target = tmp_path / f"out.{suffix}"
    arrowsmith.open(str(FOLDER / "events.arrow")).write(str(target))
    assert table(str(target)).to_pylist() == pq.read_table(FOLDER / "events.parquet").to_pylist()


def test_the_grid_is_read_as_numpy_reads_it():
    heights = np.load(FOLDER / "grid.npy")
    assert heights.dtype == ">f4"
    assert heights.flags.f_contiguous
    found = table("grid.npy", columns="north,east,south,west")
    assert found.schema.types == [pa.float32()] * 4
    np.testing.assert_array_equal(np.stack(found.columns, axis=1), heights)


def test_readings_have_what_is_said_of_them():
    found = table("readings.npz")
    with np.load(FOLDER / "readings.npz") as arrays:
        assert found.column_names == list(arrays)
        assert found["city"].to_pylist() == arrays["city"].tolist()
        assert found["ok"].to_pylist() == arrays["ok"].tolist()
        images = found["image"].combine_chunks().to_numpy_ndarray()
        np.testing.assert_array_equal(images, arrays["image"])
        waves = [complex(w["real"], w["imag"]) for w in found["wave"].to_pylist()]
        assert waves == arrays["wave"].tolist()
    assert [row for row, at in enumerate(found["at"].to_pylist()) if at is None] == [7]
