"""Pixels: decoded, resized, encoded, hashed."""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageOps

import arrowsmith
from arrowsmith.errors import DataError, OptionError, SchemaMismatch
from arrowsmith.pipeline import PipelineConfig
from pictures import exif, jpeg, pixels, png, saved, written

BILINEAR = Image.Resampling.BILINEAR


def decoded(data, **options):
    """One picture, decoded."""
    table = pa.table({"bytes": [data]}, schema=pa.schema([("bytes", pa.binary())]))
    return tensors(table, **options)[0]


def tensors(table, **options):
    from arrowsmith.testing import KitContext, TableFeed, collect
    from arrowsmith_image.decode import Decode
    from arrowsmith_image.options import DecodeOptions

    made = collect(TableFeed(table, rows=3), [Decode(DecodeOptions(**options), KitContext())], 2)
    return made["image"].combine_chunks().to_numpy_ndarray()


def opened(data):
    return Image.open(io.BytesIO(data))


def difference(left, right):
    return np.abs(np.asarray(left).astype(int) - np.asarray(right).astype(int))


def test_jpeg_of_the_size_itself_is_as_pillow_has_it():
    for seed in range(5):
        data = jpeg(seed, 48, 64)
        apart = difference(decoded(data, size="48x64"), opened(data))
        assert apart.max() <= 2  # two versions of libjpeg-turbo
        assert apart.mean() <= 0.2


def test_png_is_exact():
    data = png(1, 48, 64)
    assert (decoded(data, size="48x64") == np.asarray(opened(data))).all()


@pytest.mark.parametrize("size", ["224", "112", "100x150", "300"])
def test_jpeg_of_another_size_is_near_pillow(size):
    height, _, width = size.partition("x")
    shape = int(width or height), int(height)
    data = jpeg(3, 256, 256)
    wanted = opened(data).convert("RGB").resize(shape, BILINEAR)
    for reduce in (True, False):
        apart = difference(decoded(data, size=size, reduce=reduce), wanted)
        assert apart.mean() <= (1.5 if reduce else 0.3)
        assert apart.max() <= (12 if reduce else 3)


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_upright(turn, kind):
    data = saved(pixels(4, 40, 60), kind, exif=exif(turn))
    wanted = ImageOps.exif_transpose(opened(data))
    size = f"{wanted.height}x{wanted.width}"
    assert difference(decoded(data, size=size), wanted).mean() <= 0.3
    plain = decoded(data, size="40x60", upright=False)
    assert difference(plain, opened(data)).mean() <= 0.3


def turned(array, turn):
    """What EXIF's orientation means, by NumPy."""
    array = np.swapaxes(array, 0, 1) if turn >= 5 else array
    if turn in (3, 4, 7, 8):
        array = array[::-1]
    return array[:, ::-1] if turn in (2, 3, 6, 7) else array


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_deflate"])
@pytest.mark.parametrize("channels", [1, 3])
def test_tiff_is_turned_once(turn, compression, channels):
    stored = pixels(4, 20, 40, channels)
    mode = "L" if channels == 1 else "RGB"
    same = saved(stored, "PNG", exif=exif(turn))
    upright = turned(stored, turn)
    assert (upright == np.asarray(ImageOps.exif_transpose(opened(same)))).all()
    data = saved(stored, "TIFF", exif=exif(turn), compression=compression)
    size = "x".join(map(str, upright.shape[:2]))
    plain = decoded(data, size="20x40", mode=mode, upright=False)
    assert (plain.squeeze() == stored).all()
    assert (decoded(data, size=size, mode=mode).squeeze() == upright).all()
    pad = decoded(data, size="40", mode=mode, fit="pad")
    assert (pad == decoded(same, size="40", mode=mode, fit="pad")).all()


@pytest.mark.parametrize("turn", range(1, 9))
def test_turned_tiffs_are_recoded_upright(tmp_path, turn):
    stored = pixels(4, 20, 40)
    folder = written(tmp_path, {"a.tif": saved(stored, "TIFF", exif=exif(turn))})
    ds = arrowsmith.open(folder)
    (read,) = ds.to_table().to_pylist()
    assert (read["width"], read["height"], read["orientation"]) == (40, 20, turn)
    upright = Image.fromarray(np.ascontiguousarray(turned(stored, turn)))
    again = ds.transform("encode", column="bytes", to="bytes", format="png").to_table()
    assert (np.asarray(opened(again["bytes"][0].as_py())) == np.asarray(upright)).all()
    assert (again["width"][0].as_py(), again["height"][0].as_py()) == upright.size
    small = ds.transform("resize", size=10).to_table()
    wanted = upright.resize((upright.width // 4, upright.height // 4), BILINEAR)
    assert difference(opened(small["bytes"][0].as_py()), wanted).max() == 0


def test_sixteen_bits_are_turned():
    deep = np.arange(24 * 32, dtype=np.uint16).reshape(24, 32) * 85
    data = saved(deep, "TIFF", exif=exif(6))
    got = decoded(data, size="32x24", mode="L")[:, :, 0]
    assert (got == turned(deep >> 8, 6)).all()


def test_crop_and_pad():
    data = png(5, 60, 100)
    crop = decoded(data, size="30", fit="crop")
    wanted = ImageOps.fit(opened(data), (30, 30), BILINEAR)
    assert difference(crop, wanted).max() <= 2
    pad = decoded(data, size="50x50", fit="pad")
    wanted = ImageOps.pad(opened(data), (50, 50), BILINEAR)
    assert difference(pad, wanted).max() <= 2
    assert not pad[:9].any()
    near = decoded(jpeg(5, 60, 100), size="30", fit="crop")
    assert difference(near, crop).mean() <= 3


def test_modes():
    image = Image.fromarray(pixels(6))
    size = "24x32"
    grey = decoded(saved(image, "JPEG", quality=95), size=size, mode="L")
    assert grey.shape == (24, 32, 1)
    assert difference(grey[:, :, 0], image.convert("L")).mean() <= 1.5
    clear = image.convert("RGBA")
    clear.putalpha(77)
    assert (decoded(saved(clear, "PNG"), size=size, mode="RGBA") == np.asarray(clear)).all()
    assert (decoded(saved(clear, "PNG"), size=size) == np.asarray(image)).all()
    ink = saved(image.convert("CMYK"), "JPEG", quality=95)
    assert difference(decoded(ink, size=size), opened(ink).convert("RGB")).max() <= 2
    palette = image.convert("P")
    expected = np.asarray(palette.convert("RGB"))
    assert (decoded(saved(palette, "PNG"), size=size) == expected).all()


def test_sixteen_bits_keep_the_high_byte():
    deep = np.arange(24 * 32, dtype=np.uint16).reshape(24, 32) * 85
    for kind in ("PNG", "TIFF", "PPM"):
        got = decoded(saved(Image.fromarray(deep), kind), size="24x32", mode="L")
        assert (got[:, :, 0] == deep >> 8).all(), kind


def test_animations_give_their_first_frame():
    images = [Image.fromarray(pixels(seed)) for seed in range(3)]
    data = saved(images[0], "WEBP", save_all=True, append_images=images[1:], lossless=True)
    assert (decoded(data, size="24x32") == pixels(0)).all()


def test_types_and_layouts():
    data = png(7)
    plain = decoded(data, size="24x32")
    floats = decoded(data, size="24x32", dtype="float32", layout="CHW")
    assert floats.shape == (3, 24, 32)
    assert floats.dtype == np.float32
    assert np.allclose(floats, plain.transpose(2, 0, 1) / 255, atol=1e-6)


def test_bad_pictures_are_left_out_with_their_reason(tmp_path):
    files = {f"{n}.jpg": jpeg(n, 48, 64) for n in range(9)}
    files["3.jpg"] = files["3.jpg"][:-200]  # its header is good
    files["5.jpg"] = png(5)[:-40]
    folder = written(tmp_path / "pics", files)
    rejects = tmp_path / "rejects.jsonl"
    ds = arrowsmith.open(folder, rejects=str(rejects)).transform("decode", size="24")
    table = ds.to_table()
    assert [path[-5] for path in table["path"].to_pylist()] == list("0124678")
    assert len(rejects.read_text().splitlines()) == 2
    each = [decoded(data, size="24") for name, data in files.items() if name[0] not in "35"]
    assert (table["image"].combine_chunks().to_numpy_ndarray() == np.stack(each)).all()
    with pytest.raises(DataError, match=r"3\.jpg: column 'bytes': the picture is damaged"):
        arrowsmith.open(folder).transform("decode", size="24").to_table()


def test_what_has_no_range_is_told_in_a_sentence():
    for data, what in (
        (saved(np.zeros((4, 4), np.float32), "TIFF"), "the picture has pixels that are floats"),
        (saved(np.full((4, 4), -1, np.int32), "TIFF"), "the picture has pixels from -1 to 0,"),
    ):
        with pytest.raises(DataError, match=what):
            decoded(data, size="4")


def test_bombs_are_not_decoded():
    with pytest.raises(DataError, match="above the limit of 100"):
        decoded(jpeg(1), size="8", max_pixels=100)


def test_nulls_stay_null():
    table = pa.table({"bytes": [png(1), None, png(2)]}, schema=pa.schema([("bytes", pa.binary())]))
    from arrowsmith.testing import KitContext, TableFeed, collect
    from arrowsmith_image.decode import Decode
    from arrowsmith_image.options import DecodeOptions

    feed = TableFeed(table, rows=3)
    made = collect(feed, [Decode(DecodeOptions(size="24x32"), KitContext())], 1)["image"]
    assert made.is_valid().to_pylist() == [True, False, True]
    assert (made.chunk(0).storage[2].as_py() == pixels(2).ravel()).all()


def test_threads_and_memory_do_not_matter(tmp_path):
    folder = written(tmp_path, {f"{n}.jpg": jpeg(n, 48, 64) for n in range(40)})

    found = []
    for threads, budget in ((1, "64MB"), (4, "1GB")):
        config = PipelineConfig(worker_threads=threads)
        ds = arrowsmith.open(folder, config=config, budget=budget).transform("decode", size="32")
        found.append(ds.select("image").to_table().combine_chunks())
    assert found[0].equals(found[1])


def test_wrong_options_are_told(tmp_path):
    folder = written(tmp_path, {"a.jpg": jpeg(1)})
    ds = arrowsmith.open(folder)
    for size in ("0", "x", "1x2x3", "70000", "-1"):
        with pytest.raises(OptionError, match="is no size"):
            ds.transform("decode", size=size).schema  # noqa: B018
    with pytest.raises(SchemaMismatch, match="not encoded pictures"):
        ds.transform("decode", size="8", column="path").schema  # noqa: B018


# --- resize, encode, phash -----------------------------------------------------------------------


def test_resize_and_encode(tmp_path):
    folder = written(tmp_path, {"a.jpg": jpeg(1, 100, 200), "b.png": png(2, 20, 30)})
    ds = arrowsmith.open(folder).transform("resize", size=50)
    found = ds.to_table().to_pylist()
    assert [(r["width"], r["height"], r["format"]) for r in found] == [
        (50, 25, "JPEG"),
        (30, 20, "PNG"),
    ]
    assert found[1]["bytes"] == png(2, 20, 30)
    wanted = opened(jpeg(1, 100, 200)).resize((50, 25), BILINEAR)
    assert difference(opened(found[0]["bytes"]), wanted).mean() <= 4
    again = ds.transform("encode", column="bytes", to="bytes", format="png").to_table().to_pylist()
    assert [r["format"] for r in again] == ["PNG", "PNG"]
    assert difference(opened(again[0]["bytes"]), opened(found[0]["bytes"])).max() == 0


@pytest.mark.parametrize("rows", [1, 2, 100])
@pytest.mark.parametrize("nullable", [True, False])
def test_facts_follow_beside_rows_without_a_picture(tmp_path, rows, nullable):
    """The rows of which nothing is made keep what they have."""
    schema = pa.schema(
        [
            pa.field("bytes", pa.binary()),
            pa.field("width", pa.int32(), nullable=nullable),
            pa.field("height", pa.int32(), nullable=nullable),
            pa.field("format", pa.string()),
            pa.field("orientation", pa.int8()),
        ]
    )
    big = saved(pixels(1, 50, 100), "PNG")
    columns = [[big, None, big, b"none"], [100, 7, 100, 1], [50, 8, 50, 1], ["?"] * 4, [6] * 4]
    pq.write_table(pa.table(columns, schema=schema), tmp_path / "in.parquet")
    config = PipelineConfig(batch_rows=rows)
    ds = arrowsmith.open(tmp_path / "in.parquet", config=config, on_error="skip")
    found = ds.transform("resize", size=10).to_table().drop_columns("bytes").to_pylist()
    assert [tuple(row.values()) for row in found] == [
        (10, 5, "PNG", None),
        (7, 8, "?", 6),
        (10, 5, "PNG", None),
    ]


def test_tensors_are_encoded(tmp_path):
    folder = written(tmp_path, {"a.png": png(1), "b.png": png(2)})
    ds = arrowsmith.open(folder).transform("decode", size="24x32")
    table = ds.transform("encode", format="png").select("bytes").to_table()
    found = [np.asarray(opened(value)) for value in table["bytes"].to_pylist()]
    assert (np.stack(found) == np.stack([pixels(1), pixels(2)])).all()


def test_phash_is_that_of_a_plain_dct(tmp_path):
    fft = pytest.importorskip("scipy.fft", reason="scipy is the judge of the transform")
    folder = written(tmp_path, {f"{n}.png": png(n, 32, 32) for n in range(6)})
    table = arrowsmith.open(folder).transform("phash").select("phash").to_table()
    for seed, got in enumerate(table["phash"].to_pylist()):
        grey = np.asarray(opened(png(seed, 32, 32)).convert("L")).astype(float)
        low = fft.dct(fft.dct(grey, axis=0), axis=1)[:8, :8]
        bits = "".join("1" if bit else "0" for bit in (low > np.median(low)).ravel())
        assert int(bits, 2) == got


def test_phash_finds_what_looks_alike(tmp_path):
    big = saved(Image.fromarray(pixels(1, 200, 200)), "JPEG", quality=40)
    folder = written(tmp_path, {"a.png": png(1, 64, 64), "b.jpg": big, "c.png": png(2, 64, 64)})
    table = arrowsmith.open(folder).transform("phash").to_table()
    one, same, other = table["phash"].to_pylist()
    assert (one ^ same).bit_count() <= 6
    assert (one ^ other).bit_count() >= 16
