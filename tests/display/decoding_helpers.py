"""What the tests of decoding in the background share."""

from __future__ import annotations

import threading
import time

from napari_tcsdl.display._qt.worker import THREAD_NAME
from napari_tcsdl.settings import Settings

GAP_TV = Settings(compression_ratio=4, decoder="gap_tv", device="cpu")
WAIT = 60.0


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == THREAD_NAME]


def wait_until(condition) -> None:
    end = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)
