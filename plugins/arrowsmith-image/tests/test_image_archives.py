"""Archives: awkward, hostile and damaged; names, links, sizes and counts."""

from __future__ import annotations

import gzip
import io
import json
import random
import struct
import tarfile
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import arrowsmith
from arrowsmith.errors import ArrowsmithError, DataError
from arrowsmith.location import FileSource
from arrowsmith.plugin import ScanRequest
from arrowsmith.testing import KitContext
from arrowsmith_image.options import ReadOptions
from arrowsmith_image.reader import ImageReader
from arrowsmith_image.samples import is_picture
from pictures import jpeg, png, tarred, written, zipped

REQUEST = ScanRequest(columns=None, predicate=None, limit=None, batch_rows=64, batch_bytes=1 << 20)
MEMBERS = {f"{label}/{n}.png": png(n, 6, 8) for label in ("cat", "dog") for n in range(3)}
MEMBERS["cat/0.txt"] = b"a cat"
MEMBERS["metadata.csv"] = b"file_name,n\ncat/1.png,1\n"


def rows(path, **options):
    return arrowsmith.open(path, **options).to_table().to_pylist()


def read(path):
    """The rows as (name, bytes), by the reader alone."""
    ctx = KitContext(on_error="skip")
    with FileSource(path) as source, ImageReader(source, ReadOptions(), ctx) as reader:
        table = [batch.to_pylist() for batch in reader.scan(REQUEST)]
    return [(row["path"].removeprefix(f"{path}/"), row["bytes"]) for one in table for row in one]


# --- awkward -------------------------------------------------------------------------------------


@pytest.mark.parametrize("pack", [tarred, zipped])
def test_names_with_dots_are_pictures_of_their_own(tmp_path, pack):
    """As in Dogs vs. Cats, whose pictures are called ``cat.0.jpg``."""
    files = {f"train/{kind}.{n}.jpg": jpeg(n) for kind in ("cat", "dog") for n in range(4)}
    (tmp_path / "a").write_bytes(pack(files))
    assert [r["bytes"] for r in rows(tmp_path / "a")] == list(files.values())


@pytest.mark.parametrize("pack", [tarred, zipped])
def test_names_as_tools_write_them(tmp_path, pack):
    files = {
        "./train/cat/1.jpg": jpeg(1),
        "__MACOSX/train/cat/._1.jpg": b"AppleDouble",
        "./train/cat/.2.jpg": b"hidden",
        "./metadata.csv": b"file_name,n\ntrain/cat/1.jpg,7\n",
    }
    (tmp_path / "a").write_bytes(pack(files))
    found = rows(tmp_path / "a")
    assert [(r["label"], r["split"], r["n"], r["bytes"]) for r in found] == [
        ("cat", "train", 7, jpeg(1))
    ]


def test_annotations_in_archives(tmp_path):
    told = {
        "images": [{"id": 1, "file_name": "a.jpg"}],
        "categories": [{"id": 2, "name": "cat"}],
        "annotations": [{"image_id": 1, "category_id": 2, "bbox": [1, 2, 3, 4]}],
    }
    files = {"images/a.jpg": jpeg(1), "annotations/all.json": json.dumps(told).encode()}
    (tmp_path / "a.zip").write_bytes(zipped(files))
    [row] = rows(tmp_path / "a.zip")
    assert [(one["category"], one["bbox_xywh"]) for one in row["objects"]] == [
        ("cat", [1.0, 2.0, 3.0, 4.0])
    ]


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz", "a.zip"])
@pytest.mark.parametrize("kind", ["txt", "json", "caption", "cls"])
def test_texts_that_are_not_utf8_are_told_once(tmp_path, name, kind):
    files = {f"{n}.png": png(n) for n in range(3)}
    files |= {f"{n}.{kind}": "Käse".encode("latin-1" if n else "utf-8") for n in range(3)}
    files = dict(sorted(files.items()))
    data = zipped(files) if name.endswith("zip") else tarred(files)
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    ds = arrowsmith.open(tmp_path / name)
    with pytest.warns(UserWarning, match="are not UTF-8") as told:
        found = ds.to_table()["label" if kind == "cls" else kind].to_pylist()
    assert found == ["Käse", "K\ufffdse", "K\ufffdse"]
    [message] = [str(one.message) for one in told]
    assert message.startswith(f"{tmp_path / name}: members '.{kind}' are not UTF-8 (1.{kind}, say)")


def test_the_same_name_twice_is_two_rows(tmp_path):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for seed in (1, 2):
            info = tarfile.TarInfo("a.jpg")
            info.size = len(jpeg(seed))
            archive.addfile(info, io.BytesIO(jpeg(seed)))
    (tmp_path / "a.tar").write_bytes(stream.getvalue())
    assert {r["bytes"] for r in rows(tmp_path / "a.tar")} == {jpeg(1), jpeg(2)}


def test_archives_one_behind_the_other_are_read_on(tmp_path):
    data = tarred({"a.jpg": jpeg(1)}) + tarred({"b.jpg": jpeg(2)})
    (tmp_path / "a.tar").write_bytes(data)
    with pytest.warns(UserWarning, match="goes on behind an end"):
        assert len(rows(tmp_path / "a.tar")) == 2
    (tmp_path / "b.tar").write_bytes(tarred({"a.jpg": jpeg(1)}) + b"signature")
    with pytest.warns(UserWarning, match="behind its end"):
        assert len(rows(tmp_path / "b.tar")) == 1


# --- hostile -------------------------------------------------------------------------------------


def test_names_that_lead_out_are_labels_and_never_paths(tmp_path):
    names = ["/etc/a.jpg", "../../b.jpg", "c/../../../d.jpg"]
    folder = tmp_path / "in"
    folder.mkdir()
    for pack in (tarred, zipped):
        path = folder / "a"
        path.write_bytes(pack({name: jpeg(n) for n, name in enumerate(names)}))
        assert [r["path"] for r in rows(path)] == [f"{path}/{name}" for name in names]
        for format in ("image", "imagefolder"):
            out = tmp_path / "out" / f"{pack.__name__}.{format}"
            out.parent.mkdir(exist_ok=True)
            arrowsmith.open(path).write(out, format=format)
            assert len(rows(out)) == 3
    assert {one.name for one in tmp_path.iterdir()} == {"in", "out"}
    assert [one.name for one in folder.iterdir()] == ["a"]


def test_links_are_not_followed(tmp_path):
    secret = written(tmp_path, {"secret.jpg": jpeg(9)}) / "secret.jpg"
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE):
            info = tarfile.TarInfo(f"{kind.decode()}.jpg")
            info.type, info.linkname = kind, str(secret)
            archive.addfile(info)
        info = tarfile.TarInfo("good.jpg")
        info.size = len(jpeg(1))
        archive.addfile(info, io.BytesIO(jpeg(1)))
    (tmp_path / "a.tar").write_bytes(stream.getvalue())
    with pytest.warns(UserWarning, match="4 links, devices or sparse files, passed over"):
        assert [r["bytes"] for r in rows(tmp_path / "a.tar")] == [jpeg(1)]

    link = zipfile.ZipInfo("link.jpg")
    link.external_attr = 0o120777 << 16
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(link, str(secret))
        archive.writestr("good.jpg", jpeg(1))
    (tmp_path / "a.zip").write_bytes(stream.getvalue())
    assert [r["bytes"] for r in rows(tmp_path / "a.zip", on_error="skip")] == [jpeg(1)]


def test_zip_bombs_stay_packed(tmp_path):
    """64 MB of zeros in 64 KB, once told and once denied by the directory."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("bomb.jpg", bytes(64 << 20))
        archive.writestr("good.jpg", jpeg(1))
    told = stream.getvalue()
    size = struct.pack("<I", 64 << 20)
    assert told.count(size) == 2
    for name, data in (("told", told), ("denied", told.replace(size, struct.pack("<I", 500)))):
        (tmp_path / name).write_bytes(data)
        found = rows(tmp_path / name, on_error="skip", max_bytes="1MB")
        assert [r["bytes"] for r in found] == [jpeg(1)]


def test_bombs_in_compressed_streams_are_not_held(tmp_path):
    data = gzip.compress(tarred({"0.jpg": bytes(32 << 20), "1.jpg": jpeg(1)}))
    (tmp_path / "a.tar.gz").write_bytes(data)
    found = rows(tmp_path / "a.tar.gz", on_error="skip", budget="64MB")
    assert [r["bytes"] for r in found] == [jpeg(1)]
    many = {f"0.{chr(97 + n)}": bytes(3 << 20) for n in range(10)}
    (tmp_path / "b.tar.gz").write_bytes(gzip.compress(tarred({"0.jpg": jpeg(1), **many})))
    with pytest.warns(UserWarning, match="larger than memory lets"):
        [row] = rows(tmp_path / "b.tar.gz", budget="64MB")
    assert row["bytes"] == jpeg(1)
    assert sum(row[f"{chr(97 + n)}"] is not None for n in range(10)) == 2


def test_member_counts_are_bounded(tmp_path):
    (tmp_path / "a.tar").write_bytes(tarred({f"0.k{n}": b"" for n in range(300)} | {"0.jpg": b""}))
    with pytest.raises(DataError, match="more than 256 members of the key '0'"):
        rows(tmp_path / "a.tar", format="image")
    (tmp_path / "b.tar").write_bytes(tarred({f"{n}.txt": b"" for n in range(10_001)}))
    ctx = KitContext(memory_limit=1 << 20)
    with FileSource(tmp_path / "b.tar") as source, pytest.raises(DataError, match="10,000 members"):
        ImageReader(source, ReadOptions(), ctx)


# --- damaged -------------------------------------------------------------------------------------


def spoiled(data, chance):
    """Bytes flipped, cut, removed, doubled, zeroed; half of the time where members begin."""
    out = bytearray(data)
    places = [at for at in range(len(data)) if data[at : at + 2] == b"PK"] or [
        *range(0, len(data), 512)
    ]
    for _ in range(chance.randint(1, 2)):
        at = chance.randrange(len(out) or 1)
        if chance.random() < 0.5:
            at = min(chance.choice(places) + chance.randrange(64), max(len(out) - 1, 0))
        size = chance.randint(1, 600)
        how = chance.randrange(6)
        if how == 0 and out:
            out[at] ^= 1 << chance.randrange(8)
        elif how == 1:
            del out[at:]
        elif how == 2:
            del out[at : at + size]
        elif how == 3:
            out[at:at] = out[at : at + size]
        elif how == 4:
            out[at : at + size] = bytes(size)
        else:
            out[at : at + 4] = chance.choice((b"\xff" * 4, b"7777", b"\x80\0\0\0"))
    return bytes(out)


def by_tarfile(path):
    try:
        with tarfile.open(path, ignore_zeros=True) as archive:
            return {one.name for one in archive if one.isreg()}
    except tarfile.ReadError:
        return set()


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("part", range(3))
def test_damaged_tars(tmp_path, part):
    """An error, or rows that hold what stands in the file, by the names that tarfile reads."""
    chance = random.Random(part)
    whole, path = tarred(MEMBERS), tmp_path / "a.tar"
    for _ in range(400):
        data = spoiled(whole, chance)
        path.write_bytes(data)
        try:
            found = read(path)
        except ArrowsmithError:
            continue
        assert all(value in data for _, value in found)
        assert {name for name, _ in found} <= by_tarfile(path)


@pytest.mark.parametrize("part", range(3))
def test_damaged_zips(tmp_path, part):
    """An error, or rows whose bytes are those that were packed: each has a checksum."""
    chance = random.Random(part)
    whole, path = zipped(MEMBERS), tmp_path / "a.zip"
    packed = {data for name, data in MEMBERS.items() if is_picture(name)}
    for _ in range(400):
        path.write_bytes(spoiled(whole, chance))
        try:
            found = read(path)
        except ArrowsmithError:
            continue
        assert {value for _, value in found} <= packed


COCO = json.dumps(
    {
        "images": [{"id": 1, "file_name": "a.jpg"}],
        "categories": [{"id": 2, "name": "cat"}],
        "annotations": [{"image_id": 1, "category_id": 2, "bbox": [1, 2, 3, 4], "area": 12.5}],
    }
).encode()
VOC = b"""<annotation><object><name>cat</name><bndbox><xmin>1</xmin><ymin>2</ymin><xmax>3</xmax>
<ymax>4</ymax></bndbox></object></annotation>"""
BESIDE = {
    "metadata.csv": b'file_name,n,text\na.jpg,007,"a ""b"""\n',
    "metadata.jsonl": b'{"file_name": "a.jpg", "n": [1, 2.5], "o": {"a": null}}\n',
    "coco.json": COCO,
    "a.xml": VOC,
    "a.txt": b"0 0.5 0.5 0.25 0.25\n1 0 0 1 1 0 1\n",
}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", BESIDE)
def test_damaged_files_beside_pictures(tmp_path, name):
    """An error that names the file, or a table with the picture in it."""
    chance = random.Random(name)
    whole = BESIDE[name]
    for _ in range(120):
        data = bytearray(whole)
        at = chance.randrange(len(data))
        how = chance.randrange(3)
        if how == 0:
            data[at] = chance.randrange(256)
        elif how == 1:
            del data[at : at + chance.randint(1, 8)]
        else:
            data[at:at] = chance.choice(
                (b"[" * 50, b"\0", b"1e999", b"-", b'"', b"<", b"\xff", b"\n")
            )
        folder = written(tmp_path, {"a.jpg": jpeg(1), name: bytes(data)})
        try:
            found = rows(folder)
        except DataError as error:
            assert name in str(error)  # noqa: PT017
            continue
        assert [r["bytes"] for r in found] == [jpeg(1)]


@settings(max_examples=60)
@given(
    names=st.lists(
        st.text(
            st.characters(exclude_characters="\0", exclude_categories=["Cs"]),
            min_size=1,
            max_size=40,
        ),
        max_size=6,
        unique=True,
    )
)
def test_any_names_come_back_from_any_archive(tmp_path_factory, names):
    """Every picture is a row, whatever it is called, as Python's own modules list them."""
    path = tmp_path_factory.mktemp("any") / "a"
    files = {f"x/{number}{name}.png": png(number, 4, 4) for number, name in enumerate(names)}
    files["last.png"] = png(99, 4, 4)
    for pack in (tarred, zipped):
        path.write_bytes(pack(files))
        hidden = sum("/." in f"/{name}" for name in files)
        found = [value for _, value in read(path)]
        assert len(found) >= len(files) - hidden
        assert set(found) <= set(files.values())
