"""``arrowsmith plugins``."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from arrowsmith.cli.arguments import as_json
from arrowsmith.cli.terminal import one_line, put, put_json

if TYPE_CHECKING:
    from arrowsmith.catalog import PluginInfo


@click.command("plugins")
@as_json
def command(as_json: bool) -> None:
    """List the plugins, what they give, and why a broken one is broken."""
    from arrowsmith.registry import plugins

    found = plugins()
    if as_json:
        put_json([asdict(plugin) for plugin in found])
        return
    if not found:
        put("no plugins are installed")
        return
    from arrowsmith.cli.table import show

    heads = ("plugin", "distribution", "version", "status", "gives")
    show(heads, [(p.name, p.distribution, p.version, p.status, _gives(p)) for p in found])
    for plugin in found:
        if plugin.error is not None:
            put(one_line(f"{_title(plugin)} is broken: {plugin.error}"))
        for warning in plugin.warnings:
            put(one_line(f"{_title(plugin)}: warning: {warning}"))


def _title(plugin: PluginInfo) -> str:
    return f"{plugin.name} ({plugin.distribution} {plugin.version})".replace(" )", ")")


def _gives(plugin: PluginInfo) -> str:
    kinds = (("reads", plugin.readers), ("writes", plugin.sinks), ("transforms", plugin.transforms))
    return "; ".join(f"{verb} {', '.join(names)}" for verb, names in kinds if names)
