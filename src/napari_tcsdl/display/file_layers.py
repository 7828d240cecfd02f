"""A compressed file as layers: its measurements, and its frames as they are looked at."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils.notifications import show_error
from numpy.typing import NDArray

from .._validation import CorruptFileError, InputError
from ..settings import Settings
from .layers import (
    AXES,
    Calibration,
    Geometry,
    LayerTuple,
    contrast_limits,
    result_layer,
    title_of,
)
from .lazy import LazyStack, StandIn
from .preferences import colormap, default_settings
from .roles import MEASUREMENT, RECONSTRUCTION

if TYPE_CHECKING:  # zarr takes a second to load; napari asks for a reader at every drop
    from ..io import CompressedMovie

SUFFIX = ".tcs.zarr"
MARGIN = 0.25
"""Frames span more than their mean: the contrast of a measurement is widened by this for them."""


class Notices:
    """Errors of one file as napari's notifications: each sentence once, however often it is met."""

    def __init__(self) -> None:
        self._told: set[str] = set()

    def tell(self, sentence: str) -> None:
        """Show ``sentence``; from any thread."""
        if sentence not in self._told:
            self._told.add(sentence)
            show_error(sentence)


def layers_of_file(compressed: CompressedMovie, *, decoded: bool) -> list[LayerTuple]:
    """Return the layer of the measurements and, where ``decoded``, that of the frames above it.

    Raises
    ------
    InputError
        If the file holds no measurement yet.
    """
    notices = Notices()
    measurements = _measurement_layer(compressed, notices)
    if not decoded:
        return [measurements]
    return [measurements, _reconstruction_layer(compressed, measurements, notices)]


def _measurement_layer(compressed: CompressedMovie, notices: Notices) -> LayerTuple:
    """Show the measurements of a ``.tcs.zarr``, normalised, each during its own B frames."""
    ratio, name = compressed.compression_ratio, compressed.path.name
    if compressed.n_measurements == 0:
        raise InputError(
            f"{name}: got no measurement, expected at least one; wait for the first block, or "
            "compress the movie again"
        )

    shape = (compressed.n_measurements, *compressed.frame_shape)
    stack = LazyStack(shape, np.dtype(np.float32), _reader_of(compressed, notices))
    geometry = _geometry(compressed).measurement(ratio)
    limits = contrast_limits(stack[0])
    data, kwargs, kind = result_layer(MEASUREMENT, stack, geometry, limits, _facts(compressed))
    kwargs |= {"name": name.removesuffix(SUFFIX), "colormap": colormap()}
    return data, kwargs, kind


def _reader_of(
    compressed: CompressedMovie, notices: Notices
) -> Callable[[int], NDArray[np.float32]]:
    def read(index: int) -> NDArray[np.float32]:
        """Ȳ of one block; NaN, which shows as nothing, while it cannot be read."""
        try:
            values = compressed.measurement(index).values
        except CorruptFileError as error:  # napari would show a traceback at every step
            notices.tell(str(error))
            raise StandIn(np.full(compressed.frame_shape, np.nan, np.float32)) from error
        mask_sum = compressed.masks_of(index).mask_sum(compressed.frame_shape)
        return (values / np.maximum(mask_sum, 1)).astype(np.float32)

    return read


def _reconstruction_layer(
    compressed: CompressedMovie, measurements: LayerTuple, notices: Notices
) -> LayerTuple:
    """Show the frames of a ``.tcs.zarr``, decoded block by block as the slider comes to them."""
    from .decoded import DecodedStack

    chosen = default_settings()
    stored = Settings.from_file(compressed.header.settings)
    settings = replace(stored, device=chosen.device, decode_tile=chosen.decode_tile)
    stack = DecodedStack(compressed, settings, measurements[0])
    stack.failed.connect(notices.tell)
    if "qtpy" in sys.modules:  # in a window; a script asks the stack itself
        from ._qt.refresher import watch

        watch(stack)
    facts = _facts(compressed) | {"codec": settings.decoder, "settings": settings.to_json()}
    limits = contrast_limits(measurements[0][0], margin=MARGIN)
    geometry = _geometry(compressed)
    data, kwargs, kind = result_layer(RECONSTRUCTION, stack, geometry, limits, facts)
    name = f"{measurements[1]['name']} reconstruction ({title_of(settings.decoder)})"
    return data, kwargs | {"name": name, "colormap": colormap()}, kind


def _geometry(compressed: CompressedMovie) -> Geometry:
    header = compressed.header
    calibration = Calibration(header.pixel_size, header.frame_time)
    return Geometry(calibration.scale, (0.0, 0.0, 0.0), calibration.units, AXES)


def _facts(compressed: CompressedMovie) -> dict[str, Any]:
    return {
        "path": str(compressed.path),
        "compression_ratio": compressed.compression_ratio,
        "n_frames": compressed.frames_valid,
        "settings": dict(compressed.header.settings),
    }
