"""Damaged texts, archives and web archives, judged by Python's own decoders and unpackers.

Each case ends in an error of arrowsmith's, or in the very rows that the judge finds: a row is left
out only where the judge cannot decode it, and is then among the rejects.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from arrowsmith.catalog import get_catalog
from arrowsmith.errors import ArrowsmithError
from arrowsmith.plugin.protocols import Reject, ScanRequest
from arrowsmith.testing.checks import KitContext, opened

TEXT = "".join(f"line {n} é😀\r\n" + "\n" * (n % 3) + "a\rb\n" * (n % 2) for n in range(40))
MEMBERS = {"a.txt": b"one\ntwo", "../../up.txt": b"three\n" * 20, "x/" * 60 + "deep.md": b"vier"}


def rows(
    path: Path, name: str = "text", **options: object
) -> tuple[list[dict[str, Any]], list[Reject]]:
    """The rows, each with its file, and the rejects."""
    context = KitContext(on_error="skip", memory_limit=64 << 20)
    rejects: list[Reject] = []
    spec = get_catalog().readers()[name]
    with opened(spec, path, options, context) as reader, context.collecting(rejects):
        batches = list(reader.scan(ScanRequest()))
        table = pa.Table.from_batches(batches, reader.schema)
    table.validate(full=True)
    return table.to_pylist(), rejects


def damaged(data: bytes, cases: int, seed: int) -> Iterator[bytes]:
    """Flipped, cut, overwritten and spliced."""
    chance = random.Random(seed)
    for case in range(cases):
        changed = bytearray(data)
        at = chance.randrange(len(data))
        if case % 4 == 0:
            changed[at] ^= 1 << chance.randrange(8)
        elif case % 4 == 1:
            del changed[at:]
        elif case % 4 == 2:
            changed[at : at + 8] = chance.randbytes(chance.randrange(16))
        else:
            other = chance.randrange(len(data))
            changed[at:at] = data[other : other + chance.randrange(200)]
        yield bytes(changed)


# --- texts ---------------------------------------------------------------------------------------

MARKS = {"utf-8": [b"\xef\xbb\xbf"], "utf-16-le": [b"\xff\xfe"], "utf-16-be": [b"\xfe\xff"]}


def judged(data: bytes, encoding: str) -> Iterator[tuple[str | None, int, int]]:
    """The text of each line, None where Python cannot decode it, its number and its offset."""
    width = {"utf-16-le": 2, "utf-16-be": 2, "utf-32-le": 4}.get(encoding, 1)
    feed, back = "\n".encode(encoding), "\r".encode(encoding)
    at = next((len(mark) for mark in MARKS.get(encoding, []) if data.startswith(mark)), 0)
    units = [data[n : n + width] for n in range(at, len(data), width)]
    end = back if feed not in data and back in data[:-width] else feed
    number, line = 1, []
    for unit in [*units, None]:
        if unit is not None and unit != end:
            line.append(unit)
            continue
        if unit is not None or line:
            size = sum(map(len, line))
            if unit is not None and end == feed and line and line[-1] == back:
                line.pop()
            try:
                yield b"".join(line).decode(encoding), number, at
            except UnicodeDecodeError:
                yield None, number, at
            number, at, line = number + 1, at + size + width, []


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "cp1252", "shift_jis"]
)
def test_lines_of_damaged_text_are_those_of_python(tmp_path: Path, encoding: str) -> None:
    """Three hundred cases of each encoding; every range ends somewhere else."""
    path = tmp_path / "a.txt"
    for case, data in enumerate(damaged(TEXT.encode(encoding, "ignore"), 300, 20)):
        if not data:
            continue
        path.write_bytes(data)
        found, rejects = rows(
            path, encoding=encoding, range_bytes=max(16, len(data) // (1 + case % 9))
        )
        wanted = list(judged(data, encoding))
        good = [one for one in wanted if one[0] is not None]
        assert [(row["text"], row["line"], row["offset"]) for row in found] == good
        bad = [(line, at) for text, line, at in wanted if text is None]
        assert [(one.line, one.offset) for one in rejects] == bad


def test_damaged_documents_and_blocks_are_decoded_as_python_does(tmp_path: Path) -> None:
    """A hundred and fifty cases each, with front matter that may be damaged as well."""
    text = f"---\ntitle: x\ntags: [a]\n---\n{TEXT}".encode()
    for data in damaged(text, 150, 22):
        path = tmp_path / "a.md"
        path.write_bytes(data)
        if not data:
            continue
        found, rejects = rows(path, unit="documents", encoding="utf-8")
        assert len(found) + len(rejects) == 1
        for row in found:
            whole = data.removeprefix(b"\xef\xbb\xbf").decode()
            assert whole.endswith(row["text"])
            assert data[row["offset"] :].decode() == row["text"]
        replaced, _ = rows(
            path, unit="blocks", encoding="utf-8", encoding_errors="replace", block_bytes=16
        )
        ends = [row["offset"] for row in replaced[1:]] + [len(data)]
        for row, end in zip(replaced, ends, strict=True):
            assert row["text"] == data[row["offset"] : end].decode("utf-8", "replace")


UNPACKED: dict[str, tuple[Callable[[bytes], bytes], Callable[[bytes], bytes]]] = {
    "gz": (gzip.compress, gzip.decompress),
    "bz2": (bz2.compress, bz2.decompress),
    "xz": (lzma.compress, lzma.decompress),
    "zst": (
        lambda data: pa.compress(data, "zstd", asbytes=True),
        lambda data: pa.CompressedInputStream(pa.BufferReader(data), "zstd").read(),
    ),
}

MAGIC = {"gz": 3, "bz2": 10, "xz": 6, "zst": 4}


@pytest.mark.parametrize("suffix", UNPACKED)
def test_damaged_compression_is_an_error_or_what_python_unpacks(
    tmp_path: Path, suffix: str
) -> None:
    """Two hundred cases each. Where Python's module refuses the data, there is no table."""
    pack, unpack = UNPACKED[suffix]
    path = tmp_path / f"a.txt.{suffix}"
    packed = pack(TEXT.encode())
    refused = 0
    for data in damaged(packed, 200, 23):
        path.write_bytes(data)
        try:
            found, rejects = rows(path, encoding="utf-8")
        except ArrowsmithError:
            refused += 1
            continue
        if not data.startswith(packed[: MAGIC[suffix]]):
            continue  # no longer known to be compressed: it is read as the bytes that it is
        wanted = list(judged(unpack(data), "utf-8"))
        assert [(row["text"], row["line"], row["offset"]) for row in found] == [
            one for one in wanted if one[0] is not None
        ]
        assert len(found) + len(rejects) == len(wanted)
    assert refused > 100


# --- archives ------------------------------------------------------------------------------------


def zipped() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for number, (name, data) in enumerate(MEMBERS.items()):
            packing = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)[number]
            archive.writestr(zipfile.ZipInfo(name), data, packing)
    return stream.getvalue()


def tarred(form: int) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=form) as archive:
        for name, data in MEMBERS.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return stream.getvalue()


def judged_zip(data: bytes) -> list[tuple[str, bytes]]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return [(info.filename, archive.read(info)) for info in archive.infolist()]


def judged_tar(data: bytes) -> list[tuple[str, bytes]]:
    found = []
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:", errors="replace") as archive:
        for info in archive:
            if info.isreg() and not info.issparse():
                stream = archive.extractfile(info)
                assert stream is not None
                found.append((info.name, stream.read()))
    return found


ARCHIVES: dict[str, tuple[bytes, Callable[[bytes], list[tuple[str, bytes]]]]] = {
    "zip": (zipped(), judged_zip),
    "tar": (tarred(tarfile.GNU_FORMAT), judged_tar),
    "pax": (tarred(tarfile.PAX_FORMAT), judged_tar),
}


@pytest.mark.parametrize("kind", ARCHIVES)
def test_damaged_archives_are_errors_or_what_python_finds(tmp_path: Path, kind: str) -> None:
    """Three hundred cases each: names and contents of the members are Python's, or an error."""
    data, judge = ARCHIVES[kind]
    path = tmp_path / "a.bin"
    tables = 0
    for changed in damaged(data, 300, 24):
        magic = (0, 2) if kind == "zip" else (257, 262)
        if changed[slice(*magic)] != data[slice(*magic)]:
            continue  # no longer known to be an archive: it is read as the bytes that it is
        path.write_bytes(changed)
        try:
            found, _ = rows(path, unit="documents", encoding="latin-1", front_matter=False)
        except ArrowsmithError:
            continue
        wanted = [
            (f"{path}/{name}", text.decode("latin-1"))
            for name, text in judge(changed)
            if name.lower().endswith((".txt", ".md")) and not name.startswith("._")
        ]
        assert [(row["source"], row["text"]) for row in found] == wanted
        tables += 1
    assert tables


# --- web archives --------------------------------------------------------------------------------


def record(number: int) -> bytes:
    body = f"<p>page {number} é</p>".encode() * (number + 1)
    headers = "Content-Type: text/html; charset=utf-8\r\n"
    if number % 3 == 1:
        body, headers = gzip.compress(body, mtime=0), headers + "Content-Encoding: gzip\r\n"
    if number % 3 == 2:
        body, headers = (
            b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body),
            headers + ("Transfer-Encoding: chunked\r\n"),
        )
    block = f"HTTP/1.1 200 OK\r\n{headers}\r\n".encode() + body
    return (
        "WARC/1.0\r\nWARC-Type: response\r\nContent-Type: application/http; msgtype=response\r\n"
        f"WARC-Target-URI: https://example.org/{number}\r\nWARC-Date: 2024-02-03T04:05:06Z\r\n"
        f"Content-Length: {len(block)}\r\n\r\n"
    ).encode() + block + b"\r\n\r\n"  # fmt: skip


def test_records_away_from_the_damage_stay_as_they_are(tmp_path: Path) -> None:
    """Two thousand cases over seven records. Those that the damage does not touch are read as ever,
    at the place where they stand now; nothing comes twice."""
    parts = [record(number) for number in range(7)]
    whole = b"".join(parts)
    path = tmp_path / "a.warc"
    path.write_bytes(whole)
    sound = {row["offset"]: row for row in rows(path, "warc")[0]}
    assert len(sound) == len(parts)
    chance = random.Random(21)
    for case in range(2000):
        at = chance.randrange(len(whole))
        gone = (1, len(whole), chance.randrange(16), 0)[case % 4]
        new = (
            bytes([whole[at] ^ 1 << chance.randrange(8)]),
            b"",
            chance.randbytes(chance.randrange(16)),
            whole[: chance.randrange(400)],
        )[case % 4]
        data = whole[:at] + new + whole[at + gone :]
        if not data.startswith(b"WARC/1."):
            continue
        path.write_bytes(data)
        found, _ = rows(path, "warc", range_bytes=1024)
        places = [row["offset"] for row in found]
        assert places == sorted(set(places))
        by_place = {row["offset"]: row for row in found}
        shift = len(data) - len(whole)
        for start, row in sound.items():
            end = start + len(parts[int(row["url"].rsplit("/", 1)[1])])
            before, behind = end + 9 <= at, start > at + gone
            if before or behind:
                place = start + shift * behind
                assert by_place[place] == {**row, "offset": place}


def test_zlib_is_the_judge_of_packed_pages(tmp_path: Path) -> None:
    """Two hundred damaged bodies: zlib's own text, or a bad record."""
    body = gzip.compress(b"some text of a page " * 30, mtime=0)
    path = tmp_path / "a.warc"
    for changed in damaged(body, 200, 25):
        block = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Type: text/plain\r\n\r\n"
        block += changed
        path.write_bytes(
            b"WARC/1.0\r\nWARC-Type: response\r\nContent-Type: application/http\r\n"
            b"Content-Length: %d\r\n\r\n%s\r\n\r\n" % (len(block), block)
        )
        found, rejects = rows(path, "warc", content="bytes")
        assert len(found) + len(rejects) == 1
        if found and changed.startswith(b"\x1f\x8b"):
            assert found[0]["bytes"] == zlib.decompressobj(wbits=31).decompress(changed)
