"""Records that are not written in the usual way, judged by the reference implementation.

The ``tfrecord`` package has the classes that the protobuf compiler makes of TensorFlow's
definitions. A record that they take is written anew by them, as all writers write it, and then
decoded like all others: so both ways give the same values. One that they refuse is bad.
"""

from __future__ import annotations

from typing import Any


class NoRecordError(ValueError):
    """The bytes are no such message."""


def rewritten(payload: bytes, *, sequence: bool) -> bytes:
    """The same Example or SequenceExample, written in the usual way.

    Raises:
        NoRecordError: it is none.
    """
    from google.protobuf.message import DecodeError
    from tfrecord import example_pb2

    kind: Any = example_pb2.SequenceExample if sequence else example_pb2.Example
    message = kind()
    try:
        message.ParseFromString(payload)
    except DecodeError as error:
        raise NoRecordError(" ".join(str(error).split())) from None
    message.DiscardUnknownFields()
    written: bytes = message.SerializeToString(deterministic=True)
    return written
