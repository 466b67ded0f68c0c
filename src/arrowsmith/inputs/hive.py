"""Columns that directories give: ``year=2024/lang=en/part-0.parquet``.

The layout is Hive's: https://cwiki.apache.org/confluence/display/Hive/LanguageManual+DDL
(partitioned tables), percent-encoded as Hive and Spark write it.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from urllib.parse import unquote

import numpy as np
import pyarrow as pa

from arrowsmith.errors import OptionError, SourceError
from arrowsmith.plugin.options import nearest_names
from arrowsmith.plugin.types import parse_type

NULL = "__HIVE_DEFAULT_PARTITION__"

_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,18}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_INT64 = range(-(1 << 63), 1 << 63)

Keys = dict[str, str | None]
Types = Mapping[str, str | pa.DataType]


def find_partitions(
    paths: Sequence[str],
    wanted: bool | None,
    types: Types,
    warn: Callable[[str], None],
) -> pa.RecordBatch | None:
    """The partition columns of files, a row for each; None where there are none.

    Args:
        paths: of the files, as they were named: all directories in them count.
        wanted: None for columns if all files have the same keys, True to insist on them.
        types: of some keys, instead of what their values look like.
        warn: called with the reason why there are no columns though there are keys.

    Raises:
        SourceError: the keys are not the same in all files, or a value does not fit its type.
        OptionError: ``types`` names a key that there is not.
    """
    if wanted is False:
        if types:
            raise OptionError("partition_types are of no use with hive_partitioning=False")
        return None
    try:
        found = [_keys(path) for path in paths]
        _check_same(found, paths, insist=bool(wanted or types))
    except SourceError as error:
        if wanted or types:
            raise
        warn(f"{error}; there are no partition columns")
        return None
    if not found[0]:
        return None
    unknown = next((name for name in types if name not in found[0]), None)
    if unknown is not None:
        near = nearest_names(unknown, found[0])
        raise OptionError(
            f"partition_types names {unknown!r}, which is no key of the directories",
            hint=f"did you mean {near[0]!r}?" if near else f"the keys are {', '.join(found[0])}",
        )
    columns = {
        name: _column(name, [keys[name] for keys in found], types.get(name), paths)
        for name in found[0]
    }
    return pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))


def inferred_type(values: Iterable[str | None]) -> pa.DataType:
    """The type that gives every value's text back: int64, date32, bool, else string.

    Example:
        >>> inferred_type(["1", "20", None]), inferred_type(["1", "007"])
        (DataType(int64), DataType(string))
    """
    known = {value for value in values if value is not None}
    if not known:
        return pa.string()
    if known <= {"true", "false"}:
        return pa.bool_()
    for fits, kind in ((_is_integer, pa.int64()), (_is_date, pa.date32())):
        if all(map(fits, known)):
            return kind
    return pa.string()


def _is_integer(text: str) -> bool:
    return _INTEGER.fullmatch(text) is not None and int(text) in _INT64


def _is_date(text: str) -> bool:
    if _DATE.fullmatch(text) is None:
        return False
    try:
        datetime.date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _keys(path: str) -> Keys:
    """The keys and values of the directories of a path, in order."""
    if "=" not in path:
        return {}
    place = re.split(r"[?#]", path)[0] if path.startswith(("http://", "https://")) else path
    keys: Keys = {}
    for part in place.split("/")[:-1]:
        key, equals, value = part.partition("=")
        if not equals or not key:
            continue
        try:
            key, value = (unquote(text, errors="strict") for text in (key, value))
            (key + value).encode()
        except UnicodeError:
            raise SourceError(f"its directory {part!r} is not UTF-8 text", path=path) from None
        if key in keys:
            raise SourceError(f"two of its directories give the key '{key}'", path=path)
        keys[key] = None if value == NULL else value
    return keys


def _check_same(found: Sequence[Keys], paths: Sequence[str], insist: bool) -> None:
    first = found[0]
    for keys, path in zip(found, paths, strict=True):
        if keys.keys() != first.keys():
            raise SourceError(
                f"its directories give {_named(keys)} where those of {paths[0]} give "
                f"{_named(first)}",
                path=path,
                hint="open what is laid out alike, or say hive_partitioning=False or "
                "--no-hive-partitioning",
            )
    if insist and not first:
        raise SourceError(
            "its path has no directories like key=value", path=paths[0], hint="name the root"
        )


def _named(keys: Keys) -> str:
    return f"the keys {', '.join(keys)}" if keys else "no keys"


def _column(
    name: str, values: list[str | None], kind: str | pa.DataType | None, paths: Sequence[str]
) -> pa.Array:
    if kind is None:
        return _texts(values).cast(inferred_type(values))
    wanted = parse_type(kind) if isinstance(kind, str) else kind
    try:
        return _texts(values).cast(wanted)
    except pa.ArrowNotImplementedError:
        raise OptionError(f"partition_types: {wanted} is no type for a key") from None
    except pa.ArrowInvalid:
        for value, path in zip(values, paths, strict=True):
            try:
                _texts([value]).cast(wanted)
            except pa.ArrowInvalid:
                raise SourceError(
                    f"its directory {name}={value} is no {wanted}",
                    path=path,
                    hint=f"give '{name}' another type in partition_types",
                ) from None
        raise


def _texts(values: Sequence[str | None]) -> pa.Array:
    """A string array. (``pa.array`` of Python values imports pandas.)"""
    encoded = [(value or "").encode("utf-8", "replace") for value in values]
    ends = np.zeros(len(values) + 1, np.int32)
    np.cumsum([len(text) for text in encoded], out=ends[1:])
    valid = np.packbits([value is not None for value in values], bitorder="little")
    buffers = [pa.py_buffer(valid), pa.py_buffer(ends), pa.py_buffer(b"".join(encoded))]
    return pa.Array.from_buffers(pa.string(), len(values), buffers)


def facts(
    partitions: pa.RecordBatch | None, paths: Sequence[str], path_column: str | None
) -> pa.RecordBatch:
    """What is known of each file without opening it: a row for each, with its path if asked for."""
    arrays = [] if partitions is None else list(partitions.columns)
    names = [] if partitions is None else list(partitions.schema.names)
    if path_column is not None and path_column not in names:
        arrays.append(_texts(paths))
        names.append(path_column)
    return pa.RecordBatch.from_arrays(arrays, names=names)
