"""The axis of real bytes below the plot of rivals."""

from __future__ import annotations

import math

import pyqtgraph as pg

from ..._words import human_bytes

LABEL = 48
"""[px] Room that the text of one tick takes."""


class ByteAxis(pg.AxisItem):
    """Real bytes on a logarithmic axis, and raw bytes over them below."""

    def __init__(self) -> None:
        super().__init__("bottom")
        self.raw_bytes = 0
        self.enableAutoSIPrefix(False)

    def tickValues(  # noqa: N802 - pyqtgraph's name
        self, minVal: float, maxVal: float, size: float
    ) -> list[tuple[float, list[float]]]:
        """Mark round numbers of bytes, as many as there is room for."""
        decades = max(maxVal - minVal, 1e-6)
        for factors in ((1, 2, 5), (1, 3), (1,)):
            values = [
                math.log10(factor) + power
                for power in range(math.floor(minVal), math.ceil(maxVal) + 1)
                for factor in factors
            ]
            if size / decades / len(factors) >= LABEL:
                break
        return [(1.0, [value for value in values if minVal <= value <= maxVal])]

    def tickStrings(  # noqa: N802 - pyqtgraph's name
        self, values: list[float], scale: float, spacing: float
    ) -> list[str]:
        """Write bytes, and their ratio."""
        return [f"{human_bytes(10**v)}\n{self.raw_bytes / 10**v:.3g} ×" for v in values]
