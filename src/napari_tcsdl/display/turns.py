"""Work in steps, one in each turn of the window, whichever panel's window that is."""

from __future__ import annotations

from collections.abc import Callable

Later = Callable[[Callable[[], None]], None]
"""Calls what it is given in a later turn of the window."""


def at_once(call: Callable[[], None]) -> None:
    """Call ``call`` now: where there is no window to keep alive."""
    call()


class NextTurn:
    """One call that waits for its turn.

    Who gives the turns may change at any time: what the last one has not called yet, as its window
    may be gone, is handed on.
    """

    def __init__(self, later: Later) -> None:
        self._later = later
        self._call: Callable[[], None] | None = None

    @property
    def later(self) -> Later:
        """Who gives the turns."""
        return self._later

    @later.setter
    def later(self, later: Later) -> None:
        self._later = later
        if self._call is not None:
            later(self._take)

    def ask(self, call: Callable[[], None]) -> None:
        """Call ``call`` in the next turn."""
        self._call = call
        self._later(self._take)

    def drop(self) -> None:
        """Call nothing."""
        self._call = None

    def _take(self) -> None:
        call, self._call = self._call, None
        if call is not None:
            call()
