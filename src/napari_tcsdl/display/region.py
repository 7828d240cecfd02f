"""Which pixels of a frame are looked at: the field of view, or a square that is drawn. No Qt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from napari.components import ViewerModel
from napari.components.overlays import SelectionBoxOverlay
from napari.layers import Image, Layer
from psygnal import Signal
from scipy.fft import next_fast_len

from .roi_drag import RoiDrag
from .world import frame_shape, to_data, to_world

LARGEST_SIDE = 1024
"""[px] Of a crop: its Fourier transform takes some 10 ms."""
ROI = "tcsdl_roi"
"""Key of the overlay."""
SMALLEST_SIDE = 32
"""[px] Of a crop, where the frame is that large: below it a spectrum shows nothing."""


@dataclass(frozen=True)
class Region:
    """Rectangle of pixels, ``top ≤ row < bottom`` and ``left ≤ column < right``."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns, for indexing a frame."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W); no side is negative."""
        return max(0, self.bottom - self.top), max(0, self.right - self.left)

    def __bool__(self) -> bool:
        """Whether there is any pixel in it."""
        return min(self.shape) > 0


def visible_region(layer: Layer, viewer: ViewerModel | None = None) -> Region:
    """Pixels of ``layer`` that can be seen, in one box of the grid or in the whole canvas.

    Parameters
    ----------
    layer
        An image layer.
    viewer
        Its viewer: the answer is then right at once, from the camera. Without it the answer
        is that of the last paint, which napari keeps in ``layer.corner_pixels``.

    Returns
    -------
    Region
        Within the frame; empty where the layer lies outside the view. The whole frame in 3D, or
        where other axes than the last two are shown.
    """
    shape = frame_shape(layer)
    if viewer is None:
        if getattr(layer, "multiscale", False):
            return Region(0, 0, *shape)  # the corners are those of the level that is shown
        (top, left), (bottom, right) = layer.corner_pixels[:, -2:]
        return _clipped((top, left, bottom + 1, right + 1), shape)
    dims = viewer.dims
    if dims.ndisplay != 2 or tuple(dims.displayed) != (dims.ndim - 2, dims.ndim - 1):
        return Region(0, 0, *shape)
    centre, zoom = viewer.scene.camera.center[-2:], max(viewer.scene.camera.zoom, 1e-12)
    half = np.asarray(viewer.canvas.viewbox_size(viewer.layers)) / zoom / 2
    return region_of(viewer, layer, (*(centre - half), *(centre + half)))


def region_of(viewer: ViewerModel, layer: Layer, square: Sequence[float]) -> Region:
    """Pixels of ``layer`` in a rectangle (top, left, bottom, right) of the world; may be empty."""
    point = list(viewer.dims.point)
    corners = np.array(
        [
            to_data(viewer, layer, [*point[:-2], y, x])[-2:]
            for y in (square[0], square[2])
            for x in (square[1], square[3])
        ]
    )
    edges = (*(corners.min(axis=0) + 0.5), *(corners.max(axis=0) + 0.5))
    return _clipped(edges, frame_shape(layer))


def world_of(
    viewer: ViewerModel, layer: Layer, region: Region
) -> tuple[float, float, float, float]:
    """Edges (top, left, bottom, right) of ``region`` in the viewer's world."""
    corners = np.array(
        [
            to_world(viewer, layer, y - 0.5, x - 0.5)
            for y in (region.top, region.bottom)
            for x in (region.left, region.right)
        ]
    )
    (top, left), (bottom, right) = corners.min(axis=0), corners.max(axis=0)
    return float(top), float(left), float(bottom), float(right)


def _clipped(edges: Sequence[float], shape: tuple[int, int]) -> Region:
    rows, columns = (
        [min(max(round(float(edges[k])), 0), side) for k in (axis, axis + 2)]
        for axis, side in enumerate(shape)
    )
    return Region(rows[0], columns[0], rows[1], columns[1])


def square_crop(
    region: Region, largest: int = LARGEST_SIDE, *, frame: tuple[int, int] | None = None
) -> Region:
    """Centred square in ``region`` whose Fourier transform is fast: an even side, factors 2, 3, 5.

    Parameters
    ----------
    region
        Where it has to lie.
    largest
        [px] Its side is not longer than this, nor than the region's.
    frame
        (H, W): a region smaller than ``SMALLEST_SIDE`` is widened within the frame.

    Returns
    -------
    Region
        Empty for an empty region; a side of 1 px remains as it is.
    """
    if not region:
        return region
    if frame is not None:
        region = _widened(region, frame)
    side = min(*region.shape, largest)
    while side > 1 and (side % 2 or next_fast_len(side, real=True) != side):
        side -= 1
    top = region.top + (region.shape[0] - side) // 2
    left = region.left + (region.shape[1] - side) // 2
    return Region(top, left, top + side, left + side)


def _widened(region: Region, frame: tuple[int, int]) -> Region:
    edges = []
    for low, high, side in zip(
        (region.top, region.left), (region.bottom, region.right), frame, strict=True
    ):
        wanted = min(max(high - low, SMALLEST_SIDE), side)
        start = min(max((low + high - wanted) // 2, 0), side - wanted)
        edges.append((start, start + wanted))
    (top, bottom), (left, right) = edges
    return Region(top, left, bottom, right)


class RoiBox(SelectionBoxOverlay):
    """Outline of the ROI in one layer's box; ``_qt.roi_visual`` draws it, else napari does."""


class Roi:
    """One square in the world that shows in the box of every image, in every frame.

    It is an overlay of each image layer, not a layer of its own: in napari's grid a layer takes
    a box, and shows in no other. It is moved by its outline or its centre, and resized by its
    corners (:mod:`.roi_drag`).

    Parameters
    ----------
    viewer
        Any napari viewer model.
    """

    changed = Signal()
    """It was drawn, moved, resized or cleared."""

    def __init__(self, viewer: ViewerModel) -> None:
        self.viewer = viewer
        self.square: tuple[float, float, float, float] | None = None
        """(top, left, bottom, right) in the world."""
        self._limits = (0.0, 0.0, 1.0, 1.0)
        self._least = 0.0
        self._drag = RoiDrag(self)
        viewer.layers.events.inserted.connect(self._show)

    def draw(self, source: Layer) -> None:
        """Put a square into the middle of what is seen of ``source``, half as large as that."""
        seen = visible_region(source, self.viewer) or Region(0, 0, *frame_shape(source))
        whole = world_of(self.viewer, source, Region(0, 0, *frame_shape(source)))
        pixel = (whole[2] - whole[0]) / frame_shape(source)[0]
        self._limits, self._least = whole, SMALLEST_SIDE * pixel
        top, left, bottom, right = world_of(self.viewer, source, seen)
        side = max(min(bottom - top, right - left) / 2, self._least)
        self.move_to(((top + bottom) / 2, (left + right) / 2), side)

    def move_to(self, centre: tuple[float, float], side: float) -> None:
        """Centre and side in the world; kept within the frames."""
        top, left, bottom, right = self._limits
        side = min(max(side, self._least), bottom - top, right - left)
        y, x = (
            min(max(middle, low + side / 2), high - side / 2)
            for middle, low, high in zip(centre, (top, left), (bottom, right), strict=True)
        )
        self._set((y - side / 2, x - side / 2, y + side / 2, x + side / 2))

    def clear(self) -> None:
        """Take the square away."""
        if self.square is not None:
            self._set(None)

    def region(self, layer: Layer) -> Region | None:
        """Pixels of ``layer`` in the square; None without a square, or where it has none."""
        if self.square is None:
            return None
        return region_of(self.viewer, layer, self.square) or None

    def close(self) -> None:
        """Let go of the viewer; a square that is still drawn stays (:meth:`clear` it before)."""
        self.viewer.layers.events.inserted.disconnect(self._show)
        self._drag.close()

    def _set(self, square: tuple[float, float, float, float] | None) -> None:
        if square != self.square:
            self.square = square
            self._show()
            self.changed.emit()

    def _show(self) -> None:
        for layer in self.viewer.layers:
            if not isinstance(layer, Image):
                continue
            # napari has no public way to draw into a layer's box.
            overlays = layer._overlays
            if self.square is None:
                overlays.pop(ROI, None)
                continue
            top, left, bottom, right = self.square
            point = list(self.viewer.dims.point)[:-2]
            corners = [
                tuple(map(float, to_data(self.viewer, layer, [*point, y, x])[-2:]))
                for y, x in ((top, left), (bottom, right))
            ]
            box = overlays.get(ROI)
            if box is None:
                overlays[ROI] = RoiBox(bounds=tuple(corners), handles=True, visible=True)
            else:
                box.bounds = tuple(corners)
