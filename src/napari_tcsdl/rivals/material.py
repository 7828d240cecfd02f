"""What every rival is measured on: raw and reference frames in files, and what was allowed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import chain, pairwise
from pathlib import Path

import numpy as np

from ..fidelity import Yardstick
from .frames import FrameFile

SEGMENT_PIXELS = 2**21
"""Pixels that are in memory together: 32 frames of 256². As float32 they take 8 MiB; decoded
frames, their reference and their scores take some times that. Streams run through all segments."""

FIDELITY_PIXELS = 2**24
"""Pixels of the frames on which scores beyond PSNR are taken, at most, unless one has more."""

FIDELITY_FRAMES = 64
"""Consecutive frames, around the shown one, on which scores beyond PSNR are taken."""

SAMPLE_RUNS, SAMPLE_LENGTH = 4, 32
"""Runs of consecutive frames, spread evenly, on which qualities of a long movie are searched; long
enough for what video codecs gain from one frame to the next."""

LEAST_TO_SAMPLE = 4
"""Times that sample, at least, a movie is long to be sampled: 512 frames."""


@dataclass(frozen=True)
class Material:
    """Frames, ranges and budgets that are the same for every rival.

    Attributes
    ----------
    raw, reference
        Frames as recorded; what scores are taken against, float32.
    value_range
        (low, high) of the movie [detector units], for codecs that map their pixels.
    data_range
        Of PSNR and SSIM [detector units].
    budgets
        [bytes] by purpose.
    segments
        (first frame, last + 1) of what is in memory together.
    shown_frame
        Index of the frame kept for pictures.
    fidelity_frames
        (first, last + 1) of those for scores beyond PSNR.
    yardstick
        Of those scores.
    folder
        For what does not stay in memory.
    sample
        Of a long movie: runs of its frames, for bytes and PSNR at qualities that may be worth a
        try; all else in it is of the whole movie.
    """

    raw: FrameFile
    reference: FrameFile
    value_range: tuple[float, float]
    data_range: float
    budgets: dict[str, int]
    segments: tuple[tuple[int, int], ...]
    shown_frame: int
    fidelity_frames: tuple[int, int]
    yardstick: Yardstick
    folder: Path
    sample: Material | None = None


def sampled(material: Material, ratio: int) -> Material:
    """Give the material of a long movie its sample; leave others.

    Parameters
    ----------
    material
        Of a movie.
    ratio
        B, frames per measurement.
    """
    n_frames = material.raw.shape[0]
    count = SAMPLE_RUNS * SAMPLE_LENGTH
    if n_frames < LEAST_TO_SAMPLE * count:
        return material
    folder = material.folder / "sample"
    folder.mkdir()
    last = n_frames - SAMPLE_LENGTH
    starts = [round(run * last / (SAMPLE_RUNS - 1)) for run in range(SAMPLE_RUNS)]

    def copy(file: FrameFile) -> FrameFile:
        # Frame by frame: they may be large.
        frames = (range(start, start + SAMPLE_LENGTH) for start in starts)
        pieces = (file.read(index, index + 1) for index in chain.from_iterable(frames))
        shape = (count, *file.shape[1:])
        return FrameFile.write(folder / file.path.name, shape, np.dtype(file.dtype), pieces)

    raw, reference = copy(material.raw), copy(material.reference)
    segments = segments_of(raw.shape, ratio)
    sample = replace(material, raw=raw, reference=reference, segments=segments, folder=folder)
    return replace(material, sample=sample)


def segments_of(
    shape: tuple[int, int, int], ratio: int, most_pixels: int = SEGMENT_PIXELS
) -> tuple[tuple[int, int], ...]:
    """Cut a movie into segments of about equal length, whole multiples of B but for the last.

    Parameters
    ----------
    shape
        (T, H, W).
    ratio
        B, frames per measurement.
    most_pixels
        Of one segment, unless one block of B frames has more.

    Returns
    -------
    tuple
        (first frame, last + 1) of each.
    """
    n_frames, height, width = shape
    blocks = -(-n_frames // ratio)
    most_blocks = max(1, most_pixels // (ratio * height * width))
    count = -(-blocks // most_blocks)
    edges = [min(n_frames, blocks * k // count * ratio) for k in range(count + 1)]
    return tuple(pairwise(edges))


def window_around(
    frame: int, shape: tuple[int, int, int], most_pixels: int = FIDELITY_PIXELS
) -> tuple[int, int]:
    """Return (first, last + 1) of consecutive frames around ``frame``, bounded in pixels, too."""
    n_frames, height, width = shape
    length = min(FIDELITY_FRAMES, n_frames, max(1, most_pixels // (height * width)))
    first = int(np.clip(frame - length // 2, 0, n_frames - length))
    return first, first + length
