"""Options of formats and transforms: frozen dataclasses, filled from command line or Python.

A format declares what it takes, and the host does the rest: it turns ``"64MB"``, ``"true"`` or
``"a,b"`` into the field's type, checks ranges and choices, and names the nearest option when one is
misspelt. Standard library only.

Example:
    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True, slots=True)
    ... class FooOptions:
    ...     delimiter: str = option(",", help="between two fields")
    ...     block: int = option(1 << 20, help="bytes read at once", min=1, size=True)
    >>> build_options(FooOptions, {"block": "4MB"}, owner="foo")
    FooOptions(delimiter=',', block=4194304)
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, Field, dataclass
from functools import cache
from typing import Any, TypeVar, get_type_hints

from arrowsmith.errors import OptionError, PluginError
from arrowsmith.plugin.coerce import Unfit, as_typed, coerce, in_words, shortened, to_size

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class OptionInfo:
    """One option as ``arrowsmith formats NAME`` shows it.

    Attributes:
        name: what users type before ``=``.
        type: what it takes, in words: ``"int (at least 1)"``, ``"sample|full|none"``.
        default: as users would type it; None where the option must be given.
        help: one line.
    """

    name: str
    type: str
    default: str | None
    help: str


def option(
    default: Any = MISSING,
    *,
    help: str = "",
    min: float | None = None,
    max: float | None = None,
    choices: Iterable[Any] = (),
    size: bool = False,
) -> Any:
    """A dataclass field that says what it is for.

    Args:
        default: without one the option must be given; a dict is copied for each instance.
        help: one line for ``arrowsmith formats NAME``.
        min, max: inclusive bounds of a number, or of each number of a tuple.
        choices: the values allowed; ``Literal`` says the same in the annotation.
        size: an ``int`` field in bytes, for which ``"64MB"`` may be written.
    """
    metadata = {"help": help, "min": min, "max": max, "choices": tuple(choices), "size": size}
    if isinstance(default, dict):
        return dataclasses.field(default_factory=lambda: dict(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def build_options(cls: type[T], given: Mapping[str, object], *, owner: str) -> T:
    """An instance of the options dataclass ``cls``, its values coerced and checked.

    Args:
        cls: a frozen dataclass. Its fields may be of type ``str``, ``int``, ``float``, ``bool``,
            ``Literal``, ``tuple[X, ...]``, ``Mapping[str, X]``, any class, and unions of them.
        given: values by name, as strings of a command line or as Python values. A dash in a name
            stands for an underscore. Lists are written ``a,b`` and mappings ``a:int64,b:string``;
            a part with a comma or a colon in it stands in double quotes. ``none`` gives None,
            unless the field takes strings.
        owner: who takes the options, for messages: ``"csv"``.

    Raises:
        OptionError: an unknown or missing option, or a value that does not fit.
        PluginError: ``cls`` is not a dataclass with annotations that can be resolved.

    Example:
        >>> from arrowsmith.plugin import NoOptions
        >>> build_options(NoOptions, {}, owner="foo")
        NoOptions()
    """
    hints = _hints(cls, owner)
    fields = {field.name: field for field in _fields(cls)}
    values: dict[str, object] = {}
    for key, value in given.items():
        name = str(key).replace("-", "_")
        if name not in fields:
            raise _unknown(str(key), fields, owner)
        if name in values:
            raise OptionError(f"{owner} option {name!r} is given twice")
        values[name] = _checked(fields[name], hints[name], value, owner)
    for name, field in fields.items():
        if name not in values and _is_required(field):
            takes = in_words(hints[name], field.metadata)
            raise OptionError(f"{owner} needs the option {name!r}", hint=f"it takes {takes}")
    try:
        return cls(**values)
    except (ValueError, TypeError) as error:
        raise OptionError(f"the {owner} options do not fit: {error}") from error


def describe_options(cls: type) -> list[OptionInfo]:
    """The options of a dataclass, in the order of their declaration.

    Example:
        >>> @dataclass(frozen=True)
        ... class FooOptions:
        ...     skip: int = option(0, help="lines to pass over", min=0)
        >>> describe_options(FooOptions)
        [OptionInfo(name='skip', type='int (at least 0)', default='0', help='lines to pass over')]
    """
    hints = _hints(cls, cls.__name__)
    return [
        OptionInfo(
            name=field.name,
            type=in_words(hints[field.name], field.metadata),
            default=None if _is_required(field) else as_typed(_default(field), field.metadata),
            help=str(field.metadata.get("help", "")),
        )
        for field in _fields(cls)
    ]


def parse_size(value: int | str) -> int:
    """A number of bytes: ``"512MB"``, ``"1.5 GiB"``, ``"64k"``, ``"100"`` or an int.

    Units are powers of 1024, with or without the ``i``, as memory flags of most data tools have
    it: ``KB = KiB = 1024``, ``MB = MiB = 1024**2``, and so on to ``TB``.

    Raises:
        OptionError: it is not a size.

    Example:
        >>> parse_size("512MB"), parse_size("1.5kb")
        (536870912, 1536)
    """
    try:
        return to_size(value)
    except Unfit:
        raise OptionError(
            f"{shortened(value)} is not a size in bytes", hint="write it like 512MB or 1.5GB"
        ) from None


def nearest_names(name: str, known: Iterable[str]) -> list[str]:
    """Up to three of the known names that look like this one, the likeliest first.

    Example:
        >>> nearest_names("parket", ["csv", "parquet"])
        ['parquet']
    """
    import difflib

    by_lower = {candidate.lower(): candidate for candidate in known}
    return [by_lower[m] for m in difflib.get_close_matches(name.lower()[:80], by_lower, 3, 0.6)]


# --- dataclasses ---------------------------------------------------------------------------------


def _fields(cls: Any) -> list[Field[Any]]:
    return [field for field in dataclasses.fields(cls) if field.init]


def _hints(cls: type, owner: str) -> dict[str, Any]:
    if not dataclasses.is_dataclass(cls):
        raise PluginError(f"the options of {owner} are not a dataclass")
    try:
        return _types(cls)
    except Exception as error:  # annotations are the plugin's code: evaluating them may do anything
        raise PluginError(f"the options of {owner} have unresolvable types: {error}") from error


@cache
def _types(cls: type) -> dict[str, Any]:
    return get_type_hints(cls)  # compiles each annotation: a millisecond of every run


def _is_required(field: Field[Any]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _default(field: Field[Any]) -> object:
    return field.default if field.default_factory is MISSING else field.default_factory()


def _unknown(key: str, known: Iterable[str], owner: str) -> OptionError:
    names = sorted(known)
    if not names:
        return OptionError(f"{owner} has no option {key!r}", hint="it takes no options")
    near = nearest_names(key.replace("-", "_"), names)
    guess = f"did you mean {' or '.join(map(repr, near))}? " if near else ""
    return OptionError(
        f"{owner} has no option {key!r}", hint=f"{guess}its options are {', '.join(names)}"
    )


def _checked(field: Field[Any], annotation: Any, value: object, owner: str) -> object:
    metadata = field.metadata
    try:
        result = coerce(value, annotation, bool(metadata.get("size")))
        for item in result if isinstance(result, tuple) else (result,):
            if item is not None and not _in_range(item, metadata):
                raise Unfit
    except Unfit:
        raise OptionError(
            f"{owner} option {field.name!r} cannot be {shortened(value)}",
            hint=f"it takes {in_words(annotation, metadata)}",
        ) from None
    return result


def _in_range(value: Any, metadata: Mapping[str, Any]) -> bool:
    low, high, choices = (metadata.get(key) for key in ("min", "max", "choices"))
    if choices and value not in choices:
        return False
    if isinstance(value, int | float):  # written so that NaN is out of any range
        return (low is None or value >= low) and (high is None or value <= high)
    return True
