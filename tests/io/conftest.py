"""What the tests of files share."""

import contextlib
import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
from container_helpers import RATIO, SHAPE, write

from napari_tcsdl.encoder import Measurement, encode
from napari_tcsdl.masks import Masks


@pytest.fixture
def movie_frames():
    """(7, 40, 56) uint16 frames that all differ."""
    return np.random.default_rng(1).integers(1, 4000, (7, 40, 56), dtype=np.uint16)


@pytest.fixture
def unprivileged():
    """Context manager in which file permissions bind, also for root."""

    @contextlib.contextmanager
    def as_nobody():
        is_root = os.geteuid() == 0
        if is_root:
            os.seteuid(65534)
        try:
            yield
        finally:
            if is_root:
                os.seteuid(0)

    return as_nobody


@pytest.fixture
def open_folder():
    """Folder into which everybody may look; pytest's own are closed to an unprivileged user."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "frames"
    path.mkdir()
    return path


# --- the compressed file ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def masks():
    return Masks.create(RATIO, tile=(16, 16), seed=3)


@pytest.fixture(scope="module")
def measurements(masks):
    frames = np.random.default_rng(1).integers(1, 4000, SHAPE, dtype=np.uint16)
    tail = masks.shortened(2)
    return [
        Measurement(
            encode(block := frames[k : k + RATIO], masks if len(block) == RATIO else tail)
            .astype(np.uint32),
            first_frame=k,
            n_frames=len(block),
        )
        for k in range(0, SHAPE[0], RATIO)
    ]  # fmt: skip


@pytest.fixture
def path(tmp_path):
    return tmp_path / "movie.tcs.zarr"


@pytest.fixture
def written(path, masks, measurements):
    return write(path, masks, measurements)
