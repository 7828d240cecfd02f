"""The sample movie that comes with the package, and its truth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray

from .._validation import OutputError
from .grains import GrainSettings, expected_counts, simulate_grains

SAMPLE_SETTINGS = GrainSettings()
"""What the sample movie was made with; ``sample_data/README.md`` says the same in words."""

SAMPLE_NAME = "au_grains_{}x{}x{}.tif".format(*SAMPLE_SETTINGS.shape)

_ANGSTROM_PER_NM = 10


def sample_movie_path() -> Path:
    """Return where the sample movie (ImageJ TIFF, uint8 electron counts) is installed."""
    return Path(__file__).parent.parent / "sample_data" / SAMPLE_NAME


def sample_truth() -> NDArray[np.float32]:
    """Return the expected electrons of the sample movie, (T, H, W), made again from its seed."""
    return expected_counts(SAMPLE_SETTINGS)


def write_sample(folder: Path) -> Path:
    """Make the sample movie again and write it into ``folder``, calibrated in nm and s.

    Raises
    ------
    OutputError
        If the file exists already or the folder cannot be written.
    """
    path = folder / SAMPLE_NAME
    if path.exists():
        raise OutputError(f"{path} exists, expected a new file; give another folder or delete it")
    counts, _ = simulate_grains(SAMPLE_SETTINGS)
    pixels_per_nm = _ANGSTROM_PER_NM / SAMPLE_SETTINGS.pixel_size
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(
            path,
            counts,
            imagej=True,
            compression="zlib",
            resolution=(pixels_per_nm, pixels_per_nm),
            metadata={
                "axes": "TYX",
                "unit": "nm",
                "finterval": SAMPLE_SETTINGS.frame_time,
                "fps": 1 / SAMPLE_SETTINGS.frame_time,
                "tunit": "s",
                "min": 0.0,
                "max": float(np.percentile(counts, 99.9)),
            },
        )
    except OSError as error:
        raise OutputError(
            f"cannot write {path} ({error.strerror or error}), expected a folder that can be "
            "written; give another one"
        ) from error
    return path
