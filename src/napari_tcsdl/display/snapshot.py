"""What the viewer shows → plain data, for figures and movies of it. No Qt.

A :class:`View` is made in the window's thread and reads nothing; its pictures are taken in
any thread, one frame at a time, and do not follow the viewer any more.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image
from numpy.typing import NDArray

from .._box_picture import BoxPicture
from .._validation import InputError
from .region import visible_region
from .run import Run
from .world import to_data

__all__ = ["Box", "BoxPicture", "Clock", "View", "snapshot", "view_of"]


@dataclass(frozen=True)
class Line:
    """World time → index along T: ``value = start + time · slope``, rounded."""

    start: float
    slope: float

    def index(self, time: float) -> int:
        """Index at a world time; halves go up, as they do in the viewer's panels."""
        return math.floor(self.start + time * self.slope + 0.5 + 1e-6)


@dataclass(frozen=True)
class Clock:
    """Frames in time: frame i stands at world time ``start + i · step``.

    ``seconds`` is the length of a world unit [s], or None where time is not calibrated.
    """

    start: float
    step: float
    count: int
    seconds: float | None = None

    def time(self, frame: int) -> float:
        """World time of ``frame``."""
        return self.start + frame * self.step

    def frame(self, time: float) -> int:
        """Return the frame at a world time."""
        return min(max(round((time - self.start) / self.step), 0), self.count - 1)

    def words(self, frame: int) -> str:
        """Write number and time of a frame: number / last number, as at the slider."""
        words = f"frame {frame} / {self.count - 1}"
        if self.seconds is None:
            return words
        # Two digits of a step are enough to tell frames apart; 40 frames/s need 0.025 s.
        digits = max(0, 1 - math.floor(math.log10(abs(self.step * self.seconds))))
        return f"{words}   t = {self.time(frame) * self.seconds:.{digits}f} s"


@dataclass(frozen=True, eq=False)
class Box:
    """One box, frozen: what it takes to picture any frame of its layer.

    Attributes
    ----------
    label
        Frame → lines of its label.
    data
        (…, T, H, W), as the layer holds it.
    leading
        Index on the axes before T.
    time
        World time → index along T; None for a single image (H, W).
    slices
        Rows and columns in view.
    limits, colormap, pixel_size
        As in :class:`BoxPicture`.
    """

    label: Callable[[int], tuple[str, ...]]
    data: Any
    leading: tuple[int, ...]
    time: Line | None
    slices: tuple[slice, slice]
    limits: tuple[float, float]
    colormap: NDArray[np.uint8]
    pixel_size: float | None

    def picture(self, time: float, frame: int) -> BoxPicture:
        """Read one frame, cropped to the field of view; NaN where the layer shows nothing."""
        title, *lines = self.label(frame) or ("",)
        index = self.leading if self.time is None else (*self.leading, self.time.index(time))
        if all(0 <= at < size for at, size in zip(index, self.data.shape, strict=False)):
            # By slices: a stack that is decoded lazily then waits, and gives no stand-in. And a
            # copy: the pixels must not change while they are drawn, nor hold the whole frame.
            key = (*(slice(at, at + 1) for at in index), *self.slices)
            image = np.array(self.data[key])
            image = image.reshape(image.shape[-2:])
            image = np.abs(image) if np.iscomplexobj(image) else image
        else:
            shape = [part.stop - part.start for part in self.slices]
            image = np.full(shape, np.nan, np.float32)
        return BoxPicture(title, tuple(lines), image, self.limits, self.colormap, self.pixel_size)


@dataclass(frozen=True, eq=False)
class View:
    """Everything that the viewer showed at one moment.

    Attributes
    ----------
    boxes
        In the order of the window.
    columns
        Boxes in a row.
    clock
        Frames of the movie; a single one where there is none.
    now
        World time that the slider showed.
    """

    boxes: tuple[Box, ...]
    columns: int
    clock: Clock
    now: float

    @property
    def frame(self) -> int:
        """Frame that the slider showed."""
        return self.clock.frame(self.now)

    def pictures(self, frame: int | None = None) -> list[BoxPicture]:
        """Picture each box at ``frame``, or as it was shown."""
        if frame is None:
            return [box.picture(self.now, self.frame) for box in self.boxes]
        return [box.picture(self.clock.time(frame), frame) for box in self.boxes]


def snapshot(viewer: ViewerModel, run: Run | None = None) -> list[BoxPicture]:
    """Picture each visible image layer as it is shown now; see :func:`view_of`."""
    return view_of(viewer, run).pictures()


def view_of(viewer: ViewerModel, run: Run | None = None) -> View:
    """Freeze what ``viewer`` shows; no pixel is read.

    Each visible grey image layer that is in view has a box, cropped to the field of view; layers
    of other kinds, and RGB images, are left out.

    Parameters
    ----------
    viewer
        The viewer.
    run
        Whose labels and frames are meant, if a comparison is shown.

    Raises
    ------
    InputError
        If no image is in view, the view is 3-D, or a layer is turned; one sentence.
    """
    layers = [layer for layer in viewer.layers if _is_picture(layer)]
    if not layers:
        raise InputError(
            "got no visible image layer, expected at least one; open a movie, or show its layer"
        )
    dims = viewer.dims
    if dims.ndisplay != 2 or tuple(dims.displayed) != (dims.ndim - 2, dims.ndim - 1):
        raise InputError(
            "got a view in 3-D or along other axes, expected images (y, x); switch the viewer back "
            "to 2-D"
        )
    layers = [layer for layer in layers if visible_region(layer, viewer)]
    if not layers:
        raise InputError(
            "got a field of view beside the images, expected some part of them in view; press the "
            "viewer's home button"
        )
    if viewer.canvas.grid.stride < 0:
        layers.reverse()
    if run is not None and not set(map(id, run.layers.values())) & set(map(id, layers)):
        run = None
    boxes = tuple(_box(viewer, layer, run) for layer in layers)
    now = float(dims.point[-3]) if dims.ndim > 2 else 0.0
    return View(boxes, _columns(viewer, len(boxes)), _clock(viewer, boxes, run), now)


def _is_picture(layer: Any) -> bool:
    return isinstance(layer, Image) and layer.visible and not layer.rgb and layer.ndim >= 2


def _columns(viewer: ViewerModel, count: int) -> int:
    """As the window's grid has them, or up to four in a row where it has one column or none."""
    across = int(viewer.canvas.grid.actual_shape(viewer.layers)[1])
    return across if across > 1 else (count if count <= 4 else math.ceil(count / 2))


def _box(viewer: ViewerModel, layer: Image, run: Run | None) -> Box:
    matrix = np.asarray(layer.affine.affine_matrix)
    turned = not np.allclose(layer.rotate, np.eye(layer.ndim)) or np.any(layer.shear)
    if turned or not np.allclose(matrix, np.eye(len(matrix))):
        raise InputError(
            f"{layer.name}: got a layer that is turned or sheared, expected rows and columns along "
            "the axes; set its rotation back"
        )
    point = list(viewer.dims.point)
    leading = (math.floor(at + 0.5 + 1e-6) for at in to_data(viewer, layer, point)[:-3])
    time: Line | None = None
    if layer.ndim >= 3:
        # Two points of it: the layer itself must not be asked from another thread.
        zero, one = (
            float(to_data(viewer, layer, [*point[:-3], at, *point[-2:]])[-3]) for at in (0, 1)
        )
        time = Line(zero, one - zero)
    low, high = layer.contrast_limits
    shades = layer.colormap.map(np.linspace(0, 1, 256) ** layer.gamma)
    return Box(
        _label(layer, run),
        layer.data[0] if layer.multiscale else layer.data,
        tuple(leading),
        time,
        visible_region(layer, viewer).slices,
        (float(low), float(high)),
        np.rint(255 * shades[:, :3]).astype(np.uint8),
        _pixel_size(layer),
    )


def _clock(viewer: ViewerModel, boxes: tuple[Box, ...], run: Run | None) -> Clock:
    """Return the frames of the run, or else of the layer with the finest steps."""
    movies = [(box.time, int(box.data.shape[-3])) for box in boxes if box.time is not None]
    if not movies:
        return Clock(0.0, 1.0, 1)
    unit = None if viewer.dims.units is None else viewer.dims.units[-3]
    seconds = None
    if unit is not None and unit.is_compatible_with("second"):
        seconds = float((1 * unit).to("second").magnitude)
    line, count = max(movies, key=lambda movie: abs(movie[0].slope))
    if run is None:
        return Clock(-line.start / line.slope, 1 / line.slope, count, seconds)
    geometry = run.geometry
    own = geometry.units[0]
    factor = 1.0
    if unit is not None and own.is_compatible_with(unit):
        factor = float((1 * own).to(unit).magnitude)
    start, step = factor * geometry.translate[0], factor * geometry.scale[0]
    return Clock(start, step, run.job.n_frames, seconds)


def _label(layer: Image, run: Run | None) -> Callable[[int], tuple[str, ...]]:
    """Return what the layer's label says at a frame; the title alone where it is not of a run."""
    role = next((r for r, one in run.layers.items() if one is layer), None) if run else None
    if run is not None and role is not None:
        return partial(run.label, role)
    text = getattr(layer._overlays.get("layer_name"), "text", "") or layer.name
    title = tuple(text.splitlines()[:1])  # what else it says may hold for this frame only
    return lambda _: title


def _pixel_size(layer: Image) -> float | None:
    """[Å px⁻¹]; None where unknown, or where pixels are not square."""
    sizes = [
        float((abs(step) * unit).to("angstrom").magnitude)
        for step, unit in zip(layer.scale[-2:], layer.units[-2:], strict=True)
        if unit.is_compatible_with("angstrom")
    ]
    square = len(sizes) == 2 and math.isclose(sizes[0], sizes[1], rel_tol=1e-3)
    return sizes[1] if square else None
