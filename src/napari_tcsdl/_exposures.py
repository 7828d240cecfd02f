"""In how many frames of a block a pixel of the masks is open."""

from __future__ import annotations

from typing import Any

from ._validation import InputError, is_whole

USUAL_WORDS = "half of B, two fifths from B = 20"
"""What :func:`usual_exposures` gives, for people."""


def usual_exposures(compression_ratio: int) -> int:
    """Frames of a block in which a pixel of balanced masks is open where nobody says otherwise.

    Half of them, two fifths from B = 20: there the network's error on movies held out from its
    training is least at 3 e/px/frame, and at 20 within 0.03 dB of the least (docs/experiments.md).
    """
    ratio = compression_ratio
    return (ratio + 1) // 2 if ratio < 20 else (2 * ratio + 2) // 5


def served_exposures(compression_ratio: int) -> range:
    """Exposures of balanced masks with which trained weights are worth having: 0.1 B to 0.6 B.

    Training draws 0.25 B to 0.5 B. Somewhat beyond, weights are about as good as within; far beyond
    nobody knows. On the sample movie at B = 30 the rms error of our network over that of GAP-TV is
    0.89 with 3 exposures, 0.86 with 12, 0.88 with 18, but 1.0 with 1, 1.1 with 22 and 7 with 30.
    """
    least, most = -(-compression_ratio // 10), -(-3 * compression_ratio // 5)
    return range(least, min(most, compression_ratio - 1) + 1)


def check_exposures(kind: str, ratio: int, exposures: Any) -> int | None:
    """Exposures of masks of a ``kind`` and B; None where each frame's mask is drawn by itself.

    Raises
    ------
    InputError
        For a number that such masks cannot have.
    """
    if kind == "bernoulli":
        if exposures is not None:
            raise InputError(
                f"got exposures = {exposures!r} for bernoulli masks, expected none since p = 0.5 "
                "is fixed; leave exposures out or choose balanced masks"
            )
        return None
    if exposures is None:
        return usual_exposures(ratio)
    if not is_whole(exposures) or not 1 <= exposures <= ratio:
        raise InputError(
            f"got exposures = {exposures!r}, expected a whole number from 1 to B = {ratio}; "
            f"give for example {max(1, ratio // 2)}"
        )
    return int(exposures)
