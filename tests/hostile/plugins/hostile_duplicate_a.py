from __future__ import annotations

from arrowsmith.plugin import Magic, ReaderSpec, SinkSpec, hookimpl


@hookimpl
def arrowsmith_readers() -> list[ReaderSpec]:
    impl = "hostile_duplicate_a:Reader"
    return [
        ReaderSpec(name="dup", impl=impl, extensions=(".dup",), magic=(Magic(0, b"DUP!"),)),
        ReaderSpec(name="only-a", impl=impl, extensions=(".only-a",)),
    ]


@hookimpl
def arrowsmith_sinks() -> list[SinkSpec]:
    return [SinkSpec(name="dup", impl="hostile_duplicate_a:Sink", extensions=(".dup",))]
