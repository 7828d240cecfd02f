"""Where a text hides nothing: the nearest free place of a plot."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

CELL = 4.0
"""[px] How finely places are tried."""

Pair = tuple[float, float]


def free_place(size: Pair, ground: Pair, near: Pair, taken: NDArray[np.float64]) -> Pair:
    """Return the upper left corner of a text that hides as little as possible.

    Parameters
    ----------
    size, ground
        (width, height) of the text and of the plot [px].
    near
        (x, y) [px] from the plot's upper left corner: among equals the nearest place is taken.
    taken
        (n, 2) points (x, y) [px] that should stay visible; lines come as :func:`along`.

    Returns
    -------
    tuple of float
        (left, top) [px]; the corner (0, 0) where the text is as large as the plot.
    """
    columns, rows = (int(side // CELL) for side in ground)
    wide, high = (int(np.ceil(side / CELL)) for side in size)
    if wide >= columns or high >= rows:
        return 0.0, 0.0
    edges = ((0.0, rows * CELL), (0.0, columns * CELL))
    counts = np.histogram2d(taken[:, 1], taken[:, 0], bins=(rows, columns), range=edges)[0]
    total = np.pad(counts.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    hidden = total[high:, wide:] - total[:-high, wide:] - total[high:, :-wide]
    hidden += total[:-high, :-wide]
    tops, lefts = np.nonzero(hidden == hidden.min())
    across = (lefts + wide / 2) * CELL - near[0]
    down = (tops + high / 2) * CELL - near[1]
    best = int(np.argmin(np.hypot(across, down)))
    return float(lefts[best] * CELL), float(tops[best] * CELL)


def along(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points along the line through ``corners`` (n, 2) [px], closer than the places tried."""
    parts = []
    for start, stop in pairwise(corners):
        count = int(np.hypot(*(stop - start)) / (CELL / 2)) + 1
        parts.append(start + (stop - start) * np.linspace(0, 1, count, endpoint=False)[:, None])
    return np.concatenate([*parts, corners[-1:]])
