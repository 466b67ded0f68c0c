"""The command line. Commands are imported when they are called, pyarrow when they need it."""

from __future__ import annotations

import gc
import signal
import sys
from typing import NoReturn

_OBJECTS = 10_000  # between two collections; importing makes many that stay


def program() -> NoReturn:
    """:func:`main` as a process of its own, which ends as soon as everything is done.

    Python would free every object first, one by one, which takes as long as importing pyarrow did.
    """
    from arrowsmith.cli.nudge import nudge_when_signalled

    gc.set_threshold(_OBJECTS)
    nudge_when_signalled()
    try:
        main()
    except SystemExit as exit_:
        from arrowsmith.cli.ending import end

        end(exit_)


def main() -> NoReturn:
    """Run ``arrowsmith`` with the arguments of this process, and exit."""
    try:
        signal.signal(signal.SIGTERM, _terminate)
        from arrowsmith.cli.app import app

        app.main(prog_name="arrowsmith")
    except KeyboardInterrupt:  # while the command line itself was being imported
        sys.exit(130)
    sys.exit(0)


def _terminate(signum: int, frame: object) -> NoReturn:
    from arrowsmith.cli.guard import Terminated

    raise Terminated
