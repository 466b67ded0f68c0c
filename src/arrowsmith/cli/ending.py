"""How the process ends."""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import threading
from typing import NoReturn


def end(exit_: SystemExit) -> NoReturn:
    """End the process with that exit code, without taking the interpreter apart.

    What others have asked to be done at the end is done. Where somebody looks on (a profiler, a
    debugger) or a thread is still at work, Python's own way is taken.
    """
    code = exit_.code
    watched = sys.gettrace() is not None or sys.getprofile() is not None
    busy = any(
        not one.daemon for one in threading.enumerate() if one is not threading.main_thread()
    )
    if watched or busy or not isinstance(code, int):
        raise exit_
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os._exit(code)
