"""``arrowsmith cache list`` and ``arrowsmith cache clear``."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from arrowsmith.cli.arguments import as_json
from arrowsmith.cli.terminal import counted, put, put_json, size_in_words
from arrowsmith.errors import OptionError, UnknownName

if TYPE_CHECKING:
    from arrowsmith.cache import Cache, Entry

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_AGE = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])")
_SHOWN_KEY = 12


@click.group("cache")
def command() -> None:
    """List or clear what was decoded for mapping.

    The cache is in $ARROWSMITH_CACHE, else in arrowsmith of $XDG_CACHE_HOME or ~/.cache, and holds
    at most $ARROWSMITH_CACHE_SIZE, else a tenth of the disk.
    """


@command.command("list")
@as_json
def list_entries(as_json: bool) -> None:
    """List the decoded files, the most recently used first."""
    from arrowsmith.cache import Cache

    cache = Cache()
    entries = cache.entries()
    if as_json:
        put_json([_as_dict(entry) for entry in entries])
        return
    if not entries:
        put(f"{cache.folder}: empty")
        return
    from arrowsmith.cli.table import show

    heads = ("key", "size", "last used (UTC)", "holds")
    rows = [
        (entry.key[:_SHOWN_KEY], size_in_words(entry.nbytes), _when(entry), entry.label or None)
        for entry in entries
    ]
    show(heads, rows, right=[1])
    total = size_in_words(sum(entry.nbytes for entry in entries))
    put(f"{cache.folder}: {_files(len(entries))}, {total} of {size_in_words(_limit(cache))}")


@command.command("clear")
@click.argument("keys", nargs=-1, metavar="[KEY]...")
@click.option(
    "--older-than", metavar="AGE", help="Only what was not used for so long, such as 30d or 12h."
)
@as_json
def clear(keys: tuple[str, ...], older_than: str | None, as_json: bool) -> None:
    """Remove the decoded files of the KEYs (their first digits will do), or all.

    What a process has mapped stays, and is told.
    """
    from arrowsmith.cache import Cache

    cache = Cache()
    unused_for = _seconds(older_than) if older_than is not None else 0.0
    chosen = _chosen(cache, keys) if keys else None
    removed, kept = cache.clear(chosen, unused_for=unused_for)
    if as_json:
        put_json({"removed": [_as_dict(one) for one in removed], "kept": [e.key for e in kept]})
        return
    freed = size_in_words(sum(entry.nbytes for entry in removed))
    in_use = f"; {_files(len(kept))} in use kept" if kept else ""
    put(f"{cache.folder}: {_files(len(removed))} removed, {freed} freed{in_use}")


def _chosen(cache: Cache, given: tuple[str, ...]) -> list[str]:
    """The keys that begin with what was given.

    Raises:
        UnknownName: nothing does, or more than one entry.
    """
    known = [entry.key for entry in cache.entries()]
    chosen = []
    for prefix in given:
        found = [key for key in known if key.startswith(prefix)]
        if len(found) != 1:
            many = f"{len(found)} entries of the cache begin" if found else "no entry begins"
            raise UnknownName(
                f"{many} with {prefix!r}",
                hint="see arrowsmith cache list",
            )
        chosen += found
    return chosen


def _seconds(text: str) -> float:
    found = _AGE.fullmatch(text.strip().lower())
    if found is None:
        raise OptionError(
            f"--older-than {text!r} is not a time", hint="write it like 30d, 12h, 90m or 2w"
        )
    return float(found[1]) * _SECONDS[found[2]]


def _limit(cache: Cache) -> int:
    from arrowsmith.cache import cache_limit

    return cache_limit(cache.folder)


def _files(number: int) -> str:
    return counted(number, "file")


def _when(entry: Entry) -> str:
    return datetime.fromtimestamp(entry.used, UTC).strftime("%Y-%m-%d %H:%M")


def _as_dict(entry: Entry) -> dict[str, str | int]:
    used = datetime.fromtimestamp(entry.used, UTC).isoformat(timespec="seconds")
    return {
        "key": entry.key,
        "path": str(entry.path),
        "bytes": entry.nbytes,
        "used": used,
        "holds": entry.label,
    }
