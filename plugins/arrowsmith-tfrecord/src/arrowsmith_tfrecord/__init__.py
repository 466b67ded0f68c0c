"""TFRecord: tf.train.Example, SequenceExample and raw records. A plugin for arrowsmith.

This module says what the plugin offers and imports neither pyarrow nor the code behind it.
Format: https://www.tensorflow.org/tutorials/load_data/tfrecord and tensorflow/core/example.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from arrowsmith.plugin import (
    Head,
    Loss,
    Match,
    ReaderCapabilities,
    ReaderSpec,
    SinkCapabilities,
    SinkSpec,
    hookimpl,
    option,
)

_EXTENSIONS = (".tfrecord", ".tfrecords")
_HEADER = 12
_TIMES = ("timestamp", "zoned timestamp", "date", "time", "duration")


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How a TFRecord file is read.

    Attributes:
        payload: what the records are; ``"raw"`` gives one binary column, ``record``.
        features: feature to type, such as ``{"label": "int64", "image": "binary"}``; the types are
            int64, float32, binary and string, lists ``int64[]``, fixed-size lists ``float32[16]``
            and feature lists ``int64[][]``. Other features are not read, and a record that does not
            fit is a bad record.
        fixed_lists: lists that have one length throughout become fixed-size lists.
        infer: ``"sample"`` looks at the first records, ``"full"`` at the whole file.
        unknown_features: what a feature means that the sample did not have.
        verify: check the checksums of lengths and payloads.
        index: ``"auto"`` uses ``NAME.index`` beside the file where it is there and fits.
        sample_bytes, range_bytes, max_record_bytes: see their help.
    """

    payload: Literal["auto", "example", "sequence", "raw"] = option(
        "auto", help="what the records are"
    )
    features: Mapping[str, str] = option(
        {}, help="types of features, such as label:int64,image:binary; others are not read"
    )
    fixed_lists: bool = option(False, help="fixed-size lists where all lengths are the same")
    infer: Literal["sample", "full"] = option(
        "sample", help="infer types from a sample or the full file"
    )
    unknown_features: Literal["conflict", "ignore"] = option(
        "conflict", help="whether a feature that the sample did not have widens the schema"
    )
    verify: bool = option(True, help="check the checksums of lengths and payloads")
    index: str = option("auto", help="path of the record index; auto: NAME.index; none: no index")
    sample_bytes: int = option(
        256 << 10, help="how many bytes of records to infer from", min=16, max=1 << 30, size=True
    )
    range_bytes: int = option(
        1 << 20, help="how many bytes of records one task reads", min=16, max=1 << 30, size=True
    )
    max_record_bytes: int = option(
        256 << 20, help="the longest record", min=16, max=1 << 30, size=True
    )


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """How a TFRecord file is written.

    Attributes:
        payload: ``"raw"`` writes the values of a single binary column as they are.
        times: ``"int64"`` writes timestamps, dates, times and durations as numbers in their unit.
        index: write ``NAME.index`` beside the file, a line ``OFFSET LENGTH`` for each record, as
            the tfrecord package and DALI read it.
    """

    payload: Literal["example", "raw"] = option("example", help="what the records are")
    times: Literal["refuse", "int64"] = option(
        "refuse", help="whether times are written, as numbers in their unit"
    )
    index: bool = option(False, help="write an index of records beside the file")


LOSSES = (
    Loss(
        "integers and booleans come back as int64",
        types=("int8", "int16", "int32", "uint8", "uint16", "uint32", "uint64", "bool"),
        kind="type",
    ),
    Loss("float16 comes back as float32", types=("float16",), kind="type"),
    Loss("float64 is rounded to float32", types=("float64",), kind="value", data=True),
    Loss(
        "strings and all kinds of binary come back as binary",
        types=("text", "large_binary", "binary_view", "fixed_size_binary"),
        kind="type",
    ),
    Loss(
        "fixed-size and large lists come back as lists",
        types=("fixed_size_list", "large_list"),
        kind="type",
    ),
    Loss("tensors come back flat, as lists", types=("tensor",), kind="type"),
    Loss("extension types come back as what they store", types=("extension",), kind="type"),
    Loss("dictionaries come back decoded", types=("dictionary",), kind="type"),
    Loss("times are not written", types=_TIMES, kind="refused", when=("times=refuse",)),
    Loss("times come back as int64", types=_TIMES, kind="type", when=("times=int64",)),
    Loss("integers beyond int64 are refused", types=("uint64",), kind="refused", data=True),
    Loss(
        "structs, maps, decimals, unions, intervals, views of lists and lists of lists are not"
        " written",
        types=(
            *("struct", "map", "decimal", "union", "interval", "inner lists"),
            *("list_view", "large_list_view", "run_end_encoded", "dictionary of lists"),
        ),
        kind="refused",
    ),
    Loss("a null within a list is refused", types=("lists", "tensor"), kind="refused", data=True),
    Loss("a column of nothing but nulls is not there when read again", types=("any",), data=True),
    "metadata of the schema and its fields is dropped, and so is what may not be null",
    "lists that have one value throughout come back as values, unless features= says otherwise",
)


def probe(head: Head) -> Match:
    """CERTAIN where the file begins with a length and its checksum, deflated or not."""
    data = head.head
    if _is_header(data[:_HEADER]):
        return Match.CERTAIN
    if len(data) > 1 and data[0] & 0x0F == 8 and int.from_bytes(data[:2], "big") % 31 == 0:
        try:
            if _is_header(zlib.decompressobj().decompress(data, _HEADER)):
                return Match.CERTAIN
        except zlib.error:
            pass
    return Match.NO


def _is_header(data: bytes) -> bool:
    return len(data) == _HEADER and _masked_crc(data[:8]) == int.from_bytes(data[8:], "little")


def _masked_crc(data: bytes) -> int:
    """The masked CRC32C of a few bytes, bit by bit: a probe imports nothing."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0x82F63B78 * (crc & 1)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


@hookimpl
def arrowsmith_readers() -> Iterable[ReaderSpec]:
    """The reader of TFRecord files."""
    return [
        ReaderSpec(
            name="tfrecord",
            impl="arrowsmith_tfrecord.reader:TfrecordReader",
            extensions=_EXTENSIONS,
            probe=probe,
            options=ReadOptions,
            capabilities=ReaderCapabilities(projection=True, split=True, residency="ranges"),
            summary="TFRecord: Example, SequenceExample and raw records; plain, gzip, zlib",
            install_hint="pip install arrowsmith-tfrecord",
        )
    ]


@hookimpl
def arrowsmith_sinks() -> Iterable[SinkSpec]:
    """The sink of TFRecord files."""
    return [
        SinkSpec(
            name="tfrecord",
            impl="arrowsmith_tfrecord.sink:TfrecordSink",
            extensions=_EXTENSIONS,
            options=WriteOptions,
            capabilities=SinkCapabilities(parallel=True, append=True, losses=LOSSES),
            summary="TFRecord: an Example a row, or raw records",
            install_hint="pip install arrowsmith-tfrecord",
        )
    ]
