"""The payload of a web page as a WARC has it: HTTP headers, chunks, compression, characters.

Source: RFC 9110 and RFC 9112; the names of encodings by Python's codecs.
"""

from __future__ import annotations

import codecs
import re
import zlib
from dataclasses import dataclass

from arrowsmith.formats.text.encodings import coding_of

_STATUS = re.compile(rb"HTTP/[0-9.]+ +([0-9]{3})\b")
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([A-Za-z0-9_.:-]+)", re.I)
_META = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?([A-Za-z0-9_.:-]+)", re.I)
_META_WITHIN = 1024
_END = re.compile(rb"\r?\n\r?\n")
_TEXTUAL = re.compile(r"text/|application/(?:[\w.-]+\+)?(?:xml|json|xhtml|javascript)", re.I)
_GZIP = b"\x1f\x8b"
_PIECE = 16 << 10
_WINDOWS = {"gzip": 31, "x-gzip": 31, "deflate": 15}
_LATIN = ("iso8859-1", "ascii")  # what browsers read as cp1252


@dataclass(frozen=True, slots=True)
class Page:
    """What a response holds.

    Attributes:
        status: None where it is no HTTP.
        mime: without parameters, in lower case.
        charset: as the headers have it.
        body: unchunked and unpacked.
        packed: a compression that is not read.
    """

    status: int | None
    mime: str | None
    charset: str | None
    body: bytes
    packed: str | None = None


def headers_of(head: bytes) -> dict[str, str]:
    """Headers by name in lower case; of several of a name the first. The first line is none."""
    found: dict[str, str] = {}
    last = ""
    for line in head.decode("utf-8", "replace").splitlines()[1:]:
        if line[:1] in (" ", "\t") and last:
            found[last] += " " + line.strip()
            continue
        name, colon, value = line.partition(":")
        if colon and (last := name.strip().lower()):
            found.setdefault(last, value.strip())
    return found


def page(block: bytes, most: int) -> Page:
    """The parts of an HTTP response.

    Raises:
        ValueError: the status line, the chunks or the compressed body are damaged, or the body is
            longer than ``most``.
    """
    status = _STATUS.match(block)
    if status is None:
        raise ValueError("does not begin with an HTTP status")
    end = _END.search(block)
    head, body = (block, b"") if end is None else (block[: end.start()], block[end.end() :])
    headers = headers_of(head)
    if "chunked" in headers.get("transfer-encoding", "").lower():
        body = _unchunked(body)
    packed = headers.get("content-encoding", "").lower().strip()
    unknown = None
    if packed in _WINDOWS:
        body = _unpacked(body, _WINDOWS[packed], most)
    elif packed not in ("", "identity", "none"):
        unknown = packed
    mime, charset = mime_of(headers.get("content-type"))
    return Page(int(status[1]), mime, charset, body, unknown)


def mime_of(content_type: str | None) -> tuple[str | None, str | None]:
    """Type and character set of a Content-Type.

    Example:
        >>> mime_of("Text/HTML; charset=UTF-8")
        ('text/html', 'UTF-8')
    """
    if not content_type:
        return None, None
    charset = _CHARSET.search(content_type)
    return content_type.partition(";")[0].strip().lower() or None, charset[1] if charset else None


def decoded(body: bytes, mime: str | None, charset: str | None) -> tuple[str | None, str | None]:
    """The text of a body and the encoding that it was read in; None for what is no text.

    The encoding is the header's, or that of an HTML ``meta``, or found from the bytes. Bytes that
    are not of it become U+FFFD.
    """
    if mime is not None and not _TEXTUAL.match(mime):
        return None, None
    if charset is None and (meta := _META.search(body, 0, _META_WITHIN)):
        charset = meta[1].decode("ascii")
    found = coding_of(body[: 64 << 10], None)
    name, mark = found.name, found.mark
    if not mark and charset is not None:
        try:
            known = codecs.lookup(charset).name
            name = "cp1252" if known in _LATIN else known
            return str(body, name, "replace"), name
        except (LookupError, UnicodeError, ValueError):
            name = found.name
    return str(memoryview(body)[mark:], name, "replace"), name


def _unchunked(body: bytes) -> bytes:
    """The chunks of a body put together; a body that has none stays as it is."""
    parts: list[bytes] = []
    at = 0
    while True:
        end = body.find(b"\n", at, at + 1024)
        size = body[at:end].partition(b";")[0].strip() if end >= 0 else b""
        if not re.fullmatch(rb"[0-9A-Fa-f]{1,8}", size):
            if not parts:
                return body  # crawlers put chunks together and leave the header as it was
            raise ValueError("a chunk of its body has no length")
        count = int(size, 16)
        if not count:
            return b"".join(parts)
        if end + 1 + count > len(body):
            raise ValueError("a chunk of its body is cut off")
        parts.append(body[end + 1 : end + 1 + count])
        at = end + 1 + count
        at += 2 if body.startswith(b"\r\n", at) else 1


def _unpacked(body: bytes, window: int, most: int) -> bytes:
    """A body unpacked; one that is not packed stays as it is."""
    if window == 31:
        return _unzipped(body, most)
    try:
        unpacker = zlib.decompressobj(wbits=window)
        text = unpacker.decompress(body, most + 1)
    except zlib.error:
        try:
            unpacker = zlib.decompressobj(wbits=-15)
            text = unpacker.decompress(body, most + 1)
        except zlib.error:
            return body
    _check_unpacked(len(text), most, unpacker.eof)
    return text


def _unzipped(body: bytes, most: int) -> bytes:
    """All members of a gzip body (RFC 1952, 2.2); what follows them is left aside."""
    parts: list[bytes] = []
    size = at = 0
    while body.startswith(_GZIP, at):
        unpacker = zlib.decompressobj(wbits=31)
        while at < len(body) and not unpacker.eof and size <= most:
            piece = body[at : at + _PIECE]  # what is behind a member is copied for each of them
            try:
                parts.append(unpacker.decompress(piece, most - size + 1))
            except zlib.error:
                raise ValueError("its compressed body is damaged") from None
            at += len(piece) - len(unpacker.unused_data)
            size += len(parts[-1])
        _check_unpacked(size, most, unpacker.eof)
    return b"".join(parts) if at else body


def _check_unpacked(size: int, most: int, ended: bool) -> None:
    if size > most:
        raise ValueError(f"its body unpacks to more than max_record_bytes={most}")
    if not ended:
        raise ValueError("its compressed body is cut off")
