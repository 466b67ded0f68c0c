"""The contract kit, over the reader, the sink and the transforms."""

from __future__ import annotations

import gzip
import json
import tarfile

import pyarrow as pa
import pyarrow.parquet as pq

import arrowsmith
from arrowsmith.testing import (
    Damaged,
    ReaderContract,
    SinkContract,
    TransformContract,
)
from pictures import jpeg, noise, png, saved, tarred, zipped

BYTES = pa.schema([("path", pa.string()), ("bytes", pa.binary()), ("label", pa.string())])
PICTURES = [jpeg(n) if n % 3 else png(n) for n in range(60)]
TABLE = pa.table(
    {
        "path": [f"class{n % 4}/{n:03d}.jpg" for n in range(60)],
        "bytes": PICTURES,
        "label": [f"class{n % 4}" for n in range(60)],
    },
    schema=BYTES,
)
SHARD = {f"{n:03d}.{'jpg' if n % 3 else 'png'}": data for n, data in enumerate(PICTURES)}


class TestReader(ReaderContract):
    name = "image"
    also_reads = ("png",)
    samples = {
        "one.jpg": jpeg(1),
        "one.png": png(2),
        "many.tar": tarred(SHARD),
        "many.zip": zipped(SHARD),
    }
    damaged = {
        "bad.tar": Damaged(tarred({**SHARD, "a.jpg": b"none", "b.jpg": b""}), bad=2, rows=60),
    }

    def test_compressed_file_gives_the_same(self, tmp_path):
        """As the kit has it, but for ``path``, which is the name of the compressed file."""
        for name, data in self.samples.items():
            if name.endswith(".zip"):
                continue  # read at offsets
            (tmp_path / name).write_bytes(data)
            (tmp_path / f"{name}.gz").write_bytes(gzip.compress(data))
            plain, packed = (
                arrowsmith.open(tmp_path / one).to_table().drop_columns("path")
                for one in (name, f"{name}.gz")
            )
            assert plain.equals(packed), name

    def large_sample(self, path, nbytes):
        data = jpeg(1, 600, 800)
        files = {f"{n:06d}.jpg": data for n in range(nbytes // len(data) + 1)}
        path.write_bytes(tarred(files))

    def structural_places(self, data):
        return range(0, len(data), 512)


class TestSink(SinkContract):
    name = "image"
    table = TABLE.set_column(
        1, BYTES.field("bytes"), pa.array([saved(noise(n), "PNG") for n in range(60)], pa.binary())
    )


def test_rows_come_back_from_a_tar(tmp_path):
    """The kit's round trip asks for the same columns; here facts come on top, and other paths."""
    extra = TABLE.append_column("n", pa.array(range(60))).append_column(
        "txt", pa.array([None if n % 5 else f"caption {n}" for n in range(60)])
    )
    pq.write_table(extra, tmp_path / "in.parquet")
    path = tmp_path / "out.tar"
    arrowsmith.open(tmp_path / "in.parquet").write(path)
    back = arrowsmith.open(path).to_table()
    assert back["bytes"].to_pylist() == PICTURES
    assert back["label"].to_pylist() == TABLE["label"].to_pylist()
    assert back["txt"].to_pylist() == extra["txt"].to_pylist()
    assert [json.loads(one) for one in back["json"].to_pylist()] == [{"n": n} for n in range(60)]
    with tarfile.open(path) as archive:  # an independent reader
        names = archive.getnames()
        assert names[:3] == ["class0/000.png", "class0/000.cls", "class0/000.txt"]
        assert archive.extractfile("class1/001.jpg").read() == PICTURES[1]


def test_names_are_safe_in_a_tar(tmp_path):
    names = ["/abs/a.b.jpg", "../up.jpg", "x.jpg", "x.jpg", "ä" * 120 + ".jpg", "n/" * 60 + "z.jpg"]
    table = pa.table({"path": names, "bytes": PICTURES[:6]}, schema=pa.schema(list(BYTES)[:2]))
    pq.write_table(table, tmp_path / "in.parquet")
    arrowsmith.open(tmp_path / "in.parquet").write(tmp_path / "out.tar")
    back = arrowsmith.open(tmp_path / "out.tar").to_table()
    assert back["bytes"].to_pylist() == PICTURES[:6]
    keys = [one.removeprefix(f"{tmp_path}/out.tar/") for one in back["path"].to_pylist()]
    assert keys[:3] == ["abs/a_b.png", "up.jpg", "x.jpg"]
    assert keys[3] == "x_00000003.png"
    assert keys[4] == "ä" * 120 + ".jpg"


class TestDecode(TransformContract):
    name = "decode"
    table = TABLE
    options = {"size": "16"}
    wrong_schemas = (pa.schema([("n", pa.int64())]), pa.schema([("bytes", pa.string())]))


class TestResize(TransformContract):
    name = "resize"
    table = TABLE
    options = {"size": "16"}
    wrong_schemas = (pa.schema([("n", pa.int64())]), pa.schema([("bytes", pa.string())]))


class TestEncode(TransformContract):
    name = "encode"
    table = TABLE
    options = {"column": "bytes", "to": "bytes", "format": "webp"}
    wrong_schemas = (pa.schema([("n", pa.int64())]), pa.schema([("bytes", pa.string())]))


class TestPhash(TransformContract):
    name = "phash"
    table = TABLE
    options = {}
    wrong_schemas = (pa.schema([("n", pa.int64())]), pa.schema([("phash", pa.uint64())]))
