"""Which encoding a text is in, and how its characters lie in bytes."""

from __future__ import annotations

import codecs
from dataclasses import dataclass

from arrowsmith.errors import OptionError

_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_UNITS = {"utf-16-le": 2, "utf-16-be": 2, "utf-32-le": 4, "utf-32-be": 4}
_WITH_MARK = {"utf-16": "utf-16-le", "utf-32": "utf-32-le", "utf-8-sig": "utf-8"}
_PLAIN = "\r\n\t az09"
_LEAST = 4  # characters without a mark that are enough to tell UTF-16
_SINGLE = bytes(range(128, 256))


@dataclass(frozen=True, slots=True)
class Coding:
    """An encoding.

    Attributes:
        name: as Python has it: ``"utf-8"``, ``"utf-16-le"``, ``"cp1252"``.
        mark: bytes of the byte order mark before the text.
        unit: bytes of a code unit.
        fallback: the text is not UTF-8, and cp1252 a guess.
    """

    name: str
    mark: int = 0
    unit: int = 1
    fallback: bool = False

    @property
    def is_utf8(self) -> bool:
        return self.name == "utf-8"

    @property
    def dtype(self) -> str:
        """NumPy's name of a code unit."""
        return (">" if self.name.endswith("be") else "<") + f"u{self.unit}"

    @property
    def one_byte(self) -> bool:
        """Each byte is a character, but for UTF-8's."""
        try:
            return self.unit == 1 and len(_SINGLE.decode(self.name, "replace")) == len(_SINGLE)
        except UnicodeError:
            return False


def coding_of(head: bytes, given: str | None) -> Coding:
    """The encoding of a text that begins with ``head``.

    A byte order mark tells it; else zeros in every other byte are UTF-16. What is not UTF-8 is
    taken for cp1252, unless more of its bytes beyond ASCII are UTF-8 than not.

    Args:
        given: what the user says; a mark of that encoding is still passed over.

    Raises:
        OptionError: the encoding is unknown, or keeps no ASCII.
    """
    if given is not None:
        name = _checked(given)
        for mark, marked in _MARKS:
            if head.startswith(mark) and (marked == name or given_by_mark(given, name, marked)):
                return Coding(marked, len(mark), _UNITS.get(marked, 1))
        return Coding(name, 0, _UNITS.get(name, 1))
    for mark, name in _MARKS:
        if head.startswith(mark):
            return Coding(name, len(mark), _UNITS.get(name, 1))
    if (wide := _wide(head)) is not None:
        return Coding(wide, 0, 2)
    if _mostly_utf8(head):
        return Coding("utf-8")
    return Coding("cp1252", fallback=True)


def given_by_mark(given: str, name: str, marked: str) -> bool:
    """Whether the mark settles the byte order that the given encoding leaves open."""
    wide = codecs.lookup(given).name in ("utf-16", "utf-32")
    return wide and marked[:6] == name[:6]


def _checked(given: str) -> str:
    wrong = OptionError(
        f"text cannot be read with encoding {given!r}",
        hint="give a codec that keeps ASCII, such as utf-8, cp1252, shift_jis, or utf-16, utf-32",
    )
    try:
        name = codecs.lookup(given).name
        name = _WITH_MARK.get(name, name)
        if name in _UNITS:
            return name
        if _PLAIN.encode(name) != _PLAIN.encode() or name in ("utf-7", "punycode", "idna"):
            raise wrong
        if any("escape" in part or part in ("hz", "mbcs", "oem") for part in name.split("_")):
            raise wrong
    except (LookupError, UnicodeError, ValueError):
        raise wrong from None
    return name


def _wide(head: bytes) -> str | None:
    """The byte order of UTF-16 without a mark, told by the zeros of its ASCII."""
    pairs = len(head) // 2
    even, odd = head[0 : 2 * pairs : 2].count(0), head[1 : 2 * pairs : 2].count(0)
    if pairs < _LEAST or max(even, odd) * 10 < pairs * 4 or min(even, odd) * 20 > pairs:
        return None
    return "utf-16-be" if even > odd else "utf-16-le"


def _mostly_utf8(head: bytes) -> bool:
    try:
        codecs.utf_8_decode(head, "strict", False)
        return True
    except UnicodeDecodeError:
        text = codecs.utf_8_decode(head, "replace", False)[0]
        wrong = text.count("\ufffd")
        beyond = len(text) - len(text.encode("ascii", "ignore"))
        return beyond - wrong > wrong
