"""Hashes of whole arrays: equal where values are, and different where they are not."""

from __future__ import annotations

import math

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import every_type
from arrowsmith.kernels.hashing import can_hash, hash_values

LENGTHS = (0, 1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 511, 512, 513, 600)


@given(st.lists(st.binary(max_size=40), max_size=50), st.integers(0, 10))
def test_hashes_are_a_function_of_the_bytes(values, skipped):
    hashes = hash_values(pa.array(values, pa.binary())).tolist()
    assert len(set(hashes)) == len(set(values))
    assert dict(zip(values, hashes, strict=True)) == {
        value: hash_values(pa.array([value], pa.binary()))[0] for value in set(values)
    }
    for kind in (pa.large_binary(), pa.binary()):
        sliced = pa.array(values, kind).slice(skipped)
        assert hash_values(sliced).tolist() == hashes[skipped:]


def test_every_byte_counts():
    values = []
    for length in LENGTHS:
        values.append(bytes(length))
        values += [bytes(at) + b"\1" + bytes(length - at - 1) for at in range(length)]
    array = pa.array(values, pa.binary())
    assert len(set(hash_values(array).tolist())) == len(values)
    assert hash_values(array.take(pa.array(range(len(values))[::-1]))).tolist() == (
        hash_values(array)[::-1].tolist()
    )


@pytest.mark.parametrize("name", [n for n, c in every_type.columns().items() if can_hash(c.type)])
def test_equal_values_of_every_type(name):
    column = every_type.columns()[name].drop_null()
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    fine = column.cast(pa.int64()) if str(column.type).endswith("[ns]") else column
    by_value = {}
    for value, hash_ in zip(fine.to_pylist(), hash_values(column).tolist(), strict=True):
        key = "nan" if isinstance(value, float) and math.isnan(value) else value
        assert by_value.setdefault(key, hash_) == hash_
    assert len(set(by_value.values())) == len(by_value)


def test_zeros_and_nans():
    hashes = hash_values(pa.array([0.0, -0.0, math.nan, -math.nan, 1.0])).tolist()
    assert hashes[0] == hashes[1]
    assert hashes[2] == hashes[3]
    assert len(set(hashes)) == 3


def test_a_dictionary_hashes_as_its_values():
    values = pa.array(["a", "b", None, "a"])
    plain, coded = hash_values(values), hash_values(values.dictionary_encode())
    assert plain[[0, 1, 3]].tolist() == coded[[0, 1, 3]].tolist()
