"""``arrowsmith formats``."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from arrowsmith.cli.arguments import as_json
from arrowsmith.cli.terminal import put, put_json, say

if TYPE_CHECKING:
    from arrowsmith.registry import FormatInfo


@click.command("formats")
@click.argument("name", required=False)
@as_json
def command(name: str | None, as_json: bool) -> None:
    """List the formats; with NAME its options, capabilities and losses."""
    if name is None:
        _list(as_json)
    elif as_json:
        put_json(described(_format(name)))
    else:
        _show(described(_format(name)))


def _list(as_json: bool) -> None:
    from arrowsmith.registry import formats

    found = [_summary(one) for one in formats()]
    if as_json:
        put_json(found)
        return
    from arrowsmith.cli.table import show

    rows = [
        (
            one["name"],
            "yes" if one["read"] else "",
            "yes" if one["write"] else "",
            " ".join(one["extensions"]),
            one["summary"],
        )
        for one in found
    ]
    show(("format", "read", "write", "suffixes", "what it is"), rows, widest=80)
    _tell_of_broken()


def _tell_of_broken() -> None:
    from arrowsmith.registry import plugins

    broken = [plugin.name for plugin in plugins() if plugin.status == "broken"]
    if broken:
        say(f"warning: broken: {', '.join(broken)}; arrowsmith plugins tells why")


def _format(name: str) -> FormatInfo:
    from arrowsmith.catalog import get_catalog
    from arrowsmith.registry import FormatInfo, formats

    known = {one.name: one for one in formats()}
    if name not in known:  # raises, with the nearest names or what to install
        return FormatInfo(name, get_catalog().reader(name), None)
    return known[name]


def _summary(one: FormatInfo) -> dict[str, Any]:
    specs = [spec for spec in (one.reader, one.sink) if spec is not None]
    extensions = dict.fromkeys(ext for spec in specs for ext in spec.extensions)
    return {
        "name": one.name,
        "read": one.reader is not None,
        "write": one.sink is not None,
        "extensions": list(extensions),
        "summary": next((spec.summary for spec in specs if spec.summary), ""),
    }


def described(one: FormatInfo) -> dict[str, Any]:
    """A format with the options, capabilities and losses of its reader and its sink."""
    from arrowsmith.plugin.options import describe_options

    found: dict[str, Any] = _summary(one)
    for side, spec in (("reader", one.reader), ("sink", one.sink)):
        if spec is not None:
            found[side] = {
                "summary": spec.summary,
                "extensions": list(spec.extensions),
                "capabilities": asdict(spec.capabilities),
                "options": [asdict(option) for option in describe_options(spec.options_class)],
            }
    return found


def _show(found: dict[str, Any]) -> None:
    put(f"{found['name']}: {found['summary']}")
    put(f"suffixes: {' '.join(found['extensions']) or 'none'}")
    for side, verb, flag in (("reader", "reading", "-r"), ("sink", "writing", "-w")):
        put("")
        if side in found:
            _show_side(found[side], verb, flag)
        else:
            put(f"no {verb}")


def _show_side(side: dict[str, Any], verb: str, flag: str) -> None:
    capabilities = dict(side["capabilities"])
    losses = capabilities.pop("losses", ())
    marks = [key for key, value in capabilities.items() if value is True]
    marks += [f"{key} {value}" for key, value in capabilities.items() if isinstance(value, str)]
    put(f"{verb}: {', '.join(marks).replace('_', ' ') or 'no special capabilities'}")
    for loss in losses:
        put(f"  {told_loss(loss)}")
    if not side["options"]:
        put("  no options")
        return
    formatter = click.HelpFormatter(max_width=100)
    with formatter.indentation():
        formatter.write_dl([option_row(flag, one) for one in side["options"]])
    put(formatter.getvalue().rstrip())


_LOSSES = {"type": "other type: ", "value": "loses: ", "refused": ""}


def told_loss(loss: str | dict[str, Any]) -> str:
    """A line of what a sink does not give back."""
    if isinstance(loss, str):
        return f"loses: {loss}"
    marks = [*(["by value"] if loss["data"] else []), *loss["when"]]
    what = f"{loss['what']} ({', '.join(marks)})" if marks else loss["what"]
    return f"{_LOSSES[loss['kind']]}{what}"


def option_row(flag: str, one: dict[str, Any]) -> tuple[str, str]:
    """A line of a list of options: how it is written, and what it does."""
    default = one["default"]
    if default is None:
        last = "must be given"
    elif default == "":
        last = "default: empty"
    else:
        last = f"default: {default if default == default.strip() else repr(default)}"
    return f"{flag} {one['name']}=".strip(), f"{one['help']}  [{one['type']}; {last}]".strip()
