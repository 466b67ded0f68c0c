"""Room in the budget for pictures that are being decoded: large ones wait for one another.

The runner's account knows encoded pictures and tensors. What lies between, all pixels of a picture
and the copies that conversions make, may be a thousand times either, and nobody else knows of it.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from weakref import WeakKeyDictionary

from arrowsmith.memory import MemoryGauge, release_unused, run_overhead
from arrowsmith.plugin import RunContext
from arrowsmith_image.pillow import BadPictureError

_SHARE = 2 / 3  # of what is left; the rest is for what the runner holds
_LEAST_SHARE = 1 / 3  # of budgets that are hardly more than the overhead
_TIGHT = 0.9  # share of the budget up to which a picture may join others
_SMALL = 1 << 20  # bytes that are not worth an account: they are within the overhead
_LOOK = 0.05  # seconds between two looks at the memory, and whether the run is over


class NoRoomError(BadPictureError):
    """A picture that the budget can never hold.

    Attributes:
        needed: a budget in bytes that would do.
    """

    def __init__(self, what: str, needed: int) -> None:
        super().__init__(what)
        self.needed = needed


class _Account:
    """What the pictures of a run have in use; those who wait get theirs in the order they came."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.waiting: deque[object] = deque()
        self.used = 0
        self.gauge = MemoryGauge()


_accounts: WeakKeyDictionary[RunContext, _Account] = WeakKeyDictionary()
_accounts_lock = threading.Lock()


class Room:
    """Lends memory to those transforms of a run that decode or encode. Thread-safe.

    Args:
        ctx: of the run, all of whose transforms share one account.
    """

    def __init__(self, ctx: RunContext) -> None:
        self._ctx = ctx
        with _accounts_lock:
            account = _accounts.get(ctx)
            if account is None:
                account = _accounts[ctx] = _Account()
        self._account = account

    @contextmanager
    def taken(self, nbytes: int, width: int, height: int) -> Iterator[None]:
        """Hold ``nbytes`` for a picture of that size, once they are free.

        Nobody who waits here holds any of what others wait for, so that all get their turn.

        Raises:
            NoRoomError: they never will be.
            Cancelled: the run has ended meanwhile.
        """
        if nbytes <= _SMALL:
            yield
            return
        overhead = run_overhead(self._ctx.threads)
        limit = self._ctx.memory_limit
        most = int(max((limit - overhead) * _SHARE, limit * _LEAST_SHARE))
        if nbytes > most:
            raise NoRoomError(
                f"has {width} x {height} pixels, which take {-(-nbytes >> 20)} MB, more than the"
                f" memory budget of {limit >> 20} MB leaves for one",
                int(min(nbytes / _SHARE + overhead, nbytes / _LEAST_SHARE)) + 1,
            )
        self._enter(nbytes, most)
        try:
            yield
        finally:
            self._leave(nbytes, most)

    def _enter(self, nbytes: int, most: int) -> None:
        account, ticket = self._account, object()
        with account.changed:
            account.waiting.append(ticket)
            try:
                while account.waiting[0] is not ticket or not self._fits(nbytes, most):
                    account.changed.wait(_LOOK)
                    self._ctx.check_cancelled()
                account.used += nbytes
            finally:
                account.waiting.remove(ticket)
                account.changed.notify_all()

    def _fits(self, nbytes: int, most: int) -> bool:
        """Whether it may begin now; alone it always may, since waiting would free nothing."""
        account = self._account
        growth = max(account.gauge.sample(), account.used)
        roomy = growth + nbytes <= self._ctx.memory_limit * _TIGHT
        if not account.used:
            if not roomy:
                release_unused()
            return True
        return roomy and account.used + nbytes <= most

    def _leave(self, nbytes: int, most: int) -> None:
        account = self._account
        if account.gauge.sample() > most:
            release_unused()  # what this thread's allocator hoards is no use to the next one
        with account.changed:
            account.used -= nbytes
            account.changed.notify_all()
