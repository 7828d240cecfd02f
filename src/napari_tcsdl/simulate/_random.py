"""Random numbers that stay the same: raw bits of Philox through formulas written out here.

The methods of ``numpy.random.Generator`` may change between NumPy versions; its raw bits do not.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from .._validation import InputError

Floats = NDArray[np.float64]


class Stream:
    """A named stream of random numbers: the same name and seed always give the same numbers.

    Parameters
    ----------
    seed
        Any whole number ≥ 0.
    name
        At most 8 letters count; streams of different names never overlap.

    Raises
    ------
    InputError
        If the seed is negative.
    """

    def __init__(self, seed: int, name: str) -> None:
        if seed < 0:
            raise InputError(f"got seed {seed}, expected a whole number ≥ 0; give for example 1")
        key = (int.from_bytes(name.encode()[:8].ljust(8, b"\0"), "little") << 64) | (seed % 2**64)
        self._bits = np.random.Philox(key=key)

    def uniform(self, *shape: int) -> Floats:
        """Uniform in [0, 1): the upper 53 bits of each raw 64-bit word."""
        raw = np.asarray(self._bits.random_raw(math.prod(shape)), np.uint64) >> np.uint64(11)
        return raw.reshape(shape).astype(np.float64) * 2.0**-53

    def normal(self, *shape: int) -> Floats:
        """Draw normal numbers of variance 1 (Box and Muller, 1958), both of each pair."""
        half = (math.prod(shape) + 1) // 2
        first, second = self.uniform(2, half)
        radius, angle = np.sqrt(-2 * np.log1p(-first)), 2 * np.pi * second
        both = np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])
        return both[: math.prod(shape)].reshape(shape)

    def between(self, low: float, high: float) -> float:
        """One number, uniform in [low, high)."""
        return low + (high - low) * float(self.uniform(1)[0])

    def log_between(self, low: float, high: float) -> float:
        """One number whose logarithm is uniform."""
        return math.exp(self.between(math.log(low), math.log(high)))

    def whole(self, low: int, high: int) -> int:
        """One whole number from low to high, both included."""
        return low + int(self.between(0, high - low + 1))

    def chance(self, probability: float) -> bool:
        """Return True with this probability."""
        return bool(self.uniform(1)[0] < probability)

    def poisson(self, expected: Floats) -> NDArray[np.uint8]:
        """Poisson counts, at most 255, by inversion: the smallest k that u does not exceed.

        Parameters
        ----------
        expected
            Mean of each count, at most about 150 or it is cut at 255.
        """
        uniform = self.uniform(*expected.shape)
        probability = np.exp(-expected)
        cumulative = probability.copy()
        counts = np.zeros(expected.shape, np.uint8)
        for k in range(1, 256):
            above = uniform >= cumulative
            if not above.any():
                break
            counts += above
            probability *= expected / k
            cumulative += probability
        return counts
