"""Movie ↔ napari layer, results → napari layers: pure functions, no viewer and no Qt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Image, Layer
from numpy.typing import NDArray

from .._validation import InputError, TcsdlError, check_movie_shape
from ..movie import Movie
from .lazy import LazyStack
from .roles import CONSISTENCY, UNCERTAINTY

LayerTuple = tuple[Any, dict[str, Any], str]

KEY = "tcsdl"
"""Where our layers keep what they are, in ``layer.metadata``."""

AXES = ("t", "y", "x")

COLORMAPS = {UNCERTAINTY: "magma", CONSISTENCY: "bwr"}
"""Of boxes that show no frames."""

TITLES = {
    "raw": "raw",
    "unfolding": "unfolding network",
    "gap_tv": "GAP-TV",
    "bidirectional": "paper's network",
    "binning": "binning",
    "jpeg_raw_over_B": "JPEG, raw/B",
    "jpeg_same_bytes": "JPEG, same bytes",
}
"""What a codec is called on screen, by its name in the table."""


def title_of(codec: str) -> str:
    """Return what ``codec`` is called on screen."""
    return TITLES.get(codec, codec.replace("_", " "))


# --- calibration ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Calibration:
    """Pixel size [Å px⁻¹] and frame time [s]; None where unknown."""

    pixel_size: float | None = None
    frame_time: float | None = None

    def __or__(self, other: Calibration) -> Calibration:
        """Fill what is unknown here from ``other``."""
        return Calibration(
            self.pixel_size if self.pixel_size is not None else other.pixel_size,
            self.frame_time if self.frame_time is not None else other.frame_time,
        )

    @property
    def scale(self) -> tuple[float, float, float]:
        """Layer scale: seconds and nanometres where they are known, else 1."""
        pixel = 1.0 if self.pixel_size is None else self.pixel_size / 10
        return (1.0 if self.frame_time is None else self.frame_time, pixel, pixel)

    @property
    def units(self) -> tuple[str, str, str]:
        """Layer units that belong to :attr:`scale`."""
        pixel = "pixel" if self.pixel_size is None else "nm"
        return ("pixel" if self.frame_time is None else "s", pixel, pixel)


def calibration_of_layer(layer: Layer) -> Calibration:
    """Read the calibration of the last three axes of ``layer`` from its scale and units.

    Pixels that are not square count as unknown: a movie has one pixel size.
    """
    if layer.ndim < 3:
        return Calibration()
    time, height, width = (
        None if not unit.is_compatible_with(target) else float((step * unit).to(target).magnitude)
        for step, unit, target in zip(
            layer.scale[-3:], layer.units[-3:], ("second", "angstrom", "angstrom"), strict=True
        )
    )
    square = height is not None and width is not None and np.isclose(height, width, rtol=1e-3)
    return Calibration(width if square else None, time)


def calibration_of_file(layer: Layer) -> Calibration:
    """Read the calibration that the header of the layer's own file holds.

    napari's TIFF reader drops it. Unknown where the layer came from no file, from a file that
    we cannot read, or was changed since (its shape differs).
    """
    path = layer.source.path
    if not path or not Path(path).exists():
        return Calibration()
    from ..io import open_movie

    try:
        movie = open_movie(path)
    except (TcsdlError, OSError):
        return Calibration()
    if movie.shape != tuple(layer.data.shape):
        return Calibration()
    return Calibration(movie.pixel_size, movie.frame_time)


def calibrate(layer: Layer, calibration: Calibration) -> None:
    """Give ``layer`` the scale, units and axis labels of ``calibration``.

    One layer without units would make the scale bar of the whole scene unitless. A scale that
    the user has set by hand, in whatever unit, is left alone.
    """
    if layer._has_default_axis_labels():
        layer.axis_labels = AXES
    if calibration_of_layer(layer) != Calibration() or not np.allclose(layer.scale, 1):
        return
    layer.units = calibration.units
    layer.scale = calibration.scale


# --- movie ↔ layer ----------------------------------------------------------------------------


def movie_from_layer(layer: Layer | None) -> Movie:
    """Make a movie of an image layer; nothing is read.

    Parameters
    ----------
    layer
        An Image layer (T, H, W) over any data that slices along its first axis: numpy, memory
        map, dask, zarr, or our own lazy stack.

    Raises
    ------
    InputError
        If there is no layer, or it is no grey movie; the layer is named.
    """
    if not isinstance(layer, Image):
        got = "no layer" if layer is None else f"{layer.name}: got a {type(layer).__name__} layer"
        raise InputError(
            f"{got if layer is not None else 'got no layer'}, expected an image layer with a movie "
            "(T, H, W); open a movie first"
        )
    data = layer.data[0] if layer.multiscale else layer.data
    if layer.rgb:
        shape = " × ".join(map(str, data.shape))
        raise InputError(
            f"{layer.name}: got {shape}, an RGB colour layer, expected a grey movie (T, H, W); "
            "convert it to grey first"
        )
    check_movie_shape(tuple(data.shape), layer.name)
    source = data.source if isinstance(data, LazyStack) and data.source is not None else data
    calibration = calibration_of_layer(layer)
    return Movie(
        source=source,
        name=layer.name,
        pixel_size=calibration.pixel_size,
        frame_time=calibration.frame_time,
        path=layer.source.path or layer.metadata.get(KEY, {}).get("path"),
    )


def layer_of_movie(movie: Movie, **metadata: Any) -> LayerTuple:
    """Show ``movie`` lazily and calibrated; contrast from the frame that napari shows first."""
    calibration = Calibration(movie.pixel_size, movie.frame_time)
    stack = LazyStack.of_movie(movie)
    shown_first = (stack.shape[0] - 1) // 2  # read once: the stack keeps it
    kwargs = {
        "name": movie.name,
        "scale": calibration.scale,
        "units": calibration.units,
        "axis_labels": AXES,
        "contrast_limits": contrast_limits(stack[shown_first]),
        "metadata": {KEY: {"role": "movie", "path": movie.path, **metadata}},
        "rgb": False,
        "multiscale": False,
    }
    return stack, kwargs, "image"


def contrast_limits(
    sample: NDArray[Any], percent: float = 0.2, margin: float = 0.0
) -> tuple[float, float]:
    """Limits that leave out ``percent`` of the pixels of ``sample`` at either end.

    ``margin`` widens them by that share of their span: noisy frames shown with the limits of
    denoised ones need it, or they turn black and white.
    """
    pixels = sample.reshape(-1)
    some = pixels[:: max(1, pixels.size // 2**20) | 1]  # odd: not the same columns of each row
    finite = some[np.isfinite(some)]
    if finite.size == 0:
        finite = pixels[np.isfinite(pixels)]
    if finite.size == 0:
        return (0.0, 1.0)
    low, high = np.percentile(finite, [percent, 100 - percent])
    span = float(high - low) or 1.0
    return (float(low) - margin * span, float(low) + (1 + margin) * span)


# --- results → layers -------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Geometry:
    """Where frames (T, H, W) lie in the world; each result copies its source's."""

    scale: tuple[float, ...]
    translate: tuple[float, ...]
    units: tuple[Any, ...]
    axis_labels: tuple[str, ...] = AXES

    @classmethod
    def of(cls, layer: Layer) -> Geometry:
        """Geometry of ``layer``."""
        return cls(
            tuple(map(float, layer.scale)), tuple(map(float, layer.translate)), tuple(layer.units)
        )

    def measurement(self, compression_ratio: int) -> Geometry:
        """One measurement spans its own B frames: it shows during these and no others."""
        step, start = self.scale[0], self.translate[0]
        return replace(
            self,
            scale=(compression_ratio * step, *self.scale[1:]),
            translate=(start + step * (compression_ratio - 1) / 2, *self.translate[1:]),
        )

    def frames(self, compression_ratio: int) -> Geometry:
        """Invert :meth:`measurement`: the geometry of the frames behind a measurement."""
        step = self.scale[0] / compression_ratio
        return replace(
            self,
            scale=(step, *self.scale[1:]),
            translate=(self.translate[0] - step * (compression_ratio - 1) / 2, *self.translate[1:]),
        )


def result_layer(
    role: str,
    data: Any,
    geometry: Geometry,
    limits: tuple[float, float],
    metadata: dict[str, Any],
) -> LayerTuple:
    """Layer ``role`` over ``data``, with the geometry of its source and its own metadata."""
    kwargs = {
        "name": role,
        **vars(geometry),
        "contrast_limits": limits,
        "colormap": COLORMAPS.get(role, "gray"),
        "metadata": {KEY: {"role": role, **metadata}},
        "rgb": False,
        "multiscale": False,
    }
    return data, kwargs, "image"


def add_scores(layer: Layer, scores: Sequence[Any], description: str) -> None:
    """Keep the scores and the encoder's description with the layer that they belong to."""
    entry = layer.metadata[KEY]
    entry["description"] = description
    entry["scores"] += [asdict(score) for score in scores if score.codec == entry["codec"]]
