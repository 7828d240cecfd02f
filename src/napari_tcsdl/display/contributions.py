"""What napari asks of the plugin: readers, a writer, sample data, the dock."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Layer
from numpy.typing import NDArray

from .._validation import InputError
from ..settings import Settings
from .layers import (
    AXES,
    KEY,
    Calibration,
    Geometry,
    LayerTuple,
    contrast_limits,
    layer_of_movie,
    movie_from_layer,
    result_layer,
)
from .lazy import LazyStack
from .roles import MEASUREMENT

SUFFIX = ".tcs.zarr"

Reader = Callable[[Any], list[LayerTuple]]


# --- readers ----------------------------------------------------------------------------------


def get_reader(path: str | Sequence[str]) -> Reader | None:
    """Return a reader for ``path``, or None to leave it to napari and other plugins.

    Ordinary TIFF stacks are left to napari, which would otherwise ask which reader to take at
    every drop; the dock adds their calibration.
    """
    name = path if isinstance(path, str | os.PathLike) else next(iter(path), "")
    lower = str(name).rstrip("/\\").lower()
    return read_layers if lower.endswith((SUFFIX, ".mrc", ".mrcs")) else None


def read_layers(path: str | Sequence[str] | Path) -> list[LayerTuple]:
    """Open a movie or a compressed movie as lazy layers.

    Parameters
    ----------
    path
        Any file or folder that :func:`napari_tcsdl.io.open_movie` reads, or a ``.tcs.zarr``.

    Raises
    ------
    TcsdlError
        If it cannot be read; one sentence.
    """
    paths = [path] if isinstance(path, str | os.PathLike) else list(path)
    return [_read_one(Path(one)) for one in paths]


def _read_one(path: Path) -> LayerTuple:
    from ..io import is_compressed, open_movie

    return measurement_layer(path) if is_compressed(path) else layer_of_movie(open_movie(path))


def measurement_layer(path: Path) -> LayerTuple:
    """Show the measurements of a ``.tcs.zarr``, normalised, each during its own B frames.

    Raises
    ------
    InputError
        If the file holds no measurement yet.
    """
    from ..io import open_compressed

    compressed = open_compressed(path)
    header, ratio = compressed.header, compressed.compression_ratio
    if compressed.n_measurements == 0:
        raise InputError(
            f"{path.name}: got no measurement, expected at least one; wait for the first block, or "
            "compress the movie again"
        )

    def read_frame(index: int) -> NDArray[np.float32]:
        mask_sum = compressed.masks_of(index).mask_sum(compressed.frame_shape)
        values = compressed.measurement(index).values
        return (values / np.maximum(mask_sum, 1)).astype(np.float32)

    shape = (compressed.n_measurements, *compressed.frame_shape)
    stack = LazyStack(shape, np.dtype(np.float32), read_frame)
    calibration = Calibration(header.pixel_size, header.frame_time)
    frames = Geometry(calibration.scale, (0.0, 0.0, 0.0), calibration.units, AXES)
    facts = {
        "path": str(path),
        "compression_ratio": ratio,
        "n_frames": compressed.frames_valid,
        "settings": dict(header.settings),
    }
    limits = contrast_limits(stack[0])
    data, kwargs, kind = result_layer(MEASUREMENT, stack, frames.measurement(ratio), limits, facts)
    kwargs["name"] = path.name.removesuffix(SUFFIX)
    return data, kwargs, kind


# --- writer -----------------------------------------------------------------------------------


def write_compressed(path: str, data: Any, meta: dict[str, Any]) -> list[str]:
    """Compress one image layer into a ``.tcs.zarr`` file; an existing file is never replaced.

    The settings are those kept in the layer's metadata, or the defaults.

    Raises
    ------
    TcsdlError
        If the layer is no movie, or the file cannot be written; one sentence.
    """
    from ..pipeline import compress

    if not path.endswith(SUFFIX):
        path += SUFFIX
    wanted = {"name", "scale", "units", "metadata", "rgb", "multiscale", "axis_labels"}
    kwargs = {name: value for name, value in meta.items() if name in wanted}
    kwargs["contrast_limits"] = (0, 1)  # else napari would read the whole movie to find them
    layer = Layer.create(data, kwargs, "image")
    movie = movie_from_layer(layer)
    kept = layer.metadata.get(KEY, {}).get("settings")
    settings = Settings.from_json(kept) if kept else Settings()
    if not kept and movie.shape[0] < settings.compression_ratio:
        settings = Settings(compression_ratio=movie.shape[0])
    compress(movie, path, settings)
    return [path]


# --- sample data ------------------------------------------------------------------------------


def sample_sinter() -> list[LayerTuple]:
    """Gold nanocrystals that sinter: molecular dynamics, imaged by the project's own multislice."""
    return _sample("au_sinter")


def sample_fibres() -> list[LayerTuple]:
    """Carbon fibres that bend, out of focus, made by the project's own simulator."""
    return _sample("carbon_fibres")


def _sample(name: str) -> list[LayerTuple]:
    from ..simulate import SAMPLES, sample_movie_path

    data, kwargs, kind = _read_one(sample_movie_path(name))
    kwargs["name"] = f"{SAMPLES[name].title} (simulated)"
    return [(data, kwargs, kind)]
