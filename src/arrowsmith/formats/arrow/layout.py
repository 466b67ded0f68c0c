"""Where the messages of a mapped Arrow file or stream stand, and whether that can be true."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from arrowsmith.errors import BudgetExceeded, DataError
from arrowsmith.formats.arrow.flat import (
    BATCH,
    CONTINUATION,
    DICTIONARY,
    Block,
    FlatError,
    Message,
    footer_blocks,
    message,
    plain_size,
)

FILE_MAGIC = b"ARROW1"
# What pyarrow raises on bytes that it cannot make sense of.
DAMAGE = (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError, IndexError)


@dataclass(frozen=True, slots=True)
class Batch:
    """A record batch before it is read.

    Attributes:
        rows: how many it has.
        stored: bytes in the file.
        plain: bytes of memory that it needs: 0 where it lies over the mapping.
    """

    rows: int
    stored: int
    plain: int


class Checker:
    """Looks at messages before pyarrow does.

    Args:
        path: for messages.
        memory_limit: no message may need more.
    """

    def __init__(self, path: str, memory_limit: int) -> None:
        self.path = path
        self._limit = memory_limit

    def budget(self, size: int, place: str) -> None:
        """Raise ``BudgetExceeded`` for a message of ``size`` bytes that is too large."""
        if size > self._limit:
            needed = 2 * size
            raise BudgetExceeded(
                f"it needs {size} bytes of memory",
                needed=needed,
                path=self.path,
                place=place,
                hint=f"allow at least {-(-needed >> 20)} MiB",
            )

    def damaged(self, error: object, place: str) -> DataError:
        """The error for bytes that make no sense."""
        return DataError(
            f"it cannot be read: {error}", path=self.path, place=place, hint="the file is damaged"
        )

    def batch(self, found: Message, body: memoryview, place: str) -> Batch:
        """A message's sizes, checked against the budget.

        Raises:
            DataError: it declares what cannot be.
            BudgetExceeded: decompressed it is larger than the budget.
        """
        try:
            plain = plain_size(found, body)
        except FlatError as error:
            raise self.damaged(error, place) from error
        self.budget(plain, place)
        return Batch(found.rows, found.body, plain)

    def file_batches(self, data: memoryview) -> list[Batch]:
        """The batches of an IPC file, by its footer.

        Raises:
            DataError: the footer or a block is damaged.
            BudgetExceeded: a dictionary or batch is larger than the budget.
        """
        end = len(data) - len(FILE_MAGIC) - 4
        if end < 8 or bytes(data[-len(FILE_MAGIC) :]) != FILE_MAGIC:
            raise DataError(
                "it does not end in ARROW1",
                path=self.path,
                place=f"byte {len(data)}",
                hint="the file is cut short",
            )
        size = int.from_bytes(data[end : end + 4], "little")
        if size > end - 8:
            raise self.damaged(f"it claims {size} bytes in a file of {len(data)}", "the footer")
        try:
            dictionaries, blocks = footer_blocks(bytes(data[end - size : end]))
        except FlatError as error:
            raise self.damaged(error, "the footer") from error
        for i, block in enumerate(dictionaries):
            self._block(data, block, DICTIONARY, f"dictionary {i}")
        return [self._block(data, block, BATCH, f"batch {i}") for i, block in enumerate(blocks)]

    def _block(self, data: memoryview, block: Block, kind: int, place: str) -> Batch:
        start, body = block.offset, block.offset + block.metadata
        if start < 8 or block.metadata < 8 or block.body < 0 or body + block.body > len(data):
            raise self.damaged(
                f"it claims bytes {start} to {body + block.body} of {len(data)}", place
            )
        prefix = 8 if bytes(data[start : start + 4]) == CONTINUATION else 4
        try:
            found = message(bytes(data[start + prefix : body]))
        except FlatError as error:
            raise self.damaged(error, place) from error
        if found.kind != kind or found.body > block.body:
            raise self.damaged("its message is not what the footer says", place)
        return self.batch(found, data[body : body + found.body], place)

    def stream_batches(self, data: memoryview) -> Iterator[Batch]:
        """The batches of an IPC stream, message by message.

        Raises:
            DataError: a message is damaged or cut short.
            BudgetExceeded: a dictionary or batch is larger than the budget.
        """
        at = number = 0
        while at + 8 <= len(data):
            place = f"batch {number}"
            prefix = 8 if bytes(data[at : at + 4]) == CONTINUATION else 4
            size = int.from_bytes(data[at + prefix - 4 : at + prefix], "little", signed=True)
            if size == 0:
                return
            body = at + prefix + size
            if size < 0 or body > len(data):
                raise self.damaged(f"its metadata claims {size} bytes", place)
            try:
                found = message(bytes(data[at + prefix : body]))
            except FlatError as error:
                raise self.damaged(error, place) from error
            if body + found.body > len(data):
                raise self.damaged(f"it ends {body + found.body - len(data)} bytes early", place)
            if found.kind in (BATCH, DICTIONARY):
                batch = self.batch(found, data[body : body + found.body], place)
                if found.kind == BATCH:
                    number += 1
                    yield batch
            at = body + found.body
