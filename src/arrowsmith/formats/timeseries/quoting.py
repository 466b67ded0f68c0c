"""Quotes of ``.arff``: values with commas, blanks or marks in them, in either kind of quotes.

A backslash stands before a quote within quotes, as Weka writes it.
"""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from arrowsmith.kernels.arrays import int64_array, numpy_view

Ints = NDArray[np.int64]

SEPARATOR = "\x1f"
"""Stands between fields once commas within quotes are told from others."""
_FIELD = re.compile(
    r"""\s*('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[^,'"{}\s][^,'"]*|)\s*(,|$)""", re.DOTALL
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}
_ESCAPED = {value: sign for sign, value in _ESCAPES.items()}
_COMMA, _MARK = ord(","), ord(SEPARATOR)


def fields_of(text: str) -> list[str] | None:
    """The fields between commas as they stand, quotes included; None where quotes do not close.

    Example:
        >>> fields_of("1, 'a, b', c")
        ['1', "'a, b'", 'c']
    """
    found, at = [], 0
    while True:
        match = _FIELD.match(text, at)
        if match is None:
            return None
        found.append(match[1].rstrip())
        if not match[2]:
            return found
        at = match.end()


def unquoted(text: str) -> str:
    r"""A field without its quotes and backslashes.

    Example:
        >>> unquoted(r"'it\'s'")
        "it's"
    """
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        return re.sub(r"\\(.)", lambda one: _ESCAPES.get(one[1], one[1]), text[1:-1], flags=re.S)
    return text


def quoted(text: str) -> str:
    r"""A value as it is written, in quotes where it needs them.

    Example:
        >>> print(quoted("it's"), quoted("plain"))
        'it\'s' plain
    """
    if re.fullmatch(r"""[^\s,'"{}%\\?\x1f]+""", text):
        return text
    escaped = re.sub(r"[\\'\n\r\t]", lambda one: "\\" + _ESCAPED.get(one[0], one[0]), text)
    return f"'{escaped}'"


def has_quotes(lines: pa.StringArray) -> bool:
    """Whether any line has quotes, or the mark that would stand for a separator."""
    return any(_with(lines, sign).any() for sign in ("'", '"', SEPARATOR))


def separated(lines: pa.StringArray) -> tuple[pa.StringArray, Ints]:
    """Lines with ``SEPARATOR`` in the place of the commas outside of quotes, and the places of
    those whose quotes do not close or that have a ``SEPARATOR`` already: these are empty."""
    marks = {sign: _with(lines, sign) for sign in ("'", '"', "\\", SEPARATOR)}
    hard = marks["\\"] | marks[SEPARATOR] | (marks["'"] & marks['"'])
    data, offsets = _bytes(lines)
    quotes = (data == ord("'")) | (data == ord('"'))
    counts = np.concatenate(([0], np.cumsum(quotes)))
    hard |= (counts[offsets[1:]] - counts[offsets[:-1]]) % 2 == 1
    inside = counts[1:] - np.repeat(counts[offsets[:-1]], np.diff(offsets))
    data[(data == _COMMA) & (inside % 2 == 0)] = _MARK
    made = _strings(data, offsets)
    places = np.flatnonzero(hard)
    if not len(places):
        return made, places
    redone, bad = [], []
    for place, text in zip(
        places.tolist(), lines.take(int64_array(places)).to_pylist(), strict=True
    ):
        fields = None if SEPARATOR in text else fields_of(text)
        redone.append("" if fields is None else SEPARATOR.join(fields))
        if fields is None:
            bad.append(place)
    rest = _of_texts(redone)
    chosen = np.arange(len(lines))
    chosen[places] = len(lines) + np.arange(len(places))
    both = pa.concat_arrays([made, rest]).take(int64_array(chosen))
    return both, np.array(bad, np.int64)


def plain(texts: pa.StringArray) -> tuple[pa.StringArray, Ints]:
    """Fields without quotes, ``?`` outside of quotes being null, and the places of those with
    quotes elsewhere."""
    texts = pc.ascii_trim_whitespace(texts)
    texts = pc.if_else(pc.equal(texts, _UNKNOWN), _NULL, texts)
    quoted = _with(texts, "'") | _with(texts, '"')
    places = np.flatnonzero(quoted)
    if not len(places):
        return texts, places
    coded = texts.take(int64_array(places)).dictionary_encode()
    bad, values = [], []
    for code, text in enumerate(coded.dictionary.to_pylist()):
        sound = fields_of(text) == [text] and text[:1] in ("'", '"')
        values.append(unquoted(text))
        if not sound:
            bad.append(code)
    codes = numpy_view(coded.indices)
    rest = _of_texts(values).take(coded.indices)
    chosen = np.arange(len(texts))
    chosen[places] = len(texts) + np.arange(len(places))
    both = pa.concat_arrays([texts, rest]).take(int64_array(chosen))
    return both, places[np.isin(codes, bad)]


def _with(texts: pa.StringArray, sign: str) -> NDArray[np.bool_]:
    found = pc.match_substring(texts, sign).fill_null(_FALSE)
    flags: NDArray[np.bool_] = numpy_view(found.cast(pa.uint8())) == 1
    return flags


def _bytes(lines: pa.StringArray) -> tuple[NDArray[np.uint8], Ints]:
    """A copy of the text, and where each begins in it."""
    _, where, data = lines.buffers()
    offsets = np.frombuffer(where, np.int32)[lines.offset :][: len(lines) + 1].astype(np.int64)
    whole = np.frombuffer(data or b"", np.uint8)
    return whole[offsets[0] : offsets[-1]].copy(), offsets - offsets[0]


def _strings(data: NDArray[np.uint8], offsets: Ints) -> pa.StringArray:
    buffers = [None, pa.py_buffer(offsets.astype(np.int32)), pa.py_buffer(data)]
    return pa.Array.from_buffers(pa.string(), len(offsets) - 1, buffers)


def _of_texts(texts: list[str]) -> pa.StringArray:
    raw = [text.encode() for text in texts]
    ends = np.concatenate(([0], np.cumsum([len(one) for one in raw]))).astype(np.int64)
    return _strings(np.frombuffer(b"".join(raw), np.uint8), ends)


_UNKNOWN = _of_texts(["?"])[0]
_NULL = pa.nulls(1, pa.string())[0]
_FALSE = pa.nulls(1, pa.bool_()).is_valid()[0]
