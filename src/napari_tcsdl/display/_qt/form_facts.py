"""What the form says below its rows: what the movie is, and what B means for it."""

from __future__ import annotations

from typing import Any

from ..layers import Calibration
from .controls import duration


def facts_of_movie(shape: tuple[int, ...], dtype: Any, calibration: Calibration) -> str:
    """Write frames (T, H, W) and their type, and in a second line what they are scaled by."""
    count, height, width = shape
    pixel, step = calibration.pixel_size, calibration.frame_time
    size = f"{pixel / 10:.4g} nm/px" if pixel is not None else "pixel size unknown"
    time = f"{duration(step)} per frame" if step is not None else "frame time unknown"
    return f"{count} frames of {height} × {width}, {dtype}\n{size},  {time}"


def span_of_measurement(ratio: int, seconds: float | None) -> str:
    """Write how many frames a measurement holds, and how long they take together."""
    span = f" = {duration(seconds)}" if seconds is not None else ""
    return f"{ratio} frames{span} per measurement"


def hint_of_ratio(ratio: int, n_frames: int, calibration: Calibration) -> str:
    """Write what B = ``ratio`` makes of a movie."""
    if ratio > n_frames:
        return f"more than the {n_frames} frames of this movie"
    step = calibration.frame_time
    span = span_of_measurement(ratio, None if step is None else ratio * step)
    blocks, rest = -(-n_frames // ratio), n_frames % ratio
    last = f", the last of {rest}" if rest and blocks > 1 else ""
    measurements = f"{blocks} measurement{'s' if blocks != 1 else ''}{last}"
    return f"{span}\n{n_frames} frames → {measurements}"
