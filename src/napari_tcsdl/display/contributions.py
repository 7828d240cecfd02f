"""What napari asks of the plugin: readers, a writer, sample data."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from napari.layers import Layer

from ..settings import Settings
from .file_layers import SUFFIX, layers_of_file
from .layers import KEY, LayerTuple, layer_of_movie, movie_from_layer
from .preferences import colormap, default_settings, open_without_asking

Reader = Callable[[Any], list[LayerTuple]]


# --- readers ----------------------------------------------------------------------------------


def get_reader(path: str | Sequence[str]) -> Reader | None:
    """Return a reader for ``path``, or None to leave it to napari and other plugins.

    Ordinary TIFF stacks are left to napari, which would otherwise ask which reader to take at
    every drop; the dock adds their calibration. Folders that hold TIFF frames are read here.
    """
    name = path if isinstance(path, str | os.PathLike) else next(iter(path), "")
    lower = str(name).rstrip("/\\").lower()
    if lower.endswith((SUFFIX, ".mrc", ".mrcs")) or (name and holds_movie(Path(name))):
        return read_for_viewer
    return None


def holds_movie(folder: Path) -> bool:
    """Whether ``folder`` is one that we read: a compressed file, or one of TIFF frames."""
    if not folder.is_dir():
        return False
    if folder.name.lower().endswith(SUFFIX):
        return True
    from ..io.tiff import SUFFIXES

    try:
        with os.scandir(folder) as entries:
            return any(
                entry.name.lower().endswith(SUFFIXES) and not entry.name.startswith(".")
                for entry in entries
            )
    except OSError:
        return False


def read_for_viewer(path: str | Sequence[str] | Path) -> list[LayerTuple]:
    """Open what napari was given: as :func:`read_layers`, with the reconstruction.

    Raises
    ------
    TcsdlError
        If it cannot be read; one sentence.
    """
    open_without_asking()
    return read_layers(path, decoded=True)


def read_layers(path: str | Sequence[str] | Path, *, decoded: bool = False) -> list[LayerTuple]:
    """Open a movie or a compressed movie as lazy layers.

    Parameters
    ----------
    path
        Any file or folder that :func:`napari_tcsdl.io.open_movie` reads, or a ``.tcs.zarr``.
    decoded
        Whether a ``.tcs.zarr`` gives its reconstruction too, decoded as it is looked at.

    Raises
    ------
    TcsdlError
        If it cannot be read; one sentence.
    """
    paths = [path] if isinstance(path, str | os.PathLike) else list(path)
    return [layer for one in paths for layer in _read_one(Path(one), decoded)]


def _read_one(path: Path, decoded: bool = False) -> list[LayerTuple]:
    from ..io import is_compressed, open_compressed, open_movie

    if not is_compressed(path):
        data, kwargs, kind = layer_of_movie(open_movie(path))
        return [(data, kwargs | {"colormap": colormap()}, kind)]
    compressed = open_compressed(path)
    return layers_of_file(compressed, decoded=decoded)


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
    settings = Settings.from_json(kept) if kept else default_settings()
    if not kept and movie.shape[0] < settings.compression_ratio:
        settings = replace(settings, compression_ratio=movie.shape[0])
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

    ((data, kwargs, kind),) = _read_one(sample_movie_path(name))
    kwargs["name"] = f"{SAMPLES[name].title} (simulated)"
    return [(data, kwargs, kind)]
