"""movie → masks → measurement → reconstruction, as code.

Every function works block by block, so that memory is bounded by one block of B frames
however long the movie is. ``progress`` is called with a fraction 0 … 1 and may raise
:class:`~napari_tcsdl._validation.Cancelled`; measurements already on disk stay valid then.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._validation import InputError, check_compression_ratio
from .decoder_choice import check_can_judge, check_decoder
from .decoding import Decoder, Progress, ReconstructedBlock, no_progress, part_of
from .encoding import (
    MovieStatistics,
    encode_block,
    follower_of,
    make_masks,
    make_storage,
    measure_statistics,
)
from .io import CompressedMovie, CompressedWriter, Header, check_place, open_compressed
from .judging import judged_deviation
from .movie import Movie
from .persistence import persistence_of
from .settings import Settings
from .storage import measure_raw_coding

# --- compress ---------------------------------------------------------------------------------


def make_header(
    movie: Movie,
    settings: Settings,
    statistics: MovieStatistics,
    progress: Progress = no_progress,
) -> Header:
    """Describe ``movie`` for the compressed file, with what only raw frames tell.

    How long structure lasts, bytes of raw frames and, where ``settings`` ask for it, how far the
    decoder's deviation is right: that decodes a sample.

    Raises
    ------
    InputError, CorruptFileError, DeviceError
        If the deviation cannot be judged, as :func:`napari_tcsdl.judging.judged_deviation`.
    """
    storage = make_storage(movie, settings, statistics)
    coding = measure_raw_coding(movie, storage, statistics.noise)
    header = Header(
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
    if settings.deviation == "stated":
        return header
    deviation = judged_deviation(movie, settings, header, statistics, progress)
    return replace(header, deviation=deviation)


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
        For a bad movie or B larger than the movie; frames before a bad one are kept. If the
        deviation is to be judged, of a decoder that states none.
    CorruptFileError, DeviceError
        If the deviation is to be judged, and the decoder cannot run.
    OutputError
        If ``path`` exists and ``overwrite`` is False, or cannot be written.
    """
    n_frames = movie.shape[0]
    check_compression_ratio(settings.compression_ratio, n_frames)
    check_place(path, overwrite)
    if settings.deviation == "judged":
        check_decoder(settings)
        check_can_judge(settings)
    masks = make_masks(settings, movie.shape[1:])
    statistics = measure_statistics(movie)
    header = make_header(movie, settings, statistics, lambda fraction: progress(0.0))
    with CompressedWriter(path, masks, header, overwrite=overwrite) as writer:
        follower = follower_of(movie)
        for first in range(0, n_frames, settings.compression_ratio):
            measurement, block_masks = encode_block(movie, first, masks, header.storage, follower)
            writer.append(measurement, block_masks)
            progress((first + measurement.n_frames) / n_frames)
    return open_compressed(path)


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
