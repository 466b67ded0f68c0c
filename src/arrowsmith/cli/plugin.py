"""``arrowsmith plugin new`` and ``arrowsmith plugin check``."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from arrowsmith.cli.arguments import as_json
from arrowsmith.cli.guard import DEBUG_VARIABLE
from arrowsmith.cli.terminal import one_line, put, put_json
from arrowsmith.errors import PluginError, UnknownName

if TYPE_CHECKING:
    from arrowsmith.catalog import PluginInfo
    from arrowsmith.testing.check import Offer, Outcome


@click.group("plugin")
def command() -> None:
    """Begin a plugin, or check one that is installed."""


@command.command("new")
@click.argument("name")
@click.option(
    "--dir", "folder", default=".", metavar="DIR", help="Where to write it; else where you are."
)
def new(name: str, folder: str) -> None:
    """Write a plugin for the format NAME that works, to change into yours: arrowsmith-NAME."""
    from arrowsmith.scaffold import write_plugin

    made = write_plugin(name, folder)
    here = "./" if not made.is_absolute() else ""
    put(f"{made}: written")
    put(f"  pip install -e '{here}{made}[test]'")
    put(f"  pytest {made}")
    put(f"  arrowsmith plugin check {made.name}")


@command.command("check")
@click.argument("name")
@click.option(
    "--sample",
    "samples",
    multiple=True,
    metavar="FILE",
    help="A small file for the reader; else what the plugin itself writes. Repeatable.",
)
@as_json
def check(name: str, samples: tuple[str, ...], as_json: bool) -> None:
    """Check that an installed plugin keeps the contract.

    NAME is that of a plugin, of its distribution, or of a format or transform that it gives. Exits
    with 1 if a check fails. Needs pytest.
    """
    offers = _offers(name)
    tally = _Tally()
    found = []
    for outcome in _kit().check_plugin(offers, samples):
        tally.add(outcome)
        if as_json:
            found.append(_as_dict(outcome))
        else:
            _show(outcome)
        _debug(outcome)
    if as_json:
        put_json({"name": name, "ok": not tally.failed, **tally.counts(), "checks": found})
    else:
        put(f"{name}: {tally.ok} ok, {tally.failed} failed, {tally.left_out} left out")
    if tally.failed:
        raise click.exceptions.Exit(1)


@dataclass(slots=True)
class _Tally:
    ok: int = 0
    failed: int = 0
    left_out: int = 0

    def add(self, outcome: Outcome) -> None:
        field = outcome.status.replace(" ", "_")
        setattr(self, field, getattr(self, field) + 1)

    def counts(self) -> dict[str, int]:
        return {"passed": self.ok, "failed": self.failed, "left_out": self.left_out}


def _kit() -> Any:
    try:
        from arrowsmith.testing import check
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("pytest", "_pytest"):
            raise
        raise PluginError("the contract kit needs pytest", hint="pip install pytest") from error
    return check


def _offers(name: str) -> list[Offer]:
    """What a name stands for: a plugin, all of a distribution, or a format or transform.

    Raises:
        UnknownName: none of them.
    """
    from arrowsmith.catalog import get_catalog

    infos = get_catalog().plugins()
    whole = [info for info in infos if info.name == name]
    whole = whole or [info for info in infos if _normal(info.distribution) == _normal(name)]
    if whole:
        return [_offer(info, None) for info in whole]
    part = [info for info in infos if name in (*info.readers, *info.sinks, *info.transforms)]
    if part:
        return [_offer(info, name) for info in part]
    from arrowsmith.plugin.options import nearest_names

    known = [name for info in infos for name in (info.name, info.distribution)]
    near = nearest_names(name, sorted(set(known)))
    guess = f"did you mean {' or '.join(near)}? " if near else ""
    raise UnknownName(
        f"no plugin, format or transform {name!r} is installed",
        hint=f"{guess}arrowsmith plugins lists them; pip install -e . installs the one you are in",
    )


def _offer(info: PluginInfo, only: str | None) -> Offer:
    def kept(names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(name for name in names if only in (None, name))

    made: Offer = _kit().Offer(info, kept(info.readers), kept(info.sinks), kept(info.transforms))
    return made


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _show(outcome: Outcome) -> None:
    reason = f": {outcome.reason}" if outcome.reason else ""
    put(one_line(f"{outcome.status}: {outcome.subject}: {outcome.check}{reason}"))


def _as_dict(outcome: Outcome) -> dict[str, str]:
    return {
        "subject": outcome.subject,
        "check": outcome.check,
        "status": outcome.status,
        "reason": one_line(outcome.reason),
    }


def _debug(outcome: Outcome) -> None:
    if outcome.error is None or os.environ.get(DEBUG_VARIABLE, "") in ("", "0"):
        return
    import traceback

    traceback.print_exception(outcome.error)
