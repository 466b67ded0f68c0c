"""JSON that is damaged, huge, deep, empty or none: an error with its place, or the right rows."""

from __future__ import annotations

import json

import pytest

from arrowsmith.errors import BudgetExceeded, DataError, SourceEmpty
from arrowsmith.formats.json import careful
from arrowsmith.plugin import ScanRequest
from json_doubles import Run, array, lines, table

MB = 1 << 20
GOOD = '{"a":1,"l":[[1]],"s":"x","t":{"q":1}}\n' * 50  # 1,900 bytes


@pytest.mark.parametrize("text", ["", " ", "\n\n\r\n", "\ufeff", "[]", " [ ] \n"])
def test_nothing_in_it(text):
    with pytest.raises(SourceEmpty, match="no records"):
        array(text)
    if "[" not in text:
        with pytest.raises(SourceEmpty, match="no records"):
            lines(text)


@pytest.mark.parametrize("make", [lines, array])
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32"])
def test_wide_text_is_refused_with_the_way_out(make, encoding):
    with pytest.raises(DataError, match=r"byte 0: .*convert the file to UTF-8"):
        make('{"a":1}\n'.encode(encoding))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[{"a":1},\n{"a":2},]', "line 2, byte 17: a comma without a record"),
        ('[{"a":1},\n{"a":2}\n', "line 3, byte 18: the array is never closed"),
        ('[{"a":1},\n{"a":', "line 2, byte 10: the record is cut off"),
        ('[{"a":1}\n{"a":2}]', "line 2, byte 9: a comma is missing"),
        ('[{"a":1},\n5,{"a":2}]', "line 2, byte 10: '5' where an object should be"),
        ('[{"a":1}]\n x', "line 2, byte 11: text follows the end of the array"),
        ('[{"a":1}}', "line 1, byte 8: a brace closes nothing"),
        ('{"a":1}\n{"a":2}]', "line 2, byte 15: a bracket closes nothing"),
        ('{"d":[{"a":1}], "e":\n', "line 1, byte 13: what follows the records is no JSON"),
        ('[{"a":1},{"a":[2}]', "byte 9: no JSON at its character 8|byte 9: the record is cut off"),
    ],
)
def test_faults_of_structure(text, message):
    with pytest.raises(DataError, match=message):
        table(array(text, sample_bytes=16))


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ('{"a":1,"a":2}', "the field 'a' stands there twice"),
        ('{"t":{"q":1,"q":2}}', "the field 'q' stands there twice"),
        ('{"a":NaN}', "NaN is not JSON"),
        ('{"b":-Infinity}', "-Infinity is not JSON"),
        ('{"s":"\\ud800"}', "half of a surrogate pair"),
        ('{"s":"a\tb"}', "invalid control character"),
        ("{'s':1}", "no JSON at its character 2"),
        ('{"a":007}', "no JSON at its character 7"),
        ('{"a":1}{"a":2}', "extra data"),
        ('{"a":1} {"a":2}', "extra data"),
        ("null", "null where an object should be"),
        ('[{"a":1}]', "an array where an object should be"),
        ('"{}"', "a string where an object should be"),
        ('{"a":1', "the record is cut off"),
        ('{"a":1}\0', "no JSON"),
        ('{"a":1}, ', "extra data"),
        ("[" * 100_000, "deeper than max_depth=64"),
        ('{"l":' + "[" * 100_000 + "]" * 100_000 + "}", "deeper than max_depth=64"),
        ('{"t":' * 1000 + "1" + "}" * 1000, "deeper than max_depth=64"),
        (b'{"s":"\xff"}', "byte 0xff is not UTF-8"),
        (b'{"s":"\xed\xa0\x80"}', "is not UTF-8"),
    ],
)
@pytest.mark.parametrize("columns", [None, ("a", "s", "t")])
def test_bad_records(record, reason, columns):
    """Told as errors with their place, and left out alone under quarantine."""
    raw = record if isinstance(record, bytes) else record.encode()
    text = GOOD.encode() + raw + b"\n" + GOOD.encode()
    with pytest.raises(DataError, match=r"line 51, byte 1900") as error:
        table(lines(text, sample_bytes=1024))
    assert reason in str(error.value)
    run = Run("quarantine")
    found = table(lines(text, run, sample_bytes=1024), ScanRequest(columns=columns))
    assert found.num_rows == 100
    (reject,) = run.rejects
    assert (reject.record, reject.line, reject.offset, reject.raw) == (50, 51, 1900, raw.strip())


def test_nan_is_bad_in_a_column_of_doubles_too():
    text = '{"a":0.5}\n' * 20 + '{"a":NaN}\n{"a":1.5}\n'
    run = Run("skip")
    assert table(lines(text, run, sample_bytes=64))["a"].to_pylist() == [0.5] * 20 + [1.5]
    assert len(run.rejects) == 1


def test_a_string_in_a_column_of_decimals_is_a_conflict():
    text = f'{{"a":{2**70}}}\n' * 20 + '{"a":"5"}\n'
    found = table(lines(text, sample_bytes=64, seekable=False).widened())
    assert found["a"].to_pylist() == [str(2**70)] * 20 + ["5"]


@pytest.mark.parametrize("make", [lines, array])
def test_lines_of_many_megabytes(make):
    rows = [{"id": n, "body": chr(97 + n) * (3 * MB), "q": '"]}{['} for n in range(3)]
    text = "\n".join(json.dumps(row) for row in rows)
    found = table(make(text, range_bytes=MB))
    assert found.to_pylist() == rows


@pytest.mark.parametrize("make", [lines, array])
@pytest.mark.parametrize("seekable", [True, False])
def test_a_record_longer_than_allowed(make, seekable):
    text = '{"a":"x"}\n{"a":"' + "y" * 5000 + '"}\n{"a":"z"}\n'
    with pytest.raises(
        DataError, match=r"byte \d+: the record is longer than max_record_bytes=999"
    ):
        table(make(text, range_bytes=100, sample_bytes=16, max_record_bytes=999, seekable=seekable))


@pytest.mark.parametrize("make", [lines, array])
def test_a_record_larger_than_memory(make):
    run = Run()
    run.memory_limit = 8 * MB
    text = '{"a":"x"}\n' * 10 + '{"a":"' + "y" * (3 * MB) + '"}\n'
    with pytest.raises(BudgetExceeded, match="a record of 3") as error:
        table(make(text, run, range_bytes=MB, sample_bytes=64))
    assert error.value.needed > 30 * MB


@pytest.mark.parametrize("count", [1, 2, 3, 8, 131_071, 131_072, 131_073])
def test_backslashes_at_any_place(count):
    """Escapes are told apart across the blocks that are looked at."""
    rows = [{"a": "\\" * count, "b": '"'}, {"a": "x", "b": '\\"' * 5}]
    assert table(array(json.dumps(rows))).to_pylist() == rows


@pytest.mark.parametrize("shift", range(8))
def test_a_long_number_at_any_place(shift):
    """Digits beyond a double's are found wherever they stand."""
    pad = f'{{"p":"{"x" * shift}","a":'
    text = (pad + "0.5}\n") * 3 + pad + "0.1234567890123456785}\n"
    found = table(lines(text, infer="full", sample_bytes=16))
    assert str(found["a"][3].as_py()) == "0.1234567890123456785"


def test_a_name_in_another_spelling():
    assert table(lines('{"a":1}\n{"\\u0061":2}\n'))["a"].to_pylist() == [1, 2]


def test_odd_names():
    row = {"": 1, "a.b": 2, 'q"': 3, "é\n": 4, "a": {"b": 5}}
    found = table(lines(json.dumps(row)))
    assert found.to_pylist() == [row]
    only = table(lines(json.dumps(row)), ScanRequest(columns=("a.b", "")))
    assert only.to_pylist() == [{"a.b": 2, "": 1}]


def test_records_without_fields():
    with pytest.raises(DataError, match="no fields"):
        lines("{}\n{}\n")
    found = table(lines("{}\n{}\n", types={"a": "int64"}))
    assert found["a"].to_pylist() == [None, None]


def test_scalars_in_an_array():
    with pytest.raises(DataError, match="no objects; rows have named fields"):
        array("[1, 2, 3]")


@pytest.mark.parametrize("make", [lines, array])
def test_a_record_larger_than_memory_that_was_read_already(make):
    """It ends where the room for it was last made larger."""
    run = Run()
    run.memory_limit = 64 * MB
    record = '{"a":"' + "x" * (7 * MB) + '"}'
    with pytest.raises(BudgetExceeded, match="there is a record of 73400"):
        table(make(f'{{"a":"y"}}\n{record}\n{{"a":"z"}}\n', run))


def test_records_that_are_decoded_wait_a_few_at_a_time(monkeypatch):
    """Python takes dozens of bytes for one of their text."""
    rows = [{"n": n, "v": {"a": n} if n % 2 else "x"} for n in range(20_000)]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    sizes = []
    real = careful.sound

    def sound(piece, spans, max_depth):
        sizes.append(int(spans.ends[-1] - spans.starts[0]))
        return real(piece, spans, max_depth)

    monkeypatch.setattr(careful, "sound", sound)
    found = table(lines(text))
    texts = [json.dumps(row["v"], separators=(",", ":")) for row in rows]
    assert found["v"].to_pylist() == texts
    assert sum(sizes) > len(text) * 0.9
    assert max(sizes) <= 64 << 10
