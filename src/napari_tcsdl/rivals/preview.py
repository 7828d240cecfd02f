"""Which quality of a codec to try on a long movie, by what it does to a sample of its frames.

A search over qualities encodes a movie a dozen times, and half of that is thrown away. Of a long
movie it is done on a few runs of frames instead, and what it finds is tried on the whole movie.
Nothing that is reported comes from the sample.
"""

from __future__ import annotations

import math

from ..codecs import largest_within
from .rate_search import best_below
from .trials import Trials


class Preview:
    """Guesses for a long movie.

    Parameters
    ----------
    whole
        What was tried on the whole movie so far, the first and the last quality that matter
        among it.
    sample
        The same codec on a sample of the movie.
    """

    def __init__(self, whole: Trials, sample: Trials) -> None:
        self._whole, self._sample = whole, sample

    def largest_within(self, budget: int) -> int | None:
        """Guess what :func:`napari_tcsdl.codecs.largest_within` would find."""
        sizes = _Sizes(self._whole, self._sample)
        return largest_within(sizes.size, sizes.known, len(self._whole.qualities), budget)

    def best_below(self, budget: int) -> int | None:
        """Guess what :func:`napari_tcsdl.rivals.rate_search.best_below` would find."""
        sizes = _Sizes(self._whole, self._sample)
        return best_below(self._sample.psnr, sizes.size, sizes.known, budget)


class _Sizes:
    """Bytes of the whole movie: as they are where it was encoded, else as the sample foretells."""

    def __init__(self, whole: Trials, sample: Trials) -> None:
        self._measured, self._sample = dict(whole.sizes), sample
        self.known = dict(whole.sizes)

    def size(self, index: int) -> int:
        """Bytes at quality ``index``."""
        if index not in self.known:
            self.known[index] = round(self._sample.size(index) * math.exp(self._scale(index)))
        return self.known[index]

    def _scale(self, index: int) -> float:
        """Logarithm of bytes over those of the sample, on a line between measured neighbours.

        It is no constant: a sample has its share of keyframes, and frames of its own.
        """
        below = max((other for other in self._measured if other < index), default=None)
        above = min((other for other in self._measured if other > index), default=None)
        ends = [other for other in (below, above) if other is not None]
        scales = [math.log(self._measured[end] / self._sample.size(end)) for end in ends]
        if below is None or above is None:
            return scales[0]
        share = (index - below) / (above - below)
        return scales[0] * (1 - share) + scales[1] * share
