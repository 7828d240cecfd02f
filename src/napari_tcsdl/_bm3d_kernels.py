"""The inner loops of BM3D: the 3-D transform of a group, shrinkage, aggregation.

Compiled once and kept on disk; they release the interpreter lock and use no numba threads, so
that strips of a frame can be worked on by ordinary threads, in any number, from any thread.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ._block_matching import match_row

_FAST = {"contract", "nsz", "reassoc"}
_ROOT_HALF = np.float32(np.sqrt(0.5))


class Step(NamedTuple):
    """What one of the two steps works with; ``block`` is a multiple of 4.

    Attributes
    ----------
    block
        N, side of a block [px].
    group
        Most blocks of a group; a power of 2.
    radius
        Of the search [px]: blocks that begin up to so far away are looked at.
    limit
        Largest distance of a similar block: mean squared difference per pixel.
    forward, inverse
        (N, N) float32, one 1-D transform of a block's columns, then of its rows.
    threshold
        λ² of hard thresholding [noise variances], 0 for the Wiener step.
    window
        (N, N) float32, weight of a block's pixels.
    """

    block: int
    group: int
    radius: int
    limit: float
    forward: NDArray[np.float32]
    inverse: NDArray[np.float32]
    threshold: float
    window: NDArray[np.float32]


@njit(cache=True, nogil=True)
def _gather(image: NDArray[Any], places: NDArray[Any], block: int, stack: NDArray[Any]) -> None:
    """Copy blocks into the stack (n, N²)."""
    width = image.shape[1]
    for n in range(len(places)):
        y, x = places[n] // width, places[n] % width
        for i in range(block):
            source = image[y + i][x : x + block]
            target = stack[n][i * block : (i + 1) * block]
            for j in range(block):
                target[j] = source[j]


@njit(cache=True, nogil=True, fastmath=_FAST)
def _haar(stack: NDArray[Any], count: int) -> None:
    """Orthonormal Haar transform along the first axis, in place; the mean ends in stack[0]."""
    stride = 1
    while stride < count:
        for k in range(0, count, 2 * stride):
            a, b = stack[k], stack[k + stride]
            for p in range(len(a)):
                total, change = a[p] + b[p], a[p] - b[p]
                a[p], b[p] = _ROOT_HALF * total, _ROOT_HALF * change
        stride *= 2


@njit(cache=True, nogil=True, fastmath=_FAST)
def _inverse_haar(stack: NDArray[Any], count: int) -> None:
    stride = count // 2
    while stride > 0:
        for k in range(0, count, 2 * stride):
            a, b = stack[k], stack[k + stride]
            for p in range(len(a)):
                first, second = a[p] + b[p], a[p] - b[p]
                a[p], b[p] = _ROOT_HALF * first, _ROOT_HALF * second
        stride //= 2


@njit(cache=True, nogil=True, fastmath=_FAST)
def _multiply(matrix: NDArray[Any], source: NDArray[Any], lanes: int, target: NDArray[Any]) -> None:
    """``target[u, k]`` = Σᵢ ``matrix[u, i]`` · ``source[i, k]`` for k < ``lanes``."""
    for u in range(len(matrix)):
        out = target[u]
        for i in range(0, len(matrix), 4):
            m, n, o, p = matrix[u, i], matrix[u, i + 1], matrix[u, i + 2], matrix[u, i + 3]
            a, b, c, d = source[i], source[i + 1], source[i + 2], source[i + 3]
            for k in range(lanes):
                rest = out[k] if i > 0 else np.float32(0)
                out[k] = rest + (m * a[k] + n * b[k]) + (o * c[k] + p * d[k])


@njit(cache=True, nogil=True)
def _transform_blocks(
    matrix: NDArray[Any], stack: NDArray[Any], count: int, work: NDArray[Any], out: NDArray[Any]
) -> None:
    """2-D transform of each block of the stack (n, N²) into ``out`` (N, n · N): [v, (n, u)]."""
    block = len(matrix)
    for n in range(count):
        for i in range(block):
            source = stack[n][i * block : (i + 1) * block]
            target = work[i][n * block : (n + 1) * block]
            for j in range(block):
                target[j] = source[j]
    _multiply(matrix, work, count * block, out)
    _swap(out, count, work)
    _multiply(matrix, work, count * block, out)


@njit(cache=True, nogil=True)
def _restore_blocks(
    matrix: NDArray[Any], spectrum: NDArray[Any], count: int, work: NDArray[Any], out: NDArray[Any]
) -> None:
    """Undo :func:`_transform_blocks`; overwrites the spectrum."""
    block = len(matrix)
    _multiply(matrix, spectrum, count * block, work)
    _swap(work, count, spectrum)
    _multiply(matrix, spectrum, count * block, work)
    for n in range(count):
        for i in range(block):
            source = work[i][n * block : (n + 1) * block]
            target = out[n][i * block : (i + 1) * block]
            for j in range(block):
                target[j] = source[j]


@njit(cache=True, nogil=True)
def _swap(source: NDArray[Any], count: int, target: NDArray[Any]) -> None:
    """Exchange rows and columns of each block."""
    block = len(source)
    for i in range(block):
        row = source[i]
        for j in range(block):
            column = target[j]
            for n in range(count):
                column[n * block + i] = row[n * block + j]


@njit(cache=True, nogil=True, fastmath=_FAST)
def _threshold(spectrum: NDArray[Any], lanes: int, threshold: float) -> Any:
    """Set coefficients to 0 that noise explains, but the group's mean; returns its weight."""
    mean, limit = spectrum[0, 0], np.float32(threshold)
    spectrum[0, 0] = 0
    kept = np.float32(1)
    for v in range(len(spectrum)):
        row = spectrum[v]
        for k in range(lanes):
            keep = row[k] * row[k] > limit
            row[k] = row[k] if keep else np.float32(0)
            kept += np.float32(1) if keep else np.float32(0)
    spectrum[0, 0] = mean
    return np.float32(1) / kept


@njit(cache=True, nogil=True, fastmath=_FAST)
def _wiener(spectrum: NDArray[Any], pilot: NDArray[Any], lanes: int) -> Any:
    """Shrink by the power that the first estimate has, but not the group's mean; its weight."""
    mean = spectrum[0, 0]
    pilot[0, 0] = 0
    kept = np.float32(1)
    for v in range(len(spectrum)):
        row, first = spectrum[v], pilot[v]
        for k in range(lanes):
            power = first[k] * first[k]
            gain = power / (power + np.float32(1))
            row[k] *= gain
            kept += gain * gain
    spectrum[0, 0] = mean
    return np.float32(1) / kept


@njit(cache=True, nogil=True)
def _aggregate(
    stack: NDArray[Any],
    places: NDArray[Any],
    weight: float,
    window: NDArray[Any],
    values: NDArray[Any],
    weights: NDArray[Any],
) -> None:
    """Add the blocks, weighted, to where they came from."""
    width, block = values.shape[1], len(window)
    for n in range(len(places)):
        y, x = places[n] // width, places[n] % width
        for i in range(block):
            factors, block_row = window[i], stack[n][i * block : (i + 1) * block]
            sums, shares = values[y + i][x : x + block], weights[y + i][x : x + block]
            for j in range(block):
                share = weight * factors[j]
                sums[j] += share * block_row[j]
                shares[j] += share


@njit(cache=True, nogil=True)
def filter_strip(
    noisy: NDArray[np.float32],
    pilot: NDArray[np.float32],
    tops: NDArray[np.int64],
    lefts: NDArray[np.int64],
    step: Step,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Filter the groups of the reference blocks at ``tops`` × ``lefts``.

    Parameters
    ----------
    noisy
        (H, W), what is filtered; its noise has unit variance.
    pilot
        (H, W), where blocks are matched; of the Wiener step also the first estimate.
    tops, lefts
        First row and column of each reference block [px].
    step
        What to do.

    Returns
    -------
    values, weights
        (H, W) float32, sums over all blocks that lie on a pixel.
    """
    block, most = step.block, step.group
    search = (block, step.radius, step.limit)
    places = np.empty((len(lefts), most), np.int64)
    counts = np.empty(len(lefts), np.int64)
    stack = np.empty((most, block * block), np.float32)
    spectrum, first, work = np.empty((3, block, most * block), np.float32)
    values, weights = np.zeros((2, *noisy.shape), np.float32)
    for top in tops:
        match_row(pilot, top, lefts, search, places, counts)
        for r in range(len(lefts)):
            count = 1
            while 2 * count <= counts[r]:
                count *= 2
            group = places[r, :count]
            if step.threshold == 0:
                _gather(pilot, group, block, stack)
                _haar(stack, count)
                _transform_blocks(step.forward, stack, count, work, first)
            _gather(noisy, group, block, stack)
            _haar(stack, count)
            _transform_blocks(step.forward, stack, count, work, spectrum)
            if step.threshold == 0:
                weight = _wiener(spectrum, first, count * block)
            else:
                weight = _threshold(spectrum, count * block, step.threshold)
            _restore_blocks(step.inverse, spectrum, count, work, stack)
            _inverse_haar(stack, count)
            _aggregate(stack, group, weight, step.window, values, weights)
    return values, weights
