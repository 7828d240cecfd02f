"""How fast a random scene is: fast cameras see many that hardly move from frame to frame."""

from __future__ import annotations

from ._random import Stream

_SLOWEST = 0.02


def random_pace(seed: int) -> float:
    """Draw by what speeds and amplitudes of motion are multiplied: 1, for half of the seeds less.

    Vibration within a frame is none of it. From a stream of its own: seeds whose pace is 1 show
    what they would without it.
    """
    stream = Stream(seed, "pace")
    return stream.log_between(_SLOWEST, 1.0) if stream.chance(0.5) else 1.0
