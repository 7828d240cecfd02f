"""A sample of a movie, encoded and decoded while its raw frames are there, to judge the deviation.

Only :mod:`.deviation` knows how to judge; here is what it judges by.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ._validation import InputError
from .decoder_choice import weights_of
from .decoding import Progress, context_of, part_of
from .deviation import JudgedDeviation, KnownNoise, Sample, judge
from .encoding import MovieStatistics, encode_block, follower_of, level_of_movie, make_masks
from .level import Level
from .movie import Movie
from .noise_spectrum import REACH
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
# 1 %; where motion adds more than a seventh, within 4 %. Counts are known better by Poisson's law.
# Where a movie does not keep to it (detectors lose some where electrons coincide) either that or
# the measured noise is wrong, nothing says which, and both are doubted by as much as they differ.
_TOO_HIGH, _DOUBT, _SPOILT_DOUBT = 1.01, 0.01, 0.04
_COUNTS_DOUBT = 0.005
_NEAR = np.add.outer(*[np.abs(np.arange(-REACH, REACH + 1))] * 2) < 2  # the pixel, four neighbours
_MOST_SHARED = 0.15


def judged_deviation(
    movie: Movie,
    settings: Settings,
    header: Header,
    statistics: MovieStatistics,
    progress: Progress,
) -> JudgedDeviation | None:
    """Judge what the decoder of ``settings`` states for this movie; None, with a warning, if not.

    Up to four parts of 256 × 256 px and some 60 frames (two blocks, where these are more) are
    encoded as the whole movie will be and decoded by themselves, without their neighbours.

    Raises
    ------
    CorruptFileError, DeviceError
        As :class:`~napari_tcsdl.decoding.Decoder`; ``settings`` are those that
        :func:`~napari_tcsdl.decoder_choice.check_can_judge` has let pass.
    """
    try:
        noise = known_noise(statistics)
        samples, weights = _samples(movie, settings, header, progress)
        return judge(samples, noise, weights)
    except InputError as error:
        warnings.warn(f"{movie.name}: {error}", stacklevel=2)
        return None


def _samples(
    movie: Movie, settings: Settings, header: Header, progress: Progress
) -> tuple[list[Sample], str]:
    """Encode and decode parts of the movie; they come with the sha256 of the decoder's weights."""
    from .reconstruction.checkpoint import digest_of

    weights = weights_of(settings)
    assert weights is not None, "only learned decoders state an uncertainty"
    reconstructor = RECONSTRUCTORS[settings.decoder].make(weights)
    level = level_of_movie(movie, make_masks(settings, movie.shape[1:]), progress, header.storage)
    places = sample_places(movie.shape, settings.compression_ratio, reconstructor.context_frames)
    samples = []
    for part, share in in_memory(movie, places, progress):
        sample = _decoded(part, settings, header, reconstructor, level, share)
        samples.append(_without_margin(sample, movie.shape))
    return samples, digest_of(weights)


def known_noise(statistics: MovieStatistics) -> KnownNoise:
    """Return what is known of the noise, and how well.

    Raises
    ------
    InputError
        If pixels share noise over such distances that closed neighbours do not keep it out.
    """
    noise, spectrum = statistics.noise, statistics.spectrum
    far = spectrum.correlation[~_NEAR]
    if np.abs(far).max() > _MOST_SHARED:
        raise InputError(
            "got noise that pixels share beyond their four neighbours, as of interpolated frames, "
            "expected frames as recorded to judge the deviation by; it stays as the decoder states "
            "it"
        )
    if noise.counting:
        level = noise.mean or 1.0
        ratio = noise.variance(level) / level
        # What is slight may be chance: Poisson's law has to hold with it or without it.
        apart = min(abs(ratio - 1), abs(ratio / (1 + spectrum.left) - 1))
        return KnownNoise(noise, True, spectrum.white, float(np.hypot(_COUNTS_DOUBT, apart)))
    share = 1 / (_TOO_HIGH * (1 + spectrum.left))
    model = replace(noise, gain=share * noise.gain, offset_variance=share * noise.offset_variance)
    doubt = _SPOILT_DOUBT if spectrum.spoilt else _DOUBT
    return KnownNoise(model, False, spectrum.white, float(np.hypot(doubt, spectrum.left / 2)))


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


def in_memory(
    movie: Movie, places: list[Part], progress: Progress
) -> Iterator[tuple[Movie, Progress]]:
    """Read parts of a movie, each with its share of the progress; a frame is read once for all.

    A stretch with a frame that cannot be used is passed over: that is told where the frame is
    encoded, and the frames before it must not be lost.
    """
    for stretch in dict.fromkeys(part.frames for part in places):
        here = [index for index, part in enumerate(places) if part.frames == stretch]
        cut: list[list[NDArray[Any]]] = [[] for _ in here]
        try:
            for frame in stretch:
                progress(here[0] / len(places))
                whole = movie.read(frame, frame + 1)[0]
                for frames, index in zip(cut, here, strict=True):
                    part = places[index]
                    # Copied, so that the frame is let go: whole ones would not fit.
                    frames.append(whole[part.top : part.bottom, part.left : part.right].copy())
        except InputError:
            continue
        for frames, index in zip(cut, here, strict=True):
            share = part_of(progress, range(index, index + 1), len(places))
            yield replace(movie, source=np.stack(frames)), share


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
    masks, follower = make_masks(settings, shape), follower_of(part)
    measurements = [
        encode_block(part, first, masks, header.storage, follower)[0]
        for first in range(0, part.shape[0], ratio)
    ]
    blocks = [GroupBlock(one.values, masks, ratio, positions=one.positions) for one in measurements]
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
