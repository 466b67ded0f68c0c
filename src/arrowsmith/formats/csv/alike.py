"""Finds that a small file is like one that was looked at before, without looking as closely.

A folder of a thousand files has mostly one header in them all. What :func:`sniff` would find of
such a file is found by one run of the parser, with the types of the other file: where it takes all
values, few are left to be looked at as text, to see whether a narrower type would have done.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa

from arrowsmith.formats.csv.columns import NS, US, Column
from arrowsmith.formats.csv.dialect import Dialect
from arrowsmith.formats.csv.guard import doubtful
from arrowsmith.formats.csv.infer import Guess, guess
from arrowsmith.formats.csv.masks import valid
from arrowsmith.formats.csv.parse import parse, parse_text
from arrowsmith.formats.csv.probe import DELIMITERS
from arrowsmith.formats.csv.ranges import Range, last_end
from arrowsmith.formats.csv.read_options import CsvReadOptions
from arrowsmith.formats.csv.sniff import BOM, Sniffed, columns_of, has_header, preferred, sample_of
from arrowsmith.plugin.protocols import Source

_DAY = 86_400_000_000  # microseconds
_PERHAPS = np.zeros(256, np.bool_)
_PERHAPS[[ord(c) for c in " \t+-.0123456789\\eEfFiInNtT"]] = True
"""Bytes that a value of a type other than text, or a token for null, may begin with."""


def alike(source: Source, options: CsvReadOptions, like: Sniffed) -> Sniffed | None:
    """What ``sniff()`` would find, or None where only ``sniff()`` can tell.

    Args:
        like: what it found of another file, with the same options.
    """
    size = sample_of(options)
    raw = source.head(size)
    skipped = len(BOM) if raw.startswith(BOM) else 0
    first = like.first
    end = skipped + len(first)
    rest = raw[end:]
    if not _same_dialect(first, like.dialect, source.name, options):
        return None
    if len(raw) == size or raw[skipped:end] != first or not rest.strip(b"\r\n") or b"\0" in rest:
        return None
    if first.endswith(b"\r") and rest.startswith(b"\n"):
        return None
    below = _guesses(rest, end, like, options)
    if below is None or (options.header is None and not has_header(like.above, below)):
        return None
    known = replace(like, start=end, whole=True)
    if below != like.below:
        columns = columns_of(like.names, below, options)
        guesses = dict(zip(like.names, below, strict=True))
        guesses = {name: found for name, found in guesses.items() if name not in options.types}
        known = replace(known, below=below, columns=columns, guesses=guesses)
    return like if known == like else known  # what is shared takes no memory


def _same_dialect(first: bytes, dialect: Dialect, name: str, options: CsvReadOptions) -> bool:
    """Whether a file whose first record is ``first`` can have no other dialect.

    No other delimiter stands in it, so that by any other it has one field.
    """
    if not first.strip() or options.infer == "none":
        return False
    if options.delimiter:
        return True
    if any(d.encode() in first for d in DELIMITERS if d != dialect.delimiter):
        return False
    return dialect.delimiter_byte in first or preferred(name) == dialect.delimiter


def _guesses(
    text: bytes, offset: int, like: Sniffed, options: CsvReadOptions
) -> tuple[Guess, ...] | None:
    """A guess for each column of ``text``, the same as from its text; None for faulty records."""
    dialect, names = like.dialect, [str(place) for place in range(len(like.names))]
    quoted, faulty = False, False
    if dialect.quote and dialect.quote_bytes in text:
        end = last_end(bytearray(text), len(text), True, dialect)
        quoted, faulty = end.quoted, end.faulty
    if faulty:
        return None
    kinds = [pa.string() if g.tokens or pa.types.is_null(g.type) else g.type for g in like.below]
    columns = [Column(name, kind) for name, kind in zip(names, kinds, strict=True)]
    types = dict(zip(names, kinds, strict=True))
    try:
        batch = parse(text, dialect, names, types, options.nulls, quoted=quoted)
        piece = Range(bytearray(text), len(text), offset, quoted, faulty)
        if doubtful(piece, batch, columns, dialect, names):
            return None
        unsure = [
            name
            for name, column, known in zip(names, batch.columns, like.below, strict=True)
            if not _confirms(column, known)
        ]
        cells = dict(zip(names, batch.columns, strict=True))
        if again := [name for name in unsure if types[name] != pa.string()]:
            found = parse_text(text, dialect, names, again, options.nulls)
            cells.update(zip(again, found.columns, strict=True))
    except pa.ArrowInvalid:
        return None
    looked = {name: guess(cells[name]) for name in unsure}
    return tuple(looked.get(name, known) for name, known in zip(names, like.below, strict=True))


def _confirms(column: pa.Array, known: Guess) -> bool:
    """Whether the values of that type leave no doubt that it is the narrowest."""
    if known.tokens or pa.types.is_null(known.type) or column.null_count == len(column):
        return False
    if pa.types.is_string(column.type):
        return _is_text(column)
    if column.type not in (pa.float64(), US, NS):
        return True
    kind = np.float64 if column.type == pa.float64() else np.int64
    values = np.frombuffer(column.buffers()[1], kind)[column.offset :][: len(column)]
    if column.null_count:
        values = values[valid(column)]
    if kind is np.float64:
        return bool((values != np.floor(values)).any())
    return bool((values % (_DAY if column.type == US else 1000) != 0).any())


def _is_text(column: pa.StringArray) -> bool:
    """Whether a value begins as none of another type does."""
    ends = np.frombuffer(column.buffers()[1], np.int32)[column.offset :][: len(column) + 1]
    starts = ends[:-1][ends[1:] > ends[:-1]]
    data = column.buffers()[2]
    return data is not None and not _PERHAPS[np.frombuffer(data, np.uint8)[starts]].all()
