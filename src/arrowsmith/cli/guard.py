"""What happens when a command fails: one line on stderr and an exit code, never a traceback.

0 fine, 1 the data or the run failed, 2 usage, 130 interrupted, 143 terminated, 141 the reader of
the output is gone.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import NoReturn, TextIO

import click

from arrowsmith.cli.terminal import flush, one_line, say
from arrowsmith.errors import ArrowsmithError

DEBUG_VARIABLE = "ARROWSMITH_DEBUG"


class Terminated(KeyboardInterrupt):
    """SIGTERM: the run ends as it does on Ctrl-C."""


def guarded(run: Callable[[], None]) -> int:
    """Call ``run`` and tell its failure, if any, on stderr.

    Returns:
        The exit code.
    """
    code = _outcome(run)
    for stream in (sys.stdout, sys.stderr):
        _settle(stream)
    return code


def leave(code: int) -> NoReturn:
    """Exit; of an interrupted command at once, whatever a thread of its still waits for.

    A request to a bucket cannot be broken off, and as it ends Python has pyarrow wait for it.
    """
    if code in (130, 143) and any(thread.daemon for thread in threading.enumerate()):
        os._exit(code)
    sys.exit(code)


def _outcome(run: Callable[[], None]) -> int:
    try:
        with _plain_warnings():
            run()
        flush()
    except click.exceptions.Exit as exit_:
        return exit_.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except click.ClickException as error:
        say(f"arrowsmith: error: {_usage(error)}")
        return error.exit_code
    except BrokenPipeError:
        return 141
    except Terminated:
        say("arrowsmith: terminated")
        return 143
    except KeyboardInterrupt:
        say("arrowsmith: interrupted")
        return 130
    except Exception as raised:
        failure = _told(raised)
        if os.environ.get(DEBUG_VARIABLE, "") not in ("", "0"):
            import traceback

            traceback.print_exception(failure)
        say(f"arrowsmith: error: {in_words(failure)}")
        return failure.exit_code if isinstance(failure, ArrowsmithError) else 1
    return 0


def _told(error: Exception) -> Exception:
    """Help and version are written by click: whether stdout is the matter, it can tell itself."""
    if isinstance(error, OSError) and error.filename is None:
        try:
            flush()
        except (ArrowsmithError, OSError) as told:
            return told
    return error


def in_words(error: Exception) -> str:
    """An exception as one line."""
    if isinstance(error, ArrowsmithError):
        known = f" (in the {error.stage} stage)" if error.stage and not error.path else ""
        return one_line(f"{error}{known}")
    if isinstance(error, MemoryError):
        return "out of memory; give the run less with --memory or --threads, or free some"
    if isinstance(error, OSError):
        name = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else None
        text = error.strerror or str(error) or type(error).__name__
        return one_line(": ".join(part for part in (name, text) if part))
    notes = "".join(f" ({note})" for note in getattr(error, "__notes__", ()))
    return one_line(
        f"unexpected {type(error).__name__}: {error}{notes}; this is a bug in arrowsmith or in a"
        f" plugin: please report it ({DEBUG_VARIABLE}=1 shows where it happened)"
    )


def _usage(error: click.ClickException) -> str:
    text = error.format_message().strip().rstrip(".")
    text = text[:1].lower() + text[1:]
    ctx = error.ctx if isinstance(error, click.UsageError) else None
    return one_line(f"{text}; see {ctx.command_path} --help" if ctx is not None else text)


@contextlib.contextmanager
def _plain_warnings() -> Iterator[None]:
    """Python warnings meant for users become lines of their own, each told once."""
    told = set()

    def show(message: Warning | str, *_: object) -> None:
        text = one_line(f"warning: {message}")
        if text not in told:
            told.add(text)
            say(text)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.filterwarnings("always", category=UserWarning)
        warnings.showwarning = show  # type: ignore[assignment]
        yield


def _settle(stream: TextIO | None) -> None:
    """Flush, or let the interpreter's last flush go nowhere instead of failing once more."""
    if stream is None:  # closed since before the program began
        return
    try:
        stream.flush()
    except (OSError, ValueError):
        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
