"""Generated files, whole and piece by piece, and what is written again."""

from __future__ import annotations

import datetime as dt
import io
import math
from contextlib import closing

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.io import arff as scipy_arff

import arrowsmith
from arrowsmith.errors import DataError, SchemaMismatch
from arrowsmith.formats.timeseries.options import TimeSeriesWriteOptions
from arrowsmith.formats.timeseries.sink import TimeSeriesSink
from arrowsmith.testing.checks import KitContext

FEW = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
values = st.one_of(st.none(), st.floats(width=64, allow_infinity=False))
lists = st.lists(values, max_size=12)
words = st.text(st.characters(categories=("L", "N")), min_size=1, max_size=6)
texts = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=8)
ranges = st.sampled_from([16, 64, 1 << 20])


def shown(value: float | None) -> str:
    return "?" if value is None else repr(value)


def same(one: object, other: object) -> bool:
    if isinstance(one, float) and isinstance(other, float) and math.isnan(one):
        return math.isnan(other)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


class Into:
    """A target that is a file."""

    def __init__(self, path) -> None:
        self.path, self.name = str(path), path.name
        self._file = path.open("wb")

    def open(self):
        return self._file

    def close(self) -> None:
        self._file.close()


def written(path, table: pa.Table, rows: int = 1 << 16, **options: object) -> None:
    """The table through the sink, in batches of so many rows."""
    made = TimeSeriesWriteOptions(**options)
    with (
        closing(Into(path)) as target,
        TimeSeriesSink(target, table.schema, made, KitContext()) as sink,
    ):
        for batch in table.to_batches(rows):
            sink.write(batch)
        sink.commit()


def opened(path, text: str, **options: object) -> arrowsmith.Dataset:
    path.write_text(text, encoding="utf-8", newline="")
    return arrowsmith.open(str(path), format="timeseries", **options)


@FEW
@given(
    series=st.lists(st.tuples(lists, lists, words), min_size=1, max_size=6),
    blank=st.sampled_from(["", " ", "\t"]),
    end=st.sampled_from(["\n", "\r\n"]),
    range_bytes=ranges,
)
def test_ts(tmp_path, series, blank, end, range_bytes):
    names = sorted({label for _, _, label in series})
    lines = ["# some", "@problemName x", "@univariate false", "@dimensions 2"]
    lines += [" ".join(["@classLabel true", *names]), "@data"]
    for one, other, label in series:
        parts = [f"{blank},{blank}".join(map(shown, part)) for part in (one, other)]
        lines.append(f"{parts[0]}:{parts[1]}:{label}")
    text = end.join(lines)
    wanted = []
    for number, (one, other, label) in enumerate(series):
        for k in range(max(len(one), len(other))):
            pair = [part[k] if k < len(part) else None for part in (one, other)]
            wanted.append([number, k, *pair, label])
    got = opened(tmp_path / "x.ts", text, range_bytes=range_bytes).to_table().to_pylist()
    assert same([list(row.values()) for row in got], wanted)
    whole = opened(tmp_path / "x.ts", text, layout="series").to_table()
    assert same(whole["label"].to_pylist(), [label for _, _, label in series])
    assert same(
        [value for row in whole["dim_1"].to_pylist() for value in row], [row[3] for row in wanted]
    )


@FEW
@given(
    series=st.lists(
        st.lists(st.tuples(st.datetimes(dt.datetime(1900, 1, 1)), values), max_size=9),
        min_size=1,
        max_size=5,
    ),
    range_bytes=ranges,
)
def test_times_in_ts(tmp_path, series, range_bytes):
    lines = ["@timeStamps true", "@univariate true", "@targetLabel true", "@data"]
    for number, points in enumerate(series):
        joined = ",".join(f"({when},{shown(value)})" for when, value in points)
        lines.append(f"{joined}:{number / 4}")
    got = opened(tmp_path / "x.ts", "\n".join(lines), range_bytes=range_bytes).to_table()
    wanted = [
        [number, when, value, number / 4]
        for number, points in enumerate(series)
        for when, value in points
    ]
    if pa.types.is_timestamp(got.schema.field("timestamp").type):
        assert same([list(row.values()) for row in got.to_pylist()], wanted)
    else:
        assert not wanted  # no time tells what type they have


@FEW
@given(
    series=st.lists(
        st.tuples(words, st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2100, 1, 1)), lists),
        max_size=6,
    ),
    step=st.sampled_from([("half_hourly", 1800), ("10_minutes", 600), ("daily", 86400)]),
    range_bytes=ranges,
)
def test_tsf(tmp_path, series, step, range_bytes):
    lines = ["@relation x", "@attribute series_name string", "@attribute start_timestamp date"]
    lines += [f"@frequency {step[0]}", "@horizon 3", "@data"]
    wanted = []
    for name, start, numbers in series:
        start = start.replace(microsecond=0)
        lines.append(f"{name}:{start:%Y-%m-%d %H-%M-%S}:{','.join(map(shown, numbers))}")
        times = [start + dt.timedelta(seconds=step[1] * k) for k in range(len(numbers))]
        wanted += [[name, when, value] for when, value in zip(times, numbers, strict=True)]
    # strftime leaves the zeros of early years out, which the format has
    got = opened(tmp_path / "x.tsf", "\n".join(lines), range_bytes=range_bytes).to_table()
    assert same([list(row.values()) for row in got.to_pylist()], wanted)


def weka(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


@FEW
@given(
    rows=st.lists(st.tuples(values, texts, values, texts), min_size=1, max_size=8),
)
def test_arff(tmp_path, rows):
    names = sorted({label for *_, label in rows})
    lines = ["@RELATION 'so me'", "@ATTRIBUTE 'a b' NUMERIC", "@attribute note string"]
    lines += ["@attribute c real", f"@attribute class {{{','.join(map(weka, names))}}}", "@DATA"]
    lines += [f"{shown(a)}, {weka(note)},{shown(c)} ,{weka(label)}" for a, note, c, label in rows]
    table = opened(tmp_path / "x.arff", "\n".join(lines), layout="series").to_table()
    got = [[*row["value"], row["note"], row["label"]] for row in table.to_pylist()]
    assert same(got, [[a, c, note, label] for a, note, c, label in rows])


@FEW
@given(
    width=st.integers(1, 5),
    data=st.data(),
)
def test_what_is_written_as_arff_is_read_by_scipy(tmp_path, width, data):
    row = st.lists(values, min_size=width, max_size=width)
    rows = data.draw(st.lists(row, min_size=1, max_size=6))
    labels = [data.draw(st.from_regex(r"[a-z0-9]{1,5}", fullmatch=True)) for _ in rows]  # ASCII
    table = pa.table({"value": pa.array(rows, pa.list_(pa.float64())), "label": labels})
    path = tmp_path / "x.arff"
    written(path, table)
    text = path.read_text(encoding="utf-8")
    found, _ = scipy_arff.loadarff(io.StringIO(text))
    for got, wanted, label in zip(found, rows, labels, strict=True):
        filled = [math.nan if one is None else one for one in wanted]
        assert same([float(one) for one in list(got)[:-1]], filled)
        assert got[-1].decode() == label
    again = arrowsmith.open(str(path), layout="series").to_table()
    assert same(again["value"].to_pylist(), rows)
    assert again["label"].to_pylist() == labels


@FEW
@given(
    series=st.lists(st.tuples(st.lists(values, min_size=1, max_size=9), words), min_size=1),
    kind=st.sampled_from(["ts", "arff"]),
    chunk=st.integers(1, 5),
)
def test_dimensions_are_written_and_read(tmp_path, series, kind, chunk):
    """Long rows in small batches, of two dimensions."""
    if kind == "arff":
        least = min(len(one) for one, _ in series)
        series = [(one[:least], label) for one, label in series]
    rows = [
        {"series_id": n, "timestamp": k, "dim_0": v, "dim_1": -k / 8, "label": label}
        for n, (one, label) in enumerate(series)
        for k, v in enumerate(one)
    ]
    table = pa.Table.from_pylist(rows).cast(
        pa.schema(
            {
                "series_id": pa.int64(),
                "timestamp": pa.int64(),
                "dim_0": pa.float64(),
                "dim_1": pa.float64(),
                "label": pa.string(),
            }
        )
    )
    path = tmp_path / f"x.{kind}"
    written(path, table, chunk)
    again = arrowsmith.open(str(path)).to_table()
    assert again.column_names == table.column_names
    assert (
        pl.from_arrow(again)
        .with_columns(pl.col("label").cast(pl.String))
        .equals(pl.from_arrow(table))
    )


def test_what_files_cannot_say_is_refused(tmp_path):
    unequal = pa.table({"value": [[1.0], [1.0, 2.0]], "label": ["a", "b"]})
    for name, kind in (("x.arff", "arff"), ("x.tsv", "ucr")):
        with pytest.raises(DataError, match=r"from 1 to 2 values.*write \.ts"):
            written(tmp_path / name, unequal, kind=kind)
    with pytest.raises(SchemaMismatch, match="has a label for each series"):
        written(tmp_path / "x.tsv", unequal.drop_columns("label"))
