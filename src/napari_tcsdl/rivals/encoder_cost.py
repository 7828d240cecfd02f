"""What encoding costs: CPU time and memory of every encoder, each alone in a process of its own."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .._jobs import run_jobs
from ..codecs import Codec
from ..encoder import Encoder
from ..encoding import make_masks
from ..io import Storage, stored_size
from ..settings import Settings
from .frames import FrameFile
from .material import Material
from .points import BEST_BELOW, RAW_OVER_B, SAME_BYTES, EncoderCost, Rival

CLIP_PIXELS = 2**22
"""Pixels, at most, that are encoded for it: 64 frames of 256². At least one block is."""

ENOUGH_SECONDS = 0.25
"""[CPU s] Encoders that need less are run again; the quickest run counts."""

MOST_RUNS = 20

WHOLE, SUM = "masked sum and entropy coding", "masked sum"
"""Our encoder as it makes a file, and the part of it that a camera could do."""

Progress = Callable[[float], None]


@dataclass(frozen=True)
class RawCost:
    """CPU seconds and extra peak memory [bytes] of encoding a clip of ``n_frames``."""

    seconds: float
    peak_bytes: int | None
    n_frames: int
    settings: str

    def against(self, ours: RawCost, frame_bytes: int) -> EncoderCost:
        """Relate it to our whole encoder; ``frame_bytes`` of raw input."""
        per_frame = self.seconds / self.n_frames
        return EncoderCost(
            cpu_seconds_per_frame=per_frame,
            megabytes_per_second_per_core=frame_bytes / per_frame / 1e6,
            peak_bytes=self.peak_bytes,
            ratio_to_ours=per_frame / (ours.seconds / ours.n_frames),
            settings=self.settings,
        )


@dataclass(frozen=True)
class CodecCostJob:
    """Cost of one codec at one quality."""

    codec: Codec
    quality: float | None
    raw: FrameFile
    value_range: tuple[float, float]
    n_frames: int

    @property
    def name(self) -> str:
        """Of the codec."""
        return self.codec.name

    def run(self, progress: Progress) -> RawCost:
        """Measure it."""
        frames = self.raw.read(0, self.n_frames)

        def encode() -> str:
            progress(0.5)
            return self.codec.encode(frames, self.quality, self.value_range).settings

        # Libraries are loaded, and tables made, by what is not counted.
        self.codec.encode(frames[:1], self.quality, self.value_range)
        return measured(encode, self.n_frames)


@dataclass(frozen=True)
class OurCostJob:
    """Cost of our encoder: the masked sum, and with ``storage`` the bytes of a measurement, too."""

    settings: Settings
    raw: FrameFile
    n_frames: int
    storage: Storage | None

    @property
    def name(self) -> str:
        """For messages."""
        return WHOLE if self.storage else SUM

    def run(self, progress: Progress) -> RawCost:
        """Measure it; the compiler's time is not counted."""
        frames = self.raw.read(0, self.n_frames)
        masks = make_masks(self.settings, self.raw.shape[1:])

        def encode() -> str:
            progress(0.5)
            encoder = Encoder(masks, self.raw.shape[1:], frames.dtype)
            done = encoder.add(frames)
            last = encoder.finish()
            if self.storage:
                for measurement in done if last is None else [*done, last]:
                    stored_size(measurement.values, self.storage)
            return f"{self.name}, B = {masks.compression_ratio}"

        encode()
        return measured(encode, self.n_frames)


def measured(encode: Callable[[], str], n_frames: int) -> RawCost:
    """Run ``encode`` until its CPU time is known; its first run tells the memory."""
    before = _forget_peak()
    seconds, settings = _timed(encode)
    after = _peak_bytes()
    peak = None if before is None or after is None else max(0, after - before)
    spent, runs = seconds, 1
    while spent < ENOUGH_SECONDS and runs < MOST_RUNS:
        again, _ = _timed(encode)
        # A coarse clock reads 0 now and then.
        seconds, spent, runs = min(seconds or again, again or seconds), spent + again, runs + 1
    return RawCost(seconds, peak, n_frames, settings)


def _timed(encode: Callable[[], str]) -> tuple[float, str]:
    start = time.process_time()
    settings = encode()
    return time.process_time() - start, settings


def measure_costs(
    encoders: Sequence[tuple[Codec, float | None]],
    settings: Settings,
    storage: Storage,
    material: Material,
    progress: Progress,
    *,
    processes: int,
) -> dict[str, EncoderCost]:
    """Measure codecs at a quality, and our own encoder, one after the other on the same frames.

    Returns
    -------
    dict
        Costs by name of the codec, with :data:`WHOLE` and :data:`SUM` for ours. One that fails is
        left out; without ours, which the others are related to, it is empty.
    """
    n_frames = clip_frames(material.raw.shape, settings.compression_ratio)
    raw, value_range = material.raw, material.value_range
    jobs: list[CodecCostJob | OurCostJob] = [
        OurCostJob(settings, raw, n_frames, storage),
        OurCostJob(settings, raw, n_frames, None),
    ]
    jobs += [CodecCostJob(codec, q, raw, value_range, n_frames) for codec, q in encoders]
    found: dict[str, RawCost] = {}

    def on_done(index: int, result: Any) -> None:
        if isinstance(result, RawCost) and result.seconds > 0:  # else below what the clock tells
            found[jobs[index].name] = result

    run_jobs(jobs, on_done, progress, processes=processes, fresh=True)
    if WHOLE not in found:
        return {}
    frame_bytes = raw.nbytes // raw.shape[0]
    return {name: cost.against(found[WHOLE], frame_bytes) for name, cost in found.items()}


def typical_quality(rival: Rival) -> float | None:
    """Return the quality at which a codec is timed: that of its best size up to raw/B."""
    for purpose in (BEST_BELOW, RAW_OVER_B, SAME_BYTES):
        point = rival.point(purpose)
        if point is not None:
            return point.quality
    return rival.points[0].quality


def clip_frames(shape: tuple[int, int, int], ratio: int) -> int:
    """Frames of the clip: whole blocks where the movie has them."""
    n_frames, height, width = shape
    blocks = max(1, CLIP_PIXELS // (ratio * height * width))
    return min(n_frames, blocks * ratio)


# --- memory -------------------------------------------------------------------------------------


def _forget_peak() -> int | None:
    """Memory of this process now [bytes]; on Linux, peaks are counted from here on."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
        return _status("VmRSS")
    except OSError:
        return _peak_bytes()


def _peak_bytes() -> int | None:
    """Most memory that this process had [bytes]; None where the system does not tell."""
    try:
        return _status("VmHWM")
    except OSError:
        pass
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak if sys.platform == "darwin" else peak * 1024)


def _status(key: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"no {key}")
