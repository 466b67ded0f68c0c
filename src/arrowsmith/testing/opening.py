"""Samples as files, and readers of them: the ground of the contracts for readers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from arrowsmith.dataset import open_dataset
from arrowsmith.pipeline import PipelineConfig
from arrowsmith.plugin.protocols import Reader, ScanRequest
from arrowsmith.testing.checks import expect, opened, table_of
from arrowsmith.testing.probing import ProbeContract

WHOLE = ScanRequest()


class SampleContract(ProbeContract):
    """What the contracts of readers share; it has no checks beyond probing."""

    samples: Mapping[str, bytes]

    def _files(self, folder: Path) -> Iterator[tuple[str, Path]]:
        expect(self.samples, "the contract needs samples: the bytes of small files by name")
        for name, data in self.samples.items():
            path = folder / name
            path.write_bytes(data)
            yield name, path

    @contextmanager
    def _opened(self, path: Path) -> Iterator[Reader]:
        with opened(self._reader_spec(), path, self.options) as reader:
            yield reader

    def _batches(self, path: Path, request: ScanRequest) -> list[pa.RecordBatch]:
        with self._opened(path) as reader:
            return list(reader.scan(request))

    def _whole(self, path: Path) -> pa.Table:
        with self._opened(path) as reader:
            return table_of(reader.scan(WHOLE), reader.schema)

    def _dataset(self, path: Path, config: PipelineConfig) -> Any:
        return open_dataset(path, format=self.name, config=config, budget="1GB", **self.options)


def scanned(reader: Reader, **request: Any) -> list[pa.RecordBatch]:
    """The batches of a scan, all that is not given as by default."""
    return list(reader.scan(replace(WHOLE, **request)))
