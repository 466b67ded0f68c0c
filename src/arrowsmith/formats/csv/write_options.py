"""The options of the CSV sink. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from arrowsmith.errors import OptionError
from arrowsmith.plugin.options import option

_SPELLED = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "space": " "}


@dataclass(frozen=True, slots=True)
class CsvWriteOptions:
    """How CSV is written.

    Attributes:
        delimiter: one ASCII character, or ``tab``, ``comma``, ``semicolon``, ``pipe``, ``space``;
            None chooses by the target's suffix: a tab for ``.tsv``, a bar for ``.psv``, else a
            comma.
        quote: one ASCII character; inside quotes it is doubled.
        header: write the column names as the first record.
        null: what stands for a null, never quoted. A value that reads the same is quoted.
        quoting: ``minimal`` quotes a field only if it is empty or holds the delimiter, the quote or
            a line end; ``all`` quotes every field that is not null.
        line_end: ``lf`` or ``crlf``.
        timestamp_separator: what stands between date and time, ``space`` or ``T``.

    Raises:
        OptionError: a character that cannot play its role.

    Example:
        >>> CsvWriteOptions(delimiter="tab").delimiter
        '\\t'
    """

    delimiter: str | None = option(None, help="one ASCII character, or tab; by the suffix if unset")
    quote: str = option('"', help="one ASCII character, doubled inside quotes")
    header: bool = option(True, help="write the column names first")
    null: str = option("", help="what stands for a null, never quoted")
    quoting: Literal["minimal", "all"] = option("minimal", help="which fields get quotes")
    line_end: Literal["lf", "crlf"] = option("lf", help="the line end")
    timestamp_separator: Literal["space", "T"] = option(
        "space", help="what stands between date and time"
    )

    def __post_init__(self) -> None:
        if self.delimiter is not None:
            spelled = _SPELLED.get(self.delimiter, self.delimiter)
            object.__setattr__(self, "delimiter", spelled)
            _check_character("delimiter", spelled)
        _check_character("quote", self.quote)
        if self.quote == self.delimiter:
            raise OptionError("delimiter and quote are the same character")
        taken = {self.quote, self.delimiter, "\r", "\n"}
        if any(character in taken for character in self.null):
            raise OptionError("null holds the delimiter, the quote or a line end")

    def delimiter_for(self, name: str) -> str:
        """The delimiter for a target of that name, e.g. a tab for ``"a.tsv"`` or ``"a.tsv.gz"``."""
        if self.delimiter is not None:
            return self.delimiter
        suffixes = name.lower().split(".")[1:]
        return "\t" if "tsv" in suffixes else "|" if "psv" in suffixes else ","


def _check_character(option: str, text: str) -> None:
    if len(text) != 1 or not text.isascii() or text.isalnum() or text in "\r\n\0":
        raise OptionError(
            f"{option} {text!r} is not one ASCII character",
            hint="letters, digits and line ends cannot be used",
        )
