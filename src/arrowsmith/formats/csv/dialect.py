"""What separates fields, quotes them and ends lines."""

from __future__ import annotations

from dataclasses import dataclass

LF = 10
CR = 13


@dataclass(frozen=True, slots=True)
class Dialect:
    """One single-byte delimiter, one quote or none, and the first line end seen.

    Attributes:
        delimiter: as a string of one ASCII character.
        quote: likewise, or empty.
        line_end: ``"\\n"``, ``"\\r\\n"`` or ``"\\r"``.
        columns: how many fields a record has. A file of one column has no blank lines: an empty
            line is a record there.
    """

    delimiter: str
    quote: str
    line_end: str
    columns: int = 2

    @property
    def delimiter_byte(self) -> int:
        return ord(self.delimiter)

    @property
    def quote_byte(self) -> int:
        """The quote, or -1, which no byte equals."""
        return ord(self.quote) if self.quote else -1

    @property
    def quote_bytes(self) -> bytes:
        return self.quote.encode()
