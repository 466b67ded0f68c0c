"""Reads ``metadata.jsonl`` such that every number keeps its value.

Arrow's JSON reader takes integers beyond int64, and all integers that stand among floats, for
doubles. Where that may change one, types follow from the numbers as they are written, by the rules
of arrowsmith's own format ``jsonl``.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pyarrow as pa

_DOUBTFUL = re.compile(rb"[0-9.]{16,}|[eE][+-]?[0-9]{3}")  # all else is a double's digits
_DIGITS = 17  # of a double's shortest text at most
_DECIMAL = 38

Path = tuple[str | None, ...]  # names of fields; None stands for the elements of a list


def read_jsonl(data: bytes) -> pa.Table:
    """Lines of any length; what looks like a time stays the text that it is.

    Raises:
        pyarrow.ArrowInvalid: it is no JSON, or a number is one that no type holds.
    """
    table = _read(data, None)
    doubts = any(map(_has_floats, table.schema.types)) and _DOUBTFUL.search(data) is not None
    numbers = _numbers(data, table.schema) if doubts else {}
    kinds = [field.with_type(_kind(field.type, (field.name,), numbers)) for field in table.schema]
    changed = [
        new for new, old in zip(kinds, table.schema, strict=True) if not new.type.equals(old.type)
    ]
    return _read(data, pa.schema(changed)).select(table.column_names) if changed else table


def _read(data: bytes, schema: pa.Schema | None) -> pa.Table:
    import pyarrow.json as reader

    whole = reader.ReadOptions(block_size=max(len(data), 1), use_threads=False)
    return reader.read_json(io.BytesIO(data), whole, reader.ParseOptions(explicit_schema=schema))


def _has_floats(kind: pa.DataType) -> bool:
    if pa.types.is_floating(kind):
        return True
    return any(_has_floats(kind.field(place).type) for place in range(kind.num_fields))


def _kind(kind: pa.DataType, path: Path, numbers: dict[Path, _Numbers]) -> pa.DataType:
    """A type that changes no value, for one that Arrow's reader found."""
    if pa.types.is_timestamp(kind):
        return pa.string()
    if pa.types.is_floating(kind):
        return numbers[path].kind() if path in numbers else kind
    if pa.types.is_struct(kind):
        return pa.struct(
            [field.with_type(_kind(field.type, (*path, field.name), numbers)) for field in kind]
        )
    if pa.types.is_list(kind):
        return pa.list_(_kind(kind.value_type, (*path, None), numbers))
    return kind


class _Literal(str):
    """A number as it is written."""


@dataclass(slots=True)
class _Numbers:
    """What is known of the numbers in one place.

    Attributes:
        low, high: of the integers.
        exact: each of the integers is a double.
        real: there are numbers with a fraction or an exponent.
        long: one of these is more than a double holds.
        before, scale: digits before and behind the point.
        minus_zero: there is an integer ``-0``.
    """

    path: Path
    low: int = 0
    high: int = 0
    exact: bool = True
    real: bool = False
    long: bool = False
    before: int = 0
    scale: int = 0
    minus_zero: bool = False

    def add(self, text: str) -> None:
        number = Decimal(text)
        self.before = max(self.before, number.adjusted() + 1)
        if not re.search("[.eE]", text):
            if number.adjusted() >= _DECIMAL:
                self.exact = False
            else:
                whole = int(text)
                self.low, self.high = min(self.low, whole), max(self.high, whole)
                self.exact = self.exact and int(float(whole)) == whole
            self.minus_zero = self.minus_zero or text == "-0"
            return
        digits = re.split("[eE]", text)[0].replace(".", "").strip("-0")
        self.real = True
        self.long = self.long or len(digits) > _DIGITS or (bool(digits) and not float(text))
        self.scale = max(self.scale, -int(number.normalize().as_tuple().exponent))

    def kind(self) -> pa.DataType:
        """Double, uint64, or the decimal that holds all of them."""
        if self.real and self.exact and not self.long:
            return pa.float64()
        if self.before + self.scale > _DECIMAL:
            name = ".".join(part or "[]" for part in self.path)
            raise pa.ArrowInvalid(
                f"the numbers of '{name}' have more than {_DECIMAL} digits: write them in quotes"
            )
        if self.real or self.low < 0 or self.high >= 1 << 64 or self.minus_zero:
            return pa.decimal128(_DECIMAL, self.scale)
        return pa.uint64()


def _numbers(data: bytes, schema: pa.Schema) -> dict[Path, _Numbers]:
    """The numbers of all columns with floats, by their place."""
    found: dict[Path, _Numbers] = {}
    names = {field.name for field in schema if _has_floats(field.type)}
    for row in _rows(data.decode()):
        for name in names & row.keys():
            _collect(row[name], (name,), found)
    return found


def _rows(text: str) -> Iterator[dict[str, Any]]:
    decoder = json.JSONDecoder(parse_int=_Literal, parse_float=_Literal)
    blank = re.compile(r"\s*")
    at = blank.match(text).end()  # type: ignore[union-attr]
    while at < len(text):
        try:
            row, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            raise pa.ArrowInvalid(str(error)) from error
        if isinstance(row, dict):
            yield row
        at = blank.match(text, at).end()  # type: ignore[union-attr]


def _collect(value: Any, path: Path, found: dict[Path, _Numbers]) -> None:
    if type(value) is _Literal:
        if path not in found:
            found[path] = _Numbers(path)
        found[path].add(value)
    elif isinstance(value, dict):
        for name, one in value.items():
            _collect(one, (*path, name), found)
    elif isinstance(value, list):
        for one in value:
            _collect(one, (*path, None), found)
