"""Rivals that cost a detector as little as coded exposure does."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..encoder import measurement_dtype
from ..io import stored_size
from .base import check_block, shares
from .search import CodecResult


def binning(frames: NDArray[Any]) -> CodecResult:
    """Sum the frames of a block without masks, stored exactly as a measurement is stored.

    The honest rival at the same bytes: it averages noise away and blurs whatever moves.

    Parameters
    ----------
    frames
        (n, H, W), in detector units.

    Returns
    -------
    CodecResult
        Every decoded frame is the mean of the block. ``budget`` is its own size.

    Raises
    ------
    InputError
        For frames not (n, H, W).
    """
    check_block(frames)
    summed = binned_sum(frames)
    total = stored_size(summed)
    n_frames = len(frames)
    mean = (summed / np.float64(n_frames)).astype(np.float32)
    return CodecResult(
        name="binning",
        settings=f"sum of {n_frames} frames as {summed.dtype}, stored losslessly as a "
        "measurement is",
        decoded=np.broadcast_to(mean, (n_frames, *mean.shape)),
        frame_bytes=shares(total, n_frames),
        budget=total,
        fits=True,
        quality=None,
    )


def binned_sum(frames: NDArray[Any]) -> NDArray[Any]:
    """Sum (n, H, W) frames to (H, W) in the pixel type of a measurement: exact for integers."""
    dtype = measurement_dtype(frames.dtype, len(frames))
    exact = np.float64 if dtype.kind == "f" else dtype
    return np.asarray(frames.sum(axis=0, dtype=exact), dtype)
