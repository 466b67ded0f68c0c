"""What reading a range needs to know, the same for all ranges of a scan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa

from arrowsmith.formats.json.gather import Positions
from arrowsmith.formats.json.guard import Doubles, doubles_of
from arrowsmith.formats.json.kinds import Kind
from arrowsmith.formats.json.locate import Locator
from arrowsmith.plugin.protocols import RunContext, Source

_PATIENCE, _PAUSE = 4, 16


@dataclass(slots=True)
class Luck:
    """How a way that may fail has fared. Threads may share it: what is lost is time.

    Attributes:
        misses: in a row.
        passed: ranges since then that were not tried.
    """

    misses: int = 0
    passed: int = 0

    def tries(self) -> bool:
        """Whether to try again: always at first, then once in a while."""
        self.passed += 1
        return self.misses < _PATIENCE or self.passed % _PAUSE == 0

    def tell(self, hit: bool) -> None:
        """What came of it."""
        self.misses = 0 if hit else self.misses + 1


@dataclass(frozen=True)
class Plan:
    """One scan.

    Attributes:
        record: what a record is known to be; all columns of the file.
        names: of the columns to read, in the order wanted; at least one, so that rows are counted.
        ignore: fields that the record is not known to have are left out.
    """

    source: Source
    ctx: RunContext
    locator: Locator
    record: Kind
    names: tuple[str, ...]
    ignore: bool
    max_depth: int

    @cached_property
    def kinds(self) -> Mapping[str, Kind]:
        """Of the columns to read."""
        known = dict(self.record.fields)
        return {name: known[name] for name in self.names}

    @cached_property
    def whole(self) -> bool:
        """No column is left out."""
        return set(self.names) == {name for name, _ in self.record.fields}

    @cached_property
    def schema(self) -> pa.Schema:
        return pa.schema([(name, kind.type) for name, kind in self.kinds.items()])

    @cached_property
    def physical(self) -> pa.Schema:
        """What Arrow's parser is asked for."""
        return pa.schema([(name, kind.physical) for name, kind in self.kinds.items()])

    @cached_property
    def direct(self) -> bool:
        """Arrow's parser may read the columns as they stand."""
        return all(kind.direct for kind in self.kinds.values())

    @cached_property
    def flat(self) -> bool:
        """Each column to read has strings, numbers without a scale, or booleans."""
        return not any(
            pa.types.is_nested(kind) or pa.types.is_decimal(kind) for kind in self.physical.types
        )

    @cached_property
    def luck(self) -> Luck:
        """Whether it is worth while to look for records that are all written alike."""
        return Luck()

    @cached_property
    def spaces(self) -> list[Positions]:
        """Room for the places of values that no range has at the moment."""
        return []

    @cached_property
    def doubles(self) -> Doubles | None:
        """The doubles that were not asked for."""
        return doubles_of(self.kinds.items())

    @cached_property
    def numeric(self) -> pa.Schema:
        """The inferred columns with decimals in them, with doubles in their place: the parser takes
        strings for decimals, but not for doubles."""
        found = {name: _with_doubles(kind) for name, kind in self.kinds.items()}
        return pa.schema([(n, t) for n, t in found.items() if t != self.kinds[n].physical])


def _with_doubles(kind: Kind) -> pa.DataType:
    if kind.item is not None:
        return pa.list_(_with_doubles(kind.item))
    if kind.fields:
        return pa.struct([(name, _with_doubles(inner)) for name, inner in kind.fields])
    inferred = kind.given is None and pa.types.is_decimal(kind.type)
    return pa.float64() if inferred else kind.physical
