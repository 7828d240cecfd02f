"""movie → masks → measurement, as code: what of a raw movie is stored, block by block."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._validation import InputError
from .companding import companding_table
from .decoding import Progress, no_progress
from .drift import Follower, is_worth_following, middle_of
from .encoder import Encoder, Measurement, measurement_dtype
from .io import Storage
from .level import Level, level_of, sampled_measurements, typical_level
from .masks import Masks
from .movie import Movie
from .noise import NoiseModel
from .noise_spectrum import NoiseSpectrum, measure_noise
from .settings import Settings

FRAMES_PER_READ = 8
"""Frames read at a time while encoding: one group of the encoder's mask bytes."""

_MOST_PIXELS, _MOST_FRAMES = 2**28, 48  # that tell whether to follow the specimen


@dataclass(frozen=True)
class MovieStatistics:
    """What the decoder must know of the raw movie; stored with the measurements.

    ``value_range`` is (p0.01, p99.99) [detector units] of the sampled frames: single hot pixels
    must not set the scale of a decoder, or of JPEG's 8 bits. ``spectrum`` is how the noise is
    correlated; its ``spoilt`` warns where motion spoils both.
    """

    value_range: tuple[float, float]
    noise: NoiseModel
    spectrum: NoiseSpectrum


def measure_statistics(movie: Movie) -> MovieStatistics:
    """Value range and noise model from a bounded number of frames of ``movie``."""
    sample = movie.sample()
    n_frames, height, width = movie.shape
    consecutive = int(np.clip(2**25 // (height * width), 2, min(n_frames, 16)))
    noise, spectrum = measure_noise(movie.read(0, consecutive))
    return MovieStatistics(_robust_range(sample), noise, spectrum)


def _robust_range(sample: NDArray[Any]) -> tuple[float, float]:
    values = sample.ravel()
    low, high = np.percentile(values[:: max(1, values.size // 2**22)], (0.01, 99.99))
    return float(low), float(high)


def make_masks(settings: Settings, frame_shape: tuple[int, int]) -> Masks:
    """Masks of ``settings`` for frames of ``frame_shape`` (H, W); never larger than a frame."""
    height, width = frame_shape
    side = settings.mask_tile or max(frame_shape)
    tile = (min(side, height), min(side, width))
    return Masks.create(
        settings.compression_ratio,
        kind=settings.masks,
        seed=settings.seed,
        tile=tile,
        exposures=settings.exposures,
    )


def make_storage(movie: Movie, settings: Settings, statistics: MovieStatistics) -> Storage:
    """How measurements of ``movie`` are to be stored: their table of values, and their coding."""
    masks = make_masks(settings, (1, 1))  # as many exposures as those of a whole frame
    most = masks.exposures or settings.compression_ratio  # of a pixel in a block
    expected = most * statistics.value_range[1]
    integers = movie.dtype.kind != "f"
    table = companding_table(
        statistics.noise,
        masks.openness * settings.compression_ratio,
        most * int(np.iinfo(movie.dtype).max) if integers else expected,
        settings.companding,
        expected=expected,
    )
    return Storage(table, settings.entropy)


def follower_of(movie: Movie) -> Follower | None:
    """Return what follows the specimen of ``movie``; None where that is not worth it.

    That is judged by some frames from its middle.
    """
    n_frames, height, width = movie.shape
    count = int(np.clip(_MOST_PIXELS // (height * width), 2, min(n_frames, _MOST_FRAMES)))
    first, middle = (n_frames - count) // 2, middle_of((height, width))
    try:
        frames = [movie.read(k, k + 1)[0][middle].copy() for k in range(first, first + count)]
    except InputError:  # told where that frame is encoded: those before it must not be lost
        return None
    return Follower((height, width)) if is_worth_following(np.stack(frames)) else None


def encode_block(
    movie: Movie,
    first_frame: int,
    masks: Masks,
    storage: Storage | None = None,
    follower: Follower | None = None,
) -> tuple[Measurement, Masks]:
    """Encode the block that begins at ``first_frame``: Y as a file of this ``storage`` gives it.

    Without ``storage``, or where it keeps sums exactly, Y is exact.

    A last block of fewer than B frames gets masks of its own length
    (:meth:`Masks.shortened`), so that none of its pixels stays unexposed.

    A ``follower`` that has seen all frames before this block says where the specimen lies in each.
    """
    n_frames = min(masks.compression_ratio, movie.shape[0] - first_frame)
    stop = first_frame + n_frames
    block_masks = masks.shortened(n_frames)
    encoder = Encoder(block_masks, movie.shape[1:], movie.dtype)
    finished: list[Measurement] = []
    followed: list[tuple[float, float]] = []
    for start in range(first_frame, stop, FRAMES_PER_READ):
        frames = movie.read(start, min(start + FRAMES_PER_READ, stop))
        finished += encoder.add(frames)
        if follower is not None:
            followed += [follower.follow(frame) for frame in frames]
    (measurement,) = finished
    # A short block could do with fewer bits, but one file has one pixel type.
    dtype = measurement_dtype(movie.dtype, masks.compression_ratio)
    values, table = measurement.values, storage.companding if storage else None
    if table is not None:
        values = table.expand(table.compress(values))
    values = values.astype(dtype, copy=False)
    positions = np.array(followed) if followed else None
    return (
        replace(measurement, values=values, first_frame=first_frame, positions=positions),
        block_masks,
    )


def level_of_movie(
    movie: Movie,
    masks: Masks,
    progress: Progress = no_progress,
    storage: Storage | None = None,
) -> Level | None:
    """Level that :func:`~napari_tcsdl.decoding.level_of_file` will find once it is compressed.

    ``storage`` is how its measurements will be stored; None where they are kept exactly. Blocks
    with frames that cannot be encoded are passed over: they are complained of when their turn
    comes.
    """
    ratio = masks.compression_ratio
    levels = []
    for index in sampled_measurements(movie.shape[0], ratio):
        progress(0.0)
        try:
            levels.append(level_of(*encode_block(movie, index * ratio, masks, storage)))
        except InputError:
            continue
    return typical_level(levels)
