"""Patches of frames, their correlation, and where it peaks: for :mod:`.tracking`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

PATCH = 33
"""[px] Side of a patch; odd."""

SEARCH = 8
"""[px] A patch is looked for so far from its place."""

_SMOOTHING = 1.0  # [px] under the gradients that texture is made of
_STRAIGHT = 0.25  # ratio of the axes of texture below which a patch is a straight edge
_FINE = 0.25  # [px] between places along a line
_LEAST_RETURN = 0.6  # correlation at which a patch may be mistaken for another one
_LEAST_RISE = 0.05  # from the valley to it

Array = NDArray[np.float64]


def patches(frame: Array, places: NDArray[Any], margin: int = 0) -> Array:
    """Cut (n, side, side) out of a frame around whole pixels, ``margin`` wider on all sides.

    Beyond the frame its outermost pixels are repeated.
    """
    half = PATCH // 2 + margin
    span = np.arange(-half, half + 1)
    rows, columns = (
        (places[:, axis, None] + span).clip(0, frame.shape[axis] - 1) for axis in (0, 1)
    )
    cut: Array = frame[rows[:, :, None], columns[:, None, :]]
    return cut


def texture(frame: Array, places: NDArray[Any]) -> Array:
    """Structure tensor (n, 2, 2) of patches: mean products of their gradients (y, x)."""
    gradients = [
        patches(ndimage.gaussian_filter(frame, _SMOOTHING, order=order), places)
        for order in ((1, 0), (0, 1))
    ]
    tensors: Array = np.array(
        [[(first * second).mean(axis=(1, 2)) for first in gradients] for second in gradients]
    ).transpose(2, 0, 1)
    return tensors


def axes_of(tensors: Array) -> Array:
    """Directions (n, 2, 2) in which the place of a patch can be told; 0 along a straight edge."""
    values, vectors = np.linalg.eigh(tensors)
    axes = vectors.transpose(0, 2, 1)[:, ::-1].copy()
    axes[values[:, 0] < _STRAIGHT * values[:, 1], 1] = 0
    return axes


def correlate(templates: Array, regions: Array) -> Array:
    """Normalised correlation (n, 17, 17) of patches at each displacement within wider ones.

    Zero mean and unit norm for both; 0 where a patch is flat.
    """
    size = regions.shape[-1]
    count = size - PATCH + 1
    centred = templates - templates.mean(axis=(1, 2), keepdims=True)
    # A mean taken off the region changes nothing, and keeps the sums of squares exact.
    wide = regions - regions.mean(axis=(1, 2), keepdims=True)
    spectrum = fft.rfft2(wide) * fft.rfft2(centred, (size, size)).conj()
    products = fft.irfft2(spectrum, (size, size))[:, :count, :count]
    sums, squares = (_box_sums(values, count) for values in (wide, wide**2))
    variance = (squares - sums**2 / PATCH**2).clip(0)
    norm = np.sqrt(variance * (centred**2).sum(axis=(1, 2))[:, None, None])
    flat = 1e-9 * norm.max(initial=0)
    surfaces: Array = np.divide(products, norm, out=np.zeros_like(products), where=norm > flat)
    return surfaces


def _box_sums(values: Array, count: int) -> Array:
    """Sum over each patch-sized box of (n, side, side)."""
    total = np.pad(values.cumsum(axis=1).cumsum(axis=2), ((0, 0), (1, 0), (1, 0)))
    low, high = slice(0, count), slice(PATCH, PATCH + count)
    boxes: Array = total[:, high, high] - total[:, low, high]
    boxes -= total[:, high, low] - total[:, low, low]
    return boxes


def search_radii(surfaces: Array, axes: Array) -> Array:
    """How far from its place each patch is unmistakable [px], from its likeness to itself.

    The highest correlation at each distance falls from 1; where it rises again the patch returns,
    as a lattice does: half the way there is the valley between. Looked for twice as far as
    patches are searched.
    """
    reach = surfaces.shape[-1] // 2
    offsets = np.arange(-reach, reach + 1)
    distance = np.rint(np.hypot(offsets[:, None], offsets)).astype(int)
    radii = np.full(len(surfaces), float(SEARCH))
    for index, (surface, (normal, other)) in enumerate(zip(surfaces, axes, strict=True)):
        if other.any():
            highest = np.array([surface[distance == r].max() for r in range(reach + 1)])
            step = 1.0
        else:
            line = _along(surface, normal)
            middle = len(line) // 2
            highest, step = np.maximum(line[middle:], line[middle::-1]), _FINE
        valley = np.minimum.accumulate(highest)
        returns = np.flatnonzero((highest - valley > _LEAST_RISE) & (highest > _LEAST_RETURN))
        if returns.size:
            radii[index] = min(step * int(np.argmin(highest[: returns[0] + 1])), SEARCH)
    return radii


def peaks(surfaces: Array, axes: Array, radii: Array) -> tuple[Array, Array, NDArray[np.bool_]]:
    """Displacement (n, 2), height (n,) of the highest correlation, and whether it is at the rim."""
    moves, heights = np.zeros((len(surfaces), 2)), np.zeros(len(surfaces))
    offsets = np.arange(-SEARCH, SEARCH + 1)
    distance = np.hypot(offsets[:, None], offsets)
    for index, (surface, (normal, other)) in enumerate(zip(surfaces, axes, strict=True)):
        radius = radii[index]
        if other.any():
            allowed = np.where(distance <= radius, surface, -1.0)
            row, column = (int(i) for i in np.unravel_index(allowed.argmax(), surface.shape))
            heights[index] = surface[row, column]
            moves[index] = (
                row - SEARCH + _vertex(surface[:, column], row),
                column - SEARCH + _vertex(surface[row], column),
            )
        else:
            line = _along(surface, normal)
            places = _FINE * (np.arange(len(line)) - len(line) // 2)
            best = int(np.where(np.abs(places) <= radius, line, -1.0).argmax())
            heights[index] = line[best]
            moves[index] = (places[best] + _FINE * _vertex(line, best)) * normal
    return moves, heights, np.hypot(*moves.T) > radii - 0.5


def _along(surface: Array, normal: Array) -> Array:
    """Correlation along a line through the middle, ¼ px apart."""
    reach = surface.shape[0] // 2
    places = np.arange(-reach, reach + _FINE / 2, _FINE)
    points = reach + normal[:, None] * places
    line: Array = ndimage.map_coordinates(surface, points, order=3, mode="nearest")
    return line


def _vertex(values: Array, index: int) -> float:
    """Place of the vertex of the parabola through a peak and its neighbours, from the peak."""
    if not 0 < index < len(values) - 1:
        return 0.0
    before, at, after = values[index - 1 : index + 2]
    bend = before - 2 * at + after
    return float(np.clip((before - after) / (2 * bend), -0.5, 0.5)) if bend < 0 else 0.0
