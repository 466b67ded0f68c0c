"""Conditions on rows: parsed from text, taken from pyarrow expressions, joined.

Example:
    >>> import pyarrow as pa
    >>> from arrowsmith.predicate import parse_predicate
    >>> batch = pa.record_batch({"id": [1, 2, None], "lang": ["en", "de", "en"]})
    >>> parse_predicate("id < 5 and lang like 'e%'", batch.schema).mask(batch).to_pylist()
    [True, False, False]
"""

from __future__ import annotations

from arrowsmith.predicate.combine import And, as_expression, as_predicate, from_expression
from arrowsmith.predicate.formula import parse_formula
from arrowsmith.predicate.parser import parse_predicate

__all__ = [
    "And",
    "as_expression",
    "as_predicate",
    "from_expression",
    "parse_formula",
    "parse_predicate",
]
