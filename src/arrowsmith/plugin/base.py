"""What most readers have in common, to inherit. Standard library only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Self

from arrowsmith.plugin.columns import check_columns
from arrowsmith.plugin.protocols import ScanRequest, ScanTask, Split

if TYPE_CHECKING:
    import pyarrow as pa


class BaseReader:
    """A reader that divides its work into tasks; all else has an answer that may be overridden.

    It cannot be split, does not count without reading, and has nothing to close, since the source
    is the host's.

    Example:
        >>> class LinesReader(BaseReader):
        ...     schema = pa.schema([("line", pa.string())])
        ...
        ...     def tasks(self, request):
        ...         yield LinesTask(self._source, projected(self.schema, request.columns))
    """

    def tasks(self, request: ScanRequest) -> Iterator[ScanTask]:
        """The units of reading, in order."""
        raise NotImplementedError

    def scan(self, request: ScanRequest) -> Iterator[pa.RecordBatch]:
        """The batches, in order, read on the calling thread."""
        # A limit counts the rows that are left after the predicate, which the runner applies.
        left = request.limit if request.predicate is None else None
        if left == 0:
            return
        for task in self.tasks(request):
            for batch in task.read():
                if left is not None:
                    batch = batch.slice(0, left)
                    left -= batch.num_rows
                yield batch
                if left == 0:
                    return

    def splits(self, target: int) -> Iterable[Split]:
        """None."""
        return ()

    def count(self) -> int | None:
        """None: only reading tells."""
        return None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None


def projected(
    schema: pa.Schema, names: Iterable[str] | None, *, path: str | None = None
) -> pa.Schema:
    """The schema with the columns that a request names, in their order; all if it names none.

    Raises:
        UnknownColumn: there is no such column.

    Example:
        >>> projected(pa.schema([("id", pa.int64()), ("text", pa.string())]), ("text",)).names
        ['text']
    """
    if names is None:
        return schema
    import pyarrow as pa  # which whoever has a schema has imported

    kept = dict.fromkeys(names)
    check_columns(schema, kept, path=path)
    return pa.schema([schema.field(name) for name in kept], metadata=schema.metadata)
