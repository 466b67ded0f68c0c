"""Ordinary numbers need no care, and where one record does, those far from it are left alone."""

from __future__ import annotations

import json
import math
import random
from decimal import Decimal

import orjson
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arrowsmith.formats.json import careful, reader
from arrowsmith.plugin import ScanRequest
from json_doubles import Run, array, lines, read, table

CHANCE = random.Random(4)
PLAIN = '{"a":1,"b":2.5,"s":"x"}\n'
NUMBERS = {
    "ids": lambda n: {"id": CHANCE.randrange(-(2**63), 2**63), "t": {"x": 1e300 if n else 0.5}},
    "bounds": lambda n: {"id": [-(2**63), 2**63 - 1][n % 2], "l": [1e300, -1e300 * n / 400, 0.1]},
    "unsigned": lambda n: {"t": {"id": 2**64 - 1 - n}, "x": 1e22 * (n + 0.5)},
    "digits": lambda n: {"x": CHANCE.random(), "l": [CHANCE.random() * 1e17, 1e-5 / 3], "h": 2**62},
    "tiny": lambda n: {"p": 0.0 if n % 3 else 1e-120 / 3, "t": [{"p": 5e-324}]},
    "whole": lambda n: {"x": 0.5, "t": {"x": 2**60}} if n else {"x": 0.5, "t": {"x": 0.5}},
    "names": lambda n: {"x": 0.5e300, "é": 2**62 + n, "l": [[1, 2]]},
    "words": lambda n: {"x": 1e300, "s": f'"x":{2**62 + n} 0.{"1" * 30}', "id": 2**61},
}  # fmt: skip


@pytest.fixture
def no_care(monkeypatch):
    """No record is decoded by itself."""

    def fail(*_: object) -> None:
        raise AssertionError("a range was read with care")

    monkeypatch.setattr(reader, "read_carefully", fail)


@pytest.fixture
def decoded(monkeypatch):
    """The records that are decoded by themselves."""
    found: list[bytes] = []

    def counted(raw: bytes, max_depth: int) -> dict:
        found.append(raw)
        return decode(raw, max_depth)

    decode = careful.decode
    monkeypatch.setattr(careful, "decode", counted)
    return found


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("make", [lines, array])
@pytest.mark.parametrize("space", [None, 1])
@pytest.mark.usefixtures("no_care")
def test_ordinary_numbers(name, make, space):
    rows = [NUMBERS[name](n) for n in range(400)]
    if make is lines:
        marks = (", ", ":  " if space else ":")
        text = "\n".join(json.dumps(row, separators=marks, ensure_ascii=False) for row in rows)
    else:
        text = json.dumps(rows, indent=space, ensure_ascii=False)
    assert table(make(text)).to_pylist() == rows


@pytest.mark.parametrize("columns", [None, ("x",)])
@pytest.mark.usefixtures("no_care")
def test_columns_that_are_not_read_do_not_matter(columns):
    text = "".join(f'{{"x":1e300,"id":{2**62 + n},"t":[{n}]}}\n' for n in range(300))
    assert table(lines(text), ScanRequest(columns=columns))["x"].to_pylist() == [1e300] * 300


def test_what_is_really_doubtful_is_still_found():
    wide = [2**53 + 1, 2**53 * 3 + 1, 10**17 + 1, 2**63 + 1]
    for value in [*wide, *(-one for one in wide)]:
        for form in (
            '{"x":%s,"id":9007199254740993}',
            '{"x":1,"l":[%s]}',
            '{"x":1,"t":{"y" : %s}}',
        ):
            text = "\n".join([form % 0.5] * 50 + [form % value])
            found = read(lines(text, sample_bytes=128, seekable=False)).to_pylist()[-1]
            inner = found.get("l", [None])[0] or found.get("t", {}).get("y") or found.get("x")
            assert Decimal(inner) == value
    text = '{"x":0.5}\n{"x":0.0}\n' * 50 + '{"\\u0078":1e-400}\n'
    assert read(lines(text, sample_bytes=64)).to_pylist()[-1] == {"x": "1e-400"}


@pytest.mark.parametrize("make", [lines, array])
@pytest.mark.parametrize("place", [0, 9_999, 19_999])
def test_only_the_records_around_are_decoded(make, place, decoded):
    rows = [{"a": n, "t": {"b": n / 8}} for n in range(20_000)]
    parts = [json.dumps(row) for row in rows]
    parts[place] = '{"a": 1, "a": 2}'
    text = "\n".join(parts) if make is lines else "[" + ",\n".join(parts) + "]"
    run = Run("quarantine")
    found = make(text, run)
    decoded.clear()
    assert table(found).to_pylist() == rows[:place] + rows[place + 1 :]
    (reject,) = run.rejects
    assert (reject.record, reject.line, reject.raw.decode()) == (place, place + 1, parts[place])
    assert text.encode()[reject.offset :].startswith(reject.raw)
    assert len(decoded) < 200


# --- beyond a double -----------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["1e400", "-1E+0400", "0e400", "1" * 310, "1" * 310 + ".5"])
def test_a_huge_number_in_a_column_that_is_not_read(value):
    text = PLAIN * 300 + f'{{"a":-1,"b":{value},"s":"y"}}\n' + PLAIN
    found = table(lines(text, sample_bytes=64), ScanRequest(columns=("a", "s")))
    assert found.to_pylist()[299:] == [{"a": 1, "s": "x"}, {"a": -1, "s": "y"}, {"a": 1, "s": "x"}]
    ignored = '{"a":1}\n' * 300 + f'{{"a":2,"new":{value}}}\n'
    found = table(lines(ignored, sample_bytes=64, unknown_fields="ignore"))
    assert found.to_pylist()[-1] == {"a": 2}


@pytest.mark.parametrize("kind", ["double", "int64", "decimal128(9, 2)"])
def test_a_huge_number_in_a_column_with_a_type_is_told_there(kind):
    text = '{"a":1,"b":2}\n' * 300 + '{"a":-1,"b":1e400}\n'
    run = Run("quarantine")
    assert table(lines(text, run, types={"b": kind})).num_rows == 300
    (reject,) = run.rejects
    assert (reject.column, reject.record) == ("b", 300)
    assert "1e400 is no" in reject.reason


def test_minus_zero_is_an_unsigned_integer():
    found = table(lines('{"a":-0}\n' + f'{{"a":{2**63}}}\n' * 100))
    assert found["a"].to_pylist() == [0] + [2**63] * 100


def test_a_huge_number_makes_a_column_text():
    found = read(lines(PLAIN * 300 + '{"a":-1,"b":1e400,"s":""}\n', sample_bytes=64))
    assert found["b"].to_pylist()[-2:] == ["2.5", "1e400"]
    found = table(lines(PLAIN * 300 + '{"a":-1,"b":0e400,"s":""}\n', sample_bytes=64))
    assert found["b"].to_pylist()[-2:] == [2.5, 0.0]


# --- text of several kinds -----------------------------------------------------------------------

SCALARS = st.one_of(
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-9999, 9999).map(lambda n: n / 100),
    st.booleans(),
    st.none(),
    st.text(st.characters(codec="utf-8", exclude_characters='"\\:', min_codepoint=32), max_size=5),
)


def as_text(value: object) -> str | None:
    """The text that the value becomes."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


@given(st.lists(SCALARS, min_size=1, max_size=30))
@settings(max_examples=80, deadline=None)
def test_any_scalar_as_text(values):
    text = "".join(f'{{"v":{json.dumps(v, ensure_ascii=False)},"n":1}}\n' for v in values)
    found = table(lines(text, types={"v": "string", "n": "string"}))
    assert found["n"].to_pylist() == ["1"] * len(values)
    for one, value in zip(found["v"].to_pylist(), values, strict=True):
        if type(value) is float:
            assert float(one) == value
            assert math.copysign(1, float(one)) == math.copysign(1, value)
            assert one == orjson.dumps(value).decode()
        else:
            assert one == as_text(value)


@pytest.mark.usefixtures("no_care")
def test_numbers_asked_for_as_text_need_no_care(tmp_path):
    rows = [{"id": n * 10**14, "x": n / 7, "ok": n % 2 == 0, "s": f"w {n}"} for n in range(500)]
    text = "\n".join(map(json.dumps, rows))
    found = table(lines(text, types={"id": "string", "x": "string", "ok": "string"}))
    assert found["id"].to_pylist() == [str(row["id"]) for row in rows]
    assert list(map(float, found["x"].to_pylist())) == [row["x"] for row in rows]
    (tmp_path / "t.jsonl").write_text(text)
    peer = pl.read_ndjson(tmp_path / "t.jsonl", schema_overrides={"id": pl.Int64})
    assert peer["id"].cast(pl.String).to_list() == found["id"].to_pylist()
    assert found["ok"].to_pylist()[:2] == ["true", "false"]


@pytest.mark.usefixtures("no_care")
def test_mixed_kinds_need_no_care():
    kinds = [7, "seven", None, 0.5, True, "7", -12, 1.25, "", 10**30]
    text = "\n".join(json.dumps({"v": kinds[n % 10], "n": n}) for n in range(500))
    found = table(lines(text))
    assert found["v"].type == pa.string()
    assert found["v"].to_pylist() == [as_text(kinds[n % 10]) for n in range(500)]


def test_a_name_that_is_a_string_of_its_own():
    assert table(array('[{"":":"}]')).to_pylist() == [{"": ":"}]
