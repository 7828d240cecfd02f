"""What the tests of the Train step share."""

from __future__ import annotations

WAIT = 60_000


def finish(panel, qtbot):
    qtbot.waitUntil(lambda: panel.worker is None, timeout=WAIT)
