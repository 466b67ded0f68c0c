"""Bad records on their way to the rejects file."""

from __future__ import annotations

import base64
from dataclasses import asdict
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Self

from arrowsmith.errors import OptionError, TooManyErrors
from arrowsmith.location import FileTarget, format_suffix
from arrowsmith.plugin.protocols import Reject

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH = 4096  # rejects in a row group of a Parquet rejects file


class RejectLog:
    """Counts bad records and writes them to a JSONL or Parquet file, in the order of the input.

    Columns: source (string), record (int64, from 0), line (int64, from 1), offset (int64, bytes
    after decompression), column (string), reason (string), raw (binary; in JSONL a string, or
    base64 in ``raw_base64`` where it is not UTF-8).

    Args:
        path: the rejects file, ``.jsonl`` or ``.parquet``, compressed or not; None only counts.
        max_errors: how many bad records are let pass.
        overwrite: replace an existing file.

    Raises:
        OptionError: another suffix.
        TargetExists: the file is there and ``overwrite`` is not set.
    """

    def __init__(
        self, path: str | None, *, max_errors: int | None = None, overwrite: bool = False
    ) -> None:
        self._max_errors = max_errors
        self._count = 0
        self._published = False
        self._target: FileTarget | None = None
        self._writer: _JsonLines | _Parquet | None = None
        if path is not None:
            suffix, _ = format_suffix(path)
            if suffix not in (".jsonl", ".ndjson", ".parquet"):
                raise OptionError(
                    f"cannot write rejects to '{path}'",
                    hint="its name must end with .jsonl or .parquet",
                )
            self._target = FileTarget(path, overwrite=overwrite)
            self._parquet = suffix == ".parquet"

    def __enter__(self) -> Self:
        if self._target is not None:
            self._target.__enter__()
            file = self._target.open()
            self._writer = _Parquet(file) if self._parquet else _JsonLines(file)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._target is not None:
            if kind is None or isinstance(error, TooManyErrors):
                self.complete()
                self.publish()
            self._target.__exit__(kind, error, trace)

    def complete(self) -> None:
        """Write out the file; it has no name yet."""
        if self._target is not None and self._writer is not None:
            self._writer.close()
            self._writer = None
            self._target.finish()

    def publish(self) -> None:
        """Give the completed file its name."""
        if self._target is not None and not self._published:
            self._target.publish()
            self._published = True

    def write(self, rejects: list[Reject]) -> None:
        """Take the bad records of one task, in order.

        Raises:
            TooManyErrors: with this there are more than ``max_errors``.
        """
        room = None if self._max_errors is None else self._max_errors - self._count
        kept = rejects if room is None else rejects[: room + 1]
        self._count += len(rejects)
        if self._writer is not None:
            self._writer.write(kept)
        if room is not None and len(rejects) > room:
            bad = kept[-1]
            raise TooManyErrors(
                f"more than {self._max_errors} bad records, the last: {bad.reason}",
                path=bad.source,
                place=f"line {bad.line}" if bad.line is not None else None,
                hint="raise --max-errors or mend the input",
            )


class _JsonLines:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, rejects: list[Reject]) -> None:
        import orjson

        lines = []
        for reject in rejects:
            record = asdict(reject)
            raw = record.pop("raw")
            try:
                record["raw"] = raw.decode()
            except UnicodeDecodeError:
                record["raw_base64"] = base64.b64encode(raw).decode()
            lines.append(orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE))
        self._file.write(b"".join(lines))

    def close(self) -> None:
        self._file.close()


class _Parquet:
    def __init__(self, file: BinaryIO) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._file = file
        self._schema = pa.schema(
            [
                ("source", pa.string()),
                ("record", pa.int64()),
                ("line", pa.int64()),
                ("offset", pa.int64()),
                ("column", pa.string()),
                ("reason", pa.string()),
                ("raw", pa.binary()),
            ]
        )
        self._writer = pq.ParquetWriter(file, self._schema, compression="zstd")
        self._waiting: list[Reject] = []

    def write(self, rejects: list[Reject]) -> None:
        self._waiting += rejects
        if len(self._waiting) >= _BATCH:
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            self._writer.write_batch(self._batch(self._waiting))
            self._waiting = []

    def _batch(self, rejects: list[Reject]) -> pa.RecordBatch:
        import pyarrow as pa

        return pa.RecordBatch.from_pylist([asdict(bad) for bad in rejects], schema=self._schema)

    def close(self) -> None:
        self._flush()
        self._writer.close()
        self._file.close()
