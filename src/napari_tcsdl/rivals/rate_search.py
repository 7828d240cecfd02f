"""Which qualities make a curve, and which is best below a budget, with few encodings.

Qualities are taken by their index, from the smallest files to the largest. What has been encoded
is remembered by whoever encodes, so that asking twice costs nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from ..codecs.search import Size

LADDER_STEPS = 7
"""Qualities from end to end with which a rate–distortion curve begins."""

MOST_REFINEMENTS = 6
"""Encodings, at most, that are spent on the best quality below a budget."""

FLAT = 0.01
"""[dB] A maximum with both neighbours as near as this is not looked at more closely."""


def climb(size: Size, count: int, enough: int) -> list[int]:
    """Spread a few indices over all ``count`` qualities, up to the first above ``enough`` bytes.

    Beyond that a lossy copy takes more room than is of interest, and encoding is slowest.
    """
    steps = min(count, LADDER_STEPS)
    wanted = [round(k * (count - 1) / max(1, steps - 1)) for k in range(steps)]
    done = []
    for index in wanted:
        done.append(index)
        if size(index) > enough:
            break
    return done


def best_below(
    score: Callable[[int], float],
    size: Size,
    known: Mapping[int, int],
    budget: int,
) -> int | None:
    """Return the index of the best score at any size within ``budget``; None if there is none.

    Parameters
    ----------
    score
        Of an index, higher is better; remembers.
    size
        Bytes of an index; remembers, and enters them into ``known``.
    known
        Sizes so far: they should span the range, and hold the largest within the budget.
    budget
        [bytes]
    """
    tried = {index: score(index) for index, n_bytes in sorted(known.items()) if n_bytes <= budget}
    if not tried:
        return None
    for _ in range(MOST_REFINEMENTS):
        index = _next_guess(tried)
        if index is None:
            break
        # One that dips out of the budget is no better than the worst.
        tried[index] = score(index) if size(index) <= budget else -math.inf
    return _best(tried)


def _best(tried: Mapping[int, float]) -> int:
    """Of equal scores, the smallest file."""
    return max(sorted(tried), key=lambda index: tried[index])


def _next_guess(tried: Mapping[int, float]) -> int | None:
    """Return the middle of the wider gap beside the best; None where looking on is not worth it."""
    best = _best(tried)
    below = max((index for index in tried if index < best), default=best)
    above = min((index for index in tried if index > best), default=best)
    if max(tried[best] - tried[below], tried[best] - tried[above]) <= FLAT and below < best < above:
        return None
    gaps = {
        (best + other) // 2: abs(other - best) for other in (below, above) if abs(other - best) > 1
    }
    return max(gaps, key=lambda middle: gaps[middle], default=None)
