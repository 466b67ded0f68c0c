"""Writing to stdout and stderr: plain text, JSON, sizes in words."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import sys
from collections.abc import Callable, Iterable
from typing import Any

import click

from arrowsmith.errors import TargetError

_ERASE = "\r\x1b[K"
# C0, DEL, C1, line separators and the controls that reorder text: nothing of a file may move the
# cursor, or make a line read otherwise than it is.
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_LONGEST = 2000
_STDOUT = "standard output"


def interactive() -> bool:
    """Whether stderr is a terminal on which a line can be drawn over."""
    return sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


def say(line: str) -> None:
    """A line on stderr, in place of a progress line if there is one."""
    with contextlib.suppress(OSError):  # there is nowhere left to tell of it
        click.echo(f"{_ERASE}{line}" if interactive() else line, err=True)


def draw(text: str) -> None:
    """Text in place of the progress line on stderr; nothing clears it."""
    with contextlib.suppress(OSError):
        sys.stderr.write(f"{_ERASE}{text}")
        sys.stderr.flush()


def put(text: str) -> None:
    """A line on stdout. What its encoding lacks, as the bytes of strange file names, is escaped."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    _put(text.encode(encoding, "backslashreplace").decode(encoding))


def put_json(value: Any) -> None:
    """A JSON value on stdout, in UTF-8 whatever the locale."""
    _put_utf8(json_text(value))


def json_text(value: Any) -> str:
    """A JSON value as indented text."""
    import json

    return json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False)


def put_json_lines(values: Iterable[Any]) -> None:
    """JSON values on stdout, one a line."""
    import json

    lines = [json.dumps(value, ensure_ascii=False, allow_nan=False) for value in values]
    if lines:
        _put_utf8("\n".join(lines))


def _put_utf8(text: str) -> None:
    _put(text.encode("utf-8", "backslashreplace"))  # a lone surrogate: \udcff, as JSON has it


def _put(line: str | bytes) -> None:
    if sys.stdout is None:
        raise TargetError("is closed", path=_STDOUT, hint="send it to a file or to /dev/null")
    _told_of_stdout(lambda: click.echo(line))


def flush() -> None:
    """Flush stdout.

    Raises:
        TargetError: not all of it could be written.
        BrokenPipeError: its reader is gone.
    """
    if sys.stdout is not None:
        _told_of_stdout(sys.stdout.flush)


def _told_of_stdout(write: Callable[[], None]) -> None:
    """The system's error does not say what was being written."""
    try:
        write()
    except BrokenPipeError:
        raise
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        what = "no space left" if full else f"cannot be written ({error.strerror or error})"
        raise TargetError(what, path=_STDOUT) from error


def one_line(text: str) -> str:
    """Text without line ends and control characters, of bounded length."""
    text = escaped(" ".join(text.split()))
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def escaped(text: str) -> str:
    """Text with its control characters shown as ``\\n`` or ``\\x1b``."""
    return _CONTROLS.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    char = match[0]
    return _SHORT.get(char) or (f"\\x{ord(char):02x}" if ord(char) < 256 else f"\\u{ord(char):04x}")


def size_in_words(nbytes: float) -> str:
    """Bytes as ``512 B``, ``1.5 KB``, ``232.6 MB``; units are powers of 1024, as for --memory."""
    if abs(nbytes) < 1024:
        return f"{nbytes:.0f} B"
    for unit in ("KB", "MB", "GB"):
        nbytes /= 1024
        if abs(nbytes) < 1024:
            return f"{nbytes:.1f} {unit}"
    return f"{nbytes / 1024:.1f} TB"


def counted(number: int, noun: str) -> str:
    """``1 row``, ``1,234 rows``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
