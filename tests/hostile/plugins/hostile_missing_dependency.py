from __future__ import annotations

from arrowsmith.plugin import ReaderSpec, hookimpl


@hookimpl
def arrowsmith_readers() -> list[ReaderSpec]:
    return [
        ReaderSpec(
            name="needy",
            impl="hostile_import_failure:Reader",
            extensions=(".needy",),
            install_hint="pip install hostile-missing-dependency[all]",
        ),
        ReaderSpec(name="needy-exit", impl="hostile_system_exit:Reader"),
        ReaderSpec(name="needy-attribute", impl="hostile_missing_dependency:Missing"),
        ReaderSpec(name="needy-fine", impl="collections.abc:Mapping.get"),
    ]
