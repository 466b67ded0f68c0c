"""Ctrl-C and SIGTERM that arrive just before the main thread blocks.

Python's handlers run between two bytecodes of the main thread, or when a system call of its is
interrupted. A signal that comes after the last bytecode and before the call, or on another thread,
is noted and no more: a write into a pipe that nobody reads would wait for ever.
"""

from __future__ import annotations

import fcntl
import os
import signal
import threading
import time

_MEANT = {signal.SIGINT, signal.SIGTERM}
_NUDGE = signal.SIGURG  # by default ignored, so that nobody minds one that comes late
_PAUSE = 0.05  # seconds between two nudges


def nudge_when_signalled() -> None:
    """Once SIGINT or SIGTERM came, interrupt whatever the main thread waits in until it has ended.

    To be called once in a process, on its main thread.
    """
    receiver, sender = (_above_the_standard_streams(fd) for fd in os.pipe())
    os.set_blocking(sender, False)
    signal.signal(_NUDGE, lambda number, frame: None)
    signal.set_wakeup_fd(sender, warn_on_full_buffer=False)
    threading.Thread(
        target=_nudge, args=(receiver, threading.get_ident()), name="nudge", daemon=True
    ).start()


def _nudge(receiver: int, thread: int) -> None:
    while os.read(receiver, 1)[0] not in _MEANT:
        pass
    while True:
        time.sleep(_PAUSE)
        signal.pthread_kill(thread, _NUDGE)


def _above_the_standard_streams(fd: int) -> int:
    """The same pipe, not taken for standard input or output where that is closed."""
    if fd > 2:
        return fd
    other = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3)
    os.close(fd)
    return other
