"""How fast a random scene is: fast cameras see many that hardly move from frame to frame."""

from __future__ import annotations

from ._random import Stream

_SLOWEST = 0.02


def random_pace(seed: int) -> float:
    """Draw what all motion of a scene is multiplied by: 1, or for half of the seeds less.

    From a stream of its own: at full pace a seed shows what it showed before there was any other.
    """
    stream = Stream(seed, "pace")
    return stream.log_between(_SLOWEST, 1.0) if stream.chance(0.5) else 1.0
