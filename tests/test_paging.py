"""Cached files are written in whole large pages, whatever is handed over at a time."""

from __future__ import annotations

import io
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arrowsmith.dataset.paging import LargePageTarget, _Pieces
from arrowsmith.errors import TargetError

PAGE = 2 << 20
DATA = np.random.default_rng(3).integers(0, 256, 11 << 20, dtype=np.uint8).tobytes()


class Recorder(io.BytesIO):
    def __init__(self) -> None:
        super().__init__()
        self.places: list[int] = []

    def write(self, data) -> int:
        self.places.append(self.tell())
        return super().write(data)


cuts = st.integers(0, len(DATA)) | st.sampled_from([PAGE - 1, PAGE, PAGE + 1, 3 * PAGE, 4 * PAGE])


@settings(max_examples=50)
@given(st.lists(cuts, max_size=8))
def test_every_piece_begins_at_a_page(cuts):
    stream = Recorder()
    pieces = _Pieces(stream)
    edges = [0, *sorted(cuts), len(DATA)]
    for start, stop in pairwise(edges):
        assert pieces.write(memoryview(DATA)[start:stop]) == stop - start
    pieces.flush()
    assert stream.getvalue() == DATA
    assert all(place % PAGE == 0 for place in stream.places)
    assert len(stream.places) <= len(DATA) // PAGE + 1


def test_published_whole_or_not_at_all(tmp_path):
    path = tmp_path / "a.arrow"
    with LargePageTarget(path) as target:
        target.open().write(DATA[:100])
        target.publish()
    assert path.read_bytes() == DATA[:100]
    with LargePageTarget(path, overwrite=True) as target:
        target.open().write(DATA)
    assert path.read_bytes() == DATA[:100]
    with pytest.raises(TargetError):
        LargePageTarget(tmp_path / "no" / "a.arrow").open()
