"""The options of the CSV reader."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from arrowsmith.errors import OptionError
from arrowsmith.plugin.options import option


@dataclass(frozen=True, slots=True)
class CsvReadOptions:
    """How to read a CSV file; what is None is guessed from a sample and told in the metadata.

    Attributes:
        delimiter: one byte between fields; None: one of ``, \\t ; |``, whichever fits the sample.
        quote: one byte around fields that hold delimiters or line ends, doubled inside; ``""``:
            none.
        header: whether the first record has the names of the columns.
        names: names of the columns, in place of those in the file.
        nulls: texts that are null in every column when they stand unquoted.
        types: column to Arrow type, such as ``{"id": "int64", "at": "timestamp[us]"}``. A value
            that does not fit is a bad record, whereas one that does not fit an inferred type
            contradicts the inference.
        infer: ``"sample"`` looks at the head, middle and tail, ``"full"`` at the whole file,
            ``"none"`` reads all columns as text.
        encoding: only ``"utf-8"``.
        sample_bytes: how much text to infer from.
        range_bytes: how much text one task parses. Batches follow from it, so that it is a
            constant and never a matter of memory or threads.
        max_record_bytes: the longest record; longer ones are an error.
    """

    delimiter: str | None = option(None, help="between fields; guessed from , tab ; | if not given")
    quote: str = option('"', help="around fields that hold delimiters; empty for none")
    header: bool | None = option(None, help="the first record has names; guessed if not given")
    names: tuple[str, ...] | None = option(None, help="names of the columns")
    nulls: tuple[str, ...] = option(("",), help="unquoted texts that are null in every column")
    types: Mapping[str, str] = option({}, help="Arrow types of columns, such as id:int64")
    infer: Literal["sample", "full", "none"] = option(
        "sample", help="infer types from a sample, the full file, or read all as text"
    )
    encoding: str = option("utf-8", help="only utf-8")
    sample_bytes: int = option(
        512 << 10, help="how much text to infer from", min=16, max=1 << 30, size=True
    )
    range_bytes: int = option(
        2 << 20, help="how much text one task parses", min=16, max=1 << 30, size=True
    )
    max_record_bytes: int = option(
        256 << 20, help="the longest record", min=16, max=1 << 30, size=True
    )

    def __post_init__(self) -> None:
        if self.delimiter in ("\\t", "tab"):
            object.__setattr__(self, "delimiter", "\t")
        for name, value in (("delimiter", self.delimiter), ("quote", self.quote)):
            least = name == "delimiter"
            if value is not None and not (
                least <= len(value) <= 1 and value.isascii() and value not in ("\n", "\r", "\0")
            ):
                raise OptionError(f"{name}: {value!r} is not one ASCII character")
        if self.delimiter is not None and self.delimiter == self.quote:
            raise OptionError(f"delimiter and quote are both {self.quote!r}")
        if self.encoding.lower().replace("_", "-") not in ("utf-8", "utf8", "utf-8-sig", "ascii"):
            raise OptionError(
                f"encoding: {self.encoding!r} cannot be read", hint="convert the file to UTF-8"
            )
