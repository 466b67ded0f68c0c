"""JSON of any shape gives what the standard library reads, value by value."""

from __future__ import annotations

import datetime as dt
import json
import math
import random
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arrowsmith.errors import DataError, SchemaConflict, SourceEmpty
from json_doubles import Run, array, lines, read, table

CASES = 700  # of damage, for each shape
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]


@dataclass(frozen=True)
class Raw:
    """A number as it is written."""

    text: str

    def __str__(self) -> str:
        return self.text


def near(text: str) -> float | Decimal:
    """A number as the nearest double if it has no more digits than one, else exactly."""
    digits = text.lower().split("e")[0].replace(".", "").strip("-0")
    value = float(text)
    fits = len(digits) <= 17 and not math.isinf(value) and (value != 0 or not digits)
    return value if fits else Decimal(text)


numbers = st.one_of(
    st.integers(-99, 99).map(str),
    st.integers(-(2**70), 2**70).map(str),
    st.sampled_from(
        [2**53, 2**53 + 1, -(2**53) - 1, 2**63 - 1, 2**63, 2**64 - 1, 2**64, -(2**63), 10**30]
    ).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.sampled_from(
        ["-0", "-0.0", "1.50", "1e5", "1E-5", "1e400", "-1e400", "1e-400", "0e0", "0.1e-10",
         "0.1234567890123456789", "12345678901234567890.5", "0.30000000000000004", "1e+22",
         "0.00000000000000000000001234", "9007199254740993.0", "1.00000000000000000000",
         "123456789012345678901234567890123456789012345", "-18446744073709551616"]
    ),
).map(Raw)  # fmt: skip
words = st.one_of(
    st.text(st.characters(exclude_categories=("Cs",)), max_size=6),
    st.text('\\"{}[],: \n\t', max_size=5),
    st.sampled_from(["", "null", "1", "007", "NaN", "\\u0041", "}\n{", '"', "\\", "\x00"]),
    st.dates().map(str),
    st.datetimes().map(str),
    st.datetimes().map(lambda at: at.isoformat() + "Z"),
    st.sampled_from(["10:20", "10:20:30.5", "2024-02-30", "10", "2024-01-01T10:00:00.1234567"]),
)
scalars = st.one_of(numbers, words, st.booleans(), st.none())
names = st.sampled_from(["a", "b", "c", "é", "x.y", 'q"', ""])


def columns(depth: int) -> st.SearchStrategy[Any]:
    """Strategies of a column's values: often of one kind, now and then of several."""
    choices: list[st.SearchStrategy[Any]] = [
        st.just(one) for one in (numbers, numbers, words, words, st.booleans(), scalars)
    ]
    if depth:
        inner = st.deferred(lambda: columns(depth - 1))
        choices.append(inner.map(lambda values: st.lists(values, max_size=3)))
        fields = st.dictionaries(names, inner, max_size=3)
        choices.append(fields.map(lambda some: st.fixed_dictionaries({}, optional=some)))
    return st.one_of(choices)


@st.composite
def records(draw: st.DrawFn) -> list[dict[str, Any]]:
    fields = draw(st.dictionaries(names, columns(2), min_size=1, max_size=4))
    values = st.fixed_dictionaries({}, optional={n: st.none() | v for n, v in fields.items()})
    found = draw(st.lists(values, min_size=1, max_size=10))
    return found if any(found) else [*found, {"a": True}]


def written(value: Any, space: str = "") -> str:
    """JSON text, numbers as they were drawn."""
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, dict):
        inner = (f"{json.dumps(n)}:{space}{written(v, space)}" for n, v in value.items())
        return "{" + space + f",{space}".join(inner) + space + "}"
    if isinstance(value, list):
        return "[" + space + f",{space}".join(written(v, space) for v in value) + space + "]"
    return json.dumps(value, ensure_ascii=len(str(value)) % 2 == 0)


def gives_back(found: Any, value: Any, kind: pa.DataType) -> bool:
    """Whether the typed value is the JSON value, or a normal form of it."""
    if found is None:
        return value is None
    if pa.types.is_struct(kind):
        if not isinstance(value, dict) or value.keys() - found.keys():
            return False
        return all(
            gives_back(found[field.name], value.get(field.name), field.type) for field in kind
        )
    if pa.types.is_list(kind):
        return len(found) == len(value) and all(
            gives_back(one, other, kind.value_type) for one, other in zip(found, value, strict=True)
        )
    if pa.types.is_string(kind):
        if isinstance(value, str):
            return found in (value, json.dumps(value, ensure_ascii=False)) or json.loads(
                found) == value  # fmt: skip
        return json.loads(found, parse_float=near) == json.loads(written(value), parse_float=near)
    if isinstance(value, Raw):
        if pa.types.is_floating(kind):
            whole = not any(c in str(value) for c in ".eE")
            return Decimal(found) == Decimal(str(value)) if whole else found == near(str(value))
        return Decimal(found) == Decimal(str(value))
    if pa.types.is_boolean(kind):
        return found is value
    if pa.types.is_date(kind):
        return str(found) == value
    if pa.types.is_time(kind):
        return found == dt.time.fromisoformat(value)
    return pa.types.is_timestamp(kind)  # compared below, as pandas may stand in between


def moments(text: str) -> int:
    """Nanoseconds since 1970 of an ISO date and time."""
    at, _, fraction = text.replace("Z", "+00:00").partition(".")
    zone = "+00:00" if fraction.endswith("+00:00") else ""
    fraction = fraction.removesuffix("+00:00")
    when = dt.datetime.fromisoformat(at + zone)
    origin = dt.datetime(1970, 1, 1, tzinfo=when.tzinfo)
    return (when - origin) // dt.timedelta(seconds=1) * 10**9 + int(fraction.ljust(9, "0") or 0)


def check(found: pa.Table, wanted: list[dict[str, Any]]) -> None:
    assert found.num_rows == len(wanted)
    assert set(found.column_names) == {name for record in wanted for name in record}
    for field in found.schema:
        values = [record.get(field.name) for record in wanted]
        column = found[field.name]
        if pa.types.is_timestamp(field.type):
            factor = 1 if field.type.unit == "ns" else 1000
            for scalar, value in zip(column, values, strict=True):
                if value is None:
                    assert not scalar.is_valid
                else:
                    assert value.endswith("Z") == (field.type.tz is not None)
                    assert scalar.value * factor == moments(value)
            continue
        try:
            got = column.to_pylist()
        except ValueError:  # nanoseconds within lists are no Python values
            continue
        for one, value in zip(got, values, strict=True):
            assert gives_back(one, value, field.type), (field, one, value)


SIZES = st.sampled_from([16, 40, 1 << 20])


@given(records(), SIZES, SIZES, st.sampled_from(["\n", "\r\n", "\n\n", " \n "]), st.booleans())
@settings(max_examples=120, suppress_health_check=SLOW)
def test_lines(wanted, range_bytes, sample_bytes, end, seekable):
    text = end.join(written(record) for record in wanted) + end
    options = {"range_bytes": range_bytes, "sample_bytes": sample_bytes}
    check(read(lines(text, seekable=seekable, **options)), wanted)


@given(
    records(),
    SIZES,
    SIZES,
    st.sampled_from(["array", "nested", "objects"]),
    st.sampled_from(["", " ", "\n", "\r\n  "]),
    st.booleans(),
)
@settings(max_examples=120, suppress_health_check=SLOW)
def test_other_shapes(wanted, range_bytes, sample_bytes, shape, space, seekable):
    options = {"range_bytes": range_bytes, "sample_bytes": sample_bytes}
    parts = [written(record, space) for record in wanted]
    if shape == "objects":
        text = space.join(parts)
        options["records"] = ""
    else:
        text = f"[{space}" + f"{space},{space}".join(parts) + f"{space}]{space}"
    if shape == "nested":
        text = f'{{"n":{space}{{"k}}": [1, "]"]}},"some":{{"where"{space}:{text}}}, "z": [{{}}]}}'
        options["records"] = "some.where"
    check(read(array(text, seekable=seekable, **options)), wanted)


@given(records(), SIZES)
@settings(max_examples=60, suppress_health_check=SLOW)
def test_full_inference_never_conflicts(wanted, range_bytes):
    text = "\n".join(written(record) for record in wanted)
    reader = lines(text, infer="full", range_bytes=range_bytes, sample_bytes=16)
    check(table(reader), wanted)


@given(records(), st.randoms(use_true_random=False), st.sampled_from([16, 1 << 20]))
@settings(max_examples=80, suppress_health_check=SLOW)
def test_bad_lines_are_left_out_alone(wanted, chance: random.Random, range_bytes):
    bad = ['{"a":1', "[1]", "null", '{"a":NaN}', '{"a":1,"a":2}', '{"a":"\\ud800"}', "x", "1 2"]
    parts = [(written(record), True) for record in wanted]
    for _ in range(3):
        parts.insert(chance.randrange(1, len(parts) + 1), (chance.choice(bad), False))
    text = "\n".join(part for part, _ in parts)
    run = Run("quarantine")
    reader = lines(text, run, range_bytes=range_bytes, sample_bytes=1 << 20)
    check(table(reader), wanted)
    assert [reject.record for reject in run.rejects] == [
        place for place, (_, good) in enumerate(parts) if not good
    ]
    for reject in run.rejects:
        assert text.encode()[reject.offset :].startswith(reject.raw)
        assert reject.raw.decode() == parts[reject.record][0]
        assert reject.line == reject.record + 1


def sample_bytes() -> bytes:
    rows = [
        {"id": n, "x": n / 7, "s": f"w{n}" * (n % 4), "t": {"k": [n, None], "b": n % 2 == 0}}
        for n in range(60)
    ]
    return "\n".join(json.dumps(row) for row in rows).encode()


def damaged(data: bytes, chance: random.Random) -> bytes:
    """A byte changed, the end cut off, or pieces left out, doubled or put in, at any place or at
    one of structure."""
    structure = [n for n, byte in enumerate(data) if byte in b'{}[]:,"\\\n']

    def anywhere() -> int:
        return chance.choice(structure) if chance.random() < 0.6 else chance.randrange(len(data))

    place, other = anywhere(), anywhere()
    match chance.randrange(6):
        case 0:
            return (
                data[:place] + bytes([data[place] ^ 1 << chance.randrange(8)]) + data[place + 1 :]
            )
        case 1:
            return data[:place]
        case 2:
            return data[:place] + data[other:]
        case 3:
            return data[:place] + data[min(place, other) : max(place, other)] + data[place:]
        case 4:
            return (
                data[:place] + bytes([chance.choice(b'{}[]:,"\\\n0-.eEtN \x00\xff')]) + data[place:]
            )
        case _:
            return data[:place] + data[place + 1 :]


def as_array(data: bytes) -> bytes:
    return b"[" + data.replace(b"\n", b",\n") + b"]"


@pytest.mark.parametrize("shape", ["lines", "array"])
def test_damage_is_told_or_harmless(shape):
    """Every line that is JSON is there with its values, all others are rejects."""
    chance = random.Random(9)
    whole = sample_bytes()
    compared = 0
    for _ in range(CASES):
        data = damaged(whole if shape == "lines" else as_array(whole), chance)
        run = Run("skip")
        opened = lines if shape == "lines" else array
        try:
            reader = opened(data, run, range_bytes=512, sample_bytes=1024)
            try:
                found = table(reader)
            except SchemaConflict:
                run.rejects.clear()
                found = table(reader.widened())
        except (DataError, SourceEmpty):
            continue
        if shape == "lines":
            wanted = [as_drawn(line) for line in data.split(b"\n") if is_record(line)]
        elif not run.rejects:
            wanted = as_drawn(data)
        else:
            continue
        check(found, wanted)
        compared += 1
    assert compared > CASES // 10


def as_drawn(text: bytes) -> Any:
    """Decoded by the standard library, numbers as they are written."""
    return json.loads(text, parse_int=Raw, parse_float=Raw)


def is_record(line: bytes) -> bool:
    try:
        value = json.loads(line.decode(), object_pairs_hook=_once)
    except ValueError:
        return False
    return isinstance(value, dict)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) != len(pairs):
        raise ValueError("twice")
    return dict(pairs)
