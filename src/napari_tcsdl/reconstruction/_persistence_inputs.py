"""What the network is given of how long the structure of a movie lasts."""

from __future__ import annotations

import math

from ..persistence import LAGS, Persistence

PERSISTENCE_INPUTS = 2 * len(LAGS) + 2
"""Numbers of a movie: whether they are known, covariances of frame and quiet tiles, their error."""

_GAIN, _MOST = 3.0, 6.0  # the grain of a ground is a tenth of the spread of Ȳ


def persistence_inputs(persistence: Persistence | None, spread: float) -> list[float]:
    """Numbers that the network is given; zeros where nothing is known.

    ``spread`` is the standard deviation of Ȳ [detector units], by which all is normalised.
    """
    if persistence is None:
        return [0.0] * PERSISTENCE_INPUTS
    found = (*persistence.whole, *persistence.quiet, persistence.error)
    roots = [_GAIN * math.copysign(abs(value) ** 0.5, value) / spread for value in found]
    return [1.0, *(min(max(root, -_MOST), _MOST) for root in roots)]
