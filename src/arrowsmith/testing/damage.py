"""Damaged files: an arrowsmith error or a valid table, and bad records with their place."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import pyarrow as pa
import pytest

from arrowsmith.errors import ArrowsmithError
from arrowsmith.plugin.protocols import OnError, Reject, ScanRequest
from arrowsmith.testing.checks import (
    PATIENCE,
    KitContext,
    expect,
    expect_same_table,
    no_leaks,
    opened,
    quiet,
    table_of,
    within,
)
from arrowsmith.testing.mutations import mutations
from arrowsmith.testing.opening import SampleContract
from arrowsmith.testing.peak import peak_since

_MUTATIONS = 400  # of all samples together
_SCANNED = 1 << 16  # bytes that are looked through for the ends of lines
_BLOW_UP = 192 << 20  # bytes that no small file may take


@dataclass(frozen=True, slots=True)
class Damaged:
    """A file with records that cannot be read.

    Attributes:
        data: its bytes.
        bad: how many records are bad.
        rows: how many are good.
    """

    data: bytes
    bad: int
    rows: int


class DamageContract(SampleContract):
    """Checks with damaged files; part of ``ReaderContract``.

    Attributes:
        damaged: files with bad records, by name; none for a format that has no records of its own
            to leave out.
    """

    damaged: Mapping[str, Damaged] = {}

    def test_damage_is_an_error_or_a_table(self, tmp_path: Path) -> None:
        """Files cut short, with flipped bits, or put together wrongly: never a crash, a hang, a
        foreign exception, or memory that has nothing to do with the file's size."""
        each = max(64, _MUTATIONS // max(len(self.samples), 1))
        for name, data in self.samples.items():
            path = tmp_path / name
            others = [one for one in self.samples.values() if one is not data]
            for what, damaged in mutations(data, others, each, self.structural_places(data)):
                path.write_bytes(damaged)
                where = f"{name} {what}"
                with quiet(), peak_since() as peak:
                    within(PATIENCE, lambda p=path, w=where: self._survives(p, w), where)  # type: ignore[misc]
                taken = peak.growth()
                expect(
                    taken < _BLOW_UP + 16 * len(data),
                    f"{where}: takes {taken:,} bytes of memory; check lengths against the file's"
                    " size before anything is allocated",
                )

    def structural_places(self, data: bytes) -> Iterable[int]:
        """Offsets at which a file may be cut in a way of its own: the ends of headers, blocks and
        records. As it is, the ends of lines; override it where a format has others."""
        ends = [place + 1 for place, byte in enumerate(data[:_SCANNED]) if byte == 0x0A]
        return ends[:8] + ends[-8:]

    def test_damage_leaves_nothing_open(self, tmp_path: Path) -> None:
        """No file or thread is left after a reader has failed, in opening or in reading."""
        for name, data in self.samples.items():
            path = tmp_path / name
            for length in (1, len(data) // 2, len(data) - 1):
                path.write_bytes(data[:length])
                where = f"{name} cut to {length} bytes"
                with quiet():
                    self._survives(path, where)
                    with no_leaks(where):
                        self._survives(path, where)

    def test_bad_record_is_an_error_with_its_place(self, tmp_path: Path) -> None:
        """Under ``on_error="raise"`` the error names the file."""
        for name, path, _ in self._bad_files(tmp_path):
            try:
                self._read_bad(path, "raise")
            except ArrowsmithError as error:
                expect(error.path == str(path), f"{name}: the error names no file: {error}")
                expect(error.place, f"{name}: the error names no place in the file: {error}")
            else:
                raise AssertionError(f"{name}: its bad records pass without an error")

    def test_bad_records_are_handed_over(self, tmp_path: Path) -> None:
        """Under skip and quarantine the good rows come, and each bad record with its place."""
        for name, path, damaged in self._bad_files(tmp_path):
            skipped, _ = self._read_bad(path, "skip")
            table, rejects = self._read_bad(path, "quarantine")
            expect_same_table(skipped, table, f"{name}, skip against quarantine")
            rows, bad = table.num_rows, len(rejects)
            expect(rows == damaged.rows, f"{name}: {rows} good rows, expected {damaged.rows}")
            expect(bad == damaged.bad, f"{name}: {bad} rejects, expected {damaged.bad}")
            for reject in rejects:
                _check_reject(reject, path, damaged.data)

    def test_bad_records_have_their_place_in_splits(self, tmp_path: Path) -> None:
        """Read split by split, the bad records are the same, at the same lines and offsets."""
        if not self._reader_spec().capabilities.split:
            pytest.skip(f"{self.name} does not split")
        for name, path, _ in self._bad_files(tmp_path):
            _, wanted = self._read_bad(path, "quarantine")
            for target in (1, 16, path.stat().st_size // 2):
                what = f"{name} in splits of about {target} bytes"
                _, rejects = self._read_bad(path, "quarantine", target)
                for got, one in zip_longest(rejects, wanted):
                    expect(got == one, f"{what}: {got!r}, expected {one!r}")

    def test_cut_compressed_file_is_an_error(self, tmp_path: Path) -> None:
        """A gzip file that was cut short does not pass for a shorter one."""
        for name, data in self.samples.items():
            packed = gzip.compress(data, mtime=0)
            path = tmp_path / f"{name}.gz"
            for length in (len(packed) // 2, len(packed) * 3 // 4):
                path.write_bytes(packed[:length])
                rows = self._survives(path, f"{name}.gz cut to {length} of {len(packed)} bytes")
                expect(
                    rows is None,
                    f"{name}.gz cut to {length} of {len(packed)} bytes gives {rows} rows and no"
                    " error: let the stream's errors through",
                )

    # --- inside ----------------------------------------------------------------------------------

    def _bad_files(self, folder: Path) -> Iterator[tuple[str, Path, Damaged]]:
        if not self.damaged:
            pytest.skip("no samples with bad records are given (damaged)")
        for name, damaged in self.damaged.items():
            path = folder / name
            path.write_bytes(damaged.data)
            yield name, path, damaged

    def _read_bad(
        self, path: Path, on_error: OnError, split_bytes: int | None = None
    ) -> tuple[pa.Table, list[Reject]]:
        """Table and rejects, of the whole or split by split."""
        context = KitContext(on_error=on_error)
        rejects: list[Reject] = []
        spec = self._reader_spec()
        with context.collecting(rejects), opened(spec, path, self.options, context) as reader:
            splits = [None] if split_bytes is None else list(reader.splits(split_bytes))
            batches = [b for split in splits for b in reader.scan(ScanRequest(split=split))]
            return table_of(batches, reader.schema), rejects

    def _survives(self, path: Path, where: str) -> int | None:
        """The number of rows of a damaged file, or None if it is an arrowsmith error."""
        context = KitContext()
        rows = 0
        try:
            with opened(self._reader_spec(), path, self.options, context) as reader:
                schema = reader.schema
                reader.count()
                for split in (None, *reader.splits(1 << 12)):
                    for batch in reader.scan(ScanRequest(split=split)):
                        batch.validate(full=True)
                        rows += batch.num_rows if split is None else 0
                        same = batch.schema.equals(schema)
                        expect(same, f"{where}: a batch has another schema than the reader")
        except ArrowsmithError as error:
            expect("\n" not in str(error), f"{where}: the error is more than one line: {error}")
            return None
        except AssertionError:
            raise
        except BaseException as error:
            raise AssertionError(
                f"{where}: {type(error).__name__}, not an ArrowsmithError: {error}"
            ) from error
        return rows


def _check_reject(reject: Reject, path: Path, data: bytes) -> None:
    where = f"{path.name}: {reject!r}"
    expect(reject.source == str(path), f"{where}: source is not the path")
    expect(reject.reason, f"{where}: gives no reason")
    expect(reject.raw in data, f"{where}: its raw bytes are not in the file")
    if reject.offset is not None:
        there = data[reject.offset : reject.offset + len(reject.raw)]
        expect(there == reject.raw, f"{where}: {there!r} stands at its offset")
    if reject.offset is not None and reject.line is not None:
        line = data.count(b"\n", 0, reject.offset) + 1
        expect(reject.line == line, f"{where}: its offset is in line {line}")
