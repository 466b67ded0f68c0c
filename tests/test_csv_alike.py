"""Files like one before: what is found of them does not depend on what stood beside them."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import arrowsmith
from arrowsmith.errors import ArrowsmithError, SchemaMismatch
from arrowsmith.formats.csv.alike import alike
from arrowsmith.formats.csv.read_options import CsvReadOptions
from arrowsmith.formats.csv.sniff import sniff
from arrowsmith.location import FileSource

_CELLS = {
    "integers": st.integers(-(2**63), 2**63 - 1).map(str),
    "long integers": st.integers(10**18, 10**20).map(str),
    "whole floats": st.integers(-99, 99).map(lambda v: f"{v}.0"),
    "floats": st.floats(allow_nan=False, allow_infinity=False).map(repr),
    "signs": st.sampled_from(["+1", "-0", "007", "0x1F", "1e3", "inf", "nan", " 5", "1.", ".5"]),
    "booleans": st.sampled_from(["true", "False", "TRUE"]),
    "days": st.dates().map(str),
    "midnights": st.dates().map(lambda day: f"{day} 00:00:00"),
    "moments": st.datetimes().map(str),
    "nanoseconds": st.datetimes().map(lambda at: f"{at:%Y-%m-%dT%H:%M:%S.%f}120"),
    "zones": st.datetimes().map(lambda at: f"{at:%Y-%m-%dT%H:%M:%S}Z"),
    "clocks": st.times().map(lambda at: f"{at:%H:%M:%S}"),
    "tokens": st.sampled_from(["", "NA", "null", "None", "\\N"]),
    "words": st.text("nNtfie-+.: 1aÄ\u2028", max_size=6),
    "quoted": st.text('a1,\n"; ', max_size=6).map(lambda t: '"' + t.replace('"', '""') + '"'),
}
_KIND = st.sampled_from(sorted(_CELLS))
_COLUMN = st.one_of(st.tuples(_KIND), st.tuples(_KIND, _KIND))
_FAULTY = ["1,2", '"a"b,c,d', '1,"2', "\0,1,2"]
_HEADERS = ["a,b,c\n", '"a",b,"c"\r\n', "a,b,c\r", "a;b,c,d\n", "1,2,3\n", "\na,b,c\n"]


@st.composite
def _rows(draw: st.DrawFn, columns: list[tuple[str, ...]]) -> str:
    strategies = [st.one_of([_CELLS[kind] for kind in kinds]) for kinds in columns]
    rows = draw(st.lists(st.tuples(*strategies), max_size=8))
    end = draw(st.sampled_from(["\n", "\r\n"]))
    text = "".join(",".join(row) + end for row in rows)
    return text + draw(st.sampled_from([*[""] * 8, *_FAULTY]))


@st.composite
def _pairs(draw: st.DrawFn) -> tuple[bytes, bytes]:
    header = draw(st.sampled_from(_HEADERS))
    columns = draw(st.lists(_COLUMN, min_size=3, max_size=3))
    others = columns if draw(st.integers(0, 3)) else draw(st.lists(_COLUMN, min_size=3, max_size=3))
    first = header + draw(_rows(columns))
    second = draw(st.sampled_from([header, header, header, "x,b,c\n"])) + draw(_rows(others))
    bom = draw(st.sampled_from(["", "", "\ufeff"]))
    return first.encode(), (bom + second).encode()


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pair=_pairs(), options=st.sampled_from([{}, {"types": {"b": "string"}}, {"header": True}]))
def test_what_is_found_is_what_would_be_found_alone(pair, options, tmp_path):
    for name, data in zip(("1.csv", "2.csv"), pair, strict=True):
        (tmp_path / name).write_bytes(data)
    settled = CsvReadOptions(**options)
    with FileSource(tmp_path / "1.csv") as one, FileSource(tmp_path / "2.csv") as two:
        try:
            like = sniff(one, settled, 1 << 30)
        except ArrowsmithError:
            return
        found = alike(two, settled, like)
        if found is not None:
            assert found == sniff(two, settled, 1 << 30)


def _write(folder, files):
    for number, text in enumerate(files):
        (folder / f"{number:02}.csv").write_text(text)
    return folder


def test_files_that_are_alike_share_what_is_known(tmp_path):
    text = "id,x,name,at\n1,0.5,ann,2024-01-01T10:00:00\n2,1.25,bob,2024-01-01T11:00:00\n"
    with (
        FileSource(_write(tmp_path, [text, text]) / "00.csv") as one,
        FileSource(tmp_path / "01.csv") as two,
    ):
        like = sniff(one, CsvReadOptions(), 1 << 30)
        assert alike(two, CsvReadOptions(), like) is like


@pytest.mark.parametrize(
    ("second", "row"),
    [
        ("id,x\n3,1\n", {"id": 3, "x": 1.0}),  # whole numbers alone
        ("id,x\n3,\n", {"id": 3, "x": None}),  # no number at all
        ("id,x\n3,-1e3\n", {"id": 3, "x": -1000.0}),
        ("x,id\n4.5,3\n", {"id": 3, "x": 4.5}),
        ("id\n3\n", {"id": 3, "x": None}),
    ],
)
def test_a_folder_gives_the_rows_of_its_files(second, row, tmp_path):
    folder = _write(tmp_path, ["id,x\n1,0.5\n", second, "id,x\n9,9.5\n"])
    table = arrowsmith.open(folder).to_table()
    assert table.schema.types == [pa.int64(), pa.float64()]
    assert table.to_pylist() == [{"id": 1, "x": 0.5}, row, {"id": 9, "x": 9.5}]


def test_text_in_a_later_file_is_still_a_mismatch(tmp_path):
    folder = _write(tmp_path, ["id,x\n1,a\n", "id,x\n2,5\n"])
    with pytest.raises(SchemaMismatch, match=r"01\.csv: column 'x' is int64 where"):
        _ = arrowsmith.open(folder).schema
