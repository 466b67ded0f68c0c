"""Options of the transforms of text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from arrowsmith.plugin import option


@dataclass(frozen=True, slots=True)
class NormalizeTextOptions:
    """Which columns are normalised, and how: first the form, then controls, then whitespace."""

    columns: tuple[str, ...] = option(("text",), help="columns of text")
    form: Literal["nfc", "nfkc", "nfd", "nfkd", "keep"] = option("nfc", help="form of Unicode")
    control: Literal["remove", "space", "keep"] = option(
        "remove", help="control characters that are no whitespace"
    )
    whitespace: Literal["collapse", "trim", "keep"] = option(
        "collapse", help="collapse: each run of it is one space, and none at the ends"
    )


@dataclass(frozen=True, slots=True)
class TokenizeOptions:
    """A column of tokens."""

    column: str = option("text", help="a column of text")
    into: str = option("tokens", help="the column to add; one of that name is replaced")
    lowercase: bool = option(False, help="words in lower case")
    tokenizer: str | None = option(
        None, help="file of a Hugging Face tokenizer (tokenizer.json); words if unset"
    )
    output: Literal["tokens", "ids"] = option("tokens", help="texts, or numbers of a tokenizer")
    specials: bool = option(True, help="add the tokenizer's special tokens")


@dataclass(frozen=True, slots=True)
class VocabOptions:
    """A vocabulary of the most frequent tokens."""

    column: str = option("tokens", help="a column of texts, or of lists of texts")
    into: str = option("ids", help="the column to add; one of that name is replaced")
    size: int = option(32_000, help="entries at most, special ones included", min=1)
    min_count: int = option(1, help="rarer tokens are left out", min=1)
    specials: tuple[str, ...] = option(("<pad>", "<unk>"), help="entries before all others")
    unknown: str = option("<unk>", help="the entry for other tokens; empty: they are an error")
    max_distinct: int = option(1_000_000, help="more distinct tokens are an error", min=1)

    def __post_init__(self) -> None:
        if self.unknown and self.unknown not in self.specials:
            raise ValueError(f"unknown={self.unknown} is not among specials")
        if len(set(self.specials)) < len(self.specials):
            raise ValueError("a special entry is there twice")
        if self.size < len(self.specials):
            raise ValueError("size leaves no room for specials")


@dataclass(frozen=True, slots=True)
class PackOptions:
    """Sequences of one length."""

    length: int = option(help="tokens in a sequence", min=1, max=1 << 24)
    column: str = option("ids", help="a column of lists of whole numbers")
    separator: int | None = option(None, help="a token behind each document")
    pad: int = option(0, help="what fills the last sequence")
    last: Literal["pad", "drop"] = option("pad", help="what becomes of what is left at the end")


@dataclass(frozen=True, slots=True)
class TextStatsOptions:
    """Columns of figures."""

    column: str = option("text", help="a column of text")
    prefix: str | None = option(None, help="of the new columns' names; COLUMN_ if unset")
