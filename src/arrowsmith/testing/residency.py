"""Where the bytes of batches lie, and how a reader comes by them: is ``residency`` true?"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import pyarrow as pa

from arrowsmith.catalog import get_catalog
from arrowsmith.location import FileSource
from arrowsmith.plugin.options import build_options
from arrowsmith.testing.checks import KitContext, expect
from arrowsmith.testing.opening import WHOLE, SampleContract

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_MAPS = Path("/proc/self/maps")
_LEAST = 64  # bytes: smaller buffers may be anywhere
_STEP = 512  # so few are read ahead that what is counted was asked for


class ResidencyContract(SampleContract):
    """Checks of ``residency``; part of ``ReaderContract``."""

    def test_residency_is_as_declared(self, tmp_path: Path) -> None:
        """Mapped batches lie over the file's mapping, by address; ranges are read at offsets."""
        declared = self._reader_spec().capabilities.residency
        over = []
        for name, path in self._files(tmp_path):
            inside, outside, streamed = self._where(path)
            if inside + outside:
                over.append(outside == 0)
            size = path.stat().st_size
            expect(
                declared == "mapped" or not inside,
                f"{name}: {inside} bytes of its batches lie over the mapped file, but residency is"
                f" '{declared}', not 'mapped'",
            )
            expect(
                declared != "ranges" or size < 2 * _STEP or streamed < size,
                f"{name}: source.open() is read to its end, but residency is '{declared}'; use"
                " read_at(), read_into() or map() where the source is seekable",
            )
        expect(
            declared != "mapped" or not over or any(over),
            "residency is 'mapped', but no sample's batches lie over the mapped file: their"
            " buffers are copies",
        )

    def _where(self, path: Path) -> tuple[int, int, int]:
        """Bytes of batches over the mapping, bytes elsewhere, and bytes that came as a stream."""
        spec = self._reader_spec()
        owner = f"reader '{spec.name}'"
        options: Any = build_options(spec.options_class, self.options, owner=owner)
        impl = get_catalog().load(spec)
        inside = outside = 0
        with _WatchedSource(path) as source, impl(source, options, KitContext()) as reader:
            batches = list(reader.scan(WHOLE))
            mapped = [*source.mapped, *_mappings(path)]
            for buffer in (b for batch in batches for b in _buffers(batch)):
                start, size = buffer.address, buffer.size
                if any(low <= start and start + size <= high for low, high in mapped):
                    inside += size
                elif size >= _LEAST:
                    outside += size
            return inside, outside, source.streamed


def _buffers(batch: pa.RecordBatch) -> Iterator[pa.Buffer]:
    for column in batch.columns:
        arrays = [column]
        if pa.types.is_dictionary(column.type):
            arrays.append(column.dictionary)
        for array in arrays:
            yield from (one for one in array.buffers() if one is not None and one.size)


def _mappings(path: Path) -> list[tuple[int, int]]:
    """The addresses where this process has mapped a file by itself, where the system tells."""
    if not _MAPS.exists():
        return []
    found = []
    for line in _MAPS.read_text().splitlines():
        fields = line.split(maxsplit=5)
        if len(fields) == 6 and fields[5] == str(path.resolve()):
            low, _, high = fields[0].partition("-")
            found.append((int(low, 16), int(high, 16)))
    return found


class _WatchedSource(FileSource):
    """Remembers where it was mapped and how much was read as a stream."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.mapped: list[tuple[int, int]] = []
        self.streamed = 0

    def map(self) -> pa.Buffer:
        buffer = super().map()
        self.mapped.append((buffer.address, buffer.address + buffer.size))
        return buffer

    def open(self) -> BinaryIO:
        return io.BufferedReader(_Counted(self, super().open()), _STEP)


class _Counted(io.RawIOBase):
    def __init__(self, source: _WatchedSource, stream: BinaryIO) -> None:
        self._source = source
        self._stream = stream

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        data = self._stream.read(memoryview(buffer).nbytes)
        memoryview(buffer).cast("B")[: len(data)] = data
        self._source.streamed += len(data)
        return len(data)

    def close(self) -> None:
        self._stream.close()
        super().close()
