"""Records that are all written alike take a way of their own: it gives what the parser gives."""

from __future__ import annotations

import datetime as dt
import json
import math
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arrowsmith.errors import ArrowsmithError
from arrowsmith.formats.json import fast
from arrowsmith.plugin import ScanRequest
from json_doubles import Run, array, lines, table

SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]
TOKENS = [
    *("0", "-0", "7", "-12", "007", "-01", "+1", "0x1F", "-0x1", "1_0", "--1", "-", "1-2", "00"),
    *("0.5", "-0.25", "1e5", "1E-5", "0e0", "-0.0", "01.5", "1.", ".5", "1.e5", "1e", "1e+"),
    *("0.e1", "1e400", "1e-400", "0.30000000000000004", "0.1234567890123456789", "1e05"),
    *("9007199254740993", "0.00001234567890123456", "9007199254740993.0", "1.5e-7"),
    *("100000000000000000000.0", "0x10", "0x1"),
    *("0e400", "0e-400", "1e-99999", "1e22", "5e+05", "2E-07", "1e100", "1" * 310, "0." + "0" * 60),
    *("9223372036854775807", "9223372036854775808", "18446744073709551615", f"{10**40}"),
    *("NaN", "nan", "inf", "-Infinity", "null", "nul", "nulll", "Null", "None"),
    *("true", "false", "tru", "truee", "falsy", "False", "TRUE", "t"),
    *('"', '""', '"a""', '""b"', '"a"b', 'a"', '"a', '":"', '":x"', '","', '","b":"', '"}"'),
    *('"1"', '"null"', '"{}"', '"2024-01-02"', '"2024-01-02T03:04:05"', '"2024-13-01"', '"10:20"'),
    *("[1]", "[]", "{}", '{"a":1}', "", " ", "1 ", " 1", "1 2"),
    *('"a" "b"', '"a\tb"', '"\\n"', "1\t"),
    *('"\u2028"', '"\x7f"', '"é 🙂"', '"\\u00e9"', '"a.e"', '"NaN"', '"1.e5"'),
]  # fmt: skip
plain_texts = st.text(
    st.characters(exclude_categories=("Cs",), exclude_characters='"\\', min_codepoint=32),
    max_size=8,
) | st.text("{}[],: ", max_size=5)
values = {
    "int": st.integers(-99, 99).map(str),
    "big": st.integers(-(2**63), 2**64).map(str),
    "real": st.floats(allow_nan=False, allow_infinity=False).map(repr),
    "short": st.integers(-999, 999).map(lambda n: repr(n / 100)),
    "text": plain_texts.map(lambda text: f'"{text}"'),
    "bool": st.sampled_from(["true", "false"]),
    "date": st.dates().map(lambda day: f'"{day}"'),
    "time": st.datetimes(dt.datetime(1700, 1, 1), dt.datetime(2200, 1, 1)).map('"{}"'.format),
    "any": st.sampled_from(TOKENS),
}
names = st.lists(
    st.sampled_from(["a", "b", "id", "a long name of a field", "exactly8", "é", "x:y", "{,", ""]),
    min_size=1,
    max_size=4,
    unique=True,
)
styles = st.sampled_from(
    [("{", ":", ",", "}", "\n"), ("{", ": ", ", ", "}", "\n"), ("{ ", ":  ", " ,", " }", "\r\n"),
     ("{", ":", ",", "}", "\n\n"), ("{", ":", ",", "}", " \n"), ("{", " : ", ", ", "}", "\n"),
     ("{\n  ", ": ", ",\n  ", "\n}", "\n")]
)  # fmt: skip


@st.composite
def texts(draw: st.DrawFn) -> str:
    """Records written alike, and at times one or two values or records that are not."""
    fields = draw(names)
    kinds = [draw(st.sampled_from(list(values))) for _ in fields]
    count = draw(st.integers(1, 12))
    opened, colon, comma, closed, end = draw(styles)
    rows = [[draw(values[kind]) for kind in kinds] for _ in range(count)]
    for _ in range(draw(st.integers(0, 3))):
        row = draw(st.integers(0, count - 1))
        rows[row][draw(st.integers(0, len(fields) - 1))] = draw(st.sampled_from(["null", *TOKENS]))
    records = [
        [
            f"{json.dumps(name, ensure_ascii=False)}{colon}{value}"
            for name, value in zip(fields, row, strict=True)
        ]
        for row in rows
    ]
    odd = records[draw(st.integers(0, count - 1))]
    match draw(st.sampled_from(["", "", "", "drop", "turn", "add", "twice"])):
        case "drop":
            odd.pop()
        case "turn":
            odd.reverse()
        case "add":
            odd.append(f'"new"{colon}1')
        case "twice":
            odd.append(odd[0])
    text = end.join(f"{opened}{comma.join(record)}{closed}" for record in records)
    return text + draw(st.sampled_from(["", end, end + "\n \n"]))


def outcome(make: Any, text: str, columns: list[int] | None, **options: object) -> tuple[Any, ...]:
    """The rows, rejects and what was raised, in a form to compare."""
    run = Run("quarantine")
    try:
        reader = make(text, run, **options)
        known = reader.schema.names
        wanted = tuple(dict.fromkeys(known[n % len(known)] for n in columns)) if columns else None
        found = table(reader, ScanRequest(columns=wanted))
    except ArrowsmithError as error:
        return type(error), str(error), run.rejects
    shown = [
        column.cast(pa.string()) if pa.types.is_floating(column.type) else column
        for column in found.columns  # as text, minus zero differs from zero
    ]
    return found.schema, [column.to_pylist() for column in shown], run.rejects


@given(
    texts(),
    st.none() | st.lists(st.integers(0, 3), min_size=1, max_size=3),
    st.sampled_from([lines, array]),
    st.sampled_from([16, 1 << 20]),
    st.sampled_from([100, 1 << 20]),
    st.sampled_from(["conflict", "ignore"]),
)
@settings(max_examples=160, suppress_health_check=SLOW, deadline=None)
def test_both_ways_give_the_same(text, columns, make, sample_bytes, range_bytes, unknown):
    options = {
        "sample_bytes": sample_bytes, "range_bytes": range_bytes, "unknown_fields": unknown,
    }  # fmt: skip
    found = outcome(make, text, columns, **options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fast, "read_regular", lambda piece, plan: None)
        assert found == outcome(make, text, columns, **options)


@pytest.mark.parametrize("token", TOKENS)
@pytest.mark.parametrize("like", ["1", "0.5", '"x"', "true", '"2024-01-02"', "null"])
def test_one_value_among_others(token, like):
    rows = [like] * 40 + [token] + [like] * 40
    text = "".join(f'{{"n":{n},"v":{value},"w":"x"}}\n' for n, value in enumerate(rows))
    found = outcome(lines, text, None, sample_bytes=64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fast, "read_regular", lambda piece, plan: None)
        assert found == outcome(lines, text, None, sample_bytes=64)


ROWS: list[dict[str, Any]] = [
    {
        "id": n - 50,
        "score": None if n % 7 == 0 else n / 8,
        "third": n / 3,
        "text": None if n % 5 == 0 else ["", "a, b", "{c: d}", "::1", "é 🙂", "[", "null"][n % 7],
        "at": None if n % 11 == 0 else f"2024-01-{n % 28 + 1:02} 10:00:0{n % 10}",
        "ok": [True, False, None][n % 3],
        "never": None,
    }
    for n in range(300)
]


@pytest.fixture
def no_parser(monkeypatch):
    """Arrow's JSON parser is not called."""

    def fail(*_: object, **__: object) -> None:
        raise AssertionError("the parser was called")

    monkeypatch.setattr(fast, "parse", fail)


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": "), (" ,", ":\t")])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n"])
@pytest.mark.usefixtures("no_parser")
def test_lines_written_alike_need_no_parser(separators, end, tmp_path):
    rows = [{**row, "text": row["text"] if row["text"] != "::1" else "x"} for row in ROWS]
    text = end.join(json.dumps(row, separators=separators, ensure_ascii=False) for row in rows)
    found = table(lines(text, range_bytes=4096))
    assert found["at"].type == pa.timestamp("us")
    wanted = [{**row, "at": row["at"] and dt.datetime.fromisoformat(row["at"])} for row in rows]
    assert found.to_pylist() == wanted
    (tmp_path / "t.jsonl").write_text(text)
    peer = pl.read_ndjson(tmp_path / "t.jsonl", infer_schema_length=None)
    assert peer["third"].to_list() == found["third"].to_pylist()
    assert peer["text"].to_list() == found["text"].to_pylist()


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.usefixtures("no_parser")
def test_arrays_written_alike_need_no_parser(indent):
    rows = [{"a": n, "b": f"word {n}", "c": n % 2 == 0} for n in range(200)]
    assert table(array(json.dumps(rows, indent=indent))).to_pylist() == rows


def test_columns_that_are_not_read_are_checked():
    text = "".join(f'{{"a":{n},"b":{n}}}\n' for n in range(100))
    only = ScanRequest(columns=("a",))
    assert table(lines(text), only)["a"].to_pylist() == list(range(100))
    for bad in ("NaN", "007", "tru", '"x', "1.e5"):
        run = Run("quarantine")
        damaged = text.replace('"b":70}', f'"b":{bad}}}')
        found = table(lines(damaged, run, sample_bytes=64), only)
        assert found["a"].to_pylist() == [n for n in range(100) if n != 70]
        assert [reject.record for reject in run.rejects] == [70]


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=40))
@settings(max_examples=50, deadline=None)
def test_every_double_is_the_nearest(numbers):
    text = "".join(f'{{"x":{number!r}}}\n' for number in [0.5, *numbers])
    found = table(lines(text, types={"x": "double"}))["x"].to_pylist()
    assert found == [0.5, *numbers]
    assert [math.copysign(1, a) for a in found] == [math.copysign(1, b) for b in [0.5, *numbers]]
