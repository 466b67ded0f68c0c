"""Reads records that are all written alike by taking their values out of the text.

What Arrow's parser would give, for a third of the time; everything that it, or the guard, might
object to is left to them.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from arrowsmith.formats.json.gather import (
    Bytes,
    Flags,
    Positions,
    bits,
    gathered,
    is_digit,
    shortest,
)
from arrowsmith.formats.json.guard import leading_zeros, lossy
from arrowsmith.formats.json.outlay import IrregularError, Outlay, outlay, space_for
from arrowsmith.formats.json.plan import Plan
from arrowsmith.formats.json.ranges import Range

_QUOTE, _MINUS, _DOT, _ZERO, _ONE = 34, 45, 46, 48, 49
_E, _F, _N, _T, _X = b"efntx"
_LOWER = 32
_EXACT_DIGITS = 15
_DOUBLE_DIGITS = 17
_LONGEST = 48  # bytes of a number; longer ones are left to the parser
_MOST_BYTES = 8 << 20  # of a range: for more, the places of values would take too much memory
_NULL, _TRUE, _FALS = (int.from_bytes(word, "little") for word in (b"null", b"true", b"fals"))


def read_regular(piece: Range, plan: Plan) -> pa.RecordBatch | None:
    """The physical columns of the range, which is UTF-8, or None where it is for the parser."""
    text = piece.text
    if not plan.flat or len(text) > _MOST_BYTES or not plan.luck.tries():
        return None
    batch = _tried(piece, text, plan)
    plan.luck.tell(batch is not None)
    return batch


def _tried(piece: Range, text: memoryview, plan: Plan) -> pa.RecordBatch | None:
    if piece.buffer.find(b"\\", 0, piece.size) >= 0:
        return None
    try:
        space = plan.spaces.pop()
    except IndexError:
        space = space_for(len(piece.buffer))
    try:
        places = outlay(text, space, lines=piece.scan is None)
        return _read(np.frombuffer(text, np.uint8), places, plan)
    except (IrregularError, pa.ArrowInvalid):
        return None
    finally:
        plan.spaces.append(space)


def _read(data: Bytes, places: Outlay, plan: Plan) -> pa.RecordBatch:
    known = dict(plan.record.fields)
    columns: dict[str, pa.Array] = {}
    strings = 0
    doubtful = False
    firsts, lasts = data[places.starts], data[places.lasts]
    for field, name in enumerate(places.names):
        if name not in known:
            raise IrregularError
        values = _Values(
            data, places.starts[field], places.lasts[field], firsts[field], lasts[field]
        )
        kind = known[name].physical
        wanted = name in plan.kinds
        if known[name].form == "text":
            strings += values.count_quoted()
            columns[name] = values.mixed()
        elif pa.types.is_string(kind):
            strings += values.strings()
            if wanted:
                columns[name] = values.texts()
        elif pa.types.is_boolean(kind):
            columns[name] = values.booleans()
        else:
            columns[name] = values.numbers().cast(kind if wanted else pa.float64())
            doubtful = doubtful or (pa.types.is_floating(kind) and not values.few_digits)
    if 2 * strings != places.quotes:
        raise IrregularError
    if doubtful and plan.doubles and lossy(data, list(columns.values()), plan.doubles):
        raise IrregularError
    rows = places.starts.shape[1]
    arrays = [
        columns[name] if name in columns else pa.nulls(rows, kind)
        for name, kind in zip(plan.physical.names, plan.physical.types, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=plan.physical)


class _Values:
    """The values of one field, as they stand in the text.

    Every method raises ``IrregularError`` where they are not what it is asked for.

    Attributes:
        few_digits: doubles can be what the digits of all ``numbers()`` say.
    """

    few_digits = False

    def __init__(
        self, data: Bytes, starts: Positions, lasts: Positions, first: Bytes, last: Bytes
    ) -> None:
        self._data = data
        self._starts = starts
        self._lasts = lasts
        self._first = first
        self._last = last
        self._widths = lasts - starts
        self._narrowest, self._widest = int(self._widths.min()), int(self._widths.max())
        if self._narrowest < 0:
            raise IrregularError

    def count_quoted(self) -> int:
        """How many are strings among values of any kind."""
        return int(np.count_nonzero(self._first == _QUOTE))

    def mixed(self) -> pa.StringArray:
        """Values of any kind but objects and lists, as text."""
        quoted = self._first == _QUOTE
        word = (self._first == _T) | (self._first == _F)
        null = self._nulls()
        number = ~(quoted | word | null)
        if quoted.any():
            self._some(quoted).strings()
        if word.any():
            _require(self._some(word).booleans().null_count == 0)
        ends = np.where(null, self._starts, self._lasts + ~quoted)
        starts = np.minimum(self._starts + quoted, ends)
        found = gathered(self._data, starts, ends, ~null if null.any() else None)
        if not number.any():
            return found
        some = self._some(number)
        real, texts = some.reals()
        if len(texts):
            number[number] = real
            mask = pa.Array.from_buffers(pa.bool_(), len(number), [None, bits(number)])
            found = pc.replace_with_mask(found, mask, texts)
        return found

    def reals(self) -> tuple[Flags, pa.StringArray]:
        """Which of the numbers have a fraction or exponent, and the shortest texts of those.

        Integers must be as they are written when written again, and the others doubles.
        """
        texts = self.numbers()
        offsets = np.frombuffer(texts.buffers()[1], np.int32)[: len(texts) + 1]
        data = np.frombuffer(texts.buffers()[2], np.uint8)[: offsets[-1]]
        points = np.searchsorted(offsets, np.flatnonzero(data == _DOT), "right") - 1
        powers = np.flatnonzero(data | _LOWER == _E)
        rows = np.searchsorted(offsets, powers, "right") - 1
        real, power = np.zeros((2, len(texts)), np.bool_)
        power[rows] = True
        real[points] = True
        real |= power
        minus = self._first == _MINUS
        _require(real | ~minus | (self._widths > 1) | (self._data[self._starts + minus] != _ZERO))
        if not real.any():
            return real, texts[:0]
        digits = self._widths + ~minus
        digits[points] -= 1
        digits[rows] -= offsets[rows + 1] - powers
        long = np.flatnonzero(real & (digits > _DOUBLE_DIGITS))
        zeros = leading_zeros(self._data, (self._starts + minus)[long])
        _require(digits[long] - zeros <= _DOUBLE_DIGITS)
        mask = pa.Array.from_buffers(pa.bool_(), len(texts), [None, bits(real)])
        values = texts.filter(mask).cast(pa.float64()).to_numpy()
        _require(np.isfinite(values) & ((values != 0) | ~power[real]))
        return real, shortest(values)

    def _some(self, rows: Flags) -> _Values:
        return _Values(
            self._data, self._starts[rows], self._lasts[rows], self._first[rows], self._last[rows]
        )

    def strings(self) -> int:
        """How many are strings; the others are null. Quotes within have to be looked for."""
        quoted = self._first == _QUOTE
        count = int(np.count_nonzero(quoted))
        if count < len(quoted):
            _require(quoted | self._nulls())
        quoted &= self._last == _QUOTE
        if not self._narrowest:
            quoted &= self._widths > 0
        if np.count_nonzero(quoted) != count:
            raise IrregularError
        return count

    def texts(self) -> pa.StringArray:
        """The strings without their quotes."""
        starts = self._starts + 1
        quoted = self._first == _QUOTE
        if quoted.all():
            return gathered(self._data, starts, self._lasts, None)
        return gathered(self._data, starts, np.where(quoted, self._lasts, starts), quoted)

    def booleans(self) -> pa.BooleanArray:
        """``true``, ``false`` and null."""
        if self._narrowest + 1 < len(b"true"):
            raise IrregularError
        words = self._words()[self._starts]
        true = (words == _TRUE) & (self._widths == 3)
        false = (words == _FALS) & (self._widths == 4) & (self._last == _E)
        valid = true | false
        if not valid.all():
            _require(valid | self._nulls())
        buffers = [bits(valid) if not valid.all() else None, bits(true)]
        return pa.Array.from_buffers(pa.bool_(), len(true), buffers)

    def numbers(self) -> pa.StringArray:
        """What JSON has as numbers, or else what no cast of Arrow takes for one.

        The casts take more than JSON: zeros in front, points without a digit on both sides, signs
        and words, numbers in hexadecimal. So the first bytes and the last are looked at.
        """
        null = self._nulls() if (self._first == _N).any() else None
        other = self._first - np.uint8(_ONE) > 8
        if null is not None:
            other &= ~null
        others = np.flatnonzero(other)
        if len(others):
            self._check_beginnings(others)
        ended = is_digit(self._last)
        _require(ended if null is None else ended | null)
        if self._widest >= _LONGEST:
            raise IrregularError
        valid = None if null is None else ~null
        found = gathered(self._data, self._starts, self._lasts + 1, valid)
        text = np.frombuffer(found.buffers()[2], np.uint8)
        points = np.flatnonzero(text == _DOT)
        if len(points):
            _require(is_digit(text[points + 1]))
        powers = None
        if count := int(np.count_nonzero(text | _LOWER == _E)):
            powers = self._powers(count)
        offsets = np.frombuffer(found.buffers()[1], np.int32)[: len(found) + 1]
        self.few_digits = self._has_few_digits(offsets, points, powers)
        return found

    def _powers(self, count: int) -> Positions:
        """The bytes of each number's exponent; there are ``count`` of them.

        All have one or two digits: the parser refuses some with more, even of values that are not
        read.
        """
        found = np.zeros(len(self._lasts), np.int64)
        for size in (4, 3, 2):
            mark = self._data[self._lasts - (size - 1)] | _LOWER == _E
            mark &= self._widths >= size
            if size == 4:
                mark &= ~is_digit(self._data[self._lasts - 2])
            found[mark] = size
            count -= int(np.count_nonzero(mark))
        _require(not count)
        return found

    def _has_few_digits(
        self, offsets: npt.NDArray[np.int32], points: Positions, powers: Positions | None
    ) -> bool:
        """Whether no number has more digits than a double for sure.

        Args:
            offsets, points: of the numbers, and where their points are, in the text of all.
            powers: bytes of their exponents.
        """
        if self._widest < _EXACT_DIGITS:
            return True
        rows = np.flatnonzero(self._widths >= _EXACT_DIGITS)
        if len(points) == len(self._widths):
            real = np.ones(len(rows), np.bool_)
        else:
            pointed = np.zeros(len(self._widths), np.bool_)
            pointed[np.searchsorted(offsets, points, "right") - 1] = True
            real = pointed[rows]
        digits = self._widths[rows] + 1 - real
        if powers is not None:
            digits -= powers[rows]
            real |= powers[rows] > 0
        if not (real | (digits <= _EXACT_DIGITS)).all():
            return False
        digits -= self._first[rows] == _ZERO
        rows = rows[digits > _DOUBLE_DIGITS]
        if not len(rows):
            return True
        digits = digits[digits > _DOUBLE_DIGITS] + (self._first[rows] == _ZERO)
        minus = self._first[rows] == _MINUS
        digits -= minus + leading_zeros(self._data, self._starts[rows] + minus)
        return not (digits > _DOUBLE_DIGITS).any()

    def _check_beginnings(self, rows: Positions) -> None:
        """A zero in front is the only digit before a point or exponent, a sign is a minus."""
        starts, lasts, digit = self._starts[rows], self._lasts[rows], self._first[rows]
        minus = digit == _MINUS
        if minus.any():
            starts += minus
            _require(starts <= lasts)
            digit = self._data[starts]
        _require(is_digit(digit))
        behind = self._data[np.minimum(starts + 1, lasts)]
        _require(
            (behind == _DOT)
            | (digit != _ZERO)
            | (starts == lasts)
            | ~is_digit(behind) & (behind | _LOWER != _X)
        )

    def _nulls(self) -> Flags:
        """Which are null."""
        found: Flags = (self._first == _N) & (self._widths == 3)
        rows = np.flatnonzero(found)
        found[rows] = self._words()[self._starts[rows]] == _NULL
        return found

    def _words(self) -> npt.NDArray[np.uint32]:
        """The four bytes from every place on."""
        size = len(self._data) - 3
        words: npt.NDArray[np.uint32] = np.ndarray(size, "<u4", self._data.data, strides=(1,))
        return words


def _require(flags: Flags | bool) -> None:
    if not np.all(flags):
        raise IrregularError
