"""Every Arrow type that a sink takes, written and read again."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pyarrow as pa

from arrowsmith.catalog import get_catalog
from arrowsmith.dataset import open_dataset
from arrowsmith.errors import ArrowsmithError
from arrowsmith.testing.checks import expect_same_table
from arrowsmith.testing.generated import generated_columns, table_with
from arrowsmith.testing.tables import made_sink
from arrowsmith.testing.targets import MemoryTarget, write_batches

Result = tuple[Literal["ok", "failed", "left out"], str, BaseException | None]


def written(name: str, table: pa.Table) -> bytes:
    """What the sink of that name writes for a table.

    Raises:
        ArrowsmithError: it refuses the table.
    """
    extension = next(iter(get_catalog().sink(name).extensions), f".{name}")
    target = MemoryTarget(f"written{extension}")
    with made_sink(name, {}, target, table.schema) as sink:
        write_batches(sink, table.combine_chunks().to_batches())
        sink.commit()
    return target.stream.getvalue()


def crossings(name: str) -> Iterator[tuple[str, Result]]:
    """By type: whether its values come back, and what is lost if they do not.

    A type that the sink refuses is left out. One that comes back as another is fine where the sink
    declares losses.
    """
    found = [(kind, _crossed(name, array)) for kind, array in generated_columns().items()]
    if all(status == "left out" for _, (status, _, _) in found):
        yield "generated types", ("left out", f"it refuses all of them: {found[0][1][1]}", None)
    else:
        yield from ((f"the type {kind}", result) for kind, result in found)


def crossed(name: str, table: pa.Table) -> Result:
    """Whether the rows of a table come back."""
    try:
        data = written(name, table)
    except ArrowsmithError as error:
        return "left out", f"the sink refuses it: {error}", None
    except Exception as error:
        return "failed", f"the sink raises {type(error).__name__}: {error}", error
    return _read_again(name, table, data)


def _crossed(name: str, array: pa.Array) -> Result:
    numbered = crossed(name, table_with(array))
    return crossed(name, pa.table({"value": array})) if numbered[0] == "left out" else numbered


def _read_again(name: str, table: pa.Table, data: bytes) -> Result:
    spec = get_catalog().sink(name)
    with tempfile.TemporaryDirectory(prefix="arrowsmith-check-") as folder:
        path = Path(folder) / f"written{next(iter(spec.extensions), f'.{name}')}"
        path.write_bytes(data)
        try:
            got = open_dataset(path, format=name, budget="1GB").to_table()
        except Exception as error:
            told = error if isinstance(error, ArrowsmithError) else repr(error)
            return "failed", f"what the sink wrote cannot be read: {told}", error
    if got.num_rows != table.num_rows:
        return "failed", f"{table.num_rows} rows are written, and {got.num_rows} come back", None
    try:
        expect_same_table(got, table, "written and read again")
    except AssertionError as error:
        if spec.capabilities.losses:
            return "ok", f"with a loss, as declared: {error}", None
        return "failed", f"{error}, and the sink declares no losses", error
    return "ok", "", None
