"""How many measurements are decoded together."""

GROUP_FRAMES = 60
"""Frames that are decoded together, about, where a decoder uses temporal context."""

_FEWEST_TOGETHER = 2  # measurements: one alone cannot be told from its neighbours without a seam


def blocks_together(compression_ratio: int, context_frames: int) -> int:
    """Measurements that are decoded together.

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
