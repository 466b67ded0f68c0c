"""Pictures of many pixels: within the budget, one after the other, or refused."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
from PIL import Image

import arrowsmith
from arrowsmith import MemoryBudget, Pipeline
from arrowsmith.errors import BudgetExceeded, Cancelled
from arrowsmith.memory import release_unused
from arrowsmith.pipeline import PipelineConfig
from arrowsmith.testing import KitContext
from arrowsmith.testing.checks import within
from arrowsmith_image.headers import jpeg_coefficients
from arrowsmith_image.room import NoRoomError, Room
from pictures import jpeg, pixels, saved, written

MB = 1 << 20
LARGE = pixels(1, 1500, 2000)
KINDS = {
    "a.png": saved(LARGE, "PNG", compress_level=1),
    "a.jpg": saved(LARGE, "JPEG", quality=90),
    "progressive.jpg": saved(LARGE, "JPEG", quality=90, progressive=True),
    "a.webp": saved(LARGE, "WEBP", method=0),
    "a.gif": saved(Image.fromarray(LARGE).quantize(64), "GIF"),
    "a.tif": saved(LARGE, "TIFF", compression="tiff_deflate"),
}
STEPS = {
    "decode": {"size": "8", "reduce": False},
    "resize": {"size": 64},
    "encode": {"column": "bytes", "to": "bytes", "format": "jpeg"},
    "phash": {},
}


def run(folder, step, budget, threads, target):
    """The figures of a run that keeps next to nothing of what a step makes."""
    kept = {"decode": "image", "phash": "phash"}.get(step, "width")
    ds = arrowsmith.open(folder).transform(step, **STEPS[step]).select("path", kept)
    release_unused()  # what earlier tests left would be taken before the process grows
    config = PipelineConfig(worker_threads=threads, memory_check_interval=0.002)
    return Pipeline(ds, [], target, budget=MemoryBudget(budget), config=config).run()


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("name", KINDS)
def test_memory_stays_within_the_least_budget(tmp_path, name, step):
    kind = name.partition(".")[2]
    folder = written(tmp_path / "in", {f"{n}.{kind}": KINDS[name] for n in range(6)})
    least = 48 * MB  # what reading and writing take with four threads, and some room
    try:
        stats = run(folder, step, least, 4, tmp_path / "out.parquet")
    except BudgetExceeded as error:
        least = error.needed
        stats = run(folder, step, least, 4, tmp_path / "out.parquet")
    assert stats.rows_out == 6
    assert stats.peak_memory <= least


@pytest.mark.parametrize("step", STEPS)
def test_what_never_fits_is_refused_with_a_budget_that_does(tmp_path, step):
    folder = written(tmp_path / "in", {"a.webp": KINDS["a.webp"]})
    with pytest.raises(BudgetExceeded) as caught:
        run(folder, step, "32MB", 1, tmp_path / "out.parquet")
    error = caught.value
    assert error.path == str(folder / "a.webp")
    assert "the picture has 2000 x 1500 pixels" in str(error)
    enough = f"{-(-error.needed // MB)}MB"
    assert f"--memory {enough}" in str(error)
    stats = run(folder, step, enough, 1, tmp_path / "out.parquet")
    assert stats.rows_out == 1
    assert stats.peak_memory <= error.needed


def test_tensors_that_never_fit_are_refused(tmp_path):
    folder = written(tmp_path / "in", {"a.jpg": jpeg(1)})
    ds = arrowsmith.open(folder, budget="64MB").transform("decode", size="2000")
    with pytest.raises(BudgetExceeded, match="the picture has 32 x 24 pixels"):
        ds.to_table()
    ds = arrowsmith.open(folder).transform("decode", size="2000").transform("encode", format="webp")
    with pytest.raises(BudgetExceeded, match="the picture has 2000 x 2000 pixels"):
        Pipeline(ds, [], tmp_path / "out.parquet", budget=MemoryBudget("196MB")).run()


def test_reduced_jpegs_need_less(tmp_path):
    """What the pixels of a JPEG take depends on those that are decoded."""
    data = saved(np.zeros((6000, 8000, 3), np.uint8), "JPEG")
    folder = written(tmp_path / "in", {"a.jpg": data})
    ds = arrowsmith.open(folder, budget="64MB")
    assert ds.transform("decode", size="16").to_table().num_rows == 1
    with pytest.raises(BudgetExceeded, match="8000 x 6000"):
        ds.transform("decode", size="16", reduce=False).to_table()


def test_coefficients_are_held_where_there_are_several_scans():
    image = Image.fromarray(pixels(1, 64, 64))
    grey = image.convert("L")
    for picture, options, wanted in (
        (image, {"subsampling": "4:4:4"}, 0.0),
        (image, {"subsampling": "4:2:0", "progressive": True}, 3.0),
        (image, {"subsampling": "4:2:2", "progressive": True}, 4.0),
        (image, {"subsampling": "4:4:4", "progressive": True}, 6.0),
        (grey, {"progressive": True}, 2.0),
        (grey, {}, 0.0),
    ):
        data = saved(picture, "JPEG", **options)
        assert jpeg_coefficients(data) == wanted
        for size in range(min(len(data), 700)):
            assert jpeg_coefficients(data[:size]) >= 0


# --- who waits for whom --------------------------------------------------------------------------


def entering(room, nbytes, order, name, leave):
    """A thread that holds room until it is told to leave."""

    def hold():
        with room.taken(nbytes, 1, 1):
            order.append(name)
            leave.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    return thread


def test_large_pictures_wait_in_turn_and_small_ones_do_not():
    ctx = KitContext(memory_limit=1 << 30)
    rooms = [Room(ctx), Room(ctx)]  # of two transforms of a run
    order: list[str] = []
    first, rest = threading.Event(), threading.Event()
    threads = [entering(rooms[0], 500 * MB, order, "first", first)]
    threads += [entering(rooms[n % 2], 300 * MB, order, "second", rest) for n in range(2)]
    with rooms[1].taken(1000, 1, 1):
        time.sleep(0.2)
        assert order == ["first"]
    with Room(KitContext()).taken(500 * MB, 1, 1):  # another run
        pass
    first.set()
    while len(order) < 3:
        time.sleep(0.01)
    rest.set()
    for thread in threads:
        thread.join(10)
    assert order == ["first", "second", "second"]


def test_waiting_ends_with_the_run():
    ctx = KitContext(memory_limit=1 << 30)
    room = Room(ctx)

    def wait():
        with pytest.raises(Cancelled), room.taken(500 * MB, 1, 1):
            pass

    with room.taken(500 * MB, 1, 1):
        threading.Timer(0.1, ctx.cancel).start()
        within(5, wait, "waiting for room")
    ctx.resume()
    with room.taken(500 * MB, 1, 1):  # all was given back
        pass
    with pytest.raises(NoRoomError), room.taken(900 * MB, 1, 1):
        pass
