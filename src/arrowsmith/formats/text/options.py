"""The options of the text readers and the text sink. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from arrowsmith.plugin.options import option

Unit = Literal["lines", "paragraphs", "documents", "blocks"]


@dataclass(frozen=True, slots=True)
class TextReadOptions:
    """How to read text.

    Attributes:
        unit: what a row is: a line, a paragraph (lines up to a blank one), a document (the whole
            file, or member of an archive), or a block of ``block_bytes``.
        block_bytes: bytes of a block in the file; a multiple of 4. A character that would be cut
            goes to the next block.
        encoding: a Python codec that keeps ASCII as it is, UTF-16 or UTF-32; None finds it out.
        encoding_errors: ``strict`` makes a row with bytes that are not of the encoding a bad
            record, ``replace`` puts U+FFFD in their place.
        line_end: ``auto`` ends lines at LF and CRLF, or at CR in a file whose beginning has CR
            alone; ``lf`` and ``cr`` at nothing else.
        skip_blank: leave out lines of blanks only.
        dictionary: texts as indices into their distinct values, which batches share.
        dictionary_bytes: how large the shared dictionary may get before a new one begins.
        front_matter: YAML at the head of Markdown documents becomes columns.
        types: key of the front matter to Arrow type, such as ``{"version": "string"}``, for files
            that disagree. A value that does not fit makes a document a bad record.
        members: which members of a zip or tar are read, by patterns such as ``*.txt``; none for
            those with a suffix of text.
        range_bytes: how much text one task splits.
        max_record_bytes: the longest row; longer ones are an error.
    """

    unit: Literal["lines", "paragraphs", "documents", "blocks"] = option(
        "lines", help="what a row is"
    )
    block_bytes: int = option(
        64 << 10, help="bytes of a block, a multiple of 4", min=16, max=1 << 28, size=True
    )
    encoding: str | None = option(None, help="such as utf-8, utf-16-le, cp1252; found if unset")
    encoding_errors: Literal["strict", "replace"] = option(
        "strict", help="bytes that are not of the encoding: a bad record, or U+FFFD"
    )
    line_end: Literal["auto", "lf", "cr"] = option(
        "auto", help="what ends a line; auto: LF, CRLF, or CR in a file without LF"
    )
    skip_blank: bool = option(False, help="leave out lines of blanks only")
    dictionary: bool = option(False, help="store texts as indices into their distinct values")
    dictionary_bytes: int = option(
        1 << 20, help="how large the shared dictionary gets", min=1 << 10, max=1 << 30, size=True
    )
    front_matter: bool = option(True, help="YAML at the head of Markdown documents as columns")
    types: Mapping[str, str] = option(
        {}, help="Arrow types of front matter, such as version:string"
    )
    members: tuple[str, ...] = option((), help="members of an archive to read, such as *.txt")
    range_bytes: int = option(
        1 << 20, help="how much text one task splits", min=16, max=1 << 29, size=True
    )
    max_record_bytes: int = option(
        256 << 20, help="the longest row", min=16, max=1 << 29, size=True
    )

    def __post_init__(self) -> None:
        if self.block_bytes % 4:
            raise ValueError(f"block_bytes must be a multiple of 4, {self.block_bytes} is not")


@dataclass(frozen=True, slots=True)
class WarcReadOptions:
    """How to read WARC and WET files.

    Attributes:
        records: the types of records that become rows.
        content: the payload as text, as bytes, or not at all.
        max_record_bytes: the longest record, and the longest payload when unpacked.
    """

    records: tuple[str, ...] = option(
        ("response", "resource", "conversion"), help="the types of records that become rows"
    )
    content: Literal["text", "bytes", "none"] = option(
        "text", help="the payload decoded, as bytes, or left out"
    )
    range_bytes: int = option(
        1 << 20, help="how much one task parses", min=1 << 10, max=1 << 29, size=True
    )
    max_record_bytes: int = option(
        256 << 20, help="the longest record", min=1 << 10, max=1 << 29, size=True
    )


@dataclass(frozen=True, slots=True)
class TextWriteOptions:
    """How text is written: a line for each row, in UTF-8, each ended by a line feed.

    Attributes:
        column: the column of text; None for ``text``, or the only one that there is.
        line_breaks: a value with a line end in it, or a CR at its end, is an ``error``, or has it
            written as ``\\n``, ``\\r`` and every backslash as two with ``escape``, or a ``space``
            in its place.
        nulls: a null is an ``empty`` line, with a warning, or left out with ``skip``, or an
            ``error``.
    """

    column: str | None = option(None, help="the column of text; text, or the only one, if unset")
    line_breaks: Literal["error", "escape", "space"] = option(
        "error", help="line ends within a value"
    )
    nulls: Literal["empty", "skip", "error"] = option(
        "empty", help="what a null becomes; empty comes with a warning"
    )
