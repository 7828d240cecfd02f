"""Power spectra as pictures of 256 levels, large and small. No Qt."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

BLACK, WHITE = 70.0, 99.97
"""[%] Levels of a panel: black is what 70 % of the radii (of their pixels) fall below, white is
reached by the brightest 3 pixels of 10,000. Radii count alike, large and small: a reconstruction
has no power beyond what it resolves, and most pixels lie there."""
CONTRAST = 2.0
"""[decades] At least from black to white: the spectrum of mere noise stays dark."""
POOLS = (1, 2, 4)
_BAND = 64  # rows


def grey_levels(power: NDArray[Any]) -> NDArray[np.uint8]:
    """Logarithm of a power spectrum as 256 levels, from its noise to its brightest pixels.

    Each panel has levels of its own: the powers of a movie, of its reconstruction and of a
    measurement differ by orders of magnitude, and what is compared is how far spots rise above
    their own noise. Half of the spectrum holds it all.
    """
    half = power[: power.shape[0] // 2 + 1]
    floor = np.float32(max(float(half.max()) * 1e-12, float(np.finfo(np.float32).tiny)))
    sample = half.ravel()[:: max(1, half.size // 2**15) | 1]  # odd: not always the same columns
    low = _log_percentile(half[_radial_sample(*power.shape)], BLACK, floor)
    high = _log_percentile(sample, WHITE, floor)
    scale = np.float32(255 / max(high - low, CONTRAST))
    whole = np.empty(power.shape, np.uint8)
    for start in range(0, len(half), _BAND):  # what stays in the processor's cache is quick
        logs = np.maximum(half[start : start + _BAND], floor)
        np.log10(logs, out=logs)
        np.subtract(logs, np.float32(low), out=logs)
        np.multiply(logs, scale, out=logs)
        whole[start : start + len(logs)] = np.clip(logs, 0, 255, out=logs)
    _mirror(whole)
    return whole


def _log_percentile(power: NDArray[Any], share: float, floor: np.float32) -> float:
    """Percentile of the logarithms, of which only the two around it are taken."""
    place = (power.size - 1) * share / 100
    below = int(place)
    pair = [below, min(below + 1, power.size - 1)]
    low, high = np.log10(np.maximum(np.partition(power, pair)[pair], floor))
    return float(low + (place - below) * (high - low))


def _mirror(whole: NDArray[np.uint8]) -> None:
    """Fill in the rows beyond zero from those up to it: a spectrum at −q equals that at q."""
    height, width = whole.shape
    upper, lower = whole[: height // 2 + 1], whole[height // 2 + 1 :]
    mirrored = upper[1 - height % 2 : -1][::-1, ::-1]  # an even side has a −H/2 and no +H/2
    if width % 2:
        lower[:] = mirrored
    else:
        lower[:, 1:], lower[:, 0] = mirrored[:, :-1], mirrored[:, -1]


@lru_cache(maxsize=8)
def _radial_sample(height: int, width: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return pixels of the upper half up to Nyquist's circle, as many at each radius."""
    radius, angle = (np.linspace(0, 1, count, endpoint=False) for count in (96, 96))
    radius, angle = 0.03 + 0.96 * radius[:, np.newaxis], np.pi * (angle + 0.5 / 96)
    rows = height // 2 - radius * np.sin(angle) * (height // 2)
    columns = width // 2 + radius * np.cos(angle) * (width // 2)
    return rows.astype(np.intp).ravel(), columns.astype(np.intp).ravel()


def pools(levels: NDArray[np.uint8]) -> dict[int, tuple[int, NDArray[np.uint8]]]:
    """``levels`` and its maxima over 2 × 2 and 4 × 4 pixels, by factor, with the level of noise.

    The maximum of several pixels of noise is brighter than each: what is to be black rises too.
    """
    made = {1: (0, levels)}
    for factor in POOLS[1:]:
        last = made[factor // 2][1]
        height, width = (side // 2 * 2 for side in last.shape)
        if min(height, width) < 2:
            break
        rows = np.maximum(last[0:height:2, :width], last[1:height:2, :width])
        pairs = rows.view(np.uint16)  # two neighbours in one number: far quicker than every second
        pooled = np.maximum(pairs & 0xFF, pairs >> 8).astype(np.uint8)
        made[factor] = (_median(pooled), pooled)
    return made


def _median(levels: NDArray[np.uint8]) -> int:
    """Level that half of (some of) the pixels do not exceed."""
    counts = np.bincount(levels.ravel()[:: max(1, levels.size // 2**14)], minlength=256)
    return int(np.searchsorted(np.cumsum(counts), (int(counts.sum()) + 1) // 2))
