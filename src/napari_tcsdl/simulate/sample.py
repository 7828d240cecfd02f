"""The sample movies that come with the package, and their truth."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray

from .._validation import InputError, OutputError
from .._whole_file import whole_file
from ._random import Stream

_FOLDER = Path(__file__).parent.parent / "sample_data"
_ANGSTROM_PER_NM = 10


@dataclass(frozen=True)
class Sample:
    """A sample movie; ``sample_data/README.md`` says the same in words.

    Attributes
    ----------
    file
        Name of the file in ``sample_data``: ImageJ TIFF, uint8, one grey level per electron.
    title
        What is to be seen.
    pixel_size
        [Å px⁻¹]
    frame_time
        [s]
    dose
        Electrons per pixel and frame in vacuum.
    seed
        Decides film, textures and counts.
    """

    file: str
    title: str
    pixel_size: float
    frame_time: float
    dose: float
    seed: int


SAMPLES = {
    "au_sinter": Sample(
        "au_sinter_60x256x256.tif", "Au nanocrystals sinter", 0.25, 0.05, 9.0, seed=1
    ),
    "carbon_fibres": Sample(
        "carbon_fibres_60x256x256.tif", "Carbon fibres bend", 10.0, 0.1, 8.0, seed=7
    ),
}
"""The sample movies by name; what they show is in ``simulate/sample_scenes.py``."""


def sample_movie_path(name: str = "au_sinter") -> Path:
    """Return where a sample movie (ImageJ TIFF, uint8 electron counts) is installed.

    Parameters
    ----------
    name
        One of :data:`SAMPLES`.

    Raises
    ------
    InputError
        If there is no such sample.
    """
    return _FOLDER / _sample(name).file


def sample_truth(name: str = "au_sinter") -> NDArray[np.float32]:
    """Return the expected electrons of a sample movie, (T, H, W), made again within seconds."""
    return _expected(name).copy()


def simulate_sample(name: str = "au_sinter") -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Return a sample movie as a counting camera records it, and its truth, both (T, H, W)."""
    truth = sample_truth(name)
    stream = Stream(_sample(name).seed, "counts")
    return np.stack([stream.poisson(frame.astype(np.float64)) for frame in truth]), truth


def write_sample(folder: Path, name: str = "au_sinter") -> Path:
    """Make a sample movie again and write it into ``folder``, calibrated in nm and s.

    Raises
    ------
    OutputError
        If the file exists already or the folder cannot be written.
    """
    sample = _sample(name)
    path = folder / sample.file
    if path.exists():
        raise OutputError(f"{path} exists, expected a new file; give another folder or delete it")
    counts, _ = simulate_sample(name)
    pixels_per_nm = _ANGSTROM_PER_NM / sample.pixel_size
    with whole_file(path) as partial:
        folder.mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(
            partial,
            counts,
            imagej=True,
            compression="zlib",
            compressionargs={"level": 9},
            resolution=(pixels_per_nm, pixels_per_nm),
            metadata={
                "axes": "TYX",
                "unit": "nm",
                "finterval": sample.frame_time,
                "fps": 1 / sample.frame_time,
                "tunit": "s",
                "min": 0.0,
                "max": float(np.percentile(counts, 99.9)),
            },
        )
    return path


def _sample(name: str) -> Sample:
    if name not in SAMPLES:
        raise InputError(
            f"got sample {name!r}, expected one of {', '.join(SAMPLES)}; give for example "
            f"{next(iter(SAMPLES))!r}"
        )
    return SAMPLES[name]


@cache
def _expected(name: str) -> NDArray[np.float32]:
    from . import sample_scenes  # torch and scipy, which a path alone does not need

    sample = _sample(name)
    movie: NDArray[np.float32] = getattr(sample_scenes, name)(sample.pixel_size, sample.seed)
    return (sample.dose * movie).astype(np.float32)
