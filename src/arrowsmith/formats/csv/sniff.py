"""Guesses delimiter, header, names and types of a file from its head, middle and tail."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from arrowsmith.errors import BudgetExceeded, DataError, OptionError, SourceEmpty
from arrowsmith.formats.csv.columns import Column, parse_type
from arrowsmith.formats.csv.dialect import Dialect
from arrowsmith.formats.csv.infer import Cells, Guess, guess
from arrowsmith.formats.csv.layout import Layout, lay_out, without
from arrowsmith.formats.csv.parse import parse_text
from arrowsmith.formats.csv.probe import DELIMITERS
from arrowsmith.formats.csv.quotes import quoted_spans
from arrowsmith.formats.csv.ranges import line_ends, too_long
from arrowsmith.formats.csv.read_options import CsvReadOptions
from arrowsmith.plugin.feed import Feed
from arrowsmith.plugin.protocols import Source

BOM = b"\xef\xbb\xbf"
_PREFERRED = {".tsv": "\t", ".tab": "\t", ".psv": "|"}
_SNIFFED = 128 << 10
_SNIFFED_RECORDS = 1000
_LONG = 8 << 20
_COPIES = 3  # what looking at the first records takes at most, per byte of them


@dataclass(frozen=True, slots=True)
class Sniffed:
    """What a file seems to be.

    Attributes:
        header: its first record has names.
        names: of its columns, unique.
        columns: the same with types.
        start: where the first record of data begins.
        line: the number of its line, from 1.
        whole: the sample was all of the file.
        guesses: of the columns whose type was not asked for.
        first: the text up to ``start``, without a BOM; empty without a header.
        above: what each cell of the first record may be.
        below: what each column may be, without regard to ``types``.
    """

    dialect: Dialect
    header: bool
    names: tuple[str, ...]
    columns: tuple[Column, ...]
    start: int
    line: int
    whole: bool
    guesses: dict[str, Guess]
    first: bytes
    above: tuple[Guess, ...]
    below: tuple[Guess, ...]


def sniff(source: Source, options: CsvReadOptions, memory_limit: int) -> Sniffed:
    """Look at the source and settle what the options leave open.

    Raises:
        SourceEmpty: there is no record.
        DataError: it is not UTF-8 text, or the first record does not end within
            ``max_record_bytes``.
        BudgetExceeded: nor within what memory allows.
        OptionError: ``names`` or ``types`` do not fit the columns.
    """
    head, whole, skipped = _head(source, options, memory_limit)
    data = np.frombuffer(head, np.uint8)
    dialect = _dialect(data, whole, source.name, options)
    layout = lay_out(data, dialect)
    width = int(layout.fields[0])
    if options.header is False and not options.names:
        width = int(np.argmax(np.bincount(layout.fields[:_SNIFFED_RECORDS])))
    if width == 1:
        dialect = replace(dialect, columns=1)
        layout = lay_out(data, dialect)
    first, rows = _rows(data, layout, whole, width, dialect, options)
    samples = [rows]
    if not whole and options.infer != "none":
        samples += _elsewhere(source, skipped + len(head), dialect, width, options)
    cells = Cells.of(pa.concat_arrays(first))
    above = tuple(cells.guess(place) for place in range(width))
    guesses = below = tuple(_guesses(samples, width))
    header = has_header(above, below) if options.header is None else options.header
    if not header:
        guesses = tuple(known.join(cell) for known, cell in zip(below, above, strict=True))
    if options.infer == "none":
        guesses = (Guess(pa.string()),) * width
    if header and not options.names:
        _check_header(data, layout, source, skipped)
    names = _names(first, header, width, options)
    return Sniffed(
        dialect=replace(dialect, columns=width),
        header=header,
        names=names,
        columns=columns_of(names, guesses, options),
        start=skipped + (int(layout.follows[0]) if header else 0),
        line=1 + (len(line_ends(data[: layout.follows[0]])) if header else 0),
        whole=whole,
        guesses={n: g for n, g in zip(names, guesses, strict=True) if n not in options.types},
        first=head[: int(layout.follows[0])] if header else b"",
        above=above,
        below=below,
    )


def sample_of(options: CsvReadOptions) -> int:
    """How many bytes of the head are looked at, if the first records end within them."""
    return max(options.sample_bytes // 2, 4)


def _head(source: Source, options: CsvReadOptions, limit: int) -> tuple[bytes, bool, int]:
    """The first bytes, whether they are all, and the size of the BOM dropped from them.

    They end with a record, and have two of them unless these are long.
    """
    size = sample_of(options)
    while True:
        raw = source.head(size)
        whole = len(raw) < size
        _check_text(raw, source, options)
        skipped = len(BOM) if raw.startswith(BOM) else 0
        text = raw[skipped:]
        if whole and not text.strip(b"\r\n"):
            raise SourceEmpty("the file has no records", path=source.path)
        if whole:
            return text, True, skipped
        kept = _whole_records(text, 1 if size >= _LONG else 2, options)
        if kept:
            return text[:kept], False, skipped
        if size >= options.max_record_bytes or 2 * size * _COPIES > limit:
            raise _too_long(raw, source, options, limit)
        size = min(size * 2, options.max_record_bytes)


def _too_long(
    raw: bytes, source: Source, options: CsvReadOptions, limit: int
) -> DataError | BudgetExceeded:
    """The error for a file whose first records do not end within ``raw``."""
    dialect = Dialect(options.delimiter or ",", options.quote, "\n")
    data = np.frombuffer(raw, np.uint8)
    spans = quoted_spans(data, dialect)
    ends = line_ends(data)
    ends = ends[~spans.inside(ends)]
    begins = int(ends[-1]) + 1 if len(ends) else 0
    feed = Feed(source, len(raw), None)
    try:
        return too_long(
            source,
            dialect,
            feed,
            limit=limit,
            size=len(raw) - begins,
            inside=spans.unclosed >= 0,
            most=options.max_record_bytes,
        )
    finally:
        feed.close()


def _whole_records(text: bytes, least: int, options: CsvReadOptions) -> int:
    """Where the last whole record ends, 0 if there are fewer than ``least``.

    The delimiter is not known yet; the one that finds most records tells.
    """
    data = np.frombuffer(text, np.uint8)
    ends = []
    for delimiter in [options.delimiter] if options.delimiter else DELIMITERS:
        layout = lay_out(data, Dialect(delimiter, options.quote, "\n"))
        ends.append(int(layout.starts[-1]) if len(layout.starts) > least else 0)
    return max(ends)


def _check_text(raw: bytes, source: Source, options: CsvReadOptions) -> None:
    wide = raw.startswith((b"\xff\xfe", b"\xfe\xff"))
    if not wide and b"\0" not in raw:
        return
    raise DataError(
        "this is UTF-16 or UTF-32 text" if wide else "a NUL byte is no text",
        path=source.path,
        place=f"byte {0 if wide else raw.index(0)}",
        hint="convert the file to UTF-8" + ("" if wide else ", or say its format if it is no CSV"),
    )


def _dialect(data: np.ndarray, whole: bool, name: str, options: CsvReadOptions) -> Dialect:
    ends = np.flatnonzero((data == 10) | (data == 13))
    line_end = "\n"
    if len(ends) and data[ends[0]] == 13:
        crlf = ends[0] + 1 < len(data) and data[ends[0] + 1] == 10
        line_end = "\r\n" if crlf else "\r"
    if options.delimiter:
        return Dialect(options.delimiter, options.quote, line_end)
    candidates = [Dialect(d, options.quote, line_end) for d in DELIMITERS if d != options.quote]
    sample = data[:_SNIFFED] if len(data) > 2 * _SNIFFED else data
    scores = {}
    for candidate in candidates:
        fields = lay_out(sample, candidate).fields
        if len(fields) > 1 and not (whole and len(sample) == len(data)):
            fields = fields[:-1]
        scores[candidate.delimiter] = _consistency(fields[:_SNIFFED_RECORDS])
    best = max(scores.values())
    chosen = [d for d, score in scores.items() if score == best]
    if best == (0.0, 0) or preferred(name) in chosen:
        chosen = [preferred(name)]
    return Dialect(chosen[0], options.quote, line_end)


def preferred(name: str) -> str:
    """The delimiter that a file's name suggests."""
    suffix = name[name.rfind(".") :].lower() if "." in name else ""
    return _PREFERRED.get(suffix, ",")


def _consistency(fields: np.ndarray) -> tuple[float, int]:
    """The share of records that have as many fields as the first, and how many these are."""
    first = int(fields[0])
    if first < 2:
        return (0.0, 0)
    return (round(float((fields == first).mean()), 1), first)


def _rows(
    data: np.ndarray,
    layout: Layout,
    whole: bool,
    width: int,
    dialect: Dialect,
    options: CsvReadOptions,
) -> tuple[list[pa.StringArray], pa.RecordBatch]:
    """The cells of the first record, and the sound records after it, as text."""
    rest = layout.faults(width)
    rest[0] = True
    first = data[layout.starts[0] : layout.follows[0]].tobytes()
    cells: list[pa.StringArray] = [pa.nulls(1, pa.string())] * width
    if layout.fields[0] == width:
        cells = _text(first, width, dialect, options).columns
    return cells, _text(without(data, layout, rest), width, dialect, options)


def _text(text: bytes, width: int, dialect: Dialect, options: CsvReadOptions) -> pa.RecordBatch:
    """All columns as text; bytes that are no UTF-8 are replaced, for a guess only."""
    names = [str(place) for place in range(width)]
    if not text:
        return pa.RecordBatch.from_arrays([pa.nulls(0, pa.string())] * width, names=names)
    try:
        return parse_text(text, dialect, names, names, options.nulls)
    except pa.ArrowInvalid:
        mended = text.decode("utf-8", "replace").encode()
        return parse_text(mended, dialect, names, names, options.nulls)


def _elsewhere(
    source: Source, after: int, dialect: Dialect, width: int, options: CsvReadOptions
) -> Iterator[pa.RecordBatch]:
    """Rows from the middle and the end of the file, where it is clear how they are aligned."""
    piece = options.sample_bytes // 4
    if not source.seekable or source.size is None:
        return
    for place in (source.size // 2, source.size - piece):
        if place <= after:
            continue
        raw = source.read_at(place, piece)
        found = _aligned(raw, place + len(raw) >= source.size, dialect, width)
        if found is not None and len(found):
            yield _text(found, width, dialect, options)


def _aligned(raw: bytes, ended: bool, dialect: Dialect, width: int) -> bytes | None:
    """The whole records of a piece from anywhere, or None where they cannot be told.

    The piece may begin within a quoted field. Of the two readings that one is taken under which
    all records are sound; where both are, they have to agree.
    """
    readings = {_sound(raw, ended, dialect, width)}
    if dialect.quote and dialect.quote_bytes in raw:
        readings.add(_sound(dialect.quote_bytes + raw, ended, dialect, width))
    readings.discard(None)
    return readings.pop() if len(readings) == 1 else None


def _sound(raw: bytes, ended: bool, dialect: Dialect, width: int) -> bytes | None:
    """All records but the first, and the last unless the file ends with it; None if one is bad."""
    layout = lay_out(np.frombuffer(raw, np.uint8), dialect)
    last = len(layout.starts) - (not ended)
    if last < 2 or layout.faults(width)[1:last].any():
        return None
    return raw[int(layout.starts[1]) : int(layout.follows[last - 1])]


def _guesses(samples: Sequence[pa.RecordBatch], width: int) -> list[Guess]:
    """Of each column; its first cell, looked at with all others, says what need not be tried."""
    rows = samples[0]
    able: list[tuple[pa.DataType, ...] | None] = [None] * width
    if rows.num_rows:
        cells = Cells.of(pa.concat_arrays([column[:1] for column in rows.columns]))
        able = [cells.candidates(place) for place in range(width)]
    parts = [[batch.column(place) for batch in samples] for place in range(width)]
    return [
        guess(pa.concat_arrays(part) if len(part) > 1 else part[0], candidates)
        for part, candidates in zip(parts, able, strict=True)
    ]


def has_header(cells: Sequence[Guess], guesses: Sequence[Guess]) -> bool:
    """Whether the first record's cells differ from what stands below them.

    A column of numbers below a text tells a header, below a number none. Where all is text, or
    there is nothing below, a first record of texts is a header.
    """
    text = pa.string()
    pairs = [(c.type, g.type) for c, g in zip(cells, guesses, strict=True) if c.type != pa.null()]
    typed = [(c, g) for c, g in pairs if g not in (text, pa.null())]
    if any(c == text for c, _ in typed):
        return True
    return not typed and not any(c != text for c, g in pairs if g == pa.null())


def _check_header(data: np.ndarray, layout: Layout, source: Source, skipped: int) -> None:
    """Names are not guessed: bytes that are no text, or quotes out of place, are an error."""
    if layout.broken[0]:
        raise DataError(
            "text follows a closing quote in the header",
            path=source.path,
            place=f"byte {skipped + int(layout.starts[0])}",
            hint="mend the file, or say that there are no quotes with -r quote=",
        )
    if layout.unclosed >= 0 and len(layout.starts) == 1:
        raise DataError(
            "the quote that opens here, in the header, is never closed",
            path=source.path,
            place=f"line {1 + layout.unclosed_line}, byte {skipped + layout.unclosed}",
            hint="mend the file, or say that there are no quotes with -r quote=",
        )
    start, end = int(layout.starts[0]), int(layout.ends[0])
    try:
        data[start:end].tobytes().decode()
    except UnicodeDecodeError as error:
        wrong = start + error.start
        raise DataError(
            f"byte 0x{data[wrong]:02x} in the header is not UTF-8",
            path=source.path,
            place=f"line {1 + len(line_ends(data[:wrong]))}, byte {skipped + wrong}",
            hint="convert the file to UTF-8, or give names with -r names=a,b",
        ) from error


def _names(
    first: Sequence[pa.StringArray], header: bool, width: int, options: CsvReadOptions
) -> tuple[str, ...]:
    if options.names:
        if len(options.names) != width:
            raise OptionError(f"names: {len(options.names)} names for {width} columns")
        if len(set(options.names)) != width:
            raise OptionError("names: a name stands there twice")
        return tuple(options.names)
    found = [cell[0].as_py() or "" for cell in first] if header else [""] * width
    return unique(found)


def unique(found: Sequence[str]) -> tuple[str, ...]:
    """The names made unique: an empty one by its place, the second ``a`` as ``a_1``.

    Example:
        >>> unique(["a", "", "a", "a_1"])
        ('a', 'column_2', 'a_2', 'a_1')
    """
    taken = set(found)
    used: set[str] = set()
    names = []
    for place, name in enumerate(found, 1):
        chosen, number = name or f"column_{place}", 0
        while chosen in used or (chosen in taken and chosen != name):
            number += 1
            chosen = f"{name or f'column_{place}'}_{number}"
        used.add(chosen)
        names.append(chosen)
    return tuple(names)


def columns_of(
    names: Sequence[str], guesses: Sequence[Guess], options: CsvReadOptions
) -> tuple[Column, ...]:
    """The columns as the options and the guesses have them."""
    types = options.types
    unknown = sorted(set(types) - set(names))
    if unknown:
        raise OptionError(
            f"types: no column {unknown[0]!r}", hint=f"the columns are {', '.join(names)}"
        )
    return tuple(
        Column(name, parse_type(types[name], name), explicit=True)
        if name in types
        else known.column(name)
        for name, known in zip(names, guesses, strict=True)
    )
