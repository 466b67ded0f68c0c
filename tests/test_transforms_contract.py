"""Every transform of the core keeps the contract that those of plugins have to keep."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa

from arrowsmith.testing import TransformContract

ROWS = 500
NUMBERS = range(ROWS)
TABLE = pa.table(
    {
        "id": pa.array(NUMBERS, pa.int64()),
        "score": pa.array([None if n % 7 == 0 else n / 4 for n in NUMBERS], pa.float64()),
        "lang": pa.array([None if n % 5 == 0 else ("en", "de", "fr")[n % 3] for n in NUMBERS]),
        "good": pa.array([n % 3 == 0 for n in NUMBERS]),
        "place": pa.array(
            [None if n % 11 == 0 else {"x": n, "in": {"y": str(n)}} for n in NUMBERS],
            pa.struct([("x", pa.int32()), ("in", pa.struct([("y", pa.string())]))]),
        ),
    }
)
WITHOUT = (pa.schema([("other", pa.int64())]),)
OF_TEXT = (*WITHOUT, pa.schema([("score", pa.string()), ("id", pa.string())]))


class Core(TransformContract):
    """What the classes below share; it has no test of its own."""

    __test__ = False
    table = TABLE
    wrong_schemas = WITHOUT


class TestSelect(Core):
    __test__ = True
    name = "select"
    options = {"columns": ["lang", "id"]}
    expected = TABLE.select(["lang", "id"])


class TestDrop(Core):
    __test__ = True
    name = "drop"
    options = {"columns": "lang,place"}
    expected = TABLE.drop_columns(["lang", "place"])


class TestRename(Core):
    __test__ = True
    name = "rename"
    options = {"names": {"id": "score", "score": "id"}}
    expected = TABLE.rename_columns(["score", "id", "lang", "good", "place"])


class TestCast(Core):
    __test__ = True
    name = "cast"
    options = {"columns": "id:int32,score:text"}
    wrong_schemas = (*WITHOUT, pa.schema([("id", pa.list_(pa.int8())), ("score", pa.int8())]))

    @property
    def expected(self):
        kinds = [*TABLE.schema]
        kinds[0], kinds[1] = pa.field("id", pa.int32()), pa.field("score", pa.string())
        return TABLE.cast(pa.schema(kinds))


class TestFilter(Core):
    __test__ = True
    name = "filter"
    options = {"condition": "score > 20 and lang = 'en'"}
    wrong_schemas = ()  # a condition that does not fit is a PredicateError
    expected = TABLE.filter(
        pa.array([n % 7 != 0 and n / 4 > 20 and n % 5 != 0 and n % 3 == 0 for n in NUMBERS])
    )


class TestLimit(Core):
    __test__ = True
    name = "limit"
    options = {"rows": 123}
    wrong_schemas = ()
    expected = TABLE.slice(0, 123)


class TestWithColumn(Core):
    __test__ = True
    name = "with_column"
    options = {"name": "sum", "expression": "id + score"}
    wrong_schemas = ()
    expected = TABLE.append_column(
        "sum", pa.array([None if n % 7 == 0 else n + n / 4 for n in NUMBERS], pa.float64())
    )


class TestFillNull(Core):
    __test__ = True
    name = "fill_null"
    options = {"values": "score:-1,lang:none"}
    wrong_schemas = (*WITHOUT, pa.schema([("score", pa.bool_()), ("lang", pa.string())]))

    @property
    def expected(self):
        score = pa.array([-1.0 if n % 7 == 0 else n / 4 for n in NUMBERS])
        lang = pa.array(["none" if n % 5 == 0 else ("en", "de", "fr")[n % 3] for n in NUMBERS])
        return TABLE.set_column(1, "score", score).set_column(2, "lang", lang)


class TestFillForward(Core):
    __test__ = True
    name = "fill_forward"
    options = {"columns": ["score", "lang"]}

    @property
    def expected(self):
        frame = TABLE.select(["score", "lang"]).to_pandas().ffill()
        score = pa.Array.from_pandas(frame["score"])
        lang = pa.Array.from_pandas(frame["lang"], type=pa.string())
        return TABLE.set_column(1, "score", score).set_column(2, "lang", lang)


class TestFlatten(Core):
    __test__ = True
    name = "flatten"
    options = {"columns": "place"}
    wrong_schemas = (*WITHOUT, pa.schema([("place", pa.int8())]))

    @property
    def expected(self):
        x = pa.array([None if n % 11 == 0 else n for n in NUMBERS], pa.int32())
        y = pa.array([None if n % 11 == 0 else str(n) for n in NUMBERS])
        kept = TABLE.drop_columns(["place"])
        return kept.append_column("place.x", x).append_column("place.in.y", y)


class TestSample(Core):
    __test__ = True
    name = "sample"
    options = {"fraction": 0.3, "seed": 5}
    wrong_schemas = ()


class TestSampleRows(Core):
    __test__ = True
    name = "sample_rows"
    options = {"rows": 17, "seed": 5}
    wrong_schemas = ()


class TestDictionaryEncode(Core):
    __test__ = True
    name = "dictionary_encode"
    options = {"columns": ["lang", "good"]}
    wrong_schemas = (*WITHOUT, pa.schema([("lang", pa.float64()), ("good", pa.bool_())]))

    @property
    def expected(self):
        lang = TABLE["lang"].dictionary_encode().combine_chunks()
        good = TABLE["good"].dictionary_encode().combine_chunks()
        return TABLE.set_column(2, "lang", lang).set_column(3, "good", good)


class TestOneHot(Core):
    __test__ = True
    name = "one_hot"
    options = {"column": "lang"}
    wrong_schemas = (*WITHOUT, pa.schema([("lang", pa.float64())]))

    @property
    def expected(self):
        kept = TABLE.drop_columns(["lang"])
        for place, lang in enumerate(["de", "en", "fr"]):
            ones = [value.as_py() == lang for value in TABLE["lang"]]
            kept = kept.add_column(2 + place, f"lang_{lang}", pa.array(ones).cast(pa.uint8()))
        return kept


class TestOrdinal(Core):
    __test__ = True
    name = "ordinal"
    options = {"columns": ["lang", "good"]}
    wrong_schemas = (*WITHOUT, pa.schema([("lang", pa.float64()), ("good", pa.bool_())]))

    @property
    def expected(self):
        ranks = {None: None, "de": 0, "en": 1, "fr": 2}
        lang = pa.array([ranks[value.as_py()] for value in TABLE["lang"]], pa.int32())
        good = pa.array([int(value.as_py()) for value in TABLE["good"]], pa.int32())
        return TABLE.set_column(2, "lang", lang).set_column(3, "good", good)


class TestStandardScale(Core):
    __test__ = True
    name = "standard_scale"
    options = {"columns": ["id"]}
    wrong_schemas = OF_TEXT

    @property
    def expected(self):
        # the numbers 0 to n - 1 have the variance (n * n - 1) / 12
        deviation = math.sqrt((ROWS * ROWS - 1) / 12)
        scaled = (np.arange(ROWS) - (ROWS - 1) / 2) / deviation
        return TABLE.set_column(0, "id", pa.array(scaled))


class TestMinMaxScale(Core):
    __test__ = True
    name = "min_max_scale"
    options = {"columns": ["id", "score"], "low": -1}
    wrong_schemas = OF_TEXT
