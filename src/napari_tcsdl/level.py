"""How bright a movie's measurements are, and how much they vary: one pair of numbers a movie.

Decoders normalise by it, so that no tile and no block is treated differently from the others.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from .encoder import Measurement
from .masks import Masks

LEVEL_SAMPLES = 5
"""Measurements whose mean and spread are looked at."""

_LEVEL_PIXELS = 2**22  # of each: more would not sharpen mean and spread


class Level(NamedTuple):
    """Mean and standard deviation of Ȳ over the whole frame [detector units]."""

    mean: float
    spread: float


def sampled_measurements(n_frames: int, compression_ratio: int) -> list[int]:
    """Choose up to ``LEVEL_SAMPLES`` measurements, evenly spread over the movie.

    A shorter last block is among them only where there is no other.
    """
    whole = max(n_frames // compression_ratio, 1)
    count = min(whole, LEVEL_SAMPLES)
    return sorted({round(place) for place in np.linspace(0, whole - 1, count)})


def level_of(measurement: Measurement, masks: Masks) -> Level:
    """Mean and spread of one measurement, from evenly spaced rows of a large one.

    Pixels that no mask opens are left out.
    """
    height, width = measurement.values.shape
    step = -(-height * width // _LEVEL_PIXELS)
    if measurement.n_frames == masks.compression_ratio:
        exposures = masks.mask_sum((height, width))[::step]
    else:
        opened = masks.unpack((height, width))[: measurement.n_frames, ::step]
        exposures = opened.sum(axis=0, dtype=np.int32)
    seen = exposures > 0
    mean = measurement.values[::step][seen] / exposures[seen]
    return Level(float(mean.mean()), float(mean.std())) if mean.size else Level(0.0, 0.0)


def typical_level(levels: Iterable[Level]) -> Level | None:
    """Median of several; None of none."""
    rows = list(levels)
    return Level(*(float(value) for value in np.median(rows, axis=0))) if rows else None
