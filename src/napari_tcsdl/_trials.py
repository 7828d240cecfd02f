"""Short trials of the work on this machine, once per process, decoder and device: for :mod:`.cost`.

Each returns seconds per pixel (and frame). Loads torch.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .encoder import encode
from .masks import Masks
from .movie import Movie
from .noise import NoiseModel, estimate_noise

if TYPE_CHECKING:  # torch takes seconds to load
    from .reconstruction import GroupBlock, Reconstructor

LARGE_TILE = {"unfolding": 1.8}
"""On a CPU, time per pixel of a large tile over that of a trial: its tensors fit into no cache and
get fresh memory each time. Measured: 1.7 at 256² × 44 frames, 2.2 at 512² × 20."""

_TRIAL_SIDES = (64, 128, 192, 256)  # [px], the next while the one before was too short to tell
_TRIAL_FRAMES = 10
_TRIAL_NOISE = NoiseModel(gain=1.0, offset_variance=0.0, mean=10.0)
_ENOUGH = 0.3  # [s] of work after which a trial is neither repeated nor enlarged
_CODECS = 5  # raw, decoder, binning and two JPEGs are scored


class Trial(NamedTuple):
    """Seconds per pixel and frame in one tile, and how the decoder divides its work."""

    rate: float
    halo: int
    align: int
    context_frames: int
    splits_work: bool


@cache
def decoding_trial(decoder: str, weights: str | None, device: str) -> Trial:
    """Decode a small tile, and larger ones until that takes long enough to tell."""
    from .reconstruction import RECONSTRUCTORS

    row = RECONSTRUCTORS[decoder]
    made = row.make(Path(weights)) if weights else row.make()
    _decode(made, _trial_block(_TRIAL_SIDES[0] // 2), device)  # what is done once is not counted
    for side in _TRIAL_SIDES:
        block = _trial_block(side)
        seconds, busy = _timed(made, block, device)
        if busy > _ENOUGH:  # once more: what a new size prepares once is not counted
            again, busy = _timed(made, block, device)
            seconds = min(seconds, again)
        if busy > _ENOUGH:
            break
    slower = LARGE_TILE.get(decoder, 1.0) if device == "cpu" else 1.0
    rate = slower * seconds / (_TRIAL_FRAMES * side**2)
    return Trial(rate, made.halo, made.align, made.context_frames, made.splits_work)


def _timed(reconstructor: Reconstructor, block: GroupBlock, device: str) -> tuple[float, float]:
    """Seconds that decoding takes, and seconds of work in that: few on a busy machine."""
    start, busy = time.perf_counter(), time.process_time()
    _decode(reconstructor, block, device)
    return time.perf_counter() - start, time.process_time() - busy


def _trial_frames(side: int) -> NDArray[np.uint8]:
    """Make a lattice that drifts, 10 electrons per pixel and frame."""
    y, x = np.mgrid[:side, :side]
    t = np.arange(_TRIAL_FRAMES)[:, None, None]
    mean = 10 + 4 * np.sin(2 * np.pi * (x + 0.1 * t) / 8) * np.cos(2 * np.pi * y / 10)
    frames: NDArray[np.uint8] = np.random.default_rng(0).poisson(mean).astype(np.uint8)
    return frames


def _trial_block(side: int) -> GroupBlock:
    from .reconstruction import GroupBlock

    masks = Masks.create(_TRIAL_FRAMES, tile=(side, side))
    return GroupBlock(encode(_trial_frames(side), masks), masks, _TRIAL_FRAMES)


def _decode(reconstructor: Reconstructor, block: GroupBlock, device: str) -> None:
    """Decode one block whole; its frames come back to the CPU, so that the work is done then."""
    from .reconstruction import BlockContext, reconstruct_tiled

    context = BlockContext((0.0, 30.0), _TRIAL_NOISE, 10.0, 3.0, _TRIAL_FRAMES, 0.5)
    tile = max(block.values.shape)
    reconstruct_tiled(
        reconstructor, [block], context, device=device, tile=tile, progress=lambda fraction: None
    )


def _time(work: Callable[[], object]) -> float:
    """Seconds that ``work`` takes, on average where it is over soon."""
    start, times = time.perf_counter(), 0
    while times == 0 or time.perf_counter() - start < _ENOUGH:
        work()
        times += 1
    return (time.perf_counter() - start) / times


@cache
def denoising_rate() -> float:
    """Seconds per pixel of the denoised reference, all threads busy."""
    from .denoise import denoise_reference

    side, count = 64, os.cpu_count() or 1
    frames = np.resize(_trial_frames(side), (count, side, side))
    denoise_reference(frames[:1], _TRIAL_NOISE)  # compiled, or loaded, before the clock runs
    return _time(lambda: denoise_reference(frames, _TRIAL_NOISE)) / frames.size


@cache
def rivals_rate() -> float:
    """Seconds per pixel of JPEG at two budgets, binning, and the scores of all codecs."""
    from . import codecs, metrics

    frames, jpeg = _trial_frames(128), codecs.CODECS["jpeg"]

    def work() -> None:
        codecs.binning(frames)
        for share in (_TRIAL_FRAMES, _TRIAL_FRAMES // 2):
            decoded = codecs.at_budget(jpeg, frames, frames.nbytes // share, (0.0, 30.0)).decoded
        for _ in range(_CODECS):
            for image, truth in zip(decoded, frames.astype(np.float32), strict=True):
                metrics.psnr(image, truth, data_range=30.0)
                metrics.ssim(image, truth, data_range=30.0)

    return _time(work) / frames.size


@cache
def statistics_rate() -> float:
    """Seconds per pixel of a movie's noise model and value range."""
    frames = _trial_frames(128)
    movie = Movie(frames)

    def work() -> None:
        estimate_noise(frames)
        np.percentile(movie.sample(), (0.01, 99.99))

    return _time(work) / frames.size
