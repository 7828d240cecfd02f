"""The table to which sums of whole pixels are rounded, as finely as coded measurements are."""

from __future__ import annotations

from typing import Any

import numpy as np

from .companding import Companding, companding_table
from .noise import NoiseModel


def sum_table(
    noise: NoiseModel | None,
    exposures: int,
    dtype: np.dtype[Any],
    expected: float,
    fraction: float,
) -> Companding | None:
    """Table for sums of whole pixels, none of them masked; None where sums are kept exactly.

    Parameters
    ----------
    noise
        Of one frame; None keeps sums exactly.
    exposures
        Pixels of single frames in each pixel of a sum; 1 for frames themselves.
    dtype
        Of the frames.
    expected
        Largest sum to be expected [detector units]; of floats none may be larger.
    fraction
        Step in standard deviations of the noise; 0 keeps sums exactly.
    """
    if noise is None or not fraction:
        return None
    largest = expected if dtype.kind == "f" else exposures * int(np.iinfo(dtype).max)
    return companding_table(noise, exposures, largest, fraction, expected=expected)
