"""``arrowsmith info``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from arrowsmith.cli.arguments import as_json, open_paths, paths, reading
from arrowsmith.cli.schema import described, show_columns
from arrowsmith.cli.terminal import counted, escaped, put, put_json, size_in_words

if TYPE_CHECKING:
    from arrowsmith.dataset import Dataset

_NOTES_KEY = b"arrowsmith"
_QUICKLY_READ = 64 << 20  # bytes whose fingerprint takes no longer than the rest
_LONGEST = 500  # characters of a guess, such as the types of a thousand columns


@click.command("info")
@paths
@reading
@click.option("--count", is_flag=True, help="Count the rows where metadata does not tell them.")
@click.option(
    "--fingerprint", is_flag=True, help="Compute the fingerprint of large files, by reading them."
)
@as_json
def command(
    paths: tuple[str, ...],
    from_: str | None,
    read_options: tuple[str, ...],
    count: bool,
    fingerprint: bool,
    as_json: bool,
) -> None:
    """Show format, size, rows, columns and what was guessed.

    Only what is cheap to know is looked at: the number of rows is not known of a text file, unless
    --count asks for it, nor the fingerprint of large files, unless --fingerprint does.
    """
    dataset = open_paths(paths, from_, read_options)
    found = gathered(dataset, count, fingerprint)
    if as_json:
        put_json(found)
        return
    _show(found)
    show_columns(dataset.schema)


def gathered(dataset: Dataset, count: bool, fingerprint: bool) -> dict[str, Any]:
    """All that is known of a dataset, as JSON holds it; what is not known is None."""
    from arrowsmith.catalog import get_catalog

    schema = dataset.schema
    readers = map(get_catalog().reader, dataset.format.split(", "))
    knows = all(reader.capabilities.count for reader in readers)
    rows = dataset.count() if count or knows else None
    return {
        "format": dataset.format,
        "files": len(dataset.files),
        "bytes": dataset.nbytes,
        "rows": rows,
        "columns": described(schema),
        "compression": dataset.compression,
        "fingerprint": _fingerprint(dataset, fingerprint),
        "details": dataset.details,
        "guesses": _guesses(schema.metadata),
        "metadata": sorted(
            key.decode("utf-8", "replace") for key in schema.metadata or () if key != _NOTES_KEY
        ),
        "paths": dataset.files,
    }


def _fingerprint(dataset: Dataset, wanted: bool) -> str | None:
    """What is remembered or quickly read; the rest takes ``wanted``."""
    nbytes = dataset.nbytes
    quick = nbytes is not None and nbytes <= _QUICKLY_READ
    return dataset.fingerprint(compute=wanted or quick)


def _guesses(metadata: dict[bytes, bytes] | None) -> Any:
    notes = (metadata or {}).get(_NOTES_KEY)
    try:
        return json.loads(notes) if notes is not None else {}
    except ValueError:  # a file may bear such a key for its own reasons
        return {}


def _show(found: dict[str, Any]) -> None:
    files = found["paths"]
    rows = found["rows"]
    lines = {
        "path": files[0] if len(files) == 1 else f"{files[0]} ... {files[-1]}",
        "format": found["format"],
        "files": f"{len(files):,}",
        "size": _size(found["bytes"]),
        "compression": found["compression"] or "none",
        "rows": f"{rows:,}" if rows is not None else "not known without reading all (--count)",
        "columns": f"{len(found['columns']):,}",
        "fingerprint": found["fingerprint"] or "not known without reading all (--fingerprint)",
    }
    lines |= {
        key.replace("_", " "): _listed(value) for key, value in found["details"].items() if value
    }
    if found["metadata"]:
        lines["metadata"] = ", ".join(found["metadata"])
    if isinstance(found["guesses"], dict):
        lines |= {
            f"guessed {key}": _words(value)
            for key, value in found["guesses"].items()
            if value not in (None, {}) and key not in found
        }
    width = max(map(len, lines))
    for name, value in lines.items():
        put(f"{escaped(name):<{width}}  {escaped(value)}")
    put("")


def _size(nbytes: int | None) -> str:
    if nbytes is None:
        return "not known without reading all"
    return f"{size_in_words(nbytes)} ({counted(nbytes, 'byte')})"


def _listed(value: int | str | list[str]) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return value if isinstance(value, str) else ", ".join(value)


def _words(value: Any) -> str:
    plain = isinstance(value, str) and value.strip()
    text = str(value) if plain else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
