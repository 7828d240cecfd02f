"""movie → masks → measurement → reconstruction, as code.

Every function works block by block, so that memory is bounded by one block of B frames
however long the movie is. ``progress`` is called with a fraction 0 … 1 and may raise
:class:`~napari_tcsdl._validation.Cancelled`; measurements already on disk stay valid then.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._validation import InputError, check_compression_ratio
from .companding import companding_table
from .decoding import Decoder, ReconstructedBlock
from .decoding import Progress as Progress  # whoever calls the pipeline needs it
from .encoder import Encoder, Measurement, measurement_dtype
from .io import CompressedMovie, CompressedWriter, Header, Storage, open_compressed
from .level import Level, level_of, sampled_measurements, typical_level
from .masks import Masks
from .movie import Movie
from .noise import NoiseModel
from .noise_spectrum import NoiseSpectrum, measure_noise
from .persistence import persistence_of
from .settings import Settings
from .storage import measure_raw_coding

FRAMES_PER_READ = 8
"""Frames read at a time while encoding: one group of the encoder's mask bytes."""


def no_progress(fraction: float) -> None:
    """Ignore progress."""


# --- compress ---------------------------------------------------------------------------------


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


def make_header(movie: Movie, settings: Settings, statistics: MovieStatistics) -> Header:
    """Describe ``movie`` for the compressed file: how long structure lasts, bytes of raw frames."""
    storage = make_storage(movie, settings, statistics)
    coding = measure_raw_coding(movie, storage, statistics.noise)
    return Header(
        shape=movie.shape,
        dtype=str(movie.dtype),
        pixel_size=movie.pixel_size,
        frame_time=movie.frame_time,
        value_range=statistics.value_range,
        noise=statistics.noise.to_json(),
        persistence=persistence_of(movie),
        source=movie.name,
        settings=settings.to_json(),
        storage=storage,
        raw_coding=coding,
    )


def encode_block(
    movie: Movie, first_frame: int, masks: Masks, storage: Storage | None = None
) -> tuple[Measurement, Masks]:
    """Encode the block that begins at ``first_frame``: Y as a file of this ``storage`` gives it.

    Without ``storage``, or where it keeps sums exactly, Y is exact.

    A last block of fewer than B frames gets masks of its own length
    (:meth:`Masks.shortened`), so that none of its pixels stays unexposed.
    """
    n_frames = min(masks.compression_ratio, movie.shape[0] - first_frame)
    stop = first_frame + n_frames
    block_masks = masks.shortened(n_frames)
    encoder = Encoder(block_masks, movie.shape[1:], movie.dtype)
    finished: list[Measurement] = []
    for start in range(first_frame, stop, FRAMES_PER_READ):
        finished += encoder.add(movie.read(start, min(start + FRAMES_PER_READ, stop)))
    (measurement,) = finished
    # A short block could do with fewer bits, but one file has one pixel type.
    dtype = measurement_dtype(movie.dtype, masks.compression_ratio)
    values, table = measurement.values, storage.companding if storage else None
    if table is not None:
        values = table.expand(table.compress(values))
    values = values.astype(dtype, copy=False)
    return replace(measurement, values=values, first_frame=first_frame), block_masks


def compress(
    movie: Movie,
    path: str | Path,
    settings: Settings,
    *,
    overwrite: bool = False,
    progress: Progress = no_progress,
) -> CompressedMovie:
    """Compress ``movie`` into a ``.tcs.zarr`` file.

    Returns
    -------
    CompressedMovie
        The finished file, opened.

    Raises
    ------
    InputError
        For a bad movie or B larger than the movie; frames before a bad one are kept.
    OutputError
        If ``path`` exists and ``overwrite`` is False, or cannot be written.
    """
    n_frames = movie.shape[0]
    check_compression_ratio(settings.compression_ratio, n_frames)
    masks = make_masks(settings, movie.shape[1:])
    header = make_header(movie, settings, measure_statistics(movie))
    with CompressedWriter(path, masks, header, overwrite=overwrite) as writer:
        for first in range(0, n_frames, settings.compression_ratio):
            measurement, block_masks = encode_block(movie, first, masks, header.storage)
            writer.append(measurement, block_masks)
            progress((first + measurement.n_frames) / n_frames)
    return open_compressed(path)


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


# --- reconstruct ------------------------------------------------------------------------------


def decode_block(
    compressed: CompressedMovie, index: int, settings: Settings, progress: Progress = no_progress
) -> ReconstructedBlock:
    """Decode measurement ``index`` with the decoder, device and tile of ``settings``.

    For several blocks of one movie take one :class:`~napari_tcsdl.decoding.Decoder`, or
    :func:`reconstruct`: a decoder with temporal context then decodes each group only once.

    Raises
    ------
    InputError, CorruptFileError, DeviceError
        As :class:`~napari_tcsdl.decoding.Decoder` and its ``block``.
    """
    return Decoder(compressed, settings).block(index, progress)


def reconstruct(
    compressed: CompressedMovie, settings: Settings, *, progress: Progress = no_progress
) -> Iterator[ReconstructedBlock]:
    """Yield the reconstruction of each measurement in turn.

    Raises
    ------
    InputError, CorruptFileError, DeviceError
        At once, if ``settings`` cannot decode these masks here; later, for a damaged measurement.
    """
    return _blocks(Decoder(compressed, settings), compressed.n_measurements, progress)


def _blocks(decoder: Decoder, count: int, progress: Progress) -> Iterator[ReconstructedBlock]:
    for index in range(count):
        group = decoder.group(index)
        yield decoder.block(index, part_of(progress, group, count))
        progress(group.stop / count)


def part_of(progress: Progress, part: range, count: int) -> Progress:
    """Map the progress of steps ``part`` of ``count`` to the progress of the whole."""
    return lambda fraction: progress((part.start + fraction * len(part)) / count)


def consistency_map(
    compressed: CompressedMovie, index: int, frames: NDArray[Any]
) -> NDArray[np.float32]:
    """Where ``frames`` contradict measurement ``index``, (H, W) in standard deviations.

    See :func:`napari_tcsdl.consistency.consistency`; rows are taken some at a time, so that large
    frames fit in memory.

    Parameters
    ----------
    compressed
        The movie.
    index
        Measurement, 0 … n − 1.
    frames
        (n, H, W), all frames of that block [detector units].

    Raises
    ------
    InputError
        If ``frames`` are not those of the block, or the file does not know the movie's noise.
    CorruptFileError
        If the measurement is damaged.
    """
    import torch

    from .consistency import consistency
    from .measurement import Phi

    measurement, masks = compressed.measurement(index), compressed.masks_of(index)
    noise = compressed.header.noise_in_measurements
    expected = (measurement.n_frames, *measurement.values.shape)
    if noise is None or frames.shape != expected:
        raise InputError(
            f"got frames {frames.shape} and noise {noise}, expected {expected} and a noise model "
            "in the file; give the frames of this block, of a movie whose noise was measured"
        )
    height, width = measurement.values.shape
    found = np.empty((height, width), np.float32)
    step = max(1, 2**22 // (measurement.n_frames * width))
    for top in range(0, height, step):
        rows = slice(top, min(top + step, height))
        opened = masks.unpack((rows.stop - top, width), (top, 0))[: measurement.n_frames]
        found[rows] = consistency(
            torch.from_numpy(measurement.values[rows].astype(np.float32)),
            Phi(torch.from_numpy(opened.astype(np.float32))),
            torch.from_numpy(frames[:, rows].astype(np.float32)),
            noise,
        ).numpy()
    return found
