"""What a run will cost before it starts: time, memory and disk, from a short trial on this machine.

Time is the work that there is to do (pixels × frames, with neighbouring frames and the overlap of
tiles) times how long a small piece of the same work takes here and now. Trials are made once per
process, decoder and device. Memory and disk follow from sizes. Loads torch: call it in a thread.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from ._trials import Trial, decoding_trial, denoising_rate, rivals_rate, statistics_rate
from ._validation import check_compression_ratio
from .decoder_choice import check_can_judge, check_decoder, weights_of
from .encoder import measurement_dtype
from .judging import sample_places
from .movie import detector_dtype
from .reconstruction.together import blocks_together
from .settings import Settings

WORKING_SET = {"unfolding": (4200, 170), "gap_tv": (60, 21), "bidirectional": (320, 14)}
"""Memory of each decoder [bytes per pixel of a tile with its halo]: whatever the number of frames,
and for each frame. Measured with torch's profiler, of the weights that come with the package."""

_STATISTICS_PIXELS = 2**25  # of a movie are read for its noise and range, see pipeline
_SAMPLE_PIXELS = 2**21  # of a movie are denoised for its data range, see reference
_PLAIN_BYTES = 4  # of a float32 value


@dataclass(frozen=True)
class Cost:
    """What to expect of a run.

    Attributes
    ----------
    seconds
        From start to end.
    memory_bytes
        Main memory at its peak, beside what the program holds already.
    disk_bytes
        Compressed file, at most, and the stacks that show the results.
    device_bytes
        Memory of the GPU at its peak; 0 on a CPU.
    how
        What this rests on, in words.
    """

    seconds: float
    memory_bytes: int
    disk_bytes: int
    device_bytes: int
    how: str


def estimate(
    movie_shape: tuple[int, int, int],
    dtype: np.dtype[Any] | type,
    settings: Settings,
    *,
    device: str | None = None,
    compared: bool = True,
    stack_bytes: int = 0,
) -> Cost:
    """Estimate time, memory and disk of a run.

    Parameters
    ----------
    movie_shape
        (T, H, W).
    dtype
        Of its pixels.
    settings
        What is to be done.
    device
        Where; by default that of ``settings``.
    compared
        Whether rivals and scores are wanted (``compare``), or frames only (``reconstruct``).
    stack_bytes
        What is kept on disk to be shown.

    Raises
    ------
    InputError, CorruptFileError, DeviceError
        For what cannot be run at all: B, decoder, weights, device.
    """
    from ._device import choose_device

    n_frames = int(movie_shape[0])
    dtype = detector_dtype(np.dtype(dtype), "movie")
    check_compression_ratio(settings.compression_ratio, n_frames)
    check_decoder(settings)
    chosen = choose_device(device or settings.device).device
    weights = weights_of(settings)
    trial = decoding_trial(settings.decoder, str(weights) if weights else None, str(chosen))
    plan = _Plan(settings.decoder, trial)
    work = plan.work(movie_shape, settings)
    seconds = trial.rate * work.pixel_frames / plan.speed_up(work.tiles, str(chosen))
    seconds += statistics_rate() * min(int(np.prod(movie_shape)), _STATISTICS_PIXELS)
    if compared:
        check_can_judge(settings)
        seconds += _comparison_seconds(movie_shape, settings)
        seconds += trial.rate * _judged_pixels(movie_shape, settings, trial.context_frames)
    working = work.working_bytes * plan.speed_up(work.tiles, str(chosen))
    on_cpu = chosen.type == "cpu"
    arrays = _array_bytes(movie_shape, dtype, settings, plan, compared)
    return Cost(
        seconds=float(seconds),
        memory_bytes=int(arrays + (working if on_cpu else 0)),
        disk_bytes=int(stack_bytes + _file_bytes(movie_shape, dtype, settings)),
        device_bytes=0 if on_cpu else int(working),
        how=_how(movie_shape, settings, str(chosen), trial.rate, work, compared),
    )


# --- decoding ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Work:
    """Pixels × frames to decode, tiles of a frame, and memory of one tile [bytes]."""

    pixel_frames: int
    tiles: int
    working_bytes: int


def _frames_of_groups(n_frames: int, ratio: int, reach: int) -> list[int]:
    """Frames that are decoded for each group, with those of its neighbours."""
    step, whole = blocks_together(ratio, reach) * ratio, n_frames // ratio * ratio
    frames = []
    for start in range(0, whole, step):
        stop = min(start + step, whole)
        frames.append(stop - start + min(reach, start) + min(reach, whole - stop))
    if whole < n_frames:  # a short end is decoded by itself
        frames.append(n_frames - whole + min(reach, whole))
    return frames


@dataclass(frozen=True)
class _Plan:
    """How a decoder divides its work."""

    name: str
    trial: Trial

    def work(self, shape: tuple[int, int, int], settings: Settings) -> _Work:
        """Count what there is to decode of a movie of ``shape``."""
        n_frames, height, width = shape
        windows = [
            rows * columns
            for rows in self._windows(height, settings.decode_tile)
            for columns in self._windows(width, settings.decode_tile)
        ]
        frames = _frames_of_groups(n_frames, settings.compression_ratio, self.trial.context_frames)
        fixed, per_frame = WORKING_SET.get(self.name, WORKING_SET["unfolding"])
        memory = max(windows) * (fixed + per_frame * max(frames))
        return _Work(sum(windows) * sum(frames), len(windows), memory)

    def _windows(self, length: int, tile: int) -> list[int]:
        """Sides of the windows that are decoded along one side of the frame [px]."""
        halo, align = self.trial.halo, self.trial.align
        edges = np.linspace(0, length, -(-length // tile) + 1).round().astype(int)
        starts = np.maximum(edges[:-1] - halo, 0) // align * align
        sides: list[int] = (np.minimum(edges[1:] + halo, length) - starts).tolist()
        return sides

    def speed_up(self, tiles: int, device: str) -> int:
        """Tiles that are decoded at a time: on a CPU, where a tile does not occupy all threads."""
        import torch

        if self.trial.splits_work or device != "cpu":
            return 1
        return max(min(torch.get_num_threads(), tiles), 1)


# --- the rest of a comparison -----------------------------------------------------------------


def _comparison_seconds(shape: tuple[int, int, int], settings: Settings) -> float:
    """Rivals and scores of all frames, and the reference where it is computed."""
    n_frames, height, width = shape
    pixels = n_frames * height * width
    seconds = rivals_rate() * pixels
    if settings.reference == "denoised":
        frames = int(np.clip(_SAMPLE_PIXELS // (height * width), 2, n_frames))
        sample = frames * min(height * width, 16 * 192**2)
        seconds += denoising_rate() * (pixels + sample)
    return seconds


def _judged_pixels(shape: tuple[int, int, int], settings: Settings, reach: int) -> int:
    """Pixels × frames that are decoded beforehand to judge the deviation."""
    if settings.deviation == "stated":
        return 0
    parts = sample_places(shape, settings.compression_ratio, reach)
    return sum(
        len(part.frames) * (part.bottom - part.top) * (part.right - part.left) for part in parts
    )


# --- memory and disk --------------------------------------------------------------------------


def _array_bytes(
    shape: tuple[int, int, int],
    dtype: np.dtype[Any],
    settings: Settings,
    plan: _Plan,
    compared: bool,
) -> int:
    """Whole frames that are in memory together at the peak, tiles apart."""
    n_frames, height, width = shape
    pixels, ratio = height * width, settings.compression_ratio
    together = blocks_together(ratio, plan.trial.context_frames)
    group = min(together * ratio, n_frames)
    block = min(ratio, n_frames)
    # Frames and uncertainty of a group, one block's copies of both, its measurements.
    uncertain = 2 if plan.trial.context_frames else 1
    needed = uncertain * _PLAIN_BYTES * (group + block)
    needed += measurement_dtype(dtype, ratio).itemsize * (group // ratio + 3)
    sample = min(_STATISTICS_PIXELS, n_frames * pixels) * (dtype.itemsize + 1)
    if not compared:
        return needed * pixels + sample
    # Raw frames of the block, reference, three rivals; SSIM and non-local means work in float64.
    needed += block * (dtype.itemsize + 4 * _PLAIN_BYTES) + 8 * 8 * (os.cpu_count() or 1)
    return max(needed * pixels, sample)


def _file_bytes(shape: tuple[int, int, int], dtype: np.dtype[Any], settings: Settings) -> int:
    """Size of the compressed file at most: its sums as plain numbers, neither rounded nor coded."""
    n_frames, height, width = shape
    ratio = settings.compression_ratio
    sides = [min(settings.mask_tile or side, side) for side in (height, width)]
    measurements = -(-n_frames // ratio) * height * width
    masks = sides[0] * sides[1] * -(-ratio // 8)
    return measurements * measurement_dtype(dtype, ratio).itemsize + masks


def _how(
    shape: tuple[int, int, int],
    settings: Settings,
    device: str,
    rate: float,
    work: _Work,
    compared: bool,
) -> str:
    """Say what the estimate rests on."""
    whole = int(np.prod(shape))
    more = work.pixel_frames / whole - 1
    overlap = f", {more:.0%} more with neighbouring frames and tile edges" if more > 0.005 else ""
    rest = ", then rivals, scores and reference likewise" if compared else ""
    return (
        f"a trial of {settings.decoder} on {device} took {rate * 1e6:.2g} s per million pixels, "
        f"and there are {whole / 1e6:.3g} million{overlap}{rest}; memory and disk from the sizes "
        "of arrays. Other programs on this machine change the time, and so does the movie's content"
    )
