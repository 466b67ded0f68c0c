"""``open_dataset``: files of any known format as one dataset."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from arrowsmith.context import Context
from arrowsmith.dataset.dataset import Dataset
from arrowsmith.dataset.opened import Opened
from arrowsmith.inputs import open_input
from arrowsmith.memory import MemoryBudget
from arrowsmith.pipeline import ErrorPolicy, PipelineConfig
from arrowsmith.plugin.protocols import OnError

Path = str | os.PathLike[str]


def open_dataset(
    what: Path | Sequence[Path],
    *,
    format: str | None = None,
    on_error: OnError | None = None,
    rejects: str | None = None,
    max_errors: int | None = None,
    budget: MemoryBudget | int | str | None = None,
    config: PipelineConfig | None = None,
    file_path_column: str | None = None,
    max_ratio: float = 1000.0,
    hive_partitioning: bool | None = None,
    partition_types: Mapping[str, str | pa.DataType] | None = None,
    storage_options: Mapping[str, Any] | None = None,
    **options: Any,
) -> Dataset:
    """Open files of any known format as one lazy dataset.

    Args:
        what: a path, a glob, a directory, a URL, ``"-"`` for standard input, or a list of them.
            Several files, of one format or more, are one dataset: columns are matched by name and
            types promoted where that is exact.
        format: the format's name; by default the content decides.
        on_error: ``"raise"``, ``"skip"`` or ``"quarantine"`` for records that cannot be read; by
            default ``"quarantine"`` with a rejects file and ``"raise"`` without.
        rejects: the file for bad records under ``"quarantine"``.
        max_errors: how many bad records are let pass.
        budget: memory that a run may add to the process; default a quarter of the machine's.
        config: threads and queue sizes.
        file_path_column: name of an added column that holds each row's file.
        max_ratio: how many times larger than on disk a compressed file may be.
        hive_partitioning: whether directories such as ``year=2024`` give columns; by default they
            do where all files have the same keys.
        partition_types: types of such columns by name, instead of what their values look like.
        storage_options: credentials, endpoint and patience for URLs, see ``docs/REMOTE.md``.
        **options: the format's own, see ``arrowsmith formats NAME``; of several formats each takes
            those that it knows.

    Raises:
        SourceError: nothing there, or it cannot be read.
        FormatError: no reader, or more than one, recognises it.
        OptionError: an option is unknown or out of range.

    Example:
        >>> import arrowsmith
        >>> arrowsmith.open("in.csv").schema.names
        ['id', 'score']
    """
    budget = budget if isinstance(budget, MemoryBudget) else MemoryBudget(budget)
    config = config or PipelineConfig()
    policy = on_error or ("quarantine" if rejects else "raise")
    errors = ErrorPolicy(policy, rejects, max_errors)
    context = Context(memory_limit=budget.limit, threads=config.threads, on_error=policy)
    source = open_input(
        what,
        context,
        format=format,
        options=options,
        max_ratio=max_ratio,
        file_path_column=file_path_column,
        hive_partitioning=hive_partitioning,
        partition_types=partition_types,
        storage_options=storage_options,
    )
    return Dataset(Opened(source), budget=budget, config=config, errors=errors)
