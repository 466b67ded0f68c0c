"""Transforms of text: a file each, their specs and options here.

This module imports neither pyarrow nor numpy.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from arrowsmith.plugin import TransformSpec, hookimpl


def _spec(
    name: str,
    impl: str,
    options: str,
    summary: str,
    kind: Literal["stateless", "ordered", "fitted"] = "stateless",
) -> TransformSpec:
    path = f"arrowsmith.transforms.text.{impl}"
    chosen = f"arrowsmith.transforms.text.options:{options}"
    return TransformSpec(name=name, impl=path, options=chosen, kind=kind, summary=summary)


@hookimpl
def arrowsmith_transforms() -> Iterable[TransformSpec]:
    """The transforms of text."""
    return [
        _spec(
            "normalize_text",
            "normalize:NormalizeText",
            "NormalizeTextOptions",
            "bring Unicode, control characters and whitespace into one form",
        ),
        _spec("tokenize", "tokenize:Tokenize", "TokenizeOptions", "make lists of tokens of texts"),
        _spec(
            "vocab",
            "vocab:Vocab",
            "VocabOptions",
            "number tokens by a vocabulary of the most frequent",
            "fitted",
        ),
        _spec(
            "pack",
            "pack:Pack",
            "PackOptions",
            "put documents of tokens into sequences of one length",
            "ordered",
        ),
        _spec(
            "text_stats",
            "text_stats:TextStats",
            "TextStatsOptions",
            "count characters, words and lines of texts",
        ),
    ]
