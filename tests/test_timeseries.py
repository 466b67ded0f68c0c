"""Files of time series against a small parser of the standard library, and their rejects."""

from __future__ import annotations

import csv
import gzip
import math
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import arrowsmith
from arrowsmith.errors import BudgetExceeded, DataError, UnknownFormat

FOLDER = Path(__file__).parent.parent / "fixtures"


def reference_ts(text: str) -> list[tuple[list[list[float | None]], str]]:
    """The dimensions and label of each line of a file without times."""
    found = []
    data = text.split("@data", 1)[1]
    for line in data.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        *dimensions, label = line.strip().split(":")
        values = [
            [None if one.strip() == "?" else float(one) for one in part.split(",")] if part else []
            for part in dimensions
        ]
        found.append((values, label))
    return found


def same(one: object, other: object) -> bool:
    both_nan = isinstance(one, float) and isinstance(other, float) and math.isnan(one)
    return (both_nan and math.isnan(other)) or one == other


def test_ts_is_what_a_plain_parser_reads():
    path = FOLDER / "gestures.ts"
    wanted = reference_ts(path.read_text(encoding="utf-8"))
    table = arrowsmith.open(str(path), layout="series").to_table()
    assert table.num_rows == len(wanted) == 40
    for row, (dimensions, label) in zip(table.to_pylist(), wanted, strict=True):
        assert row["label"] == label
        longest = max(map(len, dimensions))
        for number, values in enumerate(dimensions):
            padded = values + [None] * (longest - len(values))
            assert all(map(same, row[f"dim_{number}"], padded))
            assert len(row[f"dim_{number}"]) == longest


def test_both_layouts_hold_the_same():
    series = pl.from_arrow(arrowsmith.open(str(FOLDER / "gestures.ts"), layout="series").to_table())
    long = pl.from_arrow(arrowsmith.open(str(FOLDER / "gestures.ts")).to_table())
    exploded = series.explode(["dim_0", "dim_1"], empty_as_null=False)
    assert long["dim_0"].equals(exploded["dim_0"], null_equal=True)
    assert long["series_id"].equals(exploded["series_id"])


def test_tsf_times_follow_from_start_and_frequency():
    table = arrowsmith.open(str(FOLDER / "demand.tsf")).to_table()
    frame = pl.from_arrow(table).with_columns(pl.col("series_id").cast(pl.String))
    first = frame.filter(pl.col("series_id") == "T1")["timestamp"]
    wanted = pl.datetime_range(first[0], first[-1], "30m", eager=True, time_unit="ms")
    assert first.cast(pl.Datetime("ms")).to_list() == wanted.to_list()
    with (FOLDER / "demand.tsf").open(encoding="utf-8") as stream:
        lines = [line for line in stream if line.startswith("T")]
    values = [
        None if one == "?" else float(one) for one in lines[0].strip().split(":")[-1].split(",")
    ]
    assert frame.filter(pl.col("series_id") == "T1")["value"].to_list() == values


def test_header_stands_in_the_schema():
    import json

    ds = arrowsmith.open(str(FOLDER / "demand.tsf"))
    told = json.loads(ds.schema.metadata[b"timeseries"])
    assert told["kind"] == "tsf"
    assert told["frequency"] == "half_hourly"
    assert told["horizon"] == 48
    assert ds.details["frequency"] == "half_hourly"


def test_ucr_is_read_by_name_alone(tmp_path):
    path = tmp_path / "Some_TRAIN.tsv"
    path.write_text("1\t0.5\t1e-3\n-1\t?\tNaN\n")
    assert arrowsmith.open(str(path)).format == "csv"
    table = arrowsmith.open(str(path), format="timeseries", layout="series").to_table()
    with path.open() as stream:
        rows = list(csv.reader(stream, delimiter="\t"))
    assert table["label"].to_pylist() == [row[0] for row in rows]
    assert table["value"][0].as_py() == [0.5, 1e-3]
    assert table["value"][1].as_py()[0] is None
    assert math.isnan(table["value"][1].as_py()[1])


@pytest.mark.parametrize(
    "content",
    [
        b"export const a: number = 1;\n",
        b"\x47\x40\x00\x10" + bytes(184),
        b"@Component({})\nclass A {}\n",
    ],
)
def test_other_ts_files_are_refused(tmp_path, content):
    path = tmp_path / "file.ts"
    path.write_bytes(content)
    with pytest.raises(UnknownFormat):
        arrowsmith.open(str(path))


def test_bad_lines_are_rejected_with_their_place(tmp_path):
    path = tmp_path / "bad.ts"
    head = (
        "# made\n@problemName x\n@timeStamps false\n@univariate true\n@classLabel true a b\n@data\n"
    )
    body = "1,2:a\n\n1,x:a\n# no\n1:2:b\n3:c\n4:b\n"
    path.write_text(head + body)
    rejects = tmp_path / "rejects.jsonl"
    ds = arrowsmith.open(str(path), on_error="quarantine", rejects=str(rejects))
    assert ds.to_table()["series_id"].to_pylist() == [0, 0, 4]
    found = arrowsmith.open(str(rejects)).to_table().to_pylist()
    lines = (head + body).split("\n")
    assert [one["line"] for one in found] == [9, 11, 12]
    for one in found:
        before = "\n".join(lines[: one["line"] - 1])
        assert one["offset"] == len(before) + 1
    with pytest.raises(DataError, match=r"line 9, byte \d+, column 'value': value 1 is 'x'"):
        arrowsmith.open(str(path)).to_table()


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("@problemName x\n@univariate true\n", "no line @data"),
        ("@problemName x\n@univariate perhaps\n@data\n1\n", "@univariate is true or false"),
        ("@relation x\n@attribute a string\n@data\nx\n", "no numeric attribute"),
        ("@problemName x\n@univariate true\n@dimensions 3\n@data\n1\n", "contradicts"),
    ],
)
def test_headers_that_make_no_sense(tmp_path, text, what):
    path = tmp_path / "bad.ts"
    path.write_text(text)
    with pytest.raises(DataError, match=what):
        arrowsmith.open(str(path), format="timeseries").to_table()


def test_a_line_beyond_the_budget_names_the_budget(tmp_path):
    path = tmp_path / "large.ts"
    path.write_text("@problemName x\n@univariate true\n@data\n" + "1.25," * 4_000_000 + "1\n")
    with pytest.raises(BudgetExceeded, match="give it more: --memory"):
        arrowsmith.open(str(path), layout="series", budget="64MB").count()
    assert arrowsmith.open(str(path), budget="64MB").count() == 4_000_001


@pytest.mark.parametrize("name", ["gestures.ts", "demand.tsf"])
@pytest.mark.parametrize("layout", ["long", "series"])
def test_written_files_come_back(tmp_path, name, layout):
    ds = arrowsmith.open(str(FOLDER / name), layout=layout)
    target = tmp_path / name
    ds.write(str(target))
    again = arrowsmith.open(str(target), layout=layout)
    assert again.to_table().equals(ds.to_table()) or pl.from_arrow(again.to_table()).equals(
        pl.from_arrow(ds.to_table())
    )
    told = [one.details for one in (ds, again)]
    assert told[0] == told[1]


@pytest.mark.parametrize("name", ["gestures.ts", "demand.tsf"])
def test_through_parquet_and_back(tmp_path, name):
    ds = arrowsmith.open(str(FOLDER / name))
    ds.write(str(tmp_path / "rows.parquet"))
    arrowsmith.open(str(tmp_path / "rows.parquet")).write(str(tmp_path / name))
    again = arrowsmith.open(str(tmp_path / name))
    assert pl.from_arrow(again.to_table()).equals(pl.from_arrow(ds.to_table()))


@pytest.mark.parametrize(
    ("times", "unit", "what"),
    [([1, 2, 1500], "ns", "finer than a microsecond"), ([0, 253_402_300_800, 1], "s", "9999")],
)
def test_times_that_would_not_come_back_are_refused(tmp_path, times, unit, what):
    table = {"series_id": ["a"] * 3, "timestamp": pa.array(times, pa.timestamp(unit))}
    pq.write_table(pa.table(table | {"value": [1.0, 2.0, 3.0]}), tmp_path / "in.parquet")
    with pytest.raises(DataError, match=what):
        arrowsmith.open(tmp_path / "in.parquet").write(tmp_path / "out.ts")
    assert not (tmp_path / "out.ts").exists()


def test_gaps_are_not_lost_in_tsf(tmp_path):
    table = pa.table(
        {
            "series_id": ["a", "a"],
            "timestamp": pa.array([0, 7200], pa.timestamp("s")),
            "value": [1.0, 2.0],
        }
    )
    import pyarrow.parquet as pq

    pq.write_table(table, tmp_path / "in.parquet")
    with pytest.raises(DataError, match="are not hourly"):
        arrowsmith.open(str(tmp_path / "in.parquet")).write(
            str(tmp_path / "out.tsf"), frequency="hourly"
        )
    assert not (tmp_path / "out.tsf").exists()


def large_line(path: Path, head: str, parts: list[str], end: str) -> None:
    """A file of one series of some 20 million bytes, which come to some 100 million as rows."""
    block = ",".join(f"{k % 977 / 8:.3f}" for k in range(100_000))
    with path.open("w") as stream:
        stream.write(head)
        for part in parts:
            stream.write(part)
            stream.write(",".join([block] * (30 // len(parts))))
        stream.write(end)


@pytest.mark.parametrize(
    ("name", "head", "parts", "end"),
    [
        ("x.ts", "@univariate false\n@classLabel true a\n@data\n", ["", ":"], ":a\n"),
        (
            "x.tsf",
            "@attribute series_name string\n@attribute start_timestamp date\n"
            "@frequency 4_seconds\n@data\n",
            ["T:2001-02-03 04-05-06:"],
            "",
        ),
    ],
)
def test_a_series_of_a_file_may_be_larger_than_the_budget(tmp_path, name, head, parts, end):
    path = tmp_path / name
    large_line(path, head, parts, end)
    stats = arrowsmith.open(str(path), budget="64MB").write(str(tmp_path / "x.parquet"))
    count = 3_000_000 // len(parts)
    assert stats.rows_out == count
    assert stats.peak_memory <= 64 << 20
    found = arrowsmith.open(str(tmp_path / "x.parquet"), budget="64MB")
    last = found.filter("value = 0" if name == "x.tsf" else "dim_1 = 0").count()
    assert last == count // 100_000 * len([k for k in range(100_000) if k % 977 == 0])
    back = found.write(str(tmp_path / f"back{path.suffix}"))
    assert back.peak_memory <= 64 << 20
    with path.open("rb") as one, (tmp_path / f"back{path.suffix}").open("rb") as other:
        texts = [stream.read().split(b"@data\n")[1].strip() for stream in (one, other)]
    cut = [text.split(b",") for text in texts]
    assert len(cut[0]) == len(cut[1])
    assert cut[1][1:5] == [b"0.125", b"0.25", b"0.375", b"0.5"]


def test_bad_values_far_out_are_told_with_their_number(tmp_path):
    path = tmp_path / "x.ts"
    path.write_text("@univariate true\n@data\n" + "1," * 99_999 + "x,2\n3\n")
    with pytest.raises(DataError, match="line 3, byte 23, column 'value': value 99999 is 'x'"):
        arrowsmith.open(str(path), range_bytes=1024).to_table()
    ds = arrowsmith.open(str(path), range_bytes=1024, on_error="skip")
    assert ds.to_table()["value"].to_pylist() == [3.0]


def test_a_long_line_may_come_through_a_pipe(tmp_path):
    """What cannot be read twice is: times, comments and several dimensions."""
    points = ",".join(f"(2024-01-01 00:{k // 60:02}:{k % 60:02},{k}.5)" for k in range(900))
    text = "@timeStamps true\n@univariate false\n@dimensions 2\n@classLabel true a b\n@data\n"
    text += f"{points}:{points}:a\n#{'x' * 5000}\n(2024-01-01,1):(2024-01-01,2):b\n"
    plain = tmp_path / "x.ts"
    plain.write_text(text)
    with gzip.open(tmp_path / "x.ts.gz", "wt") as stream:
        stream.write(text)
    whole = arrowsmith.open(str(plain)).to_table()
    for path in (plain, tmp_path / "x.ts.gz"):
        pieces = arrowsmith.open(str(path), range_bytes=256).to_table()
        assert pieces.num_rows == 901
        assert pl.from_arrow(pieces).equals(pl.from_arrow(whole))
