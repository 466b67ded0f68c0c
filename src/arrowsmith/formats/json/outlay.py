"""Finds every value of records that are all written alike, in a few passes over their bytes.

Machines write one record like the other: the same names in the same order, the same blanks, one
level deep. Then what stands between two values is the same text in every record, and it ends with
a name and a colon. Where no byte is a backslash, ``":`` is the end of a name or the beginning of a
string, so that one search finds all values of all records. Whether the text before each is that of
the first record is then verified byte by byte, eight at once.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from arrowsmith.formats.json.gather import Bytes, Positions

_WORD = 8
_BLANKS = b" \t\r\n"
_MARK = b'":'
_FEW = 32  # fields that are always worth it
_BYTES_A_FIELD = 8 << 10  # for more: looking at a field costs as much as parsing so much text
_SHORTEST = 5  # bytes of a value with its name, a colon and a comma
_MEMORY = 3  # bytes that may be taken for each byte of a text
_ROW = 40  # bytes that looking at one field takes for each record, beside 16 for each place
_SMALL = 64 << 10  # bytes of text that may take more
_BLOCK = 256 << 10
_WORDS = 1 << 17  # that are verified at a time
_TRAIL = 64  # bytes in which the last record ends
_QUOTE, _COLON, _SPACE = 34, 58, 32
_MEMBER = re.compile(
    rb'([ \t\r\n]*[{,][ \t\r\n]*"([^"\\\x00-\x1f]*)":[ \t\r\n]*)'
    rb'(?:"[^"\\]*"|[^\x00-\x20",:{}\[\]\\]+)'
)
_END = re.compile(rb"([ \t\r\n]*\})([ \t\r\n]*)")


class IrregularError(Exception):
    """The records are not all written alike, or not as plainly as they have to be."""


@dataclass(frozen=True, slots=True)
class _Form:
    """How the first record is written.

    Attributes:
        names: of the fields.
        leads: what stands before each value, with its name.
        colons: where the names end, each at the quote before its colon.
        close: what stands behind the last value, up to and with the brace.
        between: the blanks between this record and the next.
    """

    names: list[bytes]
    leads: list[bytes]
    colons: list[int]
    close: bytes
    between: bytes


@dataclass(frozen=True, slots=True)
class Outlay:
    """Where the values stand.

    Attributes:
        names: of the fields, in the order of the text.
        starts: int64, shape (fields, records), where the values begin.
        lasts: their last bytes; before their beginnings, perhaps, if the text is no JSON.
        quotes: in the text, those around names left out: two for each string, if no string has
            one within.
    """

    names: list[str]
    starts: Positions
    lasts: Positions
    quotes: int


def space_for(size: int) -> Positions:
    """Room for the places of all values of so much text, to be used again and again.

    New room for each range would be had from the system and given back each time.
    """
    return np.empty((2, size // _SHORTEST + 1), np.int64)


def outlay(text: memoryview, space: Positions, *, lines: bool) -> Outlay:
    """The places of all values. What they are is left to be seen.

    Args:
        text: UTF-8, not empty.
        space: that is for so much text, or for more; the places are kept there.
        lines: each record has to stand on a line of its own.

    Raises:
        IrregularError: some record is not written like the first.
    """
    form = _form(text, lines)
    data = np.frombuffer(text, np.uint8)
    found, quotes, controls = _search(data, space[0])
    rows, over = divmod(len(found), len(form.names))
    if over or found[: len(form.names)].tolist() != form.colons:
        raise IrregularError
    if len(data) > _SMALL and rows * (16 * len(form.names) + _ROW) > _MEMORY * len(data):
        raise IrregularError
    tail = bytes(text[-_TRAIL:])
    after = len(tail) - len(tail.rstrip(_BLANKS))
    if not tail[: len(tail) - after].endswith(form.close):
        raise IrregularError
    starts = space[1, : len(found)].reshape(-1, rows)
    behind = [len(lead) - lead.rindex(_MARK) for lead in form.leads]
    np.add(found.reshape(rows, -1).T, _column(behind), out=starts)
    gaps = [form.close + form.between + form.leads[0], *form.leads[1:]]
    lasts = space[0, : len(found)].reshape(-1, rows)
    if len(form.names) > 1:
        _verify(text, starts[1:], gaps[1:], lasts[1:])
    if rows > 1:
        _verify(text, starts[:1, 1:], gaps[:1], lasts[:1, 1:])
    lengths = [len(gap) + 1 for gap in gaps]
    np.subtract(starts[1:], _column(lengths[1:]), out=lasts[:-1])
    np.subtract(starts[0, 1:], lengths[0], out=lasts[-1, :-1])
    lasts[-1, -1] = len(data) - after - len(form.close) - 1
    blanks = rows * _controls(b"".join(form.leads) + form.close)
    blanks += (rows - 1) * _controls(form.between) + _controls(tail[len(tail) - after :])
    if controls != blanks:  # there are some in strings
        raise IrregularError
    return Outlay(
        names=[name.decode() for name in form.names],
        starts=starts,
        lasts=lasts,
        quotes=quotes - 2 * starts.size,
    )


def _form(text: memoryview, lines: bool) -> _Form:
    """How the first record is written."""
    form = _Form([], [], [], b"", b"")
    at = 0
    while member := _MEMBER.match(text, at):
        lead, name = member[1], member[2]
        if (lead.lstrip(_BLANKS)[:1] == b"{") != (at == 0):
            raise IrregularError
        form.names.append(name)
        form.leads.append(lead)
        form.colons.append(member.start(2) + len(name))
        at = member.end()
    end = _END.match(text, at)
    if end is None or not form.names or len(set(form.names)) != len(form.names):
        raise IrregularError
    if not form.leads[0].startswith(b"{"):
        raise IrregularError
    close, between = end[1], end[2]
    inner = b"".join(form.leads) + close
    if len(form.names) > max(_FEW, len(text) // _BYTES_A_FIELD):
        raise IrregularError
    if len(text) > _SMALL and 16 * len(form.names) + _ROW > _MEMORY * end.end():
        raise IrregularError
    if lines and (b"\n" in inner or (b"\n" not in between and end.end() < len(text))):
        raise IrregularError
    return _Form(form.names, form.leads, form.colons, close, between)


def _search(data: Bytes, space: Positions) -> tuple[Positions, int, int]:
    """Where ``":`` stands, and how many quotes and control characters there are.

    In blocks that stay in the processor's cache.
    """
    count = quotes = controls = 0
    scratch = np.empty((2, _BLOCK + 1), np.bool_)
    for at in range(0, len(data), _BLOCK):
        block = data[at : at + _BLOCK + 1]
        size = len(block)
        quote = np.equal(block, _QUOTE, out=scratch[0, :size])
        quotes += int(np.count_nonzero(quote[:_BLOCK]))
        other = np.less(block, _SPACE, out=scratch[1, :size])
        controls += int(np.count_nonzero(other[:_BLOCK]))
        colon = np.equal(block[1:], _COLON, out=scratch[1, : size - 1])
        colon &= quote[:-1]
        places = np.flatnonzero(colon)
        if count + len(places) > len(space):
            raise IrregularError
        np.add(places, at, out=space[count : count + len(places)])
        count += len(places)
    return space[:count], quotes, controls


def _verify(text: memoryview, starts: Positions, gaps: list[bytes], space: Positions) -> None:
    """Raise ``IrregularError`` unless the text before each value is what it has to be.

    Args:
        starts: of values that have text before them, shape (fields, records).
        gaps: of each field.
        space: of the same shape, for words' places.
    """
    if int(starts[-1, -1]) > len(text) - 1 or len(text) < _WORD:
        raise IrregularError
    if (starts[:, 0] < [max(len(gap), _WORD) for gap in gaps]).any():
        raise IrregularError
    words = np.ndarray((len(text) - _WORD + 1,), "<u8", buffer=text, strides=(1,))
    some = max(_WORDS // starts.shape[1], 1)
    for first in range(0, len(gaps), some):
        fields = slice(first, first + some)
        known = [_words_of(gap) for gap in gaps[fields]]
        for number in range(max(map(len, known))):
            words_now = [each[min(number, len(each) - 1)] for each in known]
            backs, masks, wanted = zip(*words_now, strict=True)
            places = np.subtract(starts[fields], _column(backs), out=space[fields])
            found = words[places]
            found &= _column(masks, np.uint64)
            found ^= _column(wanted, np.uint64)
            if found.any():
                raise IrregularError


def _words_of(gap: bytes) -> list[tuple[int, int, int]]:
    """How far before a gap's end words of it begin, which of their bits count, and what they are.

    The quote and the colon at its end need no look where no blanks follow: they were searched for.
    """
    found = []
    for begin in range(len(gap), len(_MARK) if gap.endswith(_MARK) else 0, -_WORD):
        back = max(begin, _WORD)
        known = gap[max(len(gap) - back, 0) :][:_WORD]
        shift = 8 * (_WORD - len(known))
        mask = (1 << 64) - (1 << shift)
        found.append((back, mask, int.from_bytes(known, "little") << shift))
    return found


def _column(values: Sequence[int], kind: type[np.generic] = np.int64) -> npt.NDArray[Any]:
    return np.array(values, kind).reshape(-1, 1)


def _controls(text: bytes) -> int:
    return sum(byte < _SPACE for byte in text)
