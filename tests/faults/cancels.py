"""Cancels runs in every way a program can, many times over, and looks for what is left.

Run as ``python cancels.py FOLDER SEED TIMES``; prints a line of JSON. A hang ends it with the
stacks of all threads on stderr.
"""

from __future__ import annotations

import faulthandler
import json
import random
import sys
import threading
from pathlib import Path

import arrowsmith
from arrowsmith import Pipeline, PipelineConfig

SECONDS = 40


class Stop(Exception):
    """Raised where the run is to end."""


def in_progress(ds, target: Path, choose: random.Random) -> None:
    """From the callback that tells the progress."""
    left = choose.randrange(4)

    def progress(stats) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise Stop

    # As often as it may be, and long enough that it comes about.
    config = PipelineConfig(worker_threads=choose.choice([1, 2, 4]), memory_check_interval=0.001)
    Pipeline(ds.map(busy), [], target, config=config, progress=progress).run()


def in_map(ds, target: Path, choose: random.Random) -> None:
    """From a function on a worker."""
    left = choose.randrange(40)
    kind = choose.choice([Stop, KeyboardInterrupt])

    def function(batch):
        nonlocal left
        left -= bool(batch.num_rows)
        if left < 0:
            raise kind
        return batch

    threads = choose.choice([1, 2, 4])
    config = PipelineConfig(worker_threads=threads, buffer_capacity=1, batch_rows=2000)
    ds.map(function).write(target, config=config)


def in_sink(ds, target: Path, choose: random.Random) -> None:
    """From a sink."""
    left = choose.randrange(5)

    class Sink:
        def __init__(self, schema, context):
            self.left = left

        def write(self, batch):
            self.left -= 1
            if self.left < 0:
                raise Stop

        def commit(self):
            raise Stop

        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

    Pipeline(ds, [], Sink, config=PipelineConfig(buffer_capacity=1)).run()


def in_consumer(ds, target: Path, choose: random.Random) -> None:
    """By the one who takes the batches, who goes away."""
    batches = ds.batches(batch_rows=choose.choice([1, 100, 65_536]))
    for _ in range(choose.randrange(30)):
        next(batches, None)
    if choose.random() < 0.5:
        batches.close()
    del batches
    raise Stop


def busy(batch):
    for _ in range(20):
        batch.validate(full=True)
    return batch


def main(folder: str, seed: int, times: int) -> None:
    faulthandler.dump_traceback_later(SECONDS, exit=True)
    out = Path(folder)
    source = out / "in.csv"
    with source.open("w") as file:
        file.write("a,b\n" + "".join(f"{n},some text\n" for n in range(60_000)))
    choose = random.Random(seed)
    ends, wrong = {}, []
    for number in range(times):
        way = choose.choice([in_progress, in_map, in_sink, in_consumer])
        ds = arrowsmith.open([source] * 4)
        try:
            way(ds, out / "out.parquet", choose)
            end = "ran to its end"
        except (Stop, KeyboardInterrupt):
            end = "stopped"
        except BaseException as error:
            end = repr(error)
        ends.setdefault(way.__name__, []).append(end)
        del ds
        if threading.active_count() != 1:
            wrong.append(f"{number} {way.__name__}: threads: {threading.enumerate()}")
        if end == "ran to its end":
            (out / "out.parquet").unlink()
        if list(out.iterdir()) != [source]:
            wrong.append(f"{number} {way.__name__}: files: {list(out.iterdir())}")
    print(json.dumps({"ends": ends, "wrong": wrong}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
