"""A sample of a movie, encoded and decoded while its raw frames are there, to judge the deviation.

Only :mod:`.deviation` knows how to judge; here is what it judges by.
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ._validation import InputError
from .decoder_choice import check_can_judge, check_decoder, weights_of
from .decoding import Progress, context_of, part_of
from .deviation import JudgedDeviation, KnownNoise, Sample, judge
from .encoding import MovieStatistics, encode_block, level_of_movie, make_masks
from .level import Level
from .movie import Movie
from .reconstruction import RECONSTRUCTORS
from .reconstruction.together import blocks_together
from .settings import Settings

if TYPE_CHECKING:
    from .io import Header
    from .reconstruction import Reconstructor

_SIDE = 256  # [px] of a part; smaller frames are taken whole
_PARTS = 4
_MARGIN = 16  # [px] of a part that is not the whole frame: its neighbours were not decoded along
_MOST_READ = 2**28  # pixels that are read for it; of larger frames all parts are of the same time
_STEPS = (0.7549, 0.5698)  # that spread places over rows and columns evenly, however many

# By 42 simulated movies of known noise: what is measured, less its excess, is 1 % too high, within
# 1 %; where motion adds more than a seventh, within 4 %. Counts keep to Poisson's law within 3 %.
_TOO_HIGH, _DOUBT, _SPOILT_DOUBT, _AGREE = 1.01, 0.01, 0.04, 0.03


def judged_deviation(
    movie: Movie,
    settings: Settings,
    header: Header,
    statistics: MovieStatistics,
    progress: Progress,
) -> JudgedDeviation | None:
    """Judge what the decoder of ``settings`` states for this movie; None, with a warning, if not.

    Up to four parts of 256 × 256 px and some 60 frames are encoded and decoded as the whole movie
    will be.

    Raises
    ------
    InputError, CorruptFileError, DeviceError
        If the decoder states no uncertainty, or as :class:`~napari_tcsdl.decoding.Decoder`.
    """
    from .reconstruction.checkpoint import digest_of

    check_decoder(settings)
    check_can_judge(settings)
    weights = weights_of(settings)
    assert weights is not None, "only learned decoders state an uncertainty"
    reconstructor = RECONSTRUCTORS[settings.decoder].make(weights)
    masks = make_masks(settings, movie.shape[1:])
    level = level_of_movie(movie, masks, storage=header.storage)
    places = sample_places(movie.shape, settings.compression_ratio, reconstructor.context_frames)
    samples = []
    for index, place in enumerate(places):
        share = part_of(progress, range(index, index + 1), len(places))
        try:
            part = _in_memory(movie, place)
        except InputError:  # told where that frame is encoded: those before it must not be lost
            continue
        sample = _decoded(part, settings, header, reconstructor, level, share)
        samples.append(_without_margin(sample, movie.shape))
    try:
        return judge(samples, known_noise(statistics), digest_of(weights))
    except InputError as error:
        warnings.warn(f"{movie.name}: {error}", stacklevel=2)
        return None


def known_noise(statistics: MovieStatistics) -> KnownNoise:
    """Return what is known of the noise, as well as it is known."""
    noise, spectrum = statistics.noise, statistics.spectrum
    share = 1 / (_TOO_HIGH * (1 + spectrum.left))
    model = replace(noise, gain=share * noise.gain, offset_variance=share * noise.offset_variance)
    level = noise.mean or 0.0
    counts = noise.counting and abs(model.variance(level) / level - 1) <= _AGREE
    doubt = 0.0 if counts else _SPOILT_DOUBT if spectrum.spoilt else _DOUBT
    return KnownNoise(model, counts, spectrum.white, doubt)


class Part(NamedTuple):
    """Some frames of a rectangle of the frame [px]; bottom and right are the first beyond."""

    frames: range
    top: int
    left: int
    bottom: int
    right: int


def sample_places(shape: tuple[int, int, int], ratio: int, context_frames: int) -> list[Part]:
    """Choose up to four parts (frames and field) of a movie (T, H, W), spread over it."""
    n_frames, height, width = shape
    whole = n_frames // ratio
    together = min(blocks_together(ratio, context_frames), whole)
    runs = _PARTS if _PARTS * together * ratio * height * width <= _MOST_READ else 1
    found = []
    for index in range(_PARTS):
        turn = (index % runs + 0.5) / runs
        first = round(turn * (whole - together)) * ratio
        top, left = (
            round((index + 0.5) * step % 1 * max(side - _SIDE, 0))
            for step, side in zip(_STEPS, (height, width), strict=True)
        )
        frames = range(first, first + together * ratio)
        part = Part(frames, top, left, min(top + _SIDE, height), min(left + _SIDE, width))
        if part not in found:
            found.append(part)
    return found


def _in_memory(movie: Movie, part: Part) -> Movie:
    rows, columns = slice(part.top, part.bottom), slice(part.left, part.right)
    # Frame by frame, each let go: whole ones of a large movie would not fit.
    frames = [movie.read(index, index + 1)[0, rows, columns].copy() for index in part.frames]
    return Movie(np.stack(frames), movie.name, movie.pixel_size, movie.frame_time)


def _decoded(
    part: Movie,
    settings: Settings,
    header: Header,
    reconstructor: Reconstructor,
    level: Level | None,
    progress: Progress,
) -> Sample:
    from ._device import choose_device
    from .reconstruction import GroupBlock, reconstruct_tiled

    ratio, shape = settings.compression_ratio, part.shape[1:]
    masks = make_masks(settings, shape)
    blocks = [
        GroupBlock(encode_block(part, first, masks, header.storage)[0].values, masks, ratio)
        for first in range(0, part.shape[0], ratio)
    ]
    decoded = reconstruct_tiled(
        reconstructor,
        blocks,
        context_of(header, masks, level),
        device=choose_device(settings.device).device,
        tile=settings.decode_tile,
        progress=progress,
    )
    assert decoded.uncertainty is not None, "its row in RECONSTRUCTORS says that it states one"
    opened = np.tile(masks.unpack(shape).astype(bool), (len(blocks), 1, 1))
    return Sample(part.read(0, part.shape[0]), decoded.frames, decoded.uncertainty, opened)


def _without_margin(sample: Sample, shape: tuple[int, int, int]) -> Sample:
    """Cut off what lies at an edge that is not the frame's; of small parts nothing."""
    rows, columns = (
        slice(_MARGIN, -_MARGIN) if side < whole else slice(None)
        for side, whole in zip(sample.raw.shape[1:], shape[1:], strict=True)
    )
    inner = (slice(None), rows, columns)
    raw, frames, deviation, opened = sample
    return Sample(raw[inner], frames[inner], deviation[inner], opened[inner])
