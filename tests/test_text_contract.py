"""The contract kit over the text and WARC readers, the text sink, and the transforms of text."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import arrowsmith
from arrowsmith.errors import SourceError
from arrowsmith.testing import (
    Damaged,
    ProbeContract,
    ReaderContract,
    SinkContract,
    TransformContract,
)

LINES = ["plain", "", "é €", "\ttabs ", "x" * 70, "nul \0 here", "\u2028 no end", "same", "same"]
NAMED = pa.dictionary(pa.int32(), pa.string())


def joined(end: str = "\n", encoding: str = "utf-8") -> bytes:
    """Five hundred lines."""
    return "".join(LINES[n % len(LINES)] + end for n in range(500)).encode(encoding)


def zipped() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in MEMBERS.items():
            archive.writestr(zipfile.ZipInfo(name), data)
    return stream.getvalue()


def tarred() -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, data in MEMBERS.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return stream.getvalue()


MEMBERS = {
    "a.txt": b"one\ntwo\n",
    "docs/" + "long" * 40 + ".md": "drei\r\nvïer".encode(),
    "skipped.bin": b"\0\1\2",
    "wide.txt": "\ufeffsechs\n".encode("utf-16-le"),
}


class _TextContract(ReaderContract):
    """A column names the file, so that files of two names differ in it."""

    also_reads = ("zip",)

    def test_compressed_file_gives_the_same(self, tmp_path: Path) -> None:
        """A gzip file of the sample, which cannot be read by offset, holds the same rows."""
        for name, data in self.samples.items():
            path, packed = tmp_path / name, tmp_path / f"{name}.gz"
            path.write_bytes(data)
            packed.write_bytes(gzip.compress(data, mtime=0))
            if name.endswith(".zip"):
                with pytest.raises(SourceError, match="can only be read from a file"):
                    self._rows(packed)
            else:
                assert self._rows(packed).equals(self._rows(path))

    def _rows(self, path: Path) -> pa.Table:
        return arrowsmith.open(path, format=self.name, **self.options).drop("source").to_table()


class TestTextLines(_TextContract):
    name = "text"
    samples = {
        "lines.txt": joined(),
        "windows.txt": joined("\r\n"),
        "wide.txt": b"\xff\xfe" + joined(encoding="utf-16-le"),
        "open.md": b"a\n\nb",
        "members.zip": zipped(),
        "members.tar": tarred(),
    }
    damaged = {
        "bad.txt": Damaged("é😀éé\n".encode() + b"b\xe4d \n\n\xff\nfine\n\xc3", 3, 3),
    }


class TestTextParagraphs(_TextContract):
    name = "text"
    options = {"unit": "paragraphs"}
    samples = {
        "some.txt": b"one\ntwo\n\n\nthree\n \t\nfour\nfive" + b"\n\nmore\nlines" * 200,
        "wide.txt": "\ufeffa\r\nb\r\n\r\nc".encode("utf-16-le"),
    }


class TestTextBlocks(_TextContract):
    name = "text"
    options = {"unit": "blocks", "block_bytes": 16}
    samples = {"some.txt": ("é€😀z" * 300).encode(), "wide.txt": ("😀z" * 300).encode("utf-16")}


class TestTextDocuments(_TextContract):
    name = "text"
    options = {"unit": "documents"}
    samples = {
        "note.md": b"---\ntitle: A\nn: 3\ntags: [x, y]\n---\nbody\n",
        "plain.txt": joined(),
        "members.zip": zipped(),
        "members.tar": tarred(),
    }
    damaged = {"bad.txt": Damaged(b"good\nb\xe4d \xf0\x9f\x98\x80\xc3\xa9\n", 1, 0)}


class TestTextDictionary(_TextContract):
    name = "text"
    options = {"dictionary": True, "dictionary_bytes": 1024}
    samples = {"lines.txt": joined()}


def warc(*, broken: bool = False) -> bytes:
    """A warcinfo, responses and a conversion."""
    found = [_record("warcinfo", b"software: x\r\n", "application/warc-fields")]
    for number in range(40):
        page = f"<p>page {number} é</p>".encode()
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\r\n"
        found.append(_record("response", head + page, "application/http; msgtype=response", number))
    found.append(_record("conversion", "nur Text ü".encode(), "text/plain", 99))
    if broken:
        found[3] = found[3].replace(b"Content-Length", b"Content-Lenght")
        found[5] = found[5].replace(b"HTTP/1.1", b"HTPP/1.1")
        found[7] = found[7].replace(b"WARC/1.0", b"WRAC/1.0")
        found[-1] = found[-1][:-8]
    return b"".join(found)


def _record(kind: str, block: bytes, mime: str, number: int = 0) -> bytes:
    head = (
        f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Target-URI: https://example.org/{number}\r\n"
        f"WARC-Date: 2024-02-03T04:05:{number % 60:02}Z\r\nContent-Type: {mime}\r\n"
        f"Content-Length: {len(block)}\r\n\r\n"
    )
    return head.encode() + block + b"\r\n\r\n"


class TestWarcReader(_TextContract):
    name = "warc"
    samples = {"pages.warc": warc(), "text.wet": _record("conversion", b"hi", "text/plain")}
    damaged = {"bad.warc": Damaged(warc(broken=True), bad=4, rows=37)}


class TestTextProbe(ProbeContract):
    name = "text"
    also_reads = ("zip",)
    samples = {"lines.txt": joined(), "members.zip": zipped(), "members.tar": tarred()}


class TestTextSink(SinkContract):
    name = "text"
    table = pa.table({"text": [LINES[n % len(LINES)] for n in range(700)]})

    def test_capability_append_is_true(self, tmp_path: Path) -> None:
        """Rows added follow the old ones; the bytes are compared, since a column of the reader
        names the file."""
        path, whole = tmp_path / "out.txt", tmp_path / "whole.txt"
        rows = tmp_path / "rows.parquet"
        for table in (self.table.slice(0, 350), self.table.slice(350)):
            pq.write_table(table, rows)
            arrowsmith.open(rows).write(path, append=path.exists())
        pq.write_table(self.table, rows)
        arrowsmith.open(rows).write(whole)
        assert path.read_bytes() == whole.read_bytes()


class _TextTransform(TransformContract):
    table = pa.table(
        {
            "text": pa.array(
                [None if n % 11 == 0 else LINES[n % 9] + f" w{n}" for n in range(300)]
            ),
            "tokens": pa.array(
                [None if n % 7 == 0 else ["a"] * (n % 4) + [f"t{n % 13}"] for n in range(300)]
            ),
            "ids": pa.array([None if n % 5 == 0 else list(range(n % 6)) for n in range(300)]),
        }
    )


class TestNormalizeText(_TextTransform):
    name = "normalize_text"


class TestTokenize(_TextTransform):
    name = "tokenize"


class TestVocab(_TextTransform):
    name = "vocab"


class TestPack(_TextTransform):
    name = "pack"
    options = {"length": 7}


class TestTextStats(_TextTransform):
    name = "text_stats"
