"""Frames with fringes whose d-spacings and directions are known."""

from __future__ import annotations

import numpy as np

PIXEL = 0.025  # nm
D = {"111": 2.355, "220": 1.442}  # [Å]
ANGLES = {"111": 20.0, "220": 75.0}  # [°]


def planted(side: int = 256, n_frames: int = 6) -> np.ndarray:
    """Counts of two sets of fringes with the d-spacings of gold."""
    y, x = np.mgrid[:side, :side]
    scene = np.full((side, side), 20.0)
    for name, d in D.items():
        angle = np.radians(ANGLES[name])
        phase = (np.cos(angle) * x - np.sin(angle) * y) * PIXEL * 10 / d
        scene += 5 * np.cos(2 * np.pi * phase)
    return np.random.default_rng(3).poisson([scene] * n_frames).astype(np.uint8)
