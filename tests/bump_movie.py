"""A small noisy movie of a bump that moves, its compressed file, and how it is decoded."""

from __future__ import annotations

import numpy as np

from napari_tcsdl.movie import Movie
from napari_tcsdl.pipeline import compress
from napari_tcsdl.settings import Settings

RATIO = 4
N_FRAMES = 22  # blocks of 4, 4, 4, 4, 4 and 2 frames; groups of two blocks
SETTINGS = Settings(
    compression_ratio=RATIO,
    mask_tile=16,
    device="cpu",
    decoder="learned",
    reference="raw",
    companding=0.0,  # else a table that depends on all frames
)


def noisy_frames(n=N_FRAMES, seed=3):
    """A moving bump under Poisson noise, (n, 40, 36)."""
    y, x = np.mgrid[:40, :36]
    t = np.arange(n)[:, None, None]
    bump = np.exp(-((y - 20) ** 2 + (x - 10 - 0.7 * t) ** 2) / 40)
    return np.random.default_rng(seed).poisson(40 + 60 * bump).astype(np.uint16)


def stored(frames, folder, settings=SETTINGS, name="m"):
    return compress(Movie(frames, name="bump.tif"), folder / f"{name}.tcs.zarr", settings)


def frames_of(blocks):
    return np.concatenate([block.frames for block in blocks])
