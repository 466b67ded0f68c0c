"""``rename``: give columns other names."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from arrowsmith.errors import OptionError
from arrowsmith.plugin import RunContext, check_columns
from arrowsmith.transforms.columns import ReplaceColumns, Replacement, first_repeated
from arrowsmith.transforms.options import RenameOptions


class Rename:
    """Gives columns other names; two may swap theirs.

    Raises:
        OptionError: two columns would have one name.
    """

    def __init__(self, options: RenameOptions, ctx: RunContext) -> None:
        self._names = options.names

    def bind(self, schema: pa.Schema) -> ReplaceColumns:
        names = self._names
        check_columns(schema, names)
        renamed = [names.get(name, name) for name in schema.names]
        repeated = first_repeated(renamed)
        if repeated is not None:
            raise OptionError(f"two columns would be named '{repeated}'")
        replaced = {
            old: Replacement((schema.field(old).with_name(new),), _same)
            for old, new in names.items()
            if old != new
        }
        return ReplaceColumns(schema, replaced)


def _same(array: pa.Array) -> Sequence[pa.Array]:
    return (array,)
