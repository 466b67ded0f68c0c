"""What is particular to access logs."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

import arrowsmith
from arrowsmith.errors import DataError, OptionError, SchemaMismatch

APACHE = (  # the example of Apache's documentation
    b'127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /apache_pb.gif HTTP/1.0" 200 2326 '
    b'"http://www.example.com/start.html" "Mozilla/4.08 [en] (Win98; I ;Nav)"\n'
)


def write(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    return str(path)


def test_documented_line_is_read_field_by_field(tmp_path: Path) -> None:
    [row] = arrowsmith.open(write(tmp_path / "a.log", APACHE)).to_table().to_pylist()
    assert row == {
        "host": "127.0.0.1",
        "ident": None,
        "user": "frank",
        "time": datetime(2000, 10, 10, 20, 55, 36, tzinfo=UTC),
        "request": "GET /apache_pb.gif HTTP/1.0",
        "status": 200,
        "bytes": 2326,
        "referer": "http://www.example.com/start.html",
        "user_agent": "Mozilla/4.08 [en] (Win98; I ;Nav)",
    }


def test_common_format_has_no_referer_and_empty_differs_from_dash(tmp_path: Path) -> None:
    start = b'h - - [01/Jan/2024:00:00:00 +0000] "-" 400 -'
    data = start + b"\n" + start + b' "" "-"\n'
    table = arrowsmith.open(write(tmp_path / "a.log", data)).to_table()
    assert table["referer"].to_pylist() == [None, ""]
    assert table["user_agent"].to_pylist() == [None, None]
    assert table["request"].to_pylist() == [None, None]
    assert table["bytes"].to_pylist() == [None, None]


def test_escaped_quotes_come_back_and_other_escapes_stay(tmp_path: Path) -> None:
    data = rb'h - - [01/Jan/2024:00:00:00 +0000] "GET /\"a\\\" \x16" 200 1' + b"\n"
    table = arrowsmith.open(write(tmp_path / "a.log", data)).to_table()
    assert table["request"].to_pylist() == [r'GET /"a\" \x16']


@pytest.mark.parametrize(
    "stamp",
    ["30/Feb/2024:00:00:00 +0000", "01/Foo/2024:00:00:00 +0000", "01/Jan/2024:24:00:00 +0000"],
)
def test_impossible_times_are_rejected(tmp_path: Path, stamp: str) -> None:
    data = APACHE + f'h - - [{stamp}] "GET /" 200 1\n'.encode()
    path = write(tmp_path / "a.log", data)
    with pytest.raises(DataError, match=f"line 2, byte {len(APACHE)}: "):
        arrowsmith.open(path).to_table()


def test_rejects_keep_line_and_offset_in_any_split(tmp_path: Path) -> None:
    data = (APACHE * 30_000) + b"not a line of a log\n" + (APACHE * 30_000)  # two splits
    path = write(tmp_path / "a.log", data)
    rejects = tmp_path / "bad.jsonl"
    ds = arrowsmith.open(path, on_error="quarantine", rejects=str(rejects))
    assert ds.write(tmp_path / "out.accesslog").rejected == 1
    [record] = [json.loads(line) for line in rejects.read_text().splitlines()]
    assert (record["line"], record["offset"]) == (30_001, 30_000 * len(APACHE))


def test_overlong_line_is_an_error_that_names_the_option(tmp_path: Path) -> None:
    path = write(tmp_path / "a.log", APACHE + b"x" * 4_000_000)
    with pytest.raises(DataError, match="max_line"):
        arrowsmith.open(path, on_error="skip").to_table()


@pytest.mark.parametrize(
    ("column", "value"),
    [("host", "two words"), ("request", "line\nbreak"), ("bytes", -1), ("user", "")],
)
def test_sink_refuses_what_a_log_cannot_hold(tmp_path: Path, column: str, value: object) -> None:
    path = write(tmp_path / "a.log", APACHE)

    def change(batch: pa.RecordBatch) -> pa.RecordBatch:
        index = batch.schema.get_field_index(column)
        array = pa.array([value] * batch.num_rows, batch.schema.field(index).type)
        return batch.set_column(index, batch.schema.field(index), array)

    with pytest.raises(DataError, match=f"column '{column}'"):
        arrowsmith.open(path).map(change).write(tmp_path / "out.accesslog")
    assert not (tmp_path / "out.accesslog").exists()


def test_sink_refuses_foreign_columns(tmp_path: Path) -> None:
    ds = arrowsmith.open(write(tmp_path / "a.log", APACHE)).rename({"host": "client"})
    with pytest.raises(SchemaMismatch, match="client"):
        ds.write(tmp_path / "out.accesslog")


def test_redact_takes_the_mask_literally_and_checks_the_pattern(tmp_path: Path) -> None:
    ds = arrowsmith.open(write(tmp_path / "a.log", APACHE))
    masked = ds.transform("redact", columns="host,user", pattern="^.*$", mask=r"\1")
    assert masked.select("host", "user").to_table().to_pylist() == [{"host": r"\1", "user": r"\1"}]
    with pytest.raises(OptionError, match="pattern"):
        _ = ds.transform("redact", columns="host", pattern="(").schema


def test_log_comes_back_from_parquet_whose_times_are_finer(tmp_path: Path) -> None:
    ds = arrowsmith.open(write(tmp_path / "a.log", APACHE * 3))
    ds.write(tmp_path / "a.parquet")
    arrowsmith.open(tmp_path / "a.parquet").write(tmp_path / "b.log")
    utc = APACHE.replace(b"10/Oct/2000:13:55:36 -0700", b"10/Oct/2000:20:55:36 +0000")
    assert (tmp_path / "b.log").read_bytes() == utc * 3


def test_sink_refuses_times_between_two_seconds(tmp_path: Path) -> None:
    ds = arrowsmith.open(write(tmp_path / "a.log", APACHE))
    index = ds.schema.get_field_index("time")

    def later(batch: pa.RecordBatch) -> pa.RecordBatch:
        times = pa.array([1_500] * batch.num_rows, pa.timestamp("ms", "UTC"))
        return batch.set_column(index, "time", times)

    with pytest.raises(DataError, match="column 'time'"):
        ds.map(later).write(tmp_path / "out.accesslog")
