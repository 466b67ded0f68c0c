"""The exceptions of arrowsmith: one line that says which file, where, what is wrong, what to do.

Everything that can be expected to fail derives from :class:`ArrowsmithError`. Its text is built
from named parts, so that programs can read them and people see one line::

    >>> from arrowsmith.errors import DataError
    >>> print(DataError("found 3 columns where the header has 2", path="a.csv", place="line 7"))
    a.csv: line 7: found 3 columns where the header has 2

Standard library only: plugins import this module.
"""

from __future__ import annotations

from typing import Any


class ArrowsmithError(Exception):
    """The root of all expected failures.

    Args:
        what: what is wrong, in one clause without a final stop.
        path: the file or target that it is about.
        place: where in the file: ``"line 7"``, ``"byte 1024"``, ``"row group 3"``.
        hint: what the user can do about it.

    Attributes:
        stage: the stage of the pipeline that failed (``"read"``, ``"transform"``, ``"encode"``,
            ``"write"``), set by the runner.
    """

    exit_code = 1

    def __init__(
        self,
        what: str,
        *,
        path: str | None = None,
        place: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(what)
        self.what = what
        self.path = path
        self.place = place
        self.hint = hint
        self.stage: str | None = None

    def __str__(self) -> str:
        text = ": ".join(str(part) for part in (self.path, self.place, self.what) if part)
        if self.hint:
            text = f"{text}; {self.hint}"
        return " ".join(text.split())

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.args, self.__dict__.copy())


def _rebuild(cls: type[ArrowsmithError], args: tuple[Any, ...], state: dict[str, Any]) -> Any:
    error = cls.__new__(cls)
    Exception.__init__(error, *args)
    error.__dict__.update(state)
    return error


# --- what the user asked for ---------------------------------------------------------------------


class UsageError(ArrowsmithError):
    """The request itself is wrong: nothing was opened or written."""

    exit_code = 2


class OptionError(UsageError):
    """An option is unknown, of the wrong type or out of range."""


class PredicateError(UsageError):
    """A ``where`` expression does not parse or does not fit the schema."""


class UnknownName(UsageError):
    """A format, transform or sink of that name is not installed."""


# --- where data comes from ----------------------------------------------------------------------


class SourceError(ArrowsmithError):
    """A source cannot be opened or read."""


class SourceNotFound(SourceError):
    """No file of that name, or a glob that matches nothing."""


class SourceEmpty(SourceError):
    """The file has no bytes, or the directory no files, so that there is no schema."""


class SourceChanged(SourceError):
    """The file's size or modification time changed while it was read."""


class CorruptCompression(SourceError):
    """A compressed file is cut short or damaged."""


class RatioExceeded(SourceError):
    """A compressed file grows beyond the allowed decompression ratio."""


# --- which format --------------------------------------------------------------------------------


class FormatError(ArrowsmithError):
    """The format of a source cannot be settled."""


class UnknownFormat(FormatError):
    """No reader recognises the source."""


class AmbiguousFormat(FormatError):
    """Two or more readers recognise the source equally well."""


# --- what is in it -------------------------------------------------------------------------------


class DataError(ArrowsmithError):
    """A record, page or block is damaged or does not follow its format."""


class SchemaConflict(DataError):
    """A value does not fit the type that was inferred for its column.

    Attributes:
        column: the column's name.
    """

    def __init__(self, what: str, *, column: str, **where: str | None) -> None:
        super().__init__(what, **where)
        self.column = column


class SchemaMismatch(DataError):
    """Two files of one dataset have columns of types that cannot be unified, or a transform
    does not fit the schema that it is given."""


class UnknownColumn(OptionError, SchemaMismatch):
    """A step names a column that its input does not have, or has more than once."""


class TooManyErrors(DataError):
    """More bad records than ``max_errors`` allows."""


class BudgetExceeded(ArrowsmithError):
    """One record, row group or chunk needs more memory than the budget has.

    Attributes:
        needed: a budget in bytes that would do.
    """

    def __init__(self, what: str, *, needed: int, **where: str | None) -> None:
        super().__init__(what, **where)
        self.needed = needed


# --- where data goes -----------------------------------------------------------------------------


class TargetError(ArrowsmithError):
    """The target cannot be written."""


class TargetExists(TargetError, UsageError):
    """The target is there already and ``overwrite`` was not asked for."""


# --- plugins -------------------------------------------------------------------------------------


class PluginError(ArrowsmithError):
    """A plugin is missing, broken, or claims a name that another one has."""


class Cancelled(ArrowsmithError):
    """The run was cancelled before its end."""
