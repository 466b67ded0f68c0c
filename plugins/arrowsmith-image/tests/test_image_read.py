"""Folders, archives and single pictures as rows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

import arrowsmith
from arrowsmith.errors import (
    ArrowsmithError,
    DataError,
    FormatError,
    SchemaMismatch,
    SourceEmpty,
    SourceError,
)
from pictures import exif, jpeg, pixels, png, saved, tarred, written, zipped


def rows(what, **options):
    return arrowsmith.open(what, **options).to_table().to_pylist()


def test_facts_of_every_format(tmp_path):
    image = Image.fromarray(pixels(1))
    clear = image.convert("RGBA")
    clear.putalpha(99)
    made = {
        "a.jpg": ("JPEG", "RGB", saved(image, "JPEG")),
        "b.png": ("PNG", "RGBA", saved(image.convert("RGBA"), "PNG")),
        "c.gif": ("GIF", "P", saved(image.convert("P"), "GIF")),
        "d.webp": ("WEBP", "RGB", saved(image, "WEBP")),
        "e.bmp": ("BMP", "RGB", saved(image, "BMP")),
        "f.tif": ("TIFF", "L", saved(image.convert("L"), "TIFF")),
        "g.ppm": ("PPM", "RGB", saved(image, "PPM")),
        "h.avif": ("AVIF", "RGB", saved(image, "AVIF")),
        "i.jpg": ("JPEG", "CMYK", saved(image.convert("CMYK"), "JPEG")),
        "j.png": ("PNG", "I;16", saved(Image.new("I;16", (32, 24)), "PNG")),
        "k.webp": ("WEBP", "RGBA", saved(clear, "WEBP", lossless=True)),
    }
    written(tmp_path, {name: data for name, (_, _, data) in made.items()})
    found = rows(tmp_path)
    assert [(r["format"], r["mode"]) for r in found] == [(f, m) for f, m, _ in made.values()]
    assert {(r["width"], r["height"], r["frames"]) for r in found} == {(32, 24, 1)}
    assert [r["bytes"] for r in found] == [data for _, _, data in made.values()]
    assert [Path(r["path"]).name for r in found] == list(made)


def test_headers_tell_without_bytes(tmp_path):
    long = jpeg(1, exif=exif(6), icc_profile=bytes(200_000))  # sizes stand far behind
    written(tmp_path, {"a.jpg": long, "b.png": png(2)})
    found = arrowsmith.open(tmp_path).select("width", "orientation").to_table().to_pylist()
    assert found == [{"width": 32, "orientation": 6}, {"width": 32, "orientation": None}]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_orientation(tmp_path, kind):
    suffix = {"JPEG": "jpg", "TIFF": "tif"}.get(kind, kind.lower())
    for turn in range(1, 9):
        data = saved(pixels(turn), kind, exif=exif(turn))
        (tmp_path / f"{turn}.{suffix}").write_bytes(data)
    assert [r["orientation"] for r in rows(tmp_path)] == list(range(1, 9))


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "TIFF", "PNG"])
def test_frames_are_counted(tmp_path, kind):
    suffix = {"TIFF": "tif"}.get(kind, kind.lower())
    images = [Image.fromarray(pixels(seed)) for seed in range(5)]
    data = saved(images[0], kind, save_all=True, append_images=images[1:])
    (tmp_path / f"a.{suffix}").write_bytes(data)
    assert rows(tmp_path)[0]["frames"] == 5


def test_labels_and_splits_from_folders(tmp_path):
    names = ["train/cat/1.jpg", "train/dog/2.jpg", "val/cat/3.jpg", "test/dog/4.jpg"]
    written(tmp_path, {name: jpeg(n) for n, name in enumerate(names)})
    found = {os.path.relpath(r["path"], tmp_path): r for r in rows(tmp_path)}
    assert {name: (found[name]["label"], found[name]["split"]) for name in names} == {
        "train/cat/1.jpg": ("cat", "train"),
        "train/dog/2.jpg": ("dog", "train"),
        "val/cat/3.jpg": ("cat", "val"),
        "test/dog/4.jpg": ("dog", "test"),
    }
    assert {r["label"] for r in rows(tmp_path, labels="none")} == {None}


def test_one_class_is_a_class(tmp_path):
    written(tmp_path, {"cat/1.jpg": jpeg(1), "cat/2.jpg": jpeg(2)})
    assert [r["label"] for r in rows(tmp_path)] == ["cat", "cat"]


def test_a_folder_is_the_same_in_a_list_and_on_the_command_line(tmp_path, monkeypatch):
    names = ["train/cat/1.jpg", "train/cat/2.jpg"]
    written(tmp_path / "in", {name: jpeg(n) for n, name in enumerate(names)})
    folder = tmp_path / "in"
    monkeypatch.chdir(tmp_path)
    for what in (folder, [folder], ["in/"], "./in", ".", folder.as_uri()):
        found = rows(what)
        split = [None, None] if what == "." else ["train"] * 2  # "in" is the first folder
        assert [r["label"] for r in found] == ["cat", "cat"], what
        assert [r.get("split") for r in found] == split, what
    command = [sys.executable, "-m", "arrowsmith", "convert", "in", "out.csv"]
    command += ["--columns", "label,split"]
    assert subprocess.run(command, capture_output=True, text=True).returncode == 0
    assert (tmp_path / "out.csv").read_text().split() == ["label,split", "cat,train", "cat,train"]


@pytest.mark.parametrize("name", ["1.jpg", "picture"])
def test_one_picture_in_a_folder_has_label_and_split(tmp_path, name):
    written(tmp_path, {f"train/cat/{name}": jpeg(1)})
    [row] = rows(tmp_path)
    assert (row["label"], row["split"], row["width"]) == ("cat", "train", 32)


def test_pictures_without_a_suffix_are_among_others(tmp_path):
    written(tmp_path, {"cat/1.jpg": jpeg(1), "dog/picture": png(2), "dog/other": png(3)})
    assert [r["format"] for r in rows(tmp_path)] == ["JPEG", "PNG", "PNG"]


def test_pictures_without_folders_have_no_label(tmp_path):
    written(tmp_path, {"1.jpg": jpeg(1), "cat/2.jpg": jpeg(2)})
    assert [r["label"] for r in rows(tmp_path)] == [None, None]
    assert [r["label"] for r in rows(tmp_path, labels="folder")] == [None, "cat"]


def test_metadata_makes_no_csv_dataset(tmp_path):
    csv = "file_name,zip,score,width\n1.jpg,007,0.5,9\nsub/2.jpg,123,,8\n"
    written(tmp_path, {"1.jpg": jpeg(1), "metadata.csv": csv.encode(), "sub/2.jpg": jpeg(2)})
    found = rows(tmp_path)
    assert [(r["zip"], r["score"], r["metadata_width"], r["width"]) for r in found] == [
        ("007", 0.5, 9, 32),
        ("123", None, 8, 32),
    ]


@pytest.mark.parametrize(
    ("texts", "values"),
    [
        ("1.10 1.1", ["1.10", "1.1"]),  # versions
        ("1 1.0", ["1", "1.0"]),
        ("-0 1.5", ["-0", "1.5"]),
        ("-0 1", ["-0", "1"]),
        ("1.0 -2.5 0.0", [1.0, -2.5, 0.0]),
        ("1 -2.5 0", [1.0, -2.5, 0.0]),
        ("1 0.000012345", [1.0, 0.000012345]),
        ("0.8444218515250481 1.5", [0.8444218515250481, 1.5]),
        ("0.84442185152504811 1.5", ["0.84442185152504811", "1.5"]),
        ("123456789012345.123 1.5", ["123456789012345.123", "1.5"]),
    ],
)
def test_metadata_is_numbers_where_the_texts_come_back(tmp_path, texts, values):
    lines = [f"{n}.png,{text}\n" for n, text in enumerate(texts.split())]
    written(tmp_path, {f"{n}.png": png(n) for n in range(len(lines))})
    (tmp_path / "metadata.csv").write_text("file_name,n\n" + "".join(lines))
    assert [repr(r["n"]) for r in rows(tmp_path)] == list(map(repr, values))


def test_metadata_of_splits_and_other_kinds(tmp_path):
    lines = json.dumps({"file_name": "1.jpg", "text": "ä cat"}) + "\n"
    written(tmp_path, {"train/1.jpg": jpeg(1), "train/metadata.jsonl": lines.encode()})
    written(tmp_path, {"test/2.jpg": jpeg(2), "test/3.jpg": jpeg(3)})
    table = pa.table({"file_name": ["3.jpg"], "text": ["a dog"]})
    pq.write_table(table, tmp_path / "test" / "metadata.parquet")
    assert [r["text"] for r in rows(tmp_path)] == [None, "a dog", "ä cat"]


def test_metadata_of_missing_pictures_is_told(tmp_path):
    written(tmp_path, {"1.jpg": jpeg(1), "metadata.csv": b"file_name,n\n1.jpg,1\n9.jpg,2\n"})
    with pytest.warns(UserWarning, match="1 pictures that are not there, such as 9.jpg"):
        assert rows(tmp_path)[0]["n"] == 1


def test_files_that_say_nothing_are_told(tmp_path):
    written(tmp_path, {"1.jpg": jpeg(1), "notes.txt": b"hello\n"})
    with pytest.warns(UserWarning, match="nothing that is used.*notes.txt"):
        assert len(rows(tmp_path)) == 1


NPY = b"\x93NUMPY\1\0v\0{'descr': '<f8', 'fortran_order': False, 'shape': (1,), }".ljust(128)
STRAYS = {
    "a/favicon.ico": b"\0\0\1\0\1\0" + bytes(60),
    "logo.svg": b"<svg xmlns='http://www.w3.org/2000/svg'></svg>",
    "labels.csv": b"file,label\n1.jpg,cat\n2.jpg,dog\n",
    "paper.pdf": b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n",
    "vectors.npy": NPY + bytes(8),
}


@pytest.mark.parametrize("name", STRAYS)
def test_other_files_among_pictures_are_left_out_and_told(tmp_path, name):
    written(tmp_path, {"1.jpg": jpeg(1), "2.jpg": b"<html>", "3.jpg": jpeg(3), name: STRAYS[name]})
    for what in (tmp_path, [tmp_path]):
        with pytest.warns(UserWarning, match=f"/{name}: left out, since most files.*format image"):
            ds = arrowsmith.open(what, on_error="skip")
        assert len(ds.to_table()) == 2
    names = sorted(str(path) for path in tmp_path.rglob("*") if path.is_file())
    with pytest.raises(ArrowsmithError):  # what is named is not left out
        arrowsmith.open(names).to_table()


def test_where_pictures_are_not_the_most_nothing_is_left_out(tmp_path):
    written(tmp_path, {"1.jpg": jpeg(1), "labels.csv": b"file,kind\n1.jpg,cat\n"})
    with pytest.raises(SchemaMismatch, match="no column in common"):
        arrowsmith.open(tmp_path)
    (tmp_path / "labels.csv").rename(tmp_path / "labels.ico")
    (tmp_path / "labels.ico").write_bytes(bytes(range(256)))
    with pytest.raises(FormatError, match=r"labels\.ico"):
        arrowsmith.open(tmp_path)


def test_tables_alone_stay_tables(tmp_path):
    written(tmp_path, {"metadata.csv": b"a\n1\n", "b.csv": b"a\n2\n"})
    assert [r["a"] for r in rows(tmp_path)] == [2, 1]


@pytest.mark.parametrize("pack", [tarred, zipped])
def test_archives(tmp_path, pack):
    files = {
        "cat/1.jpg": jpeg(1),
        "dog/2.png": png(2),
        "metadata.csv": b"file_name,n\ncat/1.jpg,7\n",
    }
    path = tmp_path / f"pictures.{'tar' if pack is tarred else 'zip'}"
    path.write_bytes(pack(files))
    found = rows(path)
    assert [r["bytes"] for r in found] == [files["cat/1.jpg"], files["dog/2.png"]]
    assert [(r["label"], r["n"]) for r in found] == [("cat", 7), ("dog", None)]
    assert found[0]["path"] == f"{path}/cat/1.jpg"


def shard(first, count=3):
    files = {}
    for n in range(first, first + count):
        files[f"{n:04d}.jpg"] = jpeg(n)
        files[f"{n:04d}.cls"] = b"%d" % (n % 2)
        files[f"{n:04d}.json"] = json.dumps({"n": n}).encode()
        if n % 2:
            files[f"{n:04d}.txt"] = f"Nº {n}".encode()
        files[f"{n:04d}.seg.png"] = png(n)
    return files


def test_webdataset_shards(tmp_path):
    written(tmp_path, {"s-0.tar": tarred(shard(0)), "s-1.tar": tarred(shard(3))})
    found = rows(str(tmp_path / "*.tar"))
    assert [r["label"] for r in found] == ["0", "1"] * 3
    assert [json.loads(r["json"])["n"] for r in found] == list(range(6))
    assert [r["txt"] for r in found] == [None, "Nº 1", None, "Nº 3", None, "Nº 5"]
    assert [r["seg.png"] for r in found] == [png(n) for n in range(6)]


def test_compressed_and_piped_tars_give_the_same(tmp_path):
    import gzip

    data = tarred(shard(0, 5))
    written(tmp_path, {"s.tar": data, "s.tar.gz": gzip.compress(data)})
    plain = [{**r, "path": None} for r in rows(tmp_path / "s.tar")]
    assert [{**r, "path": None} for r in rows(tmp_path / "s.tar.gz")] == plain
    command = [sys.executable, "-m", "arrowsmith", "head", "--json", "-", "-n", "9"]
    done = subprocess.run(command, input=data, capture_output=True, check=True)
    assert len(done.stdout.splitlines()) == 5


@pytest.mark.parametrize(
    ("late", "what"),
    [
        ({"300.png": png(1), "300.json": b"{}"}, r"no column for members '\.json'.*300\.png"),
        ({"train/300.png": png(1)}, r"no column 'split'.*train/300\.png"),
        ({"metadata.csv": b"file_name,n\n1.png,1\n"}, r"no key of a picture.*metadata\.csv"),
    ],
)
def test_what_a_stream_tells_too_late_is_told(tmp_path, late, what):
    import gzip

    data = tarred({f"{n:03d}.png": png(1, 2, 2) for n in range(210)} | late)
    (tmp_path / "s.tar.gz").write_bytes(gzip.compress(data))
    ds = arrowsmith.open(tmp_path / "s.tar.gz")
    with pytest.warns(UserWarning, match=f"s.tar.gz: .*{what}.*decompress it"):
        assert len(ds.to_table()) == 210 + any(name.endswith(".png") for name in late)


def test_single_picture_and_glob(tmp_path):
    written(tmp_path, {"a.jpg": jpeg(1), "b.jpg": jpeg(2), "c.data": jpeg(3)})
    assert rows(tmp_path / "c.data")[0]["width"] == 32
    assert len(rows(str(tmp_path / "*.jpg"))) == 2
    with_path = arrowsmith.open(tmp_path / "*.jpg", file_path_column="file").to_table()
    assert with_path["file"].to_pylist() == with_path["path"].to_pylist()


def test_a_file_path_column_keeps_labels_and_what_stands_beside(tmp_path):
    csv = b"file_name,n\n1.jpg,7\n"
    written(tmp_path, {"train/cat/1.jpg": jpeg(1), "train/cat/metadata.csv": csv})
    written(tmp_path, {"test/dog/2.jpg": jpeg(2), "test/dog/more.tar": tarred({"3.jpg": jpeg(3)})})
    ds = arrowsmith.open(tmp_path, file_path_column="file")
    found = ds.to_table().to_pylist()
    assert [(r["file"], r["split"], r["n"]) for r in found] == [
        (f"{tmp_path}/test/dog/2.jpg", "test", None),
        (f"{tmp_path}/test/dog/more.tar/3.jpg", None, None),
        (f"{tmp_path}/train/cat/1.jpg", "train", 7),
    ]
    assert [r["path"] for r in found] == [r["file"] for r in found]
    only = ds.select("file", "n").filter(f"file = '{tmp_path}/train/cat/1.jpg'")
    assert only.to_table().to_pylist() == [{"file": f"{tmp_path}/train/cat/1.jpg", "n": 7}]
    assert ds.filter("file is null").count() == 0
    assert rows(tmp_path / "train/cat/1.jpg", file_path_column="file")[0]["file"].endswith("1.jpg")


def test_hive_directories_stay_columns(tmp_path):
    written(tmp_path, {"year=1/a.jpg": jpeg(1), "year=2/b.jpg": jpeg(2), "year=2/c.jpg": jpeg(3)})
    assert [r["year"] for r in rows(tmp_path)] == [1, 2, 2]


# --- what is bad ---------------------------------------------------------------------------------


def rejected(tmp_path, folder, **options):
    path = tmp_path / f"rejects{len(list(tmp_path.iterdir()))}.jsonl"
    good = rows(folder, rejects=str(path), **options)
    lines = path.read_text().splitlines() if path.exists() else []
    return good, [json.loads(line) for line in lines]


def test_bad_pictures_are_rejects(tmp_path):
    folder = tmp_path / "pics"
    good = jpeg(1)
    written(folder, {"a.jpg": b"", "b.jpg": b"<html>", "c.jpg": png(3), "d.jpg": good})
    written(folder, {"e.png": png(1)[:20], "f.gif": bytes(100)})
    found, bad = rejected(tmp_path, folder)
    assert [(Path(r["path"]).name, r["format"]) for r in found] == [
        ("c.jpg", "PNG"),  # called as another format, and good
        ("d.jpg", "JPEG"),
    ]
    assert [Path(one["source"]).name for one in bad] == ["a.jpg", "b.jpg", "e.png", "f.gif"]
    assert "empty" in bad[0]["reason"]
    assert "no picture of a known format" in bad[1]["reason"]


def test_bad_pictures_are_errors_by_default(tmp_path):
    written(tmp_path, {"a.jpg": jpeg(1), "b.jpg": jpeg(2)[:30]})
    with pytest.raises(DataError, match=r"b\.jpg: record 1: the picture is damaged"):
        rows(tmp_path)


def test_projection_does_not_change_which_are_bad(tmp_path):
    written(tmp_path, {f"{n}.jpg": jpeg(n)[: 200 if n == 3 else None] for n in range(5)})
    ds = arrowsmith.open(tmp_path, on_error="skip")
    for name in ds.schema.names:
        assert ds.select(name).to_table().num_rows == 4, name


def test_bombs_are_rejects_and_never_allocated(tmp_path):
    import struct
    import zlib

    def chunk(name, body):
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")
    folder = written(tmp_path / "pics", {"a.png": bomb, "b.png": png(1)})
    found, bad = rejected(tmp_path, folder)
    assert len(found) == 1
    assert "60000 x 60000 pixels, above the limit of 178956970" in bad[0]["reason"]
    found, bad = rejected(tmp_path, folder, max_pixels=100)
    assert not found
    found, bad = rejected(tmp_path, folder, max_bytes=100)
    assert "above the limit of 100" in bad[1]["reason"]


def test_bad_exif_loses_no_picture(tmp_path):
    data = jpeg(1, exif=exif(6))
    place = data.index(b"Exif")
    spoiled = data[: place + 6] + b"II*\0" + b"\xff" * 12 + data[place + 22 :]
    written(tmp_path, {"a.jpg": spoiled, "b.jpg": data})
    assert [r["orientation"] for r in rows(tmp_path)] == [None, 6]


def test_nothing_there(tmp_path):
    written(tmp_path, {"a.jpg": b"", "b.jpg": b""})
    with pytest.raises(SourceEmpty):
        rows(tmp_path)
    written(tmp_path, {"c.txt": b"no picture"})
    with pytest.raises(DataError, match="no picture of a known format"):
        rows(tmp_path / "c.txt", format="image")
    written(tmp_path / "empty", {"a.tar": tarred({"a.txt": b"x"})})
    with pytest.raises(SourceError, match="no pictures"):
        rows(tmp_path / "empty", format="image")
