"""The contract kit over the time series format and the transforms of series."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from arrowsmith.testing import (
    Damaged,
    ProbeContract,
    ReaderContract,
    RoundTripContract,
    SinkContract,
    TransformContract,
)

ROWS = 300


def ts(count: int = 60) -> bytes:
    lines = [
        "# made",
        "@problemName some",
        "@timeStamps false",
        "@missing true",
        "@univariate true",
    ]
    lines += ["@equalLength false", "@classLabel true a b", "@data"]
    for number in range(count):
        values = ",".join(
            "?" if (number + k) % 7 == 0 else f"{number}.{k}" for k in range(number % 9)
        )
        lines.append(f"{values}:{'ab'[number % 2]}")
        if number % 10 == 0:
            lines += ["", "# between"]
    return "\n".join(lines).encode()


def multivariate() -> bytes:
    lines = ["@problemName some", "@timeStamps true", "@univariate false", "@dimensions 2"]
    lines += ["@targetLabel true", "@data"]
    for number in range(50):
        one = ",".join(f"(2020-01-{k + 1:02} 00:00:00,{k}.5)" for k in range(number % 5))
        other = ",".join(f"(2020-01-{k + 2:02} 00:00:00,{k})" for k in range(4))
        lines.append(f"{one}:{other}:{number / 4}")
    return "\r\n".join(lines).encode()


def tsf() -> bytes:
    lines = ["# made", "@relation some", "@attribute series_name string"]
    lines += [
        "@attribute start_timestamp date",
        "@attribute state string",
        "@frequency half_hourly",
    ]
    lines += ["@horizon 3", "@missing false", "@equallength false", "@data"]
    for number in range(60):
        values = ",".join(str(number * k / 8) for k in range(1 + number % 6))
        lines.append(
            f"T{number}:20{10 + number}-02-03 04-05-06:{'NSW VIC'.split()[number % 2]}:{values}"
        )
    return "\n".join(lines).encode() + b"\n"


def arff() -> bytes:
    lines = [
        "% made",
        "@RELATION 'some name'",
        "",
        "@ATTRIBUTE att1 NUMERIC",
        "@attribute att2 real",
    ]
    lines += ["@attribute target {1,2}", "@DATA"]
    lines += [f"{n},{n / 4 if n % 9 else '?'},{1 + n % 2}" for n in range(80)]
    return "\n".join(lines).encode()


def relational() -> bytes:
    lines = ["@relation some", "@attribute rel relational", "@attribute a numeric", "@end rel"]
    lines += ["@attribute class {yes,no}", "@data"]
    lines += [rf"'{n},2\n3,{n}',{'yes' if n % 3 else 'no'}" for n in range(80)]
    return "\n".join(lines).encode()


SAMPLES = {
    "some.ts": ts(),
    "timed.ts": multivariate(),
    "some.tsf": tsf(),
    "some.arff": arff(),
    "nested.arff": relational(),
}


def damaged() -> bytes:
    lines = ts(20).decode().split("\n")
    lines += ["1,x:a", "1,2:c", "1:2:a", "\udcff:a", "1e999:b", "3,nan(x):a", "7:a"]
    return "\n".join(lines).encode("utf-8", "surrogateescape")


def large(path: Path, head: str, row: str, nbytes: int) -> None:
    """A file of many series of a few hundred values."""
    values = [",".join(f"{(n * k) % 977 / 8}" for k in range(300)) for n in range(1, 50)]
    block = "".join(row.format(one) for one in values)
    with path.open("w") as stream:
        stream.write(head)
        for _ in range(nbytes // len(block)):
            stream.write(block)


HEAD = "@problemName large\n@timeStamps false\n@univariate true\n@classLabel true a\n@data\n"


class TestLong(ReaderContract):
    name = "timeseries"
    budget = 32 << 20

    def large_sample(self, path: Path, nbytes: int) -> None:
        large(path, HEAD, "{}:a\n", nbytes)

    samples = SAMPLES
    damaged = {"bad.ts": Damaged(damaged(), 6, sum(n % 9 for n in range(20)) + 1)}


class TestSeries(ReaderContract):
    name = "timeseries"
    options = {"layout": "series", "range_bytes": 1024}
    budget = 32 << 20

    def large_sample(self, path: Path, nbytes: int) -> None:
        large(path, HEAD, "{}:a\n", nbytes // 16)  # with ranges this small each line is one

    samples = SAMPLES


class TestUcr(ReaderContract):
    name = "timeseries"
    budget = 32 << 20

    def large_sample(self, path: Path, nbytes: int) -> None:
        large(path, "", "a,{}\n", nbytes)

    def test_own_files_are_recognised(self) -> None:
        """They are not: without a header they are read where they are asked for by name."""

    options = {"kind": "ucr"}
    samples = {
        "some_TRAIN.tsv": b"".join(b"%d\t%d.5\tNaN\t-1e-3\n" % (n % 3, n) for n in range(90)),
        "blanks.txt": b"  1   2.5  3\n  2   4  5e1 \n",
    }


class TestProbe(ProbeContract):
    name = "timeseries"
    samples = SAMPLES


class Core(TransformContract):
    """What the classes below share; it has no test of its own."""

    __test__ = False
    table = pa.table(
        {
            "name": pa.array([f"s{n // 70}" for n in range(ROWS)]).dictionary_encode(),
            "at": pa.array(
                [1_600_000_000 + 3600 * (n + 3 * (n % 70 > 30)) for n in range(ROWS)],
                pa.timestamp("s", "UTC"),
            ),
            "x": pa.array([None if n % 11 == 0 else n * n / 7 for n in range(ROWS)]),
            "k": pa.array([n % 13 for n in range(ROWS)], pa.int32()),
            "note": pa.array([None if n % 3 == 0 else str(n) for n in range(ROWS)]),
        }
    )
    options = {"time": "at", "by": ["name"]}
    wrong_schemas = (
        pa.schema([("at", pa.int64())]),
        pa.schema([("name", pa.string()), ("at", pa.string()), ("x", pa.float64())]),
        pa.schema([("name", pa.list_(pa.string())), ("at", pa.int64()), ("x", pa.float64())]),
    )


class TestLag(Core):
    __test__ = True
    name = "lag"
    options = {**Core.options, "lags": [1, 5]}


class TestDifference(Core):
    __test__ = True
    name = "difference"


class TestRolling(Core):
    __test__ = True
    name = "rolling"
    options = {**Core.options, "rows": 6, "functions": "mean,sum,min,max,std", "min_rows": 2}


class TestWindow(Core):
    __test__ = True
    name = "window"
    options = {**Core.options, "context": 5, "horizon": 2, "stride": 3}


class TestFillGaps(Core):
    __test__ = True
    name = "fill_gaps"
    options = {**Core.options, "frequency": "1h", "method": "linear"}


class TestFillGapsForward(Core):
    __test__ = True
    name = "fill_gaps"
    options = {**Core.options, "frequency": "hourly", "method": "forward"}


class TestResample(Core):
    __test__ = True
    name = "resample"
    options = {**Core.options, "frequency": "7h", "aggregate": "mean,sum,min,max,first,last,count"}


class TestSplitByTime(Core):
    __test__ = True
    name = "temporal_split"
    options = {**Core.options, "validation": "2020-09-14", "test": "2020-09-16"}


class TestSplitByRows(Core):
    __test__ = True
    name = "temporal_split"
    options = {**Core.options, "validation_rows": 4, "test_rows": 9}


class TestScalePerSeries(Core):
    __test__ = True
    name = "scale_per_series"
    options = {"by": ["name"], "values": ["x", "k"], "time": "at", "until": "2020-10-01"}


def long_table(kind: str) -> pa.Table:
    """Series of lengths that go over the chunks, some with one row."""
    bounds = [0, 1, 150, 151, ROWS]
    ids = [next(k for k in range(4) if n < bounds[k + 1]) for n in range(ROWS)]
    clock = [n - bounds[k] for n, k in enumerate(ids)]
    made = {
        "series_id": pa.array(ids, pa.int64()),
        "timestamp": pa.array(clock, pa.int64()),
        "value": pa.array([None if n % 11 == 3 else n * n / 7 for n in range(ROWS)]),
    }
    if kind == "tsf":
        made["series_id"] = pa.array([f"T {k}" for k in ids])
        made["timestamp"] = pa.array([1_600_000_000 + 900 * n for n in clock], pa.timestamp("s"))
    else:
        made["label"] = pa.array(["ab"[k % 2] for k in ids])
    return pa.table(made)


class TestTsSink(SinkContract):
    name = "timeseries"
    table = long_table("ts")


class TestTsfSink(SinkContract):
    name = "timeseries"
    table = long_table("tsf")
    options = {"kind": "tsf", "frequency": "15_minutes"}


class TestTsRoundTrip(RoundTripContract):
    name = "timeseries"
    table = long_table("ts")

    def test_one_row_comes_back(self, tmp_path) -> None:
        """A row from the middle of a series is none: it does not begin at 0."""

    def test_nulls_come_back(self, tmp_path) -> None:
        """Rows of no series, or without a time, are refused."""

    def test_no_rows_come_back(self, tmp_path) -> None:
        """Labels of no series have no type."""

    def as_read(self, table: pa.Table) -> pa.Table:
        return table.set_column(3, "label", table["label"].dictionary_encode().cast(NAMED))


NAMED = pa.dictionary(pa.int32(), pa.string())
