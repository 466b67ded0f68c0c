"""How a run is set up, and what it reports."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field
from typing import Any

from arrowsmith.errors import OptionError


@dataclass(frozen=True, slots=True)
class PipelineConfig:
    """The knobs of a run. None of them changes the output.

    Attributes:
        batch_rows: ceiling of the rows in a batch between the stages.
        worker_threads: most threads that read, transform and encode; None for one a core. So
            many are awake as the stages keep at work and memory bears.
        buffer_capacity: batches that may wait between two stages; for a consumer who takes them as
            they are, until there are 4 MB of them.
        backpressure_threshold: share of the budget above which no further work is begun.
        memory_check_interval: longest time in seconds between two readings of the process's
            memory, which workers read between their steps as well, and of what machine and
            cgroups have left.

    Raises:
        OptionError: a value is out of range.
    """

    batch_rows: int = 65_536
    worker_threads: int | None = None
    buffer_capacity: int = 16
    backpressure_threshold: float = 0.8
    memory_check_interval: float = 0.1

    def __post_init__(self) -> None:
        if self.batch_rows < 1:
            raise OptionError(f"batch_rows must be at least 1, not {self.batch_rows}")
        if self.worker_threads is not None and not 1 <= self.worker_threads <= 1024:
            raise OptionError(f"worker_threads must be 1 to 1024, not {self.worker_threads}")
        if self.buffer_capacity < 1:
            raise OptionError(f"buffer_capacity must be at least 1, not {self.buffer_capacity}")
        if not 0 < self.backpressure_threshold <= 1:
            raise OptionError(
                f"backpressure_threshold must be above 0 and at most 1,"
                f" not {self.backpressure_threshold}"
            )
        if self.memory_check_interval <= 0:
            raise OptionError(
                f"memory_check_interval must be above 0, not {self.memory_check_interval}"
            )

    @property
    def threads(self) -> int:
        """The number of workers: as asked for, or one for each core this process may use."""
        return self.worker_threads if self.worker_threads is not None else usable_cores()


def usable_cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


@dataclass(slots=True)
class RunStats:
    """What a run did.

    Attributes:
        rows_in: rows that the reader gave.
        rows_out: rows that reached the sink or the consumer.
        bytes_in: bytes of Arrow data that the reader gave.
        bytes_out: bytes of the finished target; 0 without a file.
        batches: batches that the reader gave.
        chunks: pieces written by the sink.
        rejected: records left out by ``on_error``.
        seconds: time spent in the stages ``read``, ``transform``, ``encode``, ``write``, summed
            over the threads, since the last restart.
        elapsed: wall time in seconds.
        blocked: seconds for which the source waited because memory or a queue was full.
        peak_memory: most bytes of anonymous memory above the start of the run.
        memory_limit: the budget in bytes.
        lowest_available: fewest bytes that the machine, or a cgroup with a limit, had left; None
            where nothing tells.
        pressure_events: how often these got short, so that less was read ahead by fewer workers.
        pressure_seconds: for how long they were.
        threads: number of workers.
        workers: how many of them were awake on average.
        bytes_read: bytes of the source, as stored, whose rows have been put in order.
        bytes_total: bytes of the source; None where only reading tells of a pipe.
        files_read: files of the source that are done.
        files_total: files of the source.
        current_file: the file whose rows are next in order; None before and after.
        done: the share of the run that is done, 0 to 1, by the source's bytes or by a limit;
            None where neither tells.
        restarts: 1 if the types had to be widened and the run began again.
        warnings: messages that are no errors.
    """

    rows_in: int = 0
    rows_out: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    batches: int = 0
    chunks: int = 0
    rejected: int = 0
    seconds: dict[str, float] = field(
        default_factory=lambda: {"read": 0.0, "transform": 0.0, "encode": 0.0, "write": 0.0}
    )
    elapsed: float = 0.0
    blocked: float = 0.0
    peak_memory: int = 0
    memory_limit: int = 0
    lowest_available: int | None = None
    pressure_events: int = 0
    pressure_seconds: float = 0.0
    threads: int = 0
    workers: float = 0.0
    bytes_read: int = 0
    bytes_total: int | None = None
    files_read: int = 0
    files_total: int = 0
    current_file: str | None = None
    done: float | None = None
    restarts: int = 0
    warnings: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """The figures as plain values, for JSON."""
        return asdict(self)
