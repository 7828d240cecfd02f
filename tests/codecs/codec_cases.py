"""Frames that the battery of codecs is run on: smooth, noisy and constant ones of every depth."""

from dataclasses import dataclass

import numpy as np

HEIGHT, WIDTH, FRAMES = 37, 31, 12


@dataclass(frozen=True, eq=False)
class Case:
    """Frames (n, H, W) and the value range of their movie."""

    frames: np.ndarray
    value_range: tuple[float, float]

    @property
    def span(self) -> float:
        return self.value_range[1] - self.value_range[0]


def drifting_waves(n_frames=FRAMES, height=HEIGHT, width=WIDTH):
    """Smooth and slow, 0 … 1: any codec at its best comes close to it."""
    t, y, x = np.mgrid[:n_frames, :height, :width]
    return 0.5 + 0.4 * np.sin(2 * np.pi * (x + 0.2 * t) / 24) * np.cos(2 * np.pi * y / 28)


def smooth(dtype, low, high, n_frames=FRAMES):
    values = low + (high - low) * drifting_waves(n_frames)
    return Case(as_type(values, dtype), (low, high))


def noisy(dtype, low, high, n_frames=FRAMES):
    rng = np.random.default_rng(3)
    values = low + (high - low) * (drifting_waves(n_frames) + rng.normal(0, 0.1, (n_frames, 1, 1)))
    values = values + rng.normal(0, 0.05 * (high - low), values.shape)
    return Case(as_type(np.clip(values, low, high), dtype), (low, high))


def as_type(values, dtype):
    rounded = np.rint(values) if np.dtype(dtype).kind == "u" else values
    return rounded.astype(dtype)


DEPTHS = {
    "8 bits": (np.uint8, 0.0, 255.0),
    "dark counts": (np.uint8, 0.0, 12.0),
    "12 bits": (np.uint16, 0.0, 4095.0),
    "16 bits": (np.uint16, 100.0, 60000.0),
    "float": (np.float32, 0.25, 3.5),
}


def constant(dtype, low, high, share):
    """Two frames of low + share · (high − low) everywhere, as far as the type holds that."""
    value = low + share * (high - low)
    if np.dtype(dtype).kind == "u":
        value = np.clip(np.rint(value), 0, np.iinfo(dtype).max)
    return Case(np.full((2, HEIGHT, WIDTH), value, dtype), (low, high))
