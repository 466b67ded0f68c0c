"""What the contracts share: failing with a clear message, opening readers, looking for leaks."""

from __future__ import annotations

import gc
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa

from arrowsmith.catalog import get_catalog
from arrowsmith.context import Context
from arrowsmith.location import FileSource
from arrowsmith.plugin.options import build_options
from arrowsmith.plugin.protocols import OnError, Reader
from arrowsmith.plugin.specs import ReaderSpec

T = TypeVar("T")

PATIENCE = 60.0  # seconds after which a call that does not return is said to hang
_DESCRIPTORS = next((Path(p) for p in ("/proc/self/fd", "/dev/fd") if Path(p).is_dir()), None)


def expect(condition: object, message: str) -> None:
    """Fail the test with ``message`` unless ``condition`` holds."""
    __tracebackhide__ = True
    if not condition:
        raise AssertionError(message)


def expect_same_table(got: pa.Table, wanted: pa.Table, what: str) -> None:
    """Fail unless both tables have the same columns, types and values (NaN equals NaN).

    Args:
        got, wanted: the tables; how they are cut into chunks and their metadata do not matter.
        what: begins the message.
    """
    __tracebackhide__ = True
    names = f"{what}: columns {got.column_names}, expected {wanted.column_names}"
    expect(got.column_names == wanted.column_names, names)
    for one, other in zip(got.schema, wanted.schema, strict=True):
        same = one.type.equals(other.type)
        expect(same, f"{what}: column '{one.name}' is {one.type}, expected {other.type}")
    rows = f"{what}: {got.num_rows} rows, expected {wanted.num_rows}"
    expect(got.num_rows == wanted.num_rows, rows)
    for name, one, other in zip(got.column_names, got.columns, wanted.columns, strict=True):
        if not one.equals(other):
            _expect_same_values(one, other, f"{what}: column '{name}'")


def _expect_same_values(one: pa.ChunkedArray, other: pa.ChunkedArray, what: str) -> None:
    __tracebackhide__ = True
    for row, (left, right) in enumerate(zip(one, other, strict=True)):
        # repr tells -0.0 from 0.0 and lets NaN equal NaN, as a reader has to
        same = left.equals(right) or repr(left) == repr(right)
        expect(same, f"{what}, row {row}: {left!r}, expected {right!r}")


def table_of(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> pa.Table:
    """The batches as one table, each of them checked in full."""
    kept = []
    for batch in batches:
        batch.validate(full=True)
        same = batch.schema.equals(schema)
        expect(same, f"a batch has the columns\n{batch.schema}\nexpected\n{schema}")
        kept.append(batch)
    return pa.Table.from_batches(kept, schema=schema)


class KitContext(Context):
    """A ``RunContext`` that keeps warnings to itself.

    Example:
        >>> KitContext(on_error="skip").on_error
        'skip'
    """

    def __init__(self, *, on_error: OnError = "raise", memory_limit: int = 1 << 30) -> None:
        super().__init__(memory_limit=memory_limit, threads=1, on_error=on_error)

    def warn(self, message: str) -> None:
        self.warnings.append(message)


@contextmanager
def opened(
    spec: ReaderSpec,
    path: Path,
    options: Mapping[str, Any],
    context: Context | None = None,
) -> Iterator[Reader]:
    """A reader of one file, made as the host makes it."""
    built: Any = build_options(spec.options_class, options, owner=f"reader '{spec.name}'")
    impl = get_catalog().load(spec)
    with FileSource(path) as source, impl(source, built, context or KitContext()) as reader:
        yield reader


def within(seconds: float, call: Callable[[], T], what: str) -> T:
    """What ``call`` gives or raises; a failure if it has not returned after ``seconds``."""
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(call())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True, name="arrowsmith-testing")
    thread.start()
    thread.join(seconds)
    expect(not thread.is_alive(), f"{what}: no end after {seconds:g} seconds")
    if errors:
        raise errors[0]
    return results[0]


@contextmanager
def quiet() -> Iterator[None]:
    """Python warnings, which a test run may turn into errors, are left aside."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def no_leaks(what: str) -> Iterator[None]:
    """Fail if threads or file descriptors are left over at the end of the block."""
    gc.collect()
    threads, descriptors = set(threading.enumerate()), _open_descriptors()
    yield
    gc.collect()
    left = [thread.name for thread in threading.enumerate() if thread not in threads]
    expect(not left, f"{what}: threads still run: {', '.join(left)}")
    more = _open_descriptors() - descriptors
    expect(not more, f"{what}: open files are left: {', '.join(sorted(more))}")


def _open_descriptors() -> set[str]:
    if _DESCRIPTORS is None:
        return set()
    found = set()
    for path in _DESCRIPTORS.iterdir():
        try:
            # a descriptor's number may be used again, so where it leads counts, too
            found.add(f"{path.name} ({path.readlink()})")
        except OSError:
            continue  # the descriptor of this very listing
    return found
