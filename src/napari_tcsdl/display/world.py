"""From the viewer's world to the pixels of a layer: which frame, and where in it. No Qt."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Layer
from numpy.typing import NDArray

NOT_NOW = "no frame at this time"
"""What is said of a layer where the slider stands beyond it."""


def frame_shape(layer: Layer) -> tuple[int, int]:
    """(H, W) of the frames of ``layer``; of the finest level where it has several."""
    data = layer.data[0] if getattr(layer, "multiscale", False) else layer.data
    height, width = data.shape[-2:]
    return int(height), int(width)


def to_data(viewer: ViewerModel, layer: Layer, point: Sequence[float]) -> NDArray[np.float64]:
    """Return data coordinates of ``layer`` at a ``point`` of the world, whatever the units.

    Parameters
    ----------
    point
        World coordinates in the viewer's units, at least as many as the layer has axes.

    Returns
    -------
    NDArray
        (layer.ndim,); pixel i reaches from i − 1/2 to i + 1/2.
    """
    own = np.asarray(point, dtype=float)[-layer.ndim :] * _unit_factors(viewer, layer)
    return np.asarray(layer.world_to_data(own), dtype=float)


def to_world(viewer: ViewerModel, layer: Layer, y: float, x: float) -> NDArray[np.float64]:
    """Return (y, x) in the viewer's world and units of a point of ``layer``'s frames."""
    own = np.asarray(layer.data_to_world([0.0] * (layer.ndim - 2) + [y, x]), dtype=float)
    shown: NDArray[np.float64] = (own / _unit_factors(viewer, layer))[-2:]
    return shown


def _unit_factors(viewer: ViewerModel, layer: Layer) -> NDArray[np.float64]:
    """Viewer's units in those of ``layer``, by axis; 1 where they have nothing in common."""
    shown = (viewer.dims.units or layer.units)[-layer.ndim :]
    return np.array([factor_of(ours, own) for ours, own in zip(shown, layer.units, strict=True)])


@lru_cache(maxsize=64)
def factor_of(unit: Any, target: Any) -> float:
    """One ``unit`` in ``target``; 1 where they measure different things."""
    # Kept: pint takes half a millisecond, and each step of the slider asks for a dozen.
    return float((1 * unit).to(target).magnitude) if unit.is_compatible_with(target) else 1.0


def frame_index(viewer: ViewerModel, layer: Layer) -> tuple[int, ...] | None:
    """Where on its leading axes ``layer`` is shown now, by world coordinates.

    A measurement spans B frames of the others: its index is found like theirs.

    Returns
    -------
    tuple of int or None
        Empty for a 2-D layer; None where the layer shows nothing at this time.
    """
    if layer.ndim <= 2:
        return ()
    data = layer.data[0] if getattr(layer, "multiscale", False) else layer.data
    own = to_data(viewer, layer, viewer.dims.point)[:-2]
    index = tuple(math.floor(value + 0.5 + 1e-6) for value in own)
    inside = all(0 <= k < n for k, n in zip(index, data.shape, strict=False))
    return index if inside else None


def show_in_time(viewer: ViewerModel, layer: Layer) -> None:
    """Move the sliders to the nearest frame of ``layer``, where it shows none now."""
    if frame_index(viewer, layer) is not None:
        return
    data = layer.data[0] if getattr(layer, "multiscale", False) else layer.data
    place = to_data(viewer, layer, viewer.dims.point)
    leading = layer.ndim - 2
    place[:leading] = np.clip(np.rint(place[:leading]), 0, np.array(data.shape[:leading]) - 1)
    world = np.asarray(layer.data_to_world(place), dtype=float) / _unit_factors(viewer, layer)
    for axis in range(leading):
        viewer.dims.set_point(viewer.dims.ndim - layer.ndim + axis, float(world[axis]))


def reader_of(
    layer: Layer, index: tuple[int | slice, ...], slices: tuple[slice, slice]
) -> Callable[[], NDArray[Any]]:
    """Return a function that reads ``slices`` of one frame, and nothing else."""
    data = layer.data[0] if getattr(layer, "multiscale", False) else layer.data

    def read() -> NDArray[Any]:
        pixels = np.asarray(data[(*index, *slices)])
        return np.abs(pixels) if np.iscomplexobj(pixels) else pixels

    return read
