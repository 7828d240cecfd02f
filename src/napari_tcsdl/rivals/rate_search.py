"""Which quality of a codec serves a byte budget, with as few encodings as possible.

Qualities are taken by their index, from the smallest files to the largest. What has been encoded
is remembered by whoever encodes, so that asking twice costs nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

LADDER_STEPS = 7
"""Qualities from end to end with which a rate–distortion curve begins."""

MOST_REFINEMENTS = 6
"""Encodings, at most, that are spent on the best quality below a budget."""

FLAT = 0.01
"""[dB] A maximum with both neighbours as near as this is not looked at more closely."""

Size = Callable[[int], int]


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


def largest_within(size: Size, known: Mapping[int, int], count: int, budget: int) -> int | None:
    """Return the largest index whose bytes are within ``budget``; None if there is none.

    Between sizes that are known, the next guess is where their logarithm would meet the budget
    on a straight line; every other guess halves the interval, so that no curve makes it slow.
    Totals rise with quality but for small dips (optimised Huffman tables, rate control), so
    qualities above are probed for as long as they exceed the budget by little.

    Parameters
    ----------
    size
        Bytes of an index; remembers, and enters them into ``known``.
    known
        Sizes so far.
    count
        How many qualities there are.
    budget
        [bytes]
    """
    size(0)
    within = [index for index, n_bytes in known.items() if n_bytes <= budget]
    if not within:
        return None
    fits = max(within)
    exceeds = min((index for index in known if index > fits), default=count)
    halve = False
    while exceeds - fits > 1:
        middle = (fits + exceeds) // 2
        if exceeds in known and not halve:
            below, above = math.log(known[fits]), math.log(known[exceeds])
            share = (math.log(budget) - below) / max(above - below, 1e-9)
            middle = min(max(fits + int(share * (exceeds - fits)), fits + 1), exceeds - 1)
        halve = not halve
        if size(middle) <= budget:
            fits = middle
        else:
            exceeds = middle
    for index in range(fits + 1, count):
        if size(index) <= budget:
            fits = index
        elif size(index) > budget + budget // 50 + 64:
            break
    return fits


def best_below(
    score: Callable[[int], float], size: Size, known: Mapping[int, int], budget: int
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
