from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa

from arrowsmith.errors import TargetError
from arrowsmith.plugin import Target


class NumbersSink:
    """The one that is right: the first column, a number a line."""

    def __init__(self, target: Target, schema: pa.Schema, options: Any, ctx: Any) -> None:
        self.target = target
        self.stream = self._open()

    def _open(self) -> Any:
        return self.target.open()

    def write(self, batch: pa.RecordBatch) -> None:
        numbers = batch.column(0).to_pylist()
        self._put("".join(f"{'null' if n is None else n}\n" for n in numbers).encode())

    def _put(self, data: bytes) -> None:
        self.stream.write(data)

    def commit(self) -> None:
        pass

    def __enter__(self) -> NumbersSink:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class PathWriter(NumbersSink):
    def _open(self) -> Any:
        return Path(self.target.path).open("wb", buffering=0)

    def __exit__(self, *_: object) -> None:
        self.stream.close()


class RandomBytes(NumbersSink):
    def commit(self) -> None:
        self._put(os.urandom(8))


class SwallowsErrors(NumbersSink):
    def _put(self, data: bytes) -> None:
        with suppress(TargetError):
            self.stream.write(data)


class LateOpener(NumbersSink):
    def _open(self) -> Any:
        return None

    def _put(self, data: bytes) -> None:
        if self.stream is None:
            self.stream = self.target.open()
        self.stream.write(data)


class WholeBuffers(NumbersSink):
    def write(self, batch: pa.RecordBatch) -> None:
        self._put(batch.column(0).buffers()[1].to_pybytes())


class LeavesHandleOpen(NumbersSink):
    def write(self, batch: pa.RecordBatch) -> None:
        super().write(batch)
        os.open(os.devnull, os.O_RDONLY)


class SwallowsInterrupt(NumbersSink):
    def _put(self, data: bytes) -> None:
        with suppress(KeyboardInterrupt):
            self.stream.write(data)


class WritesBeside(NumbersSink):
    def write(self, batch: pa.RecordBatch) -> None:
        super().write(batch)
        Path(f"{self.target.path}.index").write_bytes(b"")


class HoldsAll(NumbersSink):
    held = b""

    def _put(self, data: bytes) -> None:
        self.held += data

    def commit(self) -> None:
        self.stream.write(self.held)
