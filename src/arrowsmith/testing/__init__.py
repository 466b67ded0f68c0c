"""The contract kit: what every reader, sink and transform has to hold, as tests to inherit.

A plugin's tests name what is to be tested and give samples; the kit does the rest. It needs pytest
(``pip install pytest``), whose fixtures it uses.

Example, the whole of a plugin's ``tests/test_contract.py``:

    >>> from arrowsmith.testing import ReaderContract
    >>> class TestFooReader(ReaderContract):
    ...     name = "foo"
    ...     samples = {"two.foo": b"a=1\\na=2\\n"}
"""

from __future__ import annotations

from arrowsmith.testing.checks import KitContext, expect, expect_same_table
from arrowsmith.testing.damage import DamageContract
from arrowsmith.testing.feed import TableFeed, collect
from arrowsmith.testing.interruption import InterruptionContract
from arrowsmith.testing.memory import MemoryContract
from arrowsmith.testing.plugins import PluginContract
from arrowsmith.testing.probing import ProbeContract
from arrowsmith.testing.readers import Damaged, ReaderContract
from arrowsmith.testing.requests import RequestContract
from arrowsmith.testing.residency import ResidencyContract
from arrowsmith.testing.roundtrip import RoundTripContract
from arrowsmith.testing.sinks import SinkContract
from arrowsmith.testing.transforms import TransformContract

__all__ = [
    "DamageContract",
    "Damaged",
    "InterruptionContract",
    "KitContext",
    "MemoryContract",
    "PluginContract",
    "ProbeContract",
    "ReaderContract",
    "RequestContract",
    "ResidencyContract",
    "RoundTripContract",
    "SinkContract",
    "TableFeed",
    "TransformContract",
    "collect",
    "expect",
    "expect_same_table",
]
