"""Google Cloud Storage, by a server of our own that knows the JSON API as far as it is used."""

from __future__ import annotations

import os
import random
import threading

import pytest

import arrowsmith
from arrowsmith.errors import OptionError, SourceChanged, SourceNotFound, TargetExists
from arrowsmith.location import open_target, resolve
from servers.gcs import Gcs

MIB = 1 << 20


@pytest.fixture
def gcs(monkeypatch):
    for name in list(os.environ):
        if name.startswith(("GOOGLE_", "CLOUDSDK_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    server = Gcs()
    yield server
    server.close()
    assert not [one.name for one in threading.enumerate() if "arrowsmith" in one.name]


def test_finding_and_reading(gcs):
    for name in ("d/b.csv", "d/a.csv", "d/.tmp.csv", "d/x.txt"):
        gcs.put(name, b"x\n1\n")
    paths = [one.path for one in resolve("gs://data/d/*.csv", storage_options=gcs.options)]
    assert paths == ["gs://data/d/a.csv", "gs://data/d/b.csv"]
    assert len(resolve("gcs://data/d", storage_options=gcs.options)) == 3
    assert arrowsmith.open("gs://data/d/*.csv", storage_options=gcs.options).count() == 2
    with pytest.raises(SourceNotFound, match=r"did you mean gs://data/d/a\.csv"):
        resolve("gs://data/d/aa.csv", storage_options=gcs.options)
    with pytest.raises(OptionError, match="has no storage option 'secret'"):
        resolve("gs://data/d/a.csv", storage_options={"secret": "hush"})


def test_ranges_and_change(gcs):
    data = random.Random(1).randbytes(5 * MIB)
    gcs.put("big", data)
    [source] = resolve("gs://data/big", storage_options=gcs.options)
    with source:
        assert source.read_at(3 * MIB, 1000) == data[3 * MIB : 3 * MIB + 1000]
        with source.open() as stream:
            assert stream.read() == data
        source.check_unchanged()
        gcs.put("big", data)
        with pytest.raises(SourceChanged):
            source.check_unchanged()


def test_writing(gcs):
    data = random.Random(2).randbytes(20 * MIB)
    with open_target("gs://data/out.bin", storage_options=gcs.options) as target:
        target.open().write(data)
        target.finish()
        assert gcs.names() == []
        target.publish()
    assert gcs.get("out.bin") == data
    with pytest.raises(TargetExists):
        open_target("gs://data/out.bin", storage_options=gcs.options)
    with open_target("gs://data/no.bin", storage_options=gcs.options) as target:
        target.open().write(data)
        target.finish()
    assert gcs.names() == ["out.bin"]
