"""While threads work, the window's thread gets its turn sooner and is not held up by clean-ups.

Python's collector of garbage goes through all objects now and then: half a million in a window of
napari with torch, a quarter of a second in which nothing else runs. It comes when many objects are
new, that is while modules are imported and layers are made. And a thread that computes in Python
keeps the interpreter for 5 ms each time, while a paint asks for it hundreds of times.
"""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

TURN = 0.001
"""[s] For which a thread may keep the interpreter while another one waits for it."""


class _Calm:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._turn = 0.0
        self._frozen = False

    def enter(self) -> None:
        with self._lock:
            self._users += 1
            if self._users == 1:
                self._turn = sys.getswitchinterval()
                sys.setswitchinterval(min(TURN, self._turn))
                # Somebody else's frozen objects are not ours to thaw.
                self._frozen = gc.get_freeze_count() == 0
                if self._frozen:
                    gc.freeze()

    def leave(self) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                sys.setswitchinterval(self._turn)
                if self._frozen:
                    gc.unfreeze()


_calm = _Calm()


@contextmanager
def calm() -> Iterator[None]:
    """Keep pauses of the window short in this block, in which a thread works.

    What was there before is not looked at by the collector of garbage until all such blocks have
    ended: it is freed later, nothing is kept for good.
    """
    _calm.enter()
    try:
        yield
    finally:
        _calm.leave()
