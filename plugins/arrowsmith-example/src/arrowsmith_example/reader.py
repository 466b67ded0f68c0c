"""Reads access logs: one regular expression over all lines of a block, then a kernel a column."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Self

import pyarrow as pa
import pyarrow.compute as pc

from arrowsmith.plugin import Reject, RunContext, ScanRequest, Source
from arrowsmith_example import ReadOptions
from arrowsmith_example.lines import LineCount, LineSplit, line_blocks, line_splits
from arrowsmith_example.schema import CLOCK, QUOTED, SCHEMA

_BLOCK = 1 << 20
_TEXT = r'"(?:[^"\\]|\\.)*"'
_RECORD = (
    r"^(?P<host>\S+) (?P<ident>\S+) (?P<user>\S+) "
    r"\[(?P<time>(?P<clock>\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:[0-5]\d)"
    r" [+-](?:0\d|1[0-4])[0-5]\d)\] "
    rf"(?P<request>{_TEXT}) (?P<status>\d{{3}}) (?P<bytes>\d{{1,18}}|-)"
    rf"(?: (?P<referer>{_TEXT}) (?P<user_agent>{_TEXT}))?\r?$"
)
_UTF8 = (  # the well-formed byte sequences of RFC 3629, section 4
    r"^(?:[\x00-\x7f]|[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]"
    r"|[\xe1-\xec\xee\xef][\x80-\xbf]{2}|\xed[\x80-\x9f][\x80-\xbf]|\xf0[\x90-\xbf][\x80-\xbf]{2}"
    r"|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2})*$"
)


class AccessLogReader:
    """A log file; empty lines are passed over, lines that do not parse are rejected."""

    def __init__(self, source: Source, options: ReadOptions, ctx: RunContext) -> None:
        self._source = source
        self._max_line = options.max_line
        self._ctx = ctx

    @property
    def schema(self) -> pa.Schema:
        return SCHEMA

    def count(self) -> int | None:
        return None

    def splits(self, target: int) -> Iterable[LineSplit]:
        return line_splits(self._source, target, self._max_line)

    def scan(self, request: ScanRequest) -> Iterator[pa.RecordBatch]:
        names = request.columns if request.columns is not None else tuple(SCHEMA.names)
        schema = pa.schema([SCHEMA.field(name) for name in names])
        split = request.split if isinstance(request.split, LineSplit) else None
        size = min(_BLOCK, request.batch_bytes)
        left = request.limit
        lines = LineCount(self._source, split.start if split is not None else 0)
        for offset, block in line_blocks(self._source, split, size, self._max_line):
            self._ctx.check_cancelled()
            fields = self._parsed(offset, block, lines)
            lines.seen += block.count(b"\n")
            arrays = [_column(fields, name) for name in names]
            batch = pa.RecordBatch.from_arrays(arrays, schema=schema).slice(0, left)
            for start in range(0, batch.num_rows, request.batch_rows):
                yield batch.slice(start, request.batch_rows)
            if left is not None:
                left -= batch.num_rows
                if left <= 0:
                    return

    def _parsed(self, offset: int, block: bytes, count: LineCount) -> dict[str, pa.Array]:
        """The fields of the good lines, each as text; bad lines go to the rejects."""
        lines = pc.split_pattern(_one_value(block.removesuffix(b"\n")), "\n").values
        found = pc.extract_regex(lines, _RECORD)
        good = found.is_valid()
        if not block.isascii():
            good = pc.and_(good, pc.match_substring_regex(lines, _UTF8))
        names = found.type.names
        fields = {name: found.field(name).filter(good).cast(pa.string()) for name in names}
        # strptime makes the 1st of March of the 30th of February
        clock = pc.strptime(fields["clock"], format=CLOCK, unit="s", error_is_null=True)
        same = pc.equal(pc.strftime(clock, format=CLOCK), fields["clock"])
        real = pc.and_kleene(pc.is_valid(clock), same)
        self._reject(offset, lines, pc.replace_with_mask(good, good, real), count)
        return {name: values.filter(real) for name, values in fields.items()}

    def _reject(self, offset: int, lines: pa.Array, good: pa.Array, count: LineCount) -> None:
        blank = pc.match_substring_regex(lines, r"^\r?$")
        bad = pc.indices_nonzero(pc.invert(pc.or_(good, blank)))
        if not len(bad):
            return
        ends = pc.cumulative_sum(pc.binary_length(lines))  # line ends not counted
        for index in bad.to_pylist():  # one turn for each bad line, none for the good ones
            raw = lines[index].as_py()
            self._ctx.reject(
                Reject(
                    source=self._source.path,
                    record=None,
                    line=count.before() + index + 1,
                    offset=offset + ends[index].as_py() - len(raw) + index,
                    column=None,
                    reason="the line does not follow the Common or Combined Log Format",
                    raw=raw.removesuffix(b"\r"),
                )
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """The host owns the source, so there is nothing to close."""


def _one_value(data: bytes) -> pa.Array:
    """An array of one binary value that lies over ``data``."""
    buffer = pa.py_buffer(data)
    ends = bytes(4) + len(data).to_bytes(4, sys.byteorder)
    return pa.Array.from_buffers(pa.binary(), 1, [None, pa.py_buffer(ends), buffer])


def _column(fields: dict[str, pa.Array], name: str) -> pa.Array:
    text = fields[name]
    if name == "time":
        return pc.strptime(text, format=f"{CLOCK} %z", unit="s").cast(SCHEMA.field(name).type)
    if name in QUOTED:
        text = _null_where(text, r'^(?:"-")?$')
        text = pc.utf8_slice_codeunits(text, 1, -1)
        return pc.replace_substring_regex(text, r'\\(["\\])', r"\1")
    if SCHEMA.field(name).nullable:
        text = _null_where(text, "^-$")
    return text.cast(SCHEMA.field(name).type)


def _null_where(text: pa.Array, pattern: str) -> pa.Array:
    return pc.if_else(pc.match_substring_regex(text, pattern), pa.nulls(len(text), text.type), text)
