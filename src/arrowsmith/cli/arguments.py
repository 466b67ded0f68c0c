"""Arguments and options that several commands share, and how their text is taken apart."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from arrowsmith.errors import OptionError

if TYPE_CHECKING:
    from arrowsmith.dataset import Dataset

F = TypeVar("F", bound=Callable[..., Any])

_HIVE = "hive_partitioning"
_QUOTED = r"""\"[^\"]*\"|(?<!\w)'[^']*'"""  # behind a letter, ' is an apostrophe
_STORAGE = "storage_options"

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
paths = click.argument("paths", nargs=-1, required=True, metavar="PATH...")


def reading(command: F) -> F:
    """``--from``, ``-r`` and their like: every command that opens a source has them."""
    command = click.option(
        "--storage-option",
        _STORAGE,
        multiple=True,
        metavar="KEY=VALUE",
        expose_value=False,
        callback=lambda ctx, _, value: ctx.meta.__setitem__(_STORAGE, value),
        help="For URLs: credentials, endpoint, timeout; see docs/REMOTE.md. Repeatable.",
    )(command)
    command = click.option(
        "--hive-partitioning/--no-hive-partitioning",
        _HIVE,
        default=None,
        expose_value=False,  # open_paths finds it: commands have nothing to do with it
        callback=lambda ctx, _, value: ctx.meta.__setitem__(_HIVE, value),
        help="Columns from directories such as year=2024; by default where all files have them.",
    )(command)
    command = click.option(
        "-r",
        "--read",
        "read_options",
        multiple=True,
        metavar="KEY=VALUE",
        help="An option of the source's format, see arrowsmith formats NAME. Repeatable.",
    )(command)
    return click.option(
        "--from", "from_", metavar="FORMAT", help="The source's format; else its content tells."
    )(command)


def open_paths(
    paths: tuple[str, ...], from_: str | None, read_options: Iterable[str], **settings: Any
) -> Dataset:
    """The dataset behind the paths of a command."""
    options: dict[str, Any] = dict(key_values(read_options, "--read"))
    _check_not_reserved(options)
    from arrowsmith.dataset import open_dataset

    hive = click.get_current_context().meta.get(_HIVE)
    return open_dataset(
        list(paths),
        format=from_,
        hive_partitioning=hive,
        storage_options=storage_options(),
        **settings,
        **options,
    )


def storage_options() -> dict[str, str]:
    """What ``--storage-option`` gave; values, which may be secrets, are in no message."""
    given = click.get_current_context().meta.get(_STORAGE, ())
    for number, text in enumerate(given, 1):
        if "=" not in text.lstrip("="):
            raise OptionError(f"--storage-option number {number} is not of the form KEY=VALUE")
    return key_values(given, "--storage-option")


def _check_not_reserved(options: Iterable[str]) -> None:
    """``-r`` gives options of the format, and must not reach the arguments of ``open`` itself."""
    import inspect

    from arrowsmith.dataset import open_dataset

    for key in options:
        if key.replace("-", "_") in inspect.signature(open_dataset).parameters:
            raise OptionError(f"no format has an option {key!r}", hint="see arrowsmith formats")


def key_values(pairs: Iterable[str], flag: str) -> dict[str, str]:
    """``("a=1", "b=x=y")`` as a mapping.

    Raises:
        OptionError: a part without ``=``, without a name, or a name that comes twice.

    Example:
        >>> key_values(["a=1", "b=x=y"], "-r")
        {'a': '1', 'b': 'x=y'}
    """
    found: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        key = key.strip()
        if not equals or not key:
            raise OptionError(f"{flag} {pair!r} is not of the form KEY=VALUE")
        if key in found:
            raise OptionError(f"{flag} gives {key!r} twice")
        found[key] = value
    return found


def transform_call(text: str) -> tuple[str, dict[str, str]]:
    """``NAME`` or ``NAME:k=v,k2=v2``. A comma begins another option only before ``name=``, and
    not inside quotes, parentheses or brackets.

    Example:
        >>> transform_call("one_hot:columns=a,b,max_categories=9")
        ('one_hot', {'columns': 'a,b', 'max_categories': '9'})
    """
    name, colon, rest = text.partition(":")
    if not name.strip():
        raise OptionError(f"--transform {text!r} names no transform", hint="write NAME:key=value")
    pairs = _option_texts(rest) if colon and rest.strip() else []
    return name.strip(), key_values(pairs, f"--transform {name}")


def _option_texts(text: str) -> list[str]:
    """The parts between the commas that begin another option."""
    opened: list[int] = []
    inside = [range(*match.span()) for match in re.finditer(_QUOTED, text)]
    for match in re.finditer(rf"{_QUOTED}|[(\[\])]", text):
        if match[0] in "([":
            opened.append(match.start())
        elif match[0] in ")]" and opened:
            inside.append(range(opened.pop(), match.start()))
    commas = [
        match.start()
        for match in re.finditer(r",(?=\s*[A-Za-z_][\w-]*\s*=)", text)
        if not any(match.start() in span for span in inside)
    ]
    starts = [0, *(comma + 1 for comma in commas)]
    return [text[a:b] for a, b in zip(starts, [*commas, len(text)], strict=True)]


def column_names(text: str, option: str = "--columns") -> list[str]:
    """``a,b`` as names, given with ``option``; one with a comma in it stands in double quotes.

    Example:
        >>> column_names('a, "b,c"')
        ['a', 'b,c']
    """
    import csv

    try:
        names = next(csv.reader([text], skipinitialspace=True, strict=True), [])
    except csv.Error as error:
        raise OptionError(f"{option} {text!r} cannot be taken apart: {error}") from None
    if not names or not all(names):
        raise OptionError(f"{option} has an empty name", hint=f"write it like {option} id,lang")
    return names
