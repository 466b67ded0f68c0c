"""The parts of the command line: option texts, table widths, plain values."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from arrowsmith.cli.arguments import column_names, key_values, transform_call
from arrowsmith.cli.table import fit
from arrowsmith.cli.values import plain
from arrowsmith.errors import OptionError


def test_text_of_options():
    assert key_values(["a=1", "b=x=y"], "-r") == {"a": "1", "b": "x=y"}
    assert transform_call("t") == ("t", {})
    assert transform_call("t:k=a,b,n=2") == ("t", {"k": "a,b", "n": "2"})
    kept = ['x:"a, b=c"', "f(a, b=c)", "t:timestamp[us, tz=UTC]", "x = 'a,b=c'", '")",a,b']
    for value in kept:
        assert transform_call(f"t:k={value},n=it's") == ("t", {"k": value, "n": "it's"})
    assert column_names('a, "b,c"') == ["a", "b,c"]
    for wrong in (["a"], ["=1"], ["a=1", "a=2"]):
        with pytest.raises(OptionError):
            key_values(wrong, "-r")
    with pytest.raises(OptionError):
        transform_call(":k=1")


def test_fit_cuts_the_widest_and_drops_the_last():
    assert fit([4, 10], 80) == [4, 10]
    assert sum(fit([4, 60, 30], 50)) + 2 * 3 == 50
    assert len(fit([30] * 40, 60)) < 40


NESTED = {
    "ints": pa.array([1, None, 3, 4, 5]),
    "texts": pa.array(["a", None, "", "ß", "e"]),
    "lists": pa.array([[1], None, [], [2, None], [3, 4]]),
    "fixed": pa.array([[1, 2], None, [3, 4], [5, 6], [7, 8]], pa.list_(pa.int8(), 2)),
    "large": pa.array([["a"], [], None, ["b", "c"], ["d"]], pa.large_list(pa.large_string())),
    "views": pa.array([["a"], [], None, ["b", "c"], ["d"]], pa.list_view(pa.string())),
    "structs": pa.array([{"a": 1, "b": [1]}, None, {"a": None, "b": None}, {"a": 2, "b": []}] * 2),
    "dictionaries": pa.array(["x", None, "x", "y", "x"]).dictionary_encode(),
    "runs": pc.run_end_encode(pa.array([1, 1, None, 2, 2])),
    "lists of structs": pa.array([[{"a": 1}], None, [{"a": None}, None], [], [{"a": 5}]]),
    "bools": pa.array([True, None, False, True, False]),
    "nulls": pa.nulls(5),
}


@pytest.mark.parametrize("name", NESTED)
def test_plain_values_are_those_of_arrow_also_in_slices(name):
    array = NESTED[name]
    assert plain(array) == array.to_pylist()
    assert plain(array.slice(1, 3)) == array.slice(1, 3).to_pylist()
    assert plain(array.slice(2, 0)) == []


def test_plain_values_that_json_lacks():
    assert plain(pa.array([float("nan"), float("-inf"), 0.5])) == ["NaN", "-Infinity", 0.5]
    assert plain(pa.array([Decimal("1.50"), None])) == ["1.50", None]
    assert plain(pa.array([b"\xff\x00", None])) == ["/wA=", None]
    assert plain(pa.array([timedelta(seconds=5)], pa.duration("ms"))) == [5000]
    assert plain(pa.array([date(2020, 2, 29)])) == ["2020-02-29"]
    moment = pa.array([datetime(2024, 1, 2, 3, 4, 5)], pa.timestamp("s", "UTC"))
    assert plain(moment) == ["2024-01-02 03:04:05Z"]
    far = moment.cast(pa.timestamp("s", "Nowhere/Unknown"))
    assert plain(far) == ["2024-01-02 03:04:05Z"]
    pairs = pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int64()))
    assert plain(pairs) == [[["k", 1]], None]
    assert plain(pa.array([1.5, None], pa.float16())) == [1.5, None]
