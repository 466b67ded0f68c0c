"""The command line. Commands are imported when they are called, pyarrow when they need it."""

from __future__ import annotations

import os
import signal
import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run ``arrowsmith`` with the arguments of this process, and exit."""
    try:
        signal.signal(signal.SIGTERM, _terminate)
        _choose_allocator()
        from arrowsmith.cli.app import app

        app.main(prog_name="arrowsmith")
    except KeyboardInterrupt:  # while the command line itself was being imported
        sys.exit(130)
    sys.exit(0)


def _terminate(signum: int, frame: object) -> NoReturn:
    from arrowsmith.cli.guard import Terminated

    raise Terminated


def _choose_allocator() -> None:
    """Have pyarrow use jemalloc, which keeps about half as much unused memory as its default.

    Only where its wheels are known to have it: for an allocator that it lacks it prints a warning.
    """
    if sys.platform == "linux" and os.uname().machine in ("x86_64", "aarch64"):
        try:
            glibc = os.confstr("CS_GNU_LIBC_VERSION")
        except (ValueError, OSError):
            return
        if glibc:
            os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "jemalloc")
