"""Predicates: DuckDB is asked the same questions, and pruning must never lose a row."""

from __future__ import annotations

import contextlib
import datetime
import math
import subprocess
import sys
from decimal import Decimal

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arrowsmith.errors import PredicateError
from arrowsmith.plugin import ColumnStats
from arrowsmith.predicate import And, from_expression, parse_predicate

SCHEMA = pa.schema(
    [
        ("id", pa.int64()),
        ("small", pa.int8()),
        ("score", pa.float64()),
        ("price", pa.decimal128(6, 2)),
        ("lang", pa.string()),
        ("flag", pa.bool_()),
        ("day", pa.date32()),
        ("at", pa.timestamp("ms")),
    ]
)


def mask(text: str, **columns: pa.Array) -> list[bool]:
    batch = pa.RecordBatch.from_pydict(columns)
    return parse_predicate(text, batch.schema).mask(batch).to_pylist()


# --- against DuckDB ------------------------------------------------------------------------------

DAYS = st.dates(datetime.date(2023, 12, 30), datetime.date(2024, 1, 3))
TIMES = st.builds(
    lambda day, ms: (
        datetime.datetime.combine(day, datetime.time()) + datetime.timedelta(0, 0, 0, ms)
    ),
    DAYS,
    st.sampled_from([0, 1, 500, 43_200_000, 86_399_999]),
)
TEXTS = st.text("aAb%_\\'é \n", max_size=4)
VALUES = {
    "id": st.one_of(st.integers(-3, 3), st.sampled_from([2**53 + 1, -(2**63), 2**63 - 1])),
    "small": st.integers(-128, 127),
    "score": st.sampled_from([-1.5, -0.0, 0.0, 0.1, 1.0, 2.5, 1e300, math.inf]),
    "price": st.integers(-300, 300).map(lambda n: Decimal(n) / 100),
    "lang": TEXTS,
    "flag": st.booleans(),
    "day": DAYS,
    "at": TIMES,
}
NUMBERS = st.one_of(
    st.integers(-4, 4).map(str),
    st.sampled_from(["1.5", "-0.25", "0.1", ".5", "1.005", "127.5", "200", "9007199254740993"]),
    st.sampled_from(["9223372036854775808", "-9223372036854775809", "9223372036854775807"]),
)
MOMENTS = st.one_of(DAYS.map(str), TIMES.map(lambda t: t.isoformat(" ")))


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


LITERALS = {
    **dict.fromkeys(["id", "small", "price"], NUMBERS),
    "score": st.sampled_from(["0.1", "0", "-1.5", "3", "2.5"]),
    "lang": TEXTS.map(quoted),
    "flag": st.sampled_from(["true", "false"]),
    "day": DAYS.map(str).map(quoted),
    "at": MOMENTS.map(quoted),
}
OPERATORS = st.sampled_from(["=", "!=", "<>", "<", "<=", ">", ">="])


@st.composite
def conditions(draw: st.DrawFn) -> str:
    name = draw(st.sampled_from(SCHEMA.names))
    literal = LITERALS[name]
    shape = draw(st.integers(0, 6))
    negated = draw(st.sampled_from(["", "not "]))
    if shape == 0:
        return f'"{name}" is {negated}null'
    if shape == 1:
        values = ", ".join(draw(st.lists(literal, min_size=1, max_size=4)))
        return f'"{name}" {negated}in ({values})'
    if shape == 2:
        return f'"{name}" {negated}between {draw(literal)} and {draw(literal)}'
    if shape == 3:
        return f'"lang" {negated}like {quoted(draw(TEXTS))}'
    if shape == 4:
        return '"flag"'
    if shape == 5:
        return f'{draw(literal)} {draw(OPERATORS)} "{name}"'
    return f'"{name}" {draw(OPERATORS)} {draw(literal)}'


EXPRESSIONS = st.recursive(
    conditions(),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["and", "or", "AND", "Or"]), inner).map(
            lambda t: f"({t[0]}) {t[1]} {t[2]}"
        ),
        inner.map(lambda text: f"not ({text})"),
    ),
    max_leaves=4,
)
ROWS = st.lists(
    st.fixed_dictionaries({k: st.one_of(st.none(), v) for k, v in VALUES.items()}), max_size=6
)


def judged(text: str, batch: pa.RecordBatch) -> list[bool]:
    """DuckDB's mask: its comparisons of integers with decimals are made exact by wider types."""
    table = pa.Table.from_batches([batch])
    wide = "id::decimal(38,6) as id, small::decimal(38,6) as small, price::decimal(38,6) as price"
    rest = '"score", "lang", "flag", "day", "at"'
    query = f"select coalesce({text}, false) from (select {wide}, {rest} from data)"
    with duckdb.connect() as connection:
        connection.execute("set threads = 1")
        connection.register("data", table)
        return [row[0] for row in connection.execute(query).fetchall()]


@given(EXPRESSIONS, ROWS)
@settings(max_examples=100, deadline=None)
def test_masks_equal_those_of_duckdb(text, rows):
    batch = pa.RecordBatch.from_pylist(rows, SCHEMA)
    predicate = parse_predicate(text, SCHEMA)
    assert predicate.mask(batch).to_pylist() == judged(text, batch)
    assert set(predicate.columns) == {name for name in SCHEMA.names if f'"{name}"' in text}


# --- pruning -------------------------------------------------------------------------------------


def statistics(batch: pa.RecordBatch, drop: set[str]) -> dict[str, ColumnStats]:
    found = {}
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        bounds = pc.min_max(column)
        known = None if name in drop else column.null_count
        low, high = (bounds[end] if bounds[end].is_valid else None for end in ("min", "max"))
        if name in drop:
            low = None
        found[name] = ColumnStats(low, high, known, batch.num_rows)
    return found


NAN_ROWS = st.lists(
    st.fixed_dictionaries(
        {
            k: st.one_of(st.none(), st.just(math.nan), v)
            if k == "score"
            else st.one_of(st.none(), v)
            for k, v in VALUES.items()
        }
    ),
    min_size=1,
    max_size=3,
)


@given(EXPRESSIONS, NAN_ROWS, st.sets(st.sampled_from(SCHEMA.names), max_size=2))
@settings(max_examples=160, deadline=None)
def test_pruning_never_drops_a_matching_row(text, rows, drop):
    batch = pa.RecordBatch.from_pylist(rows, SCHEMA)
    predicate = parse_predicate(text, SCHEMA)
    if any(predicate.mask(batch).to_pylist()):
        stats = statistics(batch, drop)
        assert predicate.may_match(stats)
        assert predicate.may_match({})
        assert And([predicate, predicate]).may_match(stats)


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("id > 9", False),
        ("id >= 9", True),
        ("id < 5", False),
        ("id = 7.5", False),
        ("id != 7", True),
        ("not id between 5 and 9", False),
        ("id not between 6 and 8", True),
        ("id in (1, 2, 10)", False),
        ("id in (1, 7)", True),
        ("id not in (1)", True),
        ("id is null", False),
        ("id is not null", True),
        ("gone is null", True),
        ("gone is not null", False),
        ("gone = 1 or not gone = 1", False),
        ("same != 'x'", False),
        ("same = 'x' and id > 100", False),
        ("same = 'y' or id = 8", True),
        ("word like 'm%'", True),
        ("word like 'z%'", False),
        ("real != 1", True),
        ("not real > 0", True),
        ("real > 1", False),
    ],
)
def test_pruning_by_known_bounds(text, matches):
    group = {
        "id": pa.array([5, 9]),
        "gone": pa.array([None, None], pa.int64()),
        "same": pa.array(["x", "x"]),
        "word": pa.array(["b", "p"]),
        "real": pa.array([1.0, 1.0]),
    }
    batch = pa.RecordBatch.from_pydict(group)
    predicate = parse_predicate(text, batch.schema)
    assert predicate.may_match(statistics(batch, set())) is matches


@pytest.mark.parametrize("bound", [math.nan, None])
def test_a_nan_or_missing_bound_prunes_nothing(bound):
    scalar = pa.scalar(bound, pa.float64())
    predicate = parse_predicate("x > 5", pa.schema([("x", pa.float64())]))
    assert predicate.may_match({"x": ColumnStats(scalar, scalar, 0, 3)})


# --- single rules --------------------------------------------------------------------------------


def test_integers_compare_with_fractions_and_giants_without_rounding():
    ids = pa.array([1, 2, 2**53 + 1, 2**63 - 1, None])
    assert mask("id > 1.5", id=ids) == [False, True, True, True, False]
    assert mask("id = 9007199254740993.0", id=ids) == [False, False, True, False, False]
    assert mask("id < 9223372036854775808", id=ids) == [True] * 4 + [False]
    assert mask("id < 1e999999999", id=ids) == [True] * 4 + [False]
    assert mask("id > -1e-999999999", id=ids) == [True] * 4 + [False]
    assert mask("id > 1e40 or id is null", id=ids) == [False] * 4 + [True]
    unsigned = pa.array([0, 2**64 - 1], pa.uint64())
    assert mask("u > -1 and u <= 18446744073709551615", u=unsigned) == [True, True]
    assert mask("u = 18446744073709551615", u=unsigned) == [False, True]


def test_decimals_of_every_scale():
    assert mask("d >= 0.015", d=pa.array([Decimal("0.01"), Decimal("0.02")])) == [False, True]
    hundreds = pa.array([Decimal(1200), Decimal(-300)], pa.decimal128(10, -2))
    assert mask("d = 1200", d=hundreds) == [True, False]
    assert mask("d > 1150 or d < -299", d=hundreds) == [True, True]


@pytest.mark.parametrize("kind", [pa.float16(), pa.float32(), pa.float64()])
def test_floats_of_every_width_find_the_literal(kind):
    values = pa.array([0.1, 2.0, None, math.nan]).cast(kind, safe=False)
    assert mask("x = 0.1", x=values) == [True, False, False, False]
    assert mask("x > 0.1", x=values) == [False, True, False, False]
    assert mask("x in (0.1, 2)", x=values) == [True, True, False, False]
    assert mask("x != 0.1", x=values) == [False, True, False, True]


def test_zoned_timestamps_take_naive_literals_in_their_zone():
    values = pa.array([0, 3_600_000], pa.int64()).cast(pa.timestamp("ms", "Europe/Berlin"))
    assert mask("t = '1970-01-01 01:00'", t=values) == [True, False]
    assert mask("t = '1970-01-01T01:00:00Z'", t=values) == [False, True]
    assert mask("t >= '1970-01-01 01:30:00.0001+01:00'", t=values) == [False, True]
    fixed = values.cast(pa.timestamp("ms", "+05:30"))
    assert mask("t = '1970-01-01 05:30:00'", t=fixed) == [True, False]


def test_dates_and_times_of_every_unit():
    noon = datetime.datetime(2024, 1, 2, 12)
    for unit in ("s", "ms", "us", "ns"):
        values = pa.array([noon], pa.timestamp(unit))
        assert mask("t > '2024-01-02' and t <= '2024-01-02 12:00'", t=values) == [True]
        assert mask("t < '2024-01-02 12:00:00.000000000001'", t=values) == [True]
    for kind in (pa.date32(), pa.date64()):
        values = pa.array([noon.date()], kind)
        assert mask("d = '2024-01-02'", d=values) == [True]
        assert mask("d < '2024-01-02 00:00:01' and d != '2024-01-02 12:00'", d=values) == [True]
    clock = pa.array([datetime.time(13, 30)], pa.time64("us"))
    assert mask("c between '13:30' and '13:30:00.5'", c=clock) == [True]


@pytest.mark.parametrize(
    "encode",
    [
        lambda a: a.dictionary_encode(),
        lambda a: a.cast(pa.large_string()),
        lambda a: a.cast(pa.string_view()),
        lambda a: pc.run_end_encode(a),
        lambda a: a.cast(pa.binary()),
        lambda a: a,
    ],
)
def test_texts_in_every_encoding(encode):
    words = encode(pa.array(["en", None, "d'e", "fr"]))
    assert mask("w = 'en'", w=words) == [True, False, False, False]
    assert mask("w in ('d''e', 'fr')", w=words) == [False, False, True, True]
    assert mask("w not in ('d''e', 'fr')", w=words) == [True, False, False, False]
    assert mask("w >= 'e' and w is not null", w=words) == [True, False, False, True]
    assert mask("w is null", w=words) == [False, True, False, False]


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ("%\\", [True, False, False, False]),
        ("\\_", [False, True, False, False]),
        ("%\\%", [True, True, True, False]),
        ("_%.\\_", [False, False, True, False]),
        ("%", [True] * 4),
        ("%\n", [False, False, False, True]),
    ],
)
def test_like_takes_backslashes_and_line_ends_as_they_are(pattern, matches):
    words = pa.array(["\\", "\\é", "x\n.\\%", "a\n"])
    assert mask(f"w like '{pattern}'", w=words) == matches


def test_nulls_inside_a_dictionary_are_nulls():
    words = pa.DictionaryArray.from_arrays(pa.array([0, 1, None]), pa.array(["a", None]))
    assert mask("w is null", w=words) == [False, True, True]
    assert mask("not w = 'a'", w=words) == [False, False, False]


def test_a_column_of_nulls_and_nested_columns():
    assert mask("n = 1 or n in ('a', 2) or not n < 3", n=pa.nulls(2)) == [False, False]
    lists = pa.array([[1], None])
    assert mask("l is not null", l=lists) == [True, False]


def test_column_names_need_quotes_only_when_unusual():
    columns = {
        "über x": pa.array([1]),
        'a"b': pa.array([1]),
        "not": pa.array([1]),
        "é": pa.array([1]),
    }
    assert mask('"über x" = 1 and `a"b` = 1 and "a""b" = 1 and "not"=1 AND é=1', **columns) == [
        True
    ]


def test_many_values_and_conditions_need_no_depth():
    ids = pa.array([1, 4999, 5000])
    values = ", ".join(str(n) for n in range(5000))
    assert mask(f"id in ({values})", id=ids) == [True, True, False]
    many = " or ".join(f"id = {n}" for n in range(1000))
    assert mask(many, id=ids) == [True, False, False]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "at character 1: a column expected, the end found"),
        ("id >", "at character 5: a value expected, the end found"),
        ("id = 1 lang", "at character 8: and, or, or the end expected, 'lang' found"),
        ("(id = 1", r"at character 8: \) expected, the end found"),
        ("idd = 1", r"at character 1: no column 'idd'; did you mean id\?"),
        ("zzzzzz = 1", "at character 1: no column 'zzzzzz'; there are id, small"),
        ("lang = en", "at character 8: a value expected, the name 'en' found; put texts in single"),
        ("lang = 5", "at character 8: column 'lang' is of type string and .* 5; put .*: '5'"),
        ("id = '5'", "at character 6: .* cannot be compared with '5'; write the number without"),
        ("id = true", "cannot be compared with true"),
        ("flag = 1", "compare it with true or false"),
        ("day > 5", "compare it with a quoted time"),
        ("day > '2024-02-30'", "is not a time: day is out of range"),
        ("at > '2024-01-01 25:00'", "is not a time: hour must be in"),
        ("at > '2024-01-01 00:00Z'", "the column has no time zone"),
        ("id is 5", "null expected, '5' found"),
        ("id = null", "write is null or is not null"),
        ("id", "at character 1: column 'id' is of type int64, not boolean"),
        ("id like 'a'", "like works on text"),
        ("lang like 5", "a pattern in single quotes expected"),
        ("lang = 'a", "at character 8: the quote ' is not closed"),
        ("id = 1; drop", "at character 7: ';' is not understood"),
        ("id = 12abc", "is not understood"),
        ("1 = 1", "at character 1: a condition needs a column"),
        ("not " * 100 + "flag", "nested deeper than 64 levels"),
        ("(" * 100 + "flag", "nested deeper than 64 levels"),
        ("id = " + "1" * 70_000, "longer than 65536 characters"),
    ],
)
def test_errors_name_the_place(text, said):
    with pytest.raises(PredicateError, match=said) as caught:
        parse_predicate(text, SCHEMA)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("where: at character ")


def test_a_name_that_two_columns_bear_is_refused():
    schema = pa.schema([("a", pa.int8()), ("a", pa.int8())])
    with pytest.raises(PredicateError, match="2 columns are called 'a'"):
        parse_predicate("a = 1", schema)


@given(st.text("idlang()='\"`<>!, \n0123.eE+-andornotisnull%_é\0\\", max_size=40))
@settings(max_examples=120, deadline=None)
def test_any_text_parses_or_is_a_predicate_error(text):
    with contextlib.suppress(PredicateError):
        parse_predicate(text, SCHEMA)


# --- expressions, and several predicates ---------------------------------------------------------


def test_expressions_say_their_columns_and_keep_order():
    batch = pa.record_batch(
        {"a": list(range(200_000)), "b": ["x", None] * 100_000, "c": [0] * 200_000}
    )
    expression = (pc.field("a") > 70_000) & (pc.field("b") == "x")
    predicate = from_expression(expression, batch.schema)
    assert predicate.columns == {"a", "b"}
    got = predicate.mask(batch.select(["b", "a"]))
    kept = batch.filter(predicate.expression)
    assert batch.filter(got).equals(kept)
    assert got.null_count == 0
    assert predicate.may_match({})


def test_expressions_by_position_or_without_columns():
    batch = pa.record_batch({"a": [1, 5], "b": [7, 8]})
    predicate = from_expression(pc.field(1) > 7, batch.schema)
    assert predicate.columns == {"a", "b"}
    assert predicate.mask(batch).to_pylist() == [False, True]
    assert from_expression(pc.scalar(True), batch.schema).mask(batch).to_pylist() == [True, True]


@pytest.mark.parametrize("expression", [pc.field("zz") > 1, pc.field("a"), pc.field("a") == "x"])
def test_expressions_that_do_not_fit(expression):
    with pytest.raises(PredicateError):
        from_expression(expression, pa.schema([("a", pa.int64())]))


def test_and_joins_masks_and_columns():
    batch = pa.record_batch({"a": [1, 2, None], "b": [1.0, 2.0, 3.0]})
    both = And(
        [parse_predicate("a > 1", batch.schema), from_expression(pc.field("b") > 0, batch.schema)]
    )
    assert both.columns == {"a", "b"}
    assert both.mask(batch).to_pylist() == [False, True, False]
    assert not both.may_match({"a": ColumnStats(pa.scalar(0), pa.scalar(1), 0, 3)})
    with pytest.raises(PredicateError):
        And([])


def test_row_groups_of_a_real_file_are_skipped(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"id": range(100)}), path, row_group_size=10)
    file = pq.ParquetFile(path)
    predicate = parse_predicate("id between 25 and 34", file.schema_arrow)
    kept = []
    for number in range(file.num_row_groups):
        chunk = file.metadata.row_group(number).column(0)
        found = chunk.statistics
        stats = ColumnStats(pa.scalar(found.min), pa.scalar(found.max), found.null_count, 10)
        if predicate.may_match({"id": stats}):
            kept.append(number)
    assert kept == [2, 3]


def test_predicates_from_text_do_not_import_pandas():
    code = """
import struct, sys
import pyarrow as pa
from arrowsmith.plugin import ColumnStats
from arrowsmith.predicate import parse_predicate
ints = pa.Array.from_buffers(pa.int64(), 3, [None, pa.py_buffer(struct.pack("<qqq", 1, 2, 3))])
kinds = {"i": pa.int64(), "s": pa.string(), "f": pa.float32(), "d": pa.decimal128(30, 2),
         "t": pa.timestamp("us", "UTC"), "z": pa.timestamp("ns", "Europe/Berlin"), "b": pa.bool_()}
columns = [ints.cast(kind) for kind in kinds.values()]
batch = pa.RecordBatch.from_arrays([*columns, columns[1].dictionary_encode()], names=[*kinds, "e"])
text = '''not (i > 1.5 and i in (1, 2, 7) or s like '2%' or s in ('1', '3') or f = 0.1 or d < 1.005
or t > '2024-01-01' or z = '2024-01-01 10:00' or not b or e = '2' or i is null)'''
predicate = parse_predicate(text, batch.schema)
stats = {"i": ColumnStats(ints[0], ints[2], 0, 3), "s": ColumnStats(columns[1][0], None, 0, 3)}
predicate.may_match(stats)
batch.filter(predicate.mask(batch))
print("pandas" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("False\n", "")
