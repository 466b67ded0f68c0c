"""Write ``.npy`` and ``.npz``.

A header says how many rows there are and how wide texts are, and stands first: so the rows wait in
a scratch file until the last has come.
"""

from __future__ import annotations

import io
from types import TracebackType
from typing import Self

import numpy as np
import pyarrow as pa

from arrowsmith.errors import BudgetExceeded, DataError, OptionError, SchemaMismatch
from arrowsmith.formats.numpy import NumpySinkOptions
from arrowsmith.formats.numpy.encode import (
    Encoded,
    Node,
    Plain,
    Present,
    UnwritableError,
    validity,
)
from arrowsmith.formats.numpy.nodes import check_names, node_of, storage_of
from arrowsmith.formats.numpy.output import (
    ColumnOutput,
    MaskOutput,
    MatrixOutput,
    Output,
    StructuredOutput,
)
from arrowsmith.formats.numpy.spool import Spool
from arrowsmith.formats.numpy.zipped import Archive
from arrowsmith.plugin import Chunk, RunContext, Target

_CHUNK_BYTES = 4 << 20
_CHUNK_ROWS = 65_536
_MASK = "__valid"
_HEADER_SIZE = 10_000  # np.load reads a longer one only when asked to
_LONGEST_NAME = 60_000
_MUCH, _MUCH_LONGER = 1 << 30, 64  # padding beyond this is not what anybody wants


class NumpySink:
    """Writes one ``.npy`` array or one ``.npz`` archive.

    Raises:
        SchemaMismatch: a column has no place in a NumPy array.
        OptionError: the options do not go together.
        DataError: a value has no place (null in a column of integers, a text ending in NUL).
        BudgetExceeded: padded to the longest text, a row is larger than the budget allows.
    """

    def __init__(
        self, target: Target, schema: pa.Schema, options: NumpySinkOptions, ctx: RunContext
    ) -> None:
        self._target = target
        self._ctx = ctx
        self._nulls = options.nulls
        self._deflate = options.compression == "deflate"
        self._archive = options.container == "npz"
        if options.container is None:
            self._archive = "npz" in target.name.lower().split(".")[1:]
        self._layout = self._settled(options)
        self._names = schema.names
        self._nodes = self._checked(schema)
        texts = sum(node.texts for node in self._nodes)
        self._widths = [0] * texts
        self._sizes = [0] * texts
        self._null_counts = [0] * len(schema)
        self._filled = False
        self._spool = Spool(ctx, sum(1 + node.pieces for node in self._nodes))

    @property
    def chunk(self) -> Chunk:
        return Chunk(rows=_CHUNK_ROWS, nbytes=_CHUNK_BYTES)

    def prepare(self, first: pa.RecordBatch) -> None:
        """Nothing depends on the first chunk."""

    def encode(self, chunk: pa.RecordBatch) -> Encoded:
        """The chunk as bytes that wait for the end."""
        out = Encoded(chunk.num_rows)
        for name, node, column in zip(self._names, self._nodes, chunk.columns, strict=True):
            column = storage_of(column)
            there = validity(column)
            out.nulls.append(0 if there is None else int(np.count_nonzero(~there)))
            masked = self._nulls == "mask" and there is not None and _needs_mask(node)
            out.parts.append(there.view(np.uint8) if masked else b"")  # type: ignore[union-attr]
            try:
                if there is not None and self._nulls == "error":
                    raise UnwritableError("a value is null", "nulls=nan or nulls=mask allow it")
                node.encode(column, Present(seen=there if masked else None), out)
            except UnwritableError as error:
                hint = error.hint
                if self._nulls == "mask" and "null" in str(error):
                    hint = "masks are of whole rows: fill the nulls within lists and structs before"
                raise DataError(
                    str(error), path=self._target.path, place=f"column '{name}'", hint=hint
                ) from error
        return out

    def append(self, encoded: Encoded) -> None:
        """Put a chunk aside."""
        self._widths = [max(pair) for pair in zip(self._widths, encoded.widths, strict=True)]
        self._sizes = [sum(pair) for pair in zip(self._sizes, encoded.sizes, strict=True)]
        counts = zip(self._null_counts, encoded.nulls, strict=True)
        self._null_counts = [sum(pair) for pair in counts]
        self._filled |= encoded.filled
        self._spool.add(encoded)

    def write(self, batch: pa.RecordBatch) -> None:
        """Put a batch aside, cut where it is larger than a chunk."""
        for start in range(0, batch.num_rows, _CHUNK_ROWS):
            self.append(self.encode(batch.slice(start, _CHUNK_ROWS)))

    def commit(self) -> None:
        """Write the arrays."""
        if self._filled:
            self._ctx.warn(f"{self._target.path}: nulls are written as NaN or NaT")
        outputs = self._outputs()
        self._check_sizes(outputs)
        stream = self._target.open()
        if self._archive:
            with Archive(stream, deflate=self._deflate) as archive:
                for name, output in outputs:
                    self._write_member(archive, name, output)
        else:
            output = self._whole(outputs)
            if len(output.header(self._spool)) > _HEADER_SIZE:
                self._ctx.warn(
                    f"{self._target.path}: np.load reads so many fields only with"
                    " max_header_size=1_000_000"
                )
            output.write(self._spool, stream.write, self._ctx.check_cancelled)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._spool.close()

    def _settled(self, options: NumpySinkOptions) -> str:
        """The layout, ``"plain"`` where ``"auto"`` may make an array without fields."""
        if self._archive and options.layout != "auto":
            raise OptionError(
                f"layout={options.layout} is for .npy", hint="an .npz file has an array a column"
            )
        if self._deflate and not self._archive:
            raise OptionError(
                "compression=deflate is for .npz", hint="name the target .npz, or .npy.gz"
            )
        if options.layout == "matrix" and self._nulls == "mask":
            raise OptionError("a matrix has no place for masks", hint="write .npz")
        # Whether there are nulls is known too late: the layout must not hang on it.
        return "structured" if self._nulls == "mask" else options.layout

    def _checked(self, schema: pa.Schema) -> list[Node]:
        nodes = []
        if not len(schema):
            raise SchemaMismatch("there is no column to write", path=self._target.path)
        for field in schema:
            try:
                nodes.append(node_of(field.type))
            except UnwritableError as error:
                raise self._misfit(error, field.name) from error
        try:
            check_names(schema.names)
            for name in schema.names:
                if self._archive and ("\0" in name or len(name.encode()) > _LONGEST_NAME):
                    raise UnwritableError(f"{name[:40]!r} cannot name a member", "rename it")
        except UnwritableError as error:
            raise self._misfit(error) from error
        if self._layout == "matrix":
            self._check_matrix(schema, nodes)
        return nodes

    def _check_matrix(self, schema: pa.Schema, nodes: list[Node]) -> None:
        codes = {node.code if isinstance(node, Plain) else "" for node in nodes}
        if len(codes) > 1 or "" in codes:
            types = ", ".join(f"{field.name} {field.type}" for field in schema)
            raise SchemaMismatch(
                f"a matrix needs columns of one plain type, and these are {types[:200]}",
                path=self._target.path,
                hint="cast them to one, or leave out layout=matrix",
            )

    def _misfit(self, error: UnwritableError, column: str | None = None) -> SchemaMismatch:
        place = f"column '{column}'" if column is not None else None
        return SchemaMismatch(str(error), path=self._target.path, place=place, hint=error.hint)

    def _outputs(self) -> list[tuple[str, Output]]:
        """An array a column, and one for its mask where it needs it."""
        found: list[tuple[str, Output]] = []
        widths = iter(self._widths)
        part = 0
        for name, node, nulls in zip(self._names, self._nodes, self._null_counts, strict=True):
            mine = tuple(next(widths) for _ in range(node.texts))
            found.append((name, ColumnOutput(node, part + 1, mine)))
            if nulls and self._nulls == "mask" and _needs_mask(node):
                if name + _MASK in self._names:
                    raise DataError(
                        f"its mask would have the name of another column, {name + _MASK!r}",
                        path=self._target.path,
                        place=f"column '{name}'",
                        hint="rename one of them",
                    )
                found.append((name + _MASK, MaskOutput(part)))
            part += 1 + node.pieces
        return found

    def _whole(self, outputs: list[tuple[str, Output]]) -> Output:
        if self._layout == "matrix":
            return MatrixOutput([output for _, output in outputs])
        if self._layout == "structured" or len(outputs) > 1:
            return StructuredOutput(outputs)
        return outputs[0][1]

    def _write_member(self, archive: Archive, name: str, output: Output) -> None:
        size = len(output.header(self._spool)) + self._spool.total * output.row_bytes
        with archive.member(f"{name}.npy", size) as member:
            # Small writes would each be a call of the compressor and a write.
            buffered = io.BufferedWriter(member, 1 << 18)
            output.write(self._spool, buffered.write, self._ctx.check_cancelled)
            buffered.flush()
            buffered.detach()

    def _check_sizes(self, outputs: list[tuple[str, Output]]) -> None:
        rows = self._spool.total
        for name, output in outputs:
            self._check_padding(name, output, rows)
        size = max(output.row_bytes for _, output in outputs) if self._archive else 0
        size = size or sum(output.row_bytes for _, output in outputs)
        needed = 8 * size  # texts are spread by masks, beside the array that they go to
        if needed > self._ctx.memory_limit:
            raise BudgetExceeded(
                f"one row of fixed width takes {size} bytes",
                needed=needed,
                path=self._target.path,
                hint=f"allow at least {-(-needed >> 20)} MiB, or leave long texts out",
            )

    def _check_padding(self, name: str, output: Output, rows: int) -> None:
        if not isinstance(output, ColumnOutput) or not output.node.texts:
            return
        padded = rows * output.row_bytes
        at = sum(node.texts for node in self._nodes[: self._names.index(name)])
        held = sum(self._sizes[at : at + output.node.texts]) + 8 * rows
        if padded > _MUCH and padded > _MUCH_LONGER * held:
            raise DataError(
                f"all its texts would be padded to the longest, of {max(output.widths)}"
                f" characters: {padded} bytes for {held}",
                path=self._target.path,
                place=f"column '{name}'",
                hint="leave the column out, or write parquet",
            )


def _needs_mask(node: Node) -> bool:
    """Times have NaT, which says the same."""
    return not (isinstance(node, Plain) and "[" in node.code)
