"""Small movies that every test may use."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_tcsdl.movie import Movie

PIXEL_SIZE = 0.5  # Å px⁻¹
FRAME_TIME = 0.25  # s


def drifting_lattice(n_frames: int = 9, height: int = 48, width: int = 40) -> np.ndarray:
    """A lattice that drifts by 0.3 px a frame: (T, H, W) float64 counts between 20 and 100."""
    y, x = np.mgrid[:height, :width]
    t = np.arange(n_frames)[:, None, None]
    return 60 + 40 * np.sin(2 * np.pi * (x + 0.3 * t) / 8) * np.cos(2 * np.pi * y / 10)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory, monkeypatch) -> None:
    """No test reads or fills the user's cache of denoised frames."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def truth_frames() -> np.ndarray:
    return drifting_lattice()


@pytest.fixture
def frames(truth_frames) -> np.ndarray:
    """Poisson counts of the drifting lattice, uint8."""
    return np.random.default_rng(7).poisson(truth_frames).clip(0, 255).astype(np.uint8)


@pytest.fixture
def movie(frames) -> Movie:
    return Movie(frames, name="lattice.tif", pixel_size=PIXEL_SIZE, frame_time=FRAME_TIME)


@pytest.fixture
def movie_path(tmp_path, frames) -> Path:
    """The movie as a calibrated ImageJ TIFF."""
    path = tmp_path / "lattice.tif"
    per_nm = 10 / PIXEL_SIZE
    tifffile.imwrite(
        path,
        frames,
        imagej=True,
        resolution=(per_nm, per_nm),
        metadata={"axes": "TYX", "unit": "nm", "finterval": FRAME_TIME},
    )
    return path


@pytest.fixture
def learned(monkeypatch) -> list:
    """Offer the decoder ``learned``, with 8 frames a group; returns those that were made."""
    from learned_decoder import LearnedDecoder

    from napari_tcsdl.reconstruction import RECONSTRUCTORS, DecoderRow

    made = []

    def make(weights=None) -> LearnedDecoder:
        made.append(LearnedDecoder())
        return made[-1]

    monkeypatch.setitem(
        RECONSTRUCTORS, "learned", DecoderRow(make, "a stand-in", states_uncertainty=True)
    )
    monkeypatch.setattr("napari_tcsdl.reconstruction.together.GROUP_FRAMES", 8)
    return made


@pytest.fixture
def compressed_path(movie_path, tmp_path) -> Path:
    """The movie as the command line compresses it."""
    from cli_helpers import RATIO, run

    path = tmp_path / "out.tcs.zarr"
    run("compress", movie_path, "--ratio", RATIO, "--mask-tile", 16, "-o", path)
    return path


@pytest.fixture
def compressed(tmp_path):
    """The movie of a bump, compressed."""
    from bump_movie import noisy_frames, stored

    return stored(noisy_frames(), tmp_path)


@pytest.fixture
def file_size_limit():
    """Context manager in which the kernel refuses to let any file grow beyond a size [bytes]."""
    resource = pytest.importorskip("resource")  # Windows has none

    @contextlib.contextmanager
    def limit(size):
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return limit
