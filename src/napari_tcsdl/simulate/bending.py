"""Random scenes of fibres for training."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray

from ._random import Stream
from .fibres import Fibre, FibreScene, fibre_movie
from .film import Film
from .microscope import Microscope
from .pace import random_pace

Floats = NDArray[np.float64]


def bending_movie(
    seed: int, n_frames: int = 60, side: int = 256, device: torch.device | str = "cpu"
) -> NDArray[np.float32]:
    """Return a random movie (T, H, W) of bending fibres, relative to vacuum, made on ``device``."""
    return fibre_movie(random_fibres(seed, n_frames, side), device)


def random_fibres(seed: int, n_frames: int = 60, side: int = 256) -> FibreScene:
    """Return a random scene of one to four fibres; the seed decides everything in it."""
    stream = Stream(seed, "fibres")
    pixel = stream.log_between(5.0, 30.0)  # [Å]
    field = side * pixel
    pace = random_pace(seed)
    fibres = [
        _random_fibre(stream, n_frames, field, pace) for _ in range((1, 1, 2, 3, 4)[seed % 5])
    ]
    voltage = (300.0, 200.0, 80.0)[stream.whole(0, 2)]
    wavelength = Microscope(voltage).wavelength
    # Fringes one to five pixels wide: width² = λ Δf.
    defocus = (pixel * stream.log_between(0.7, 4.0)) ** 2 / wavelength
    microscope = Microscope(
        voltage,
        defocus if stream.chance(0.7) else -defocus,
        spherical=1200.0,
        focal_spread=50.0,
        convergence=stream.log_between(0.02, 0.3),
    )
    crawl = np.arange(n_frames)[:, None] * stream.normal(2) * stream.log_between(0.01, 0.6)
    walk = np.cumsum(stream.normal(n_frames, 2), axis=0) * stream.log_between(0.02, 0.4)
    return FibreScene(
        tuple(fibres),
        pixel,
        (side, side),
        microscope,
        mean_free_path=stream.between(1200.0, 2500.0),
        film=Film(
            # Also stands for the unevenness of real films.
            thickness=stream.log_between(300.0, 6000.0),
            memory=stream.log_between(3.0, 60.0) / pace,
            still=stream.between(0.2, 1.0),
        ),
        drift=pace * pixel * (crawl + walk),
        seed=seed,
    )


def _random_fibre(stream: Stream, n_frames: int, field: float, pace: float) -> Fibre:
    """Return a fibre through the field; its waves swing, slowly or fast, and it may slide."""
    outer = stream.log_between(0.04, 0.2) * field
    inner = outer * stream.between(0.2, 0.75) if stream.chance(0.65) else 0.0
    waves = np.array(
        [[field * stream.between(0.8, 4.0), 2 * math.pi * stream.between(0, 1)] for _ in range(3)]
    )
    time = pace * np.arange(n_frames)[:, None]
    swing = 2 * math.pi * (time / (n_frames * np.exp(stream.normal(3) * 0.6)) + stream.uniform(3))
    size = field * stream.log_between(0.01, 0.12) * np.array([1.0, 0.5, 0.25])
    walk = pace * np.cumsum(stream.normal(n_frames, 3), axis=0) / math.sqrt(n_frames)
    shift = np.cumsum(stream.normal(n_frames, 2), axis=0) * field * stream.log_between(1e-4, 4e-3)
    shift *= pace
    return Fibre(
        outer,
        inner,
        2 * math.pi * stream.between(0, 1),
        offset=field * stream.between(-0.35, 0.35) + shift[:, 0],
        slide=shift[:, 1],
        bends=size * (np.sin(swing) + 0.3 * walk),
        waves=waves,
        roughness=outer * stream.log_between(0.004, 0.04),
        texture=stream.log_between(0.004, 0.12),
        grain=field / 256 * stream.log_between(1.5, 6.0),
    )
