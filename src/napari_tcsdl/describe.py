"""What a movie or a compressed file holds, and which software made a result; plain JSON types."""

from __future__ import annotations

import platform
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from . import __version__
from .io import is_compressed, open_compressed, open_movie
from .movie import Movie
from .reconstruction import RECONSTRUCTORS
from .storage import storage_ratios


def describe(path: Path) -> dict[str, Any]:
    """Say what a movie or a compressed file holds, as plain JSON types."""
    if not is_compressed(path):
        return movie_facts(open_movie(path))
    compressed = open_compressed(path)
    header, masks = compressed.header, compressed.masks
    real = compressed.bytes_on_disk()
    ratios, table = storage_ratios(compressed), header.storage.companding
    drift = compressed.positions
    return {
        "name": Path(path).name,
        "source": header.source,
        "frames": header.shape[0],
        "frames_valid": compressed.frames_valid,
        "complete": compressed.complete,
        "measurements": compressed.n_measurements,
        "frame_shape": list(compressed.frame_shape),
        "dtype": header.dtype,
        "compression_ratio": masks.compression_ratio,
        "masks": masks.to_json(),
        "pixel_size_angstrom": header.pixel_size,
        "frame_time_s": header.frame_time,
        "value_range": list(header.value_range),
        "noise": header.noise,
        "persistence": None if header.persistence is None else header.persistence.to_json(),
        "drift_px": None if drift is None else drift[-1].tolist(),
        "deviation": None if header.deviation is None else header.deviation.to_json(),
        "settings": header.settings,
        "bytes": real,
        "companding": None if table is None else table.fraction,
        "entropy": header.storage.entropy,
        "storage_ratio": ratios.as_stored,
        "storage_ratios": ratios.to_json(),
        "decoders": {name: row.line for name, row in RECONSTRUCTORS.items()},
    }


def movie_facts(movie: Movie) -> dict[str, Any]:
    """Shape, pixel type and calibration of a movie; None is unknown."""
    return {
        "name": movie.name,
        "frames": movie.shape[0],
        "frame_shape": list(movie.shape[1:]),
        "dtype": str(movie.dtype),
        "pixel_size_angstrom": movie.pixel_size,
        "frame_time_s": movie.frame_time,
        "bytes": movie.nbytes,
    }


def software_versions() -> dict[str, str]:
    """Versions that a result depends on."""
    names = ["imagecodecs", "numpy", "scikit-image", "torch", "zarr"]
    if find_spec("av") is not None:  # the extra [video]
        names.append("av")
    return {
        "napari-tcsdl": __version__,
        "python": platform.python_version(),
        **{name: version(name) for name in names},
    }


def write_text(path: Path, text: str) -> None:
    """Write ``text`` whole or not at all: a reader never sees half a file."""
    temporary = path.with_name(f".{path.name}.partial")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
