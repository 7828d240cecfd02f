"""What the tests of the FFT dock's model share."""

from __future__ import annotations

import numpy as np


def names(controller) -> list[str]:
    return [panel.name for panel in controller.shown.panels]


class Stack:
    """Frames of zeros that remember what was read of them, and can break."""

    def __init__(self, shape):
        self.shape, self.ndim, self.dtype = shape, 3, np.dtype(np.uint8)
        self.read, self.broken = [], False
        self._zeros = np.broadcast_to(np.uint8(0), shape)

    def __getitem__(self, key):
        self.read.append(key)
        if self.broken:
            raise OSError("the disk is gone")
        return self._zeros[key]
