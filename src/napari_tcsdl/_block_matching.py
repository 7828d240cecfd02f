"""Block matching: which blocks of an image look most like a given one.

The squared differences of a whole row of blocks are taken at once, for one displacement after the
other: sums over columns, then over windows, each in vectors of pixels. Both are shared by blocks
that overlap. Releases the interpreter lock.

What numba keeps on disk of :mod:`._bm3d_kernels` holds this, too, and does not notice that this
file changed: touch that one as well.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

_FAST = {"contract", "nsz", "reassoc"}


@njit(cache=True, nogil=True)
def _rows(image: NDArray[Any], top: int, begin: int, end: int) -> tuple[Any, Any, Any, Any]:
    """Return four rows from ``begin`` on; only so cut they stay contiguous."""
    return (
        image[top][begin:end],
        image[top + 1][begin:end],
        image[top + 2][begin:end],
        image[top + 3][begin:end],
    )


@njit(cache=True, nogil=True, fastmath=_FAST)
def _column_sums(
    image: NDArray[Any], top: int, y: int, begin: int, shift: int, block: int, sums: NDArray[Any]
) -> None:
    """Sum over rows of (image[top + i, begin + x] − image[y + i, begin + shift + x])².

    Inner loops start at 0: an index that may be negative keeps them from being vectorised.
    """
    end = begin + len(sums)
    sums[:] = 0
    for i in range(0, block, 4):
        a, b, c, d = _rows(image, top + i, begin, end)
        e, f, g, h = _rows(image, y + i, begin + shift, end + shift)
        for x in range(len(sums)):
            p, q, r, s = a[x] - e[x], b[x] - f[x], c[x] - g[x], d[x] - h[x]
            sums[x] += (p * p + q * q) + (r * r + s * s)


@njit(cache=True, nogil=True, fastmath=_FAST)
def _window_sums(sums: NDArray[Any], block: int, out: NDArray[Any]) -> None:
    """Sum of ``block`` neighbours, a multiple of 4."""
    out[:] = 0
    for k in range(0, block, 4):
        a, b, c, d = sums[k:], sums[k + 1 :], sums[k + 2 :], sums[k + 3 :]
        for x in range(len(out)):
            out[x] += (a[x] + b[x]) + (c[x] + d[x])


@njit(cache=True, nogil=True)
def _keep_nearest(
    distance: float, place: int, distances: NDArray[Any], places: NDArray[Any], count: int
) -> int:
    """Put one block into the sorted list of the nearest; returns how many there are."""
    at = min(count, len(distances) - 1)
    while at > 1 and distances[at - 1] > distance:
        distances[at], places[at] = distances[at - 1], places[at - 1]
        at -= 1
    distances[at], places[at] = distance, place
    return min(count + 1, len(distances))


@njit(cache=True, nogil=True)
def match_row(
    image: NDArray[Any],
    top: int,
    lefts: NDArray[Any],
    search: tuple[int, int, float],
    places: NDArray[Any],
    counts: NDArray[Any],
) -> None:
    """Find the blocks most similar to each reference block of one row, the nearest first.

    Parameters
    ----------
    image
        (H, W) float32, C-contiguous.
    top, lefts
        First row of all reference blocks, first column (n,) of each [px].
    search
        Side of a block, a multiple of 4; distance up to which others begin [px]; largest mean
        squared difference per pixel.
    places, counts
        (n, most) and (n,) int64, filled here: y · W + x of the blocks found, and their number. The
        reference block itself comes first.
    """
    height, width = image.shape
    block, radius, limit = search
    last = width - block
    distances = np.empty(places.shape, np.float32)
    worst = np.full(len(lefts), limit * block * block, np.float32)
    sums, boxes = np.empty(width, np.float32), np.empty(width, np.float32)
    counts[:] = 1
    places[:, 0] = top * width + lefts
    distances[:, 0] = -1
    for y in range(max(0, top - radius), min(height - block, top + radius) + 1):
        for shift in range(max(-radius, -last), min(radius, last) + 1):
            if y == top and shift == 0:
                continue
            begin, end = max(0, -shift), min(last, last - shift) + 1
            stop = end + block - 1
            _column_sums(image, top, y, begin, shift, block, sums[: stop - begin])
            _window_sums(sums[: stop - begin], block, boxes[: end - begin])
            for r in range(len(lefts)):
                x = lefts[r]
                if begin <= x < end and boxes[x - begin] < worst[r]:
                    distance, place = boxes[x - begin], y * width + x + shift
                    counts[r] = _keep_nearest(distance, place, distances[r], places[r], counts[r])
                    if counts[r] == places.shape[1]:
                        worst[r] = min(worst[r], distances[r, -1])
