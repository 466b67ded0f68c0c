"""Every Arrow type goes through every writable format and back, and what is lost was declared.

``python tests/test_fidelity.py --write`` writes the table of ``docs/FIDELITY.md``.
"""

from __future__ import annotations

import datetime
import json
import re
import sys
import warnings
from pathlib import Path

import numpy as np
import polars
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

import arrowsmith
import fidelity
from arrowsmith.cli.app import app
from arrowsmith.errors import DataError, SchemaMismatch
from arrowsmith.formats.json.write_options import JsonWriteOptions
from arrowsmith.pipeline import Pipeline, Shape
from arrowsmith.plugin import Loss, SinkCapabilities
from arrowsmith.plugin.types import families
from arrowsmith.testing.feed import TableFeed
from carriers import read
from fidelity import FORMATS, KINDS, SHOWN, VARIANTS, arrays, found_in, installed

PAGE = Path(__file__).parent.parent / "docs" / "FIDELITY.md"
TOLD = "does not keep everything"
ELSEWHERE = {
    "npz": ("alone in an .npy",),
    "ts": ("in .tsf", "times come back"),
    "tsf": ("in .ts ", "times come back"),
}
"""Losses of a format that show in another layout of it, or in columns of another role."""
UNTYPED = {"csv", "jsonl", "tfrecord", "text", "ts", "tsf", "image"}
COMPRESSED = {
    "csv": (".csv.gz", {}),
    "tsv": (".tsv.bz2", {}),
    "jsonl": (".jsonl.zst", {}),
    "json": (".json.xz", {}),
    "parquet": (".parquet", {"compression": "gzip"}),
    "arrow": (".arrow", {"compression": "lz4"}),
    "npz": (".npz", {"compression": "deflate"}),
}


def kept(title: str) -> set[str]:
    """The columns that come back equal, with their nulls."""
    return {name for name in arrays() if found_in(title, name, "as it is").kind == "equal"}


def table_of(names: set[str]) -> pa.Table:
    return pa.table({name: array for name, array in arrays().items() if name in names})


def assert_same(got: pa.Table, wanted: pa.Table) -> None:
    assert got.schema.names == wanted.schema.names
    for name in wanted.schema.names:
        one, other = got[name].combine_chunks(), wanted[name].combine_chunks()
        assert one.type == other.type, name
        assert fidelity.same(one, other), name


# --- the matrix ----------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=[*fidelity.SHOWN, *fidelity.SPECIAL])
def title(request):
    """A format; of this scope, so that the tests of one run together and share what was found."""
    if not installed(request.param):
        pytest.skip(f"the plugin arrowsmith-{request.param} is not installed")
    return request.param


def test_what_is_found_was_declared(title):
    wrong = []
    for name, array in arrays().items():
        for variant, change in VARIANTS.items():
            certain, possible = FORMATS[title].declared(change(array))
            found = found_in(title, name, variant)
            spared = certain == "value" and variant == "no rows" and found.kind != "refused"
            if found.kind not in possible and not spared:
                wrong.append(f"{name}, {variant}: {found}, declared {sorted(possible)}")
    assert wrong == []


def test_what_is_declared_is_found(title):
    """A loss that does not happen misleads as much as one that nobody told."""
    idle = []
    for loss in FORMATS[title].losses:
        mine = [name for name, array in arrays().items() if loss.concerns(families(array.type))]
        kinds = {found_in(title, name, variant).kind for name in mine for variant in VARIANTS}
        elsewhere = any(words in loss.what for words in ELSEWHERE.get(title, ()))
        if loss.kind not in kinds and not elsewhere:
            idle.append(loss.what)
    assert idle == []


def test_certain_losses_are_warned_about_once(title):
    for name, array in arrays().items():
        certain, _ = FORMATS[title].declared(array)
        found = found_in(title, name, "as it is")
        told = [one for one in found.warnings if TOLD in one]
        expected = certain == "value" and found.kind != "refused"
        assert len(told) == expected, (name, found.warnings)
        assert all("'c'" in one and "\n" not in one and len(one) < 250 for one in told)


def test_refusals_are_clear_and_come_before_data(title):
    for name, array in arrays().items():
        found = found_in(title, name, "as it is")
        if found.kind != "refused":
            continue
        certain, _ = FORMATS[title].declared(array)
        expected = SchemaMismatch if certain == "refused" else (SchemaMismatch, DataError)
        assert isinstance(found.error, expected), name
        assert re.search(r"'c['.]", str(found.error)), name
        assert ";" in str(found.error), "no way out"


def test_types_do_not_depend_on_the_values(title):
    """A format that stores types gives the same ones without rows and with nulls at both ends."""
    if title in UNTYPED:
        assert found_in(title, "int64", "no rows").type != pa.int64()
        return
    for name, array in arrays().items():
        if isinstance(array.type, pa.BaseExtensionType) and name == "unregistered":
            continue
        types = {found_in(title, name, variant).type for variant in VARIANTS} - {None}
        assert len(types) <= 1, (name, types)


@pytest.mark.parametrize(("one", "other"), [("csv", "tsv"), ("jsonl", "json")])
def test_layouts_of_a_format_are_alike(one, other):
    for name in arrays():
        first, second = (found_in(title, name, "as it is") for title in (one, other))
        assert (first.kind, first.type) == (second.kind, second.type), name


def test_arrow_keeps_every_registered_type():
    assert set(arrays()) - kept("arrow") == {"unregistered"}


# --- several columns, several formats ------------------------------------------------------------


@pytest.mark.parametrize("title", COMPRESSED)
def test_compressed_files_give_the_same(title, tmp_path):
    suffix, options = COMPRESSED[title]
    table = table_of(kept(title))
    path = tmp_path / f"a{suffix}"
    fidelity.write(table, path, options)
    assert_same(read(path), table)


SERIES, WORDS = [0.5, None, 2.0], ["one", "", "two  "]
PAIRED = ("csv", "jsonl", "parquet", "arrow", "npz")


@pytest.mark.parametrize("second", PAIRED)
@pytest.mark.parametrize("first", PAIRED)
def test_from_one_format_to_another_and_back(first, second, tmp_path):
    """What both keep is the same after one, the other and the first again."""
    both = table_of(kept(first) & kept(second))
    assert both.num_columns >= 5
    here, there, back = (
        tmp_path / f"{at}{FORMATS[title].suffix}"
        for at, title in (("here", first), ("there", second), ("back", first))
    )
    fidelity.write(both, here, {})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # csv and npz: NaN among nulls
        arrowsmith.open(here, budget="1GB").write(there)
        arrowsmith.open(there, budget="1GB").write(back)
    assert_same(read(there), both)
    assert_same(read(back), both)


@pytest.mark.parametrize("title", fidelity.SPECIAL)
def test_from_a_special_format_to_parquet_and_back(title, tmp_path):
    """What such a file gives is the same after Parquet, and so is the file written from there."""
    if not installed(title):
        pytest.skip(f"the plugin arrowsmith-{title} is not installed")
    made = FORMATS[title]
    names = SERIES if title in ("ts", "tsf") else WORDS if title == "text" else None
    array = pa.array(names or [1, 2, 3])
    table = made.carrier.table(array)
    if title in ("tfrecord", "fastparquet", "image"):
        for name, column in (("t", ["a", None, "é"]), ("x", [0.5, -1.25, None])):
            table = table.append_column(name, pa.array(column))
    first, stored, second = (tmp_path / name for name in ("1", "2.parquet", "3"))
    first, second = (path.with_suffix(made.suffix) for path in (first, second))
    fidelity.write(table, first, {}, made.name)
    arrowsmith.open(first, format=made.name, budget="1GB").write(stored)
    assert_same(read(stored), read(first, format=made.name))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # source, line and offset of a text are not written
        arrowsmith.open(stored, budget="1GB").write(second, format=made.name)
    if title == "image":  # paths begin with the archive's name, which becomes a folder and a label
        places = ["path", "label"]
        assert_same(read(second).drop_columns(places), read(first).drop_columns(places))
    else:
        assert second.read_bytes() == first.read_bytes()


# --- independent readers -------------------------------------------------------------------------


def test_pyarrow_reads_the_same_from_parquet(tmp_path):
    table = table_of(kept("parquet"))
    fidelity.write(table, tmp_path / "a.parquet", {})
    assert_same(pq.read_table(tmp_path / "a.parquet"), table)


def test_pyarrow_reads_the_same_from_arrow(tmp_path):
    table = table_of(kept("arrow"))
    fidelity.write(table, tmp_path / "a.arrow", {})
    with pa.ipc.open_file(tmp_path / "a.arrow") as file:
        assert_same(file.read_all(), table)


def test_polars_reads_the_same_from_parquet(tmp_path):
    names = {
        *("bool", "int8", "uint16", "int32", "uint64", "float32", "float64", "string", "binary"),
        *("date32", "time64 us", "timestamp ms", "timestamp ns", "zoned us", "list_", "struct"),
    }
    table = table_of(names)
    fidelity.write(table, tmp_path / "a.parquet", {})
    got = polars.read_parquet(tmp_path / "a.parquet", use_pyarrow=False)
    assert got.to_dict(as_series=False) == polars.from_arrow(table).to_dict(as_series=False)


TEXTS = {"bool", "int64", "float64 digits", "string", "text, CSV", "text, blanks", "date32"}


def test_pyarrow_reads_the_same_from_csv(tmp_path):
    table = table_of(TEXTS)
    fidelity.write(table, tmp_path / "a.csv", {})
    got = pacsv.read_csv(
        tmp_path / "a.csv",
        parse_options=pacsv.ParseOptions(newlines_in_values=True),
        convert_options=pacsv.ConvertOptions(
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            column_types={field.name: field.type for field in table.schema},
        ),
    )
    assert_same(got, table)


def test_python_reads_the_same_from_json(tmp_path):
    names = TEXTS - {"date32"} | {"text, JSON", "struct", "list of structs", "list of lists"}
    table = table_of(names)
    fidelity.write(table, tmp_path / "a.jsonl", {})
    fidelity.write(table, tmp_path / "a.json", {})
    rows = table.to_pylist()
    lines = (tmp_path / "a.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line) for line in lines] == rows
    assert json.loads((tmp_path / "a.json").read_text("utf-8")) == rows


def test_numpy_reads_the_same_from_npz(tmp_path):
    names = {"float64 digits", "timestamp ms", "duration us", "date32", "fixed list of numbers"}
    table = table_of(names | {"struct of numbers"})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fidelity.write(table, tmp_path / "a.npz", {})
    with np.load(tmp_path / "a.npz", allow_pickle=False) as got:
        for name in names - {"fixed list of numbers", "float64 digits"}:
            assert got[name].tolist() == table[name].to_pylist(), name
        numbers = table["float64 digits"].to_numpy()
        np.testing.assert_array_equal(got["float64 digits"], numbers)
        assert got["fixed list of numbers"].tolist() == table["fixed list of numbers"].to_pylist()
        wanted = [tuple(row.values()) for row in table["struct of numbers"].to_pylist()]
        assert got["struct of numbers"].tolist() == wanted


# --- what is around the columns ------------------------------------------------------------------


def test_metadata_comes_back_or_is_said_not_to(title, tmp_path):
    made = FORMATS[title]
    table = made.carrier.table(pa.array(["a", "b"]) if title == "text" else pa.array([1, 2]))
    place = table.num_columns - 1
    field = table.schema.field(place).with_nullable(False).with_metadata({"unit": "m"})
    table = table.cast(table.schema.set(place, field)).replace_schema_metadata({"by": "a test"})
    path = tmp_path / f"a{made.suffix}"
    fidelity.write(table, path, {}, made.name)
    got = read(path, format=made.name).schema
    mine = {key: value for key, value in (got.metadata or {}).items() if key != b"arrowsmith"}
    about = mine == {b"by": b"a test"} and not got.field(0).nullable
    about = about and (got.field(0).metadata or {}).get(b"unit") == b"m"
    sentences = [loss for loss in FORMATS[title].spec.capabilities.losses if isinstance(loss, str)]
    assert about != any("metadata" in sentence for sentence in sentences)


# --- warnings ------------------------------------------------------------------------------------

DAY = datetime.timedelta(days=1)


def many(count: int) -> pa.Table:
    return pa.table({f"c{at}": pa.array([DAY], pa.duration("s")) for at in range(count)})


def test_one_line_names_few_of_many_columns(tmp_path):
    table = many(20).append_column("blob", pa.array([b"x"]))
    (told,) = fidelity.write(table, tmp_path / "a.csv", {})
    assert told == (
        "csv does not keep everything: binary becomes lowercase hexadecimal digits ('blob');"
        " durations become whole numbers, without their unit ('c0', 'c1', 'c2' and 17 more)"
    )


def test_shards_and_partitions_warn_once_and_not_of_what_becomes_a_directory(tmp_path):
    table = many(1).append_column("kind", pa.array([b"x"]).cast(pa.string()))
    table = pa.concat_tables([table] * 6)
    for shape in (Shape(rows_per_file=1), Shape(partition_by="kind", rows_per_file=2)):
        with pytest.warns(UserWarning, match=TOLD) as caught:
            stats = Pipeline(
                TableFeed(table, 2),
                [],
                tmp_path / f"{len(shape.partition_columns)}.csv",
                shape=shape,
                budget="1GB",
            ).run()
        assert len(caught) == len(stats.warnings) == 1


def test_a_run_that_begins_again_warns_once(tmp_path):
    rows = ["id,at\n", *(f"{at},2024-03-31\n" for at in range(2000))]
    rows[1500] = "x,2024-03-31\n"
    (tmp_path / "in.csv").write_text("".join(rows))
    source = arrowsmith.open(tmp_path / "in.csv", budget="1GB", sample_bytes=64)
    made = source.map(_with_duration)
    with pytest.warns(UserWarning, match=TOLD) as caught:
        stats = made.write(tmp_path / "out.jsonl")
    assert stats.restarts == 1
    assert len(caught) == len(stats.warnings) == 1


def _with_duration(batch: pa.RecordBatch) -> pa.RecordBatch:
    return batch.append_column("took", pa.nulls(batch.num_rows, pa.duration("s")))


def test_the_command_line_says_it_in_one_line(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pq.write_table(many(1), "in.parquet")
    with pytest.raises(SystemExit, match=r"^0$"):
        app.main(["convert", "in.parquet", "out.csv"])
    lines = capsys.readouterr().err.splitlines()
    assert [line for line in lines if line.startswith("warning: ")] == [
        "warning: csv does not keep everything: durations become whole numbers, without their unit"
        " ('c0')"
    ]


# --- the declaration -----------------------------------------------------------------------------


def test_a_loss_may_hang_on_options():
    loss = Loss("maps become objects", types=("map",), when=("maps=object",))
    assert loss.happens(JsonWriteOptions())
    assert not loss.happens(JsonWriteOptions(maps="pairs"))


def test_plain_sentences_are_still_losses():
    assert SinkCapabilities(losses=("a dash is null",)).losses == ("a dash is null",)


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (pa.int8(), {"int8", "integer"}),
        (pa.float16(), {"float16", "float"}),
        (pa.decimal128(5, -1), {"decimal128", "decimal", "negative scale"}),
        (pa.timestamp("ns"), {"timestamp", "timestamp[ns]"}),
        (pa.timestamp("s", "UTC"), {"zoned timestamp", "zoned timestamp[s]"}),
        (
            pa.timestamp("s", "+02:00"),
            {"zoned timestamp", "zoned timestamp[s]", "local timestamp"},
        ),
        (pa.struct([]), {"struct", "nested", "empty struct"}),
        (pa.map_(pa.string(), pa.bool_()), {"map", "nested", "string", "text", "bool"}),
        (pa.uuid(), {"extension", "arrow.uuid", "bytes", "fixed_size_binary"}),
        (pa.fixed_shape_tensor(pa.int8(), [2]), {"tensor", "int8", "integer"}),
        (
            pa.dictionary(pa.int8(), pa.date32()),
            {"dictionary", "dictionary of date", "dictionary of date32", "date", "date32"},
        ),
        (
            pa.list_(pa.list_(pa.bool_())),
            {"list", "lists", "inner lists", "nested", "bool"},
        ),
        (
            pa.list_(pa.run_end_encoded(pa.int32(), pa.bool_())),
            {"list", "lists", "nested", "run_end_encoded", "inner run_end_encoded", "bool"},
        ),
    ],
    ids=lambda value: str(value) if isinstance(value, pa.DataType) else "",
)
def test_names_of_a_type(kind, names):
    assert families(kind) - {"any", "dictionary of any"} == names


def test_every_name_in_a_loss_is_that_of_some_type():
    known = frozenset().union(*(families(array.type) for array in arrays().values()))
    known |= {f"dictionary of {name}" for name in known}
    for made in FORMATS.values():
        for loss in made.losses:
            assert loss.kind in KINDS
            assert set(loss.types) <= known, loss


# --- the page ------------------------------------------------------------------------------------


def page() -> str:
    """The page with its table and lists made anew."""
    text = PAGE.read_text(encoding="utf-8")
    for made in (fidelity.table, fidelity.special, fidelity.told_losses):
        begin = fidelity.BEGIN.replace("written", f"{made.__name__} written")
        head, rest = text.split(begin)
        text = head + begin + made() + fidelity.END + rest.split(fidelity.END, 1)[1]
    return text


def section(name: str) -> str:
    """What stands on the page between the marks of a part."""
    begin = fidelity.BEGIN.replace("written", f"{name} written")
    return PAGE.read_text("utf-8").split(begin)[1].split(fidelity.END)[0]


STALE = "run python tests/test_fidelity.py --write"


def test_the_page_says_what_is_found(title):
    name, shown = ("special", fidelity.SPECIAL) if title in fidelity.SPECIAL else ("table", SHOWN)
    head, _, *lines = (line.strip("| ").split(" | ") for line in section(name).splitlines())
    assert head == ["column", *shown.values()]
    place = head.index(shown[title])
    found = {fidelity.row_title(name): fidelity.cell(title, name) for name in arrays()}
    assert {line[0]: line[place] for line in lines} == found, STALE


def test_the_page_says_what_is_declared():
    if not all(map(installed, fidelity.SPECIAL)):
        pytest.skip("a plugin whose losses are on the page is not installed")
    assert section("told_losses") == fidelity.told_losses(), STALE


if __name__ == "__main__" and sys.argv[1:] == ["--write"]:
    PAGE.write_text(page(), encoding="utf-8")
