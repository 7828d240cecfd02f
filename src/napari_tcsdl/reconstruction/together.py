"""How many measurements are decoded together, and which."""

from __future__ import annotations

from typing import NamedTuple

GROUP_FRAMES = 60
"""About so many frames are decoded together, where a decoder uses temporal context."""

_FEWEST_TOGETHER = 2  # measurements: one alone cannot be told from its neighbours without a seam


def blocks_together(compression_ratio: int, context_frames: int) -> int:
    """Measurements that are decoded together; from B = 31 on two, however many frames these are.

    Parameters
    ----------
    compression_ratio
        B.
    context_frames
        Frames on either side that the decoder makes use of; 0 for a decoder of single measurements.
    """
    if not context_frames:
        return 1
    return max(_FEWEST_TOGETHER, GROUP_FRAMES // compression_ratio)


class Groups(NamedTuple):
    """Fixed groups of consecutive measurements.

    A last measurement of fewer than B frames sees the others, and they do not see it: what few
    frames tell is mostly their own noise.

    Attributes
    ----------
    size
        Measurements in a group.
    neighbours
        Measurements on either side of it that are made use of.
    whole
        Measurements of B frames in the movie.
    """

    size: int
    neighbours: int
    whole: int

    @classmethod
    def of_movie(cls, n_frames: int, compression_ratio: int, context_frames: int) -> Groups:
        """Divide a movie for a decoder that makes use of ``context_frames`` on either side."""
        size = blocks_together(compression_ratio, context_frames)
        neighbours = -(-context_frames // compression_ratio)
        return cls(size, neighbours, n_frames // compression_ratio)

    def of(self, index: int, count: int) -> range:
        """Group of measurement ``index``, of ``count`` in all."""
        if index >= self.whole:
            return range(index, index + 1)
        first = index // self.size * self.size
        return range(first, min(first + self.size, count, self.whole))

    def reach(self, index: int, count: int) -> int:
        """Measurements, counted from the first, that the group of ``index`` makes use of."""
        stop = self.of(index, count).stop
        return min(stop + self.neighbours, count, max(stop, self.whole))
