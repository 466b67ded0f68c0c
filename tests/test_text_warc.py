"""WARC and WET."""

from __future__ import annotations

import datetime as dt
import gzip
import zlib
from pathlib import Path

import pyarrow as pa
import pytest

import arrowsmith
from arrowsmith.errors import DataError

HTTP = "application/http; msgtype=response"


def record(kind: str, block: bytes, mime: str = HTTP, date: str = "2024-02-03T04:05:06Z") -> bytes:
    head = (
        f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Target-URI: https://example.org/é\r\n"
        f"WARC-Date: {date}\r\nContent-Type: {mime}\r\nContent-Length: {len(block)}\r\n\r\n"
    )
    return head.encode() + block + b"\r\n\r\n"


def page(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    return "".join(f"{line}\r\n" for line in (f"HTTP/1.1 {status}", *headers, "")).encode() + body


def rows(path: Path, *records: bytes, **options: object) -> list[dict[str, object]]:
    """The records, each compressed by itself, as crawlers write them."""
    path.write_bytes(b"".join(map(gzip.compress, records)))
    return arrowsmith.open(path, **options).drop("source").to_table().to_pylist()


def test_pages(tmp_path: Path) -> None:
    """What the WARC and the HTTP headers say; records of other types are left out."""
    body = "<p>grüß dich</p>".encode()
    first = record("warcinfo", b"software: x\r\n", "application/warc-fields")
    second = record("response", page(body, "Content-Type: text/HTML; charset=utf-8"))
    third = record("response", page(b"\x89PNG", "Content-Type: image/png", status="404 No"))
    fourth = record("conversion", body, "text/plain", "2024-02-03T04:05:06.789Z")
    found = rows(tmp_path / "a.warc.gz", first, second, third, fourth)
    at = dt.datetime(2024, 2, 3, 4, 5, 6, tzinfo=dt.UTC)
    assert found == [
        {
            "url": "https://example.org/é",
            "date": at,
            "mime": "text/html",
            "status": 200,
            "type": "response",
            "charset": "utf-8",
            "text": body.decode(),
            "offset": len(first),
        },
        found[0]
        | {"mime": "image/png", "status": 404, "charset": None, "text": None}
        | {"offset": len(first + second)},
        found[0]
        | {"mime": "text/plain", "status": None, "type": "conversion"}
        | {"offset": len(first + second + third), "date": at.replace(microsecond=789_000)},
    ]
    raw = rows(tmp_path / "a.warc.gz", second, third, content="bytes")
    assert [row["bytes"] for row in raw] == [body, b"\x89PNG"]
    every = rows(tmp_path / "a.warc.gz", first, second, records="warcinfo", content="none")
    assert [row["type"] for row in every] == ["warcinfo"]


@pytest.mark.parametrize(
    ("body", "headers", "charset"),
    [
        ("grüß", ["Content-Type: text/html; charset=ISO-8859-1"], "cp1252"),
        ('<meta charset="windows-1251">привет', ["Content-Type: text/html"], "cp1251"),
        ("grüß", ["Content-Type: text/plain"], "utf-8"),
        ("grüß", [], "cp1252"),
        ("\ufeffgrüß", ["Content-Type: text/plain; charset=latin-1"], "utf-8"),
    ],
)
def test_charsets(tmp_path: Path, body: str, headers: list[str], charset: str) -> None:
    block = page(body.encode(charset), *headers)
    (row,) = rows(tmp_path / "a.warc", record("response", block))
    assert (row["text"], row["charset"]) == (body.removeprefix("\ufeff"), charset)


def test_packed_and_chunked_bodies(tmp_path: Path) -> None:
    body = b"some text " * 50
    chunked = b"".join(b"%x;x=1\r\n%s\r\n" % (len(b), b) for b in (body[:300], body[300:]))
    plain = zlib.compressobj(wbits=-15)
    blocks = [
        page(chunked + b"0\r\n\r\n", "Transfer-Encoding: chunked"),
        page(gzip.compress(body), "Content-Encoding: gzip"),
        page(zlib.compress(body), "Content-Encoding: deflate"),
        page(plain.compress(body) + plain.flush(), "Content-Encoding: deflate"),
        page(body, "Content-Encoding: gzip", "Transfer-Encoding: chunked"),
    ]
    found = rows(tmp_path / "a.warc", *(record("response", block) for block in blocks))
    assert [row["text"] for row in found] == [body.decode()] * 5
    with pytest.warns(match="pages packed with 'br' have null as text"):
        (row,) = rows(tmp_path / "a.warc", record("response", page(b"\1", "Content-Encoding: br")))
    assert row["text"] is None


def test_a_gzip_body_of_several_members(tmp_path: Path) -> None:
    packed = gzip.compress(b"first half, ") + gzip.compress(b"second half")
    for body in (packed, packed + b"\0\0", packed + b"\n"):
        (row,) = rows(tmp_path / "a.warc", record("response", page(body, "Content-Encoding: gzip")))
        assert row["text"] == "first half, second half"
    many = gzip.compress(b"x") * 100_000  # each leaves all that follow
    (row,) = rows(tmp_path / "a.warc", record("response", page(many, "Content-Encoding: gzip")))
    assert row["text"] == "x" * 100_000
    for body, reason in (
        (packed[:-3], "cut off"),
        (packed + gzip.compress(bytes(1 << 20)), "unpacks to more"),
    ):
        block = page(body, "Content-Encoding: gzip")
        with pytest.raises(DataError, match=reason):
            rows(tmp_path / "a.warc", record("response", block), max_record_bytes="64KB")


def test_a_body_that_unpacks_to_too_much(tmp_path: Path) -> None:
    block = page(gzip.compress(bytes(1 << 20)), "Content-Encoding: gzip")
    with pytest.raises(DataError, match="unpacks to more than max_record_bytes"):
        rows(tmp_path / "a.warc", record("response", block), max_record_bytes="64KB")


def test_reading_goes_on_behind_a_bad_record(tmp_path: Path) -> None:
    good = record("conversion", b"fine", "text/plain")
    for bad in (
        good.replace(b"Length: 4", b"Length: 5000"),
        good.replace(b"Length: 4", b"Length: 2"),
        good.replace(b"Length: 4", b"Length: x"),
        good.replace(b"WARC/1.0", b"WARX/1.0"),
        good.replace(b"2024-02-03", b"2024-02-33"),
    ):
        path = tmp_path / "a.warc"
        path.write_bytes(good + bad + good)
        with pytest.raises(DataError, match=rf"record 1, byte {len(good)}: "):
            arrowsmith.open(path).to_table()
        found = arrowsmith.open(path, on_error="skip").to_table()
        assert found["offset"].to_pylist() == [0, len(good + bad)]


def test_records_larger_than_a_range(tmp_path: Path) -> None:
    path = tmp_path / "a.warc"
    bodies = [bytes([65 + n % 26]) * (n * 700) for n in range(12)]
    path.write_bytes(b"".join(record("conversion", body, "text/plain") for body in bodies))
    table = arrowsmith.open(path, range_bytes="1KB").to_table()
    assert table["text"].to_pylist() == [body.decode() for body in bodies]
    assert table.schema.field("date").type == pa.timestamp("us", "UTC")


def test_a_record_that_is_none_does_not_take_the_rest_along(tmp_path: Path) -> None:
    """What stands where a record begins, and only looks like one, ends at the next record."""
    good = record("conversion", b"fine", "text/plain")
    for bad in (b"WARC/1.0\r\xa9 no version line\n", b"WARC/1.x\r\n\r\n", b"WARC/1.0 \r\n" * 9):
        path = tmp_path / "a.warc"
        path.write_bytes(good + bad + good)
        found = arrowsmith.open(path, on_error="skip").to_table()
        assert found["offset"].to_pylist() == [0, len(good + bad)]
