"""The command line. Commands are imported when they are called, pyarrow when they need it."""

from __future__ import annotations

import signal
import sys
from typing import NoReturn


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
