"""Folders of pictures, written: names, labels, splits, metadata; whole or not there."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

import arrowsmith
from arrowsmith.errors import DataError, OptionError, SchemaMismatch, TargetError, TargetExists
from pictures import jpeg, png, tarred, written, zipped

BYTES = pa.schema([("path", pa.string()), ("bytes", pa.binary())])


def parquet(tmp_path, **columns):
    count = len(next(iter(columns.values())))
    columns = {"bytes": pa.array([png(n) for n in range(count)], pa.binary()), **columns}
    path = tmp_path / "in.parquet"
    pq.write_table(pa.table(columns), path)
    return arrowsmith.open(path)


def below(folder):
    return sorted(str(one.relative_to(folder)) for one in folder.rglob("*") if one.is_file())


def test_a_folder_comes_back(tmp_path):
    boxes = [[{"category": "cat", "box": [1.5, 2.0]}], [], None]
    ds = parquet(
        tmp_path,
        path=["/far/away/a.b.jpg", "b.png", "a.b.gif"],
        label=["cat", "dog", "cat"],
        split=["train", "train", "test"],
        n=[1, 2, None],
        zip=["007", "2024-01-01 00:00:00", None],
        boxes=boxes,
    )
    out = tmp_path / "out"
    ds.write(out, format="imagefolder")
    assert below(out) == [
        "metadata.jsonl", "test/cat/a.b.png", "train/cat/a.b.png", "train/dog/b.png",
    ]  # fmt: skip
    with Image.open(out / "train" / "dog" / "b.png") as image:  # an independent reader
        assert image.size == (32, 24)
    lines = [json.loads(line) for line in (out / "metadata.jsonl").read_text().splitlines()]
    assert lines[0] == {"file_name": "train/cat/a.b.png", "n": 1, "zip": "007", "boxes": boxes[0]}
    back = {row["bytes"]: row for row in arrowsmith.open(out).to_table().to_pylist()}
    for before in ds.to_table().to_pylist():
        after = back[before["bytes"]]
        for name in ("label", "split", "n", "zip", "boxes"):
            assert after[name] == before[name], name


def test_pictures_parquet_tar_zip_and_folder_are_the_same(tmp_path):
    files = {f"train/{kind}/{n}.jpg": jpeg(n) for n in range(4) for kind in ("cat", "dog")}
    start = written(tmp_path / "start", files)
    wanted = facts(start)
    (tmp_path / "a.zip").write_bytes(zipped(files))
    (tmp_path / "a.tar").write_bytes(tarred(files))
    ways = [tmp_path / "a.zip", tmp_path / "a.tar"]
    for source in (start, *ways):
        stem = source.stem + source.suffix[1:]
        arrowsmith.open(source).write(tmp_path / f"{stem}.parquet")
        arrowsmith.open(tmp_path / f"{stem}.parquet").write(tmp_path / f"{stem}.out.tar")
        arrowsmith.open(tmp_path / f"{stem}.out.tar").write(
            tmp_path / f"{stem}.out", format="imagefolder"
        )
        ways += [tmp_path / f"{stem}{end}" for end in (".parquet", ".out.tar", ".out")]
    for way in ways:
        assert facts(way) == wanted, way


def facts(source):
    names = ["bytes", "width", "height", "format", "label", "split"]
    rows = arrowsmith.open(source).select(*names).to_table().to_pylist()
    return sorted(tuple(row.values()) for row in rows)


def test_names_that_are_taken_or_hidden_are_changed(tmp_path):
    names = ["x.jpg", "a/x.png", "..", ".hidden.jpg", "_under", None, "ä" * 300]
    ds = parquet(tmp_path, path=pa.array(names, pa.string()))
    ds.write(tmp_path / "out", format="imagefolder")
    there = below(tmp_path / "out")
    assert there[:6] == [
        "00000002.png", "00000005.png", "hidden.png", "under.png", "x-00000001.png", "x.png",
    ]  # fmt: skip
    assert len(arrowsmith.open(tmp_path / "out").to_table()) == 7


@pytest.mark.parametrize(
    "label", ["a/b", "..", ".", "", "_a", ".a", "train", "images", "a\0", "x" * 300]
)
def test_labels_that_no_folder_tells_are_refused(tmp_path, label):
    ds = parquet(tmp_path, label=[label])
    with pytest.raises(DataError, match="which a folder cannot tell"):
        ds.write(tmp_path / "out", format="imagefolder")
    assert not (tmp_path / "out").exists()
    assert [one.name for one in tmp_path.iterdir()] == ["in.parquet"]


def test_numbers_of_64_bits_keep_their_value(tmp_path):
    hashes = [9948569440150754111, 7, None]
    deep = [[{"n": 2**64 - 1}], [], None]
    ds = parquet(
        tmp_path,
        path=["a.png", "b.png", "c.png"],
        phash=pa.array(hashes, pa.uint64()),
        deep=pa.array(deep, pa.list_(pa.struct([("n", pa.uint64())]))),
        low=[-(2**63), 2**63 - 1, 0],
    )
    ds.write(tmp_path / "out", format="imagefolder")
    back = arrowsmith.open(tmp_path / "out")
    assert back.schema.field("phash").type == pa.uint64()
    table = back.to_table()
    assert table["phash"].to_pylist() == hashes
    assert table["deep"].to_pylist() == deep
    assert table["low"].to_pylist() == [-(2**63), 2**63 - 1, 0]


NUMBERS = {
    "0.5 9007199254740993": pa.decimal128(38, 1),  # no double is that integer
    "0.5 9007199254740994": pa.float64(),
    "0.1 9007199254740991": pa.float64(),
    "-1 9223372036854775808": pa.decimal128(38, 0),
    "1 18446744073709551616": pa.decimal128(38, 0),
    "1e100 2": pa.float64(),
    "0.1234567890123456789 2": pa.decimal128(38, 19),
    "12345678901234567000.0 2": pa.float64(),
}


@pytest.mark.parametrize("numbers", NUMBERS)
def test_numbers_have_the_types_that_json_lines_have(tmp_path, numbers):
    """As the format ``jsonl`` reads the very file."""
    lines = [f'{{"file_name": "{n}.png", "n": {v}}}\n' for n, v in enumerate(numbers.split())]
    written(tmp_path, {"0.png": png(1), "1.png": png(2)})
    (tmp_path / "metadata.jsonl").write_text("".join(lines))
    found = arrowsmith.open(tmp_path).select("n").to_table()
    assert found.schema.field("n").type == NUMBERS[numbers]
    assert found.equals(arrowsmith.open(tmp_path / "metadata.jsonl").select("n").to_table())
    assert [Decimal(v) for v in found["n"].to_pylist()] == [
        Decimal(v) if pa.types.is_decimal(NUMBERS[numbers]) else Decimal(float(v))
        for v in numbers.split()
    ]


@pytest.mark.parametrize("number", ["1" * 39, '1.5e-60, "m": 0.12345678901234567891', "1e-400"])
def test_numbers_that_no_type_holds_are_told(tmp_path, number):
    written(tmp_path, {"0.png": png(1)})
    lines = f'{{"file_name": "0.png", "n": {number}, "k": 1}}\n'
    (tmp_path / "metadata.jsonl").write_text(lines)
    if '"m"' in number:
        table = arrowsmith.open(tmp_path).select("n", "m").to_table()
        assert table.to_pylist() == [{"n": 1.5e-60, "m": Decimal("0.12345678901234567891")}]
        return
    with pytest.raises(DataError, match=r"metadata\.jsonl: .*'n' have more than 38 digits"):
        arrowsmith.open(tmp_path)


def test_metadata_of_several_folders_keeps_large_numbers(tmp_path):
    for folder, value in (("a", 5), ("b", 2**64 - 1)):
        written(tmp_path, {f"{folder}/0.png": png(value % 7)})
        line = json.dumps({"file_name": "0.png", "n": value}) + "\n"
        (tmp_path / folder / "metadata.jsonl").write_text(line)
    found = arrowsmith.open(tmp_path).select("n").to_table()
    assert found["n"].to_pylist() == [5, 2**64 - 1]
    (tmp_path / "a" / "metadata.jsonl").write_text('{"file_name": "0.png", "n": -5}\n')
    assert arrowsmith.open(tmp_path).to_table()["n"].to_pylist() == [-5, 2**64 - 1]


def test_floats_that_json_lacks_are_null(tmp_path):
    parquet(tmp_path, x=[float("nan"), 1.5]).write(tmp_path / "out", format="imagefolder")
    assert arrowsmith.open(tmp_path / "out").to_table()["x"].to_pylist() == [None, 1.5]


def test_what_is_there_is_kept_unless_it_is_a_folder_of_pictures(tmp_path):
    ds = parquet(tmp_path, label=["cat", "dog"])
    out = tmp_path / "out"
    ds.write(out, format="imagefolder")
    with pytest.raises(TargetExists):
        ds.write(out, format="imagefolder")
    ds.limit(1).write(out, format="imagefolder", overwrite=True)
    assert below(out) == ["cat/00000000.png"]
    (out / "thesis.docx").write_bytes(b"x")
    with pytest.raises(TargetError, match=r"thesis\.docx"):
        ds.write(out, format="imagefolder", overwrite=True)
    assert below(out) == ["cat/00000000.png", "thesis.docx"]
    (out / "thesis.docx").unlink()
    with pytest.raises(TargetError, match="holds a source"):
        arrowsmith.open(out / "cat").write(out, format="imagefolder", overwrite=True)


def test_a_run_that_fails_leaves_nothing(tmp_path):
    data = pa.array([png(1), b"none"], pa.binary())
    pq.write_table(pa.table({"bytes": data}), tmp_path / "in.parquet")
    for rows, what in ((2, "no picture of a known format"), (0, "no rows")):
        with pytest.raises(DataError, match=what):
            arrowsmith.open(tmp_path / "in.parquet").limit(rows).write(
                tmp_path / "out", format="imagefolder"
            )
        assert [one.name for one in tmp_path.iterdir()] == ["in.parquet"]


def test_what_does_not_fit_is_told_at_once(tmp_path):
    ds = parquet(tmp_path, label=["cat"], file_name=["x"])
    with pytest.raises(SchemaMismatch, match="file_name"):
        ds.write(tmp_path / "out", format="imagefolder")
    ds.write(tmp_path / "out", format="imagefolder", key="file_name")
    assert below(tmp_path / "out") == ["cat/x.png"]
    with pytest.raises(OptionError, match="not divided"):
        ds.write(tmp_path / "two", format="imagefolder", rows_per_file=1)
    with pytest.raises(OptionError, match="no column 'k'"):
        ds.drop("file_name").write(tmp_path / "two", format="imagefolder", key="k")
    command = [sys.executable, "-m", "arrowsmith", "convert", str(tmp_path / "in.parquet"), "-"]
    done = subprocess.run([*command, "--to", "imagefolder"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "cannot be written to standard output" in done.stderr
    assert not (tmp_path / "two").exists()


def test_tars_have_no_names_that_are_passed_over(tmp_path):
    names = [".a/x.png", "a/x.png", "__MACOSX/y.png", "/home/me/.cache/z.png", "...", "b/.c.png"]
    ds = parquet(tmp_path, path=names)
    ds.write(tmp_path / "h.tar")
    with tarfile.open(tmp_path / "h.tar") as archive:  # an independent reader
        keys = archive.getnames()
    assert keys == [
        "a/x.png", "a/x_00000001.png", "MACOSX/y.png", "home/me/cache/z.png", "___.png", "b/_c.png",
    ]  # fmt: skip
    back = arrowsmith.open(tmp_path / "h.tar").to_table()
    assert back["bytes"].to_pylist() == ds.to_table()["bytes"].to_pylist()


@pytest.mark.parametrize(
    ("columns", "what"),
    [
        ({"png": [b"x"]}, "'png' cannot be a member.*pictures of column 'bytes'"),
        ({"cls": [b"x"], "label": ["cat"]}, "'cls' cannot be a member"),
        ({"json": ["{}"], "metadata.json": ["{}"], "n": [1]}, "'metadata.json' cannot be a member"),
        ({"seg": [b"x"], "SEG": [b"y"]}, "'SEG' cannot be a member.*column 'seg'"),
        ({"1.seg": [b"x"]}, "'1.seg' is no suffix"),
    ],
)
def test_columns_that_would_be_other_members_are_refused(tmp_path, columns, what):
    ds = parquet(tmp_path, **columns)
    with pytest.raises(SchemaMismatch, match=what):
        ds.write(tmp_path / "a.tar")
    assert not (tmp_path / "a.tar").exists()


def test_members_beside_pictures_come_back(tmp_path):
    ds = parquet(tmp_path, **{"jpg": [jpeg(1)], "cls": [b"x"], "seg.png": [png(3)]})
    ds.write(tmp_path / "a.tar")
    [row] = arrowsmith.open(tmp_path / "a.tar").to_table().to_pylist()
    assert (row["bytes"], row["jpg"], row["seg.png"]) == (png(0), jpeg(1), png(3))


def test_shards_keep_labels_and_splits(tmp_path):
    ds = parquet(tmp_path, label=["cat"] * 5, split=["train"] * 3 + ["test", "other"], n=range(5))
    ds.write(tmp_path / "shards", format="image", rows_per_file=2)
    assert below(tmp_path / "shards") == [f"part-0000{n}.tar" for n in range(3)]
    back = arrowsmith.open(tmp_path / "shards").to_table().to_pylist()
    assert [row["split"] for row in back] == ["train"] * 3 + ["test", None]
    assert [json.loads(row["json"]) for row in back[3:]] == [
        {"split": "test", "n": 3},
        {"split": "other", "n": 4},
    ]
