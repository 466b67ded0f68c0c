"""``arrowsmith transforms``."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from arrowsmith.cli.arguments import as_json
from arrowsmith.cli.terminal import put, put_json

if TYPE_CHECKING:
    from arrowsmith.plugin import TransformSpec


@click.command("transforms")
@click.argument("name", required=False)
@as_json
def command(name: str | None, as_json: bool) -> None:
    """List the transforms; with NAME its options."""
    from arrowsmith.catalog import get_catalog

    if name is not None:
        found = described(get_catalog().transform(name))
        if as_json:
            put_json(found)
        else:
            _show(found)
        return
    specs = get_catalog().transforms().values()
    if as_json:
        put_json([described(spec) for spec in specs])
        return
    from arrowsmith.cli.table import show

    rows = [(spec.name, spec.kind, spec.summary) for spec in specs]
    show(("transform", "kind", "what it does"), rows, widest=80)


def described(spec: TransformSpec) -> dict[str, Any]:
    """A transform with its options."""
    from arrowsmith.plugin.options import describe_options

    return {
        "name": spec.name,
        "kind": spec.kind,
        "summary": spec.summary,
        "options": [asdict(option) for option in describe_options(spec.options_class)],
    }


def _show(found: dict[str, Any]) -> None:
    from arrowsmith.cli.formats import option_row

    put(f"{found['name']}: {found['summary']}")
    put(f"kind: {found['kind']}")
    if not found["options"]:
        put("no options")
        return
    required = [one["name"] for one in found["options"] if one["default"] is None]
    call = f":{','.join(f'{name}=...' for name in required)}" if required else ""
    put(f"written: --transform {found['name']}{call}")
    formatter = click.HelpFormatter(max_width=100)
    with formatter.indentation():
        formatter.write_dl([option_row("", one) for one in found["options"]])
    put(formatter.getvalue().rstrip())
