"""Our own points: coded measurements as real files, and what each decoder makes of them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import __version__, metrics
from ..codecs import CheapCodec, Codec, SumStorage
from ..decoding import Progress, part_of
from ..io import CompressedMovie
from ..movie import Movie
from ..noise import NoiseModel
from ..pipeline import compress, reconstruct
from ..settings import Settings
from .beyond import scores_beyond
from .material import Material
from .points import (
    BEST_BELOW,
    LADDER,
    OURS,
    RAW_OVER_B,
    SAME_BYTES,
    RatePoint,
    Rival,
    Shown,
)
from .rival import Measured
from .trials import FrameScores, rate_point

LICENCE = "BSD-3-Clause"


@dataclass(frozen=True, eq=False)
class OurFile:
    """The movie compressed at one B, with the CPU time that took."""

    settings: Settings
    compressed: CompressedMovie
    seconds: float

    @property
    def n_bytes(self) -> int:
        """Everything on the disk: measurements, masks, metadata."""
        return self.compressed.bytes_on_disk()["total"]


def compress_ours(
    movie: Movie, path: Path, settings: Settings, overwrite: bool, progress: Progress
) -> OurFile:
    """Compress the movie into a real file.

    Raises
    ------
    InputError, OutputError
        As :func:`napari_tcsdl.pipeline.compress`.
    """
    start = time.process_time()
    compressed = compress(movie, path, settings, overwrite=overwrite, progress=progress)
    return OurFile(settings, compressed, time.process_time() - start)


def stored_alike(codec: Codec, noise: NoiseModel, settings: Settings) -> Codec:
    """Have sums without masks rounded and coded as our measurements are; leave other codecs."""
    if not isinstance(codec, CheapCodec):
        return codec
    storage = SumStorage(noise, settings.companding, settings.entropy)
    return replace(codec, storage=storage)


def measure_ours(
    files: list[OurFile], decoder: Settings, material: Material, progress: Progress
) -> Measured:
    """Decode and score the files with one decoder.

    Parameters
    ----------
    files
        That of the study's B first; others make the curve.
    decoder
        Settings with the decoder, its weights and device; B is that of each file.
    material
        The movie.
    progress
        Called with fractions; may raise to stop.
    """
    points: list[RatePoint] = []
    beyond: list[dict[str, Any] | None] = []
    for number, file in enumerate(files):
        share = part_of(progress, range(number, number + 1), len(files))
        ratio = file.settings.compression_ratio
        decoded = _Decoded(file, replace(decoder, compression_ratio=ratio), material)
        point = rate_point(
            codec=decoder.decoder,
            quality=float(ratio),
            settings=f"coded measurement, {_words(file.settings)}, decoder {decoder.decoder}",
            n_bytes=file.n_bytes,
            scores=decoded.scores(share),
            seconds=(file.seconds, decoded.seconds),
            purposes=(LADDER, SAME_BYTES) if number == 0 else (LADDER,),
            frames=True,
        )
        points.append(point)
        beyond.append(scores_beyond(decoded.window, material))
        if number == 0:
            image = decoded.window[material.shown_frame - material.fidelity_frames[0]].copy()
    chosen, over = _purposes(points, material.budgets)
    fidelity = {
        purpose: found
        for point, found in zip(chosen, beyond, strict=True)
        for purpose in point.purposes
        if purpose != LADDER and found is not None
    }
    # The picture is that of the study's B.
    served = [purpose for purpose in chosen[0].purposes if purpose != LADDER]
    return Measured(
        Rival(
            name=decoder.decoder,
            label=f"coded exposure, {decoder.decoder}",
            kind=OURS,
            licence=LICENCE,
            version=f"napari-tcsdl {__version__}",
            points=tuple(sorted(chosen, key=lambda point: point.n_bytes)),
            over_budget=over,
            fidelity=fidelity,
        ),
        (Shown(decoder.decoder, served[-1], material.shown_frame, image),),
    )


def _words(settings: Settings) -> str:
    """Name the settings that decide bytes."""
    values = settings.to_json()
    known = {"compression_ratio": "B", "masks": "masks", "seed": "seed"}
    known |= {"companding": "companding", "entropy": "entropy coding"}
    return ", ".join(f"{word} {values[key]}" for key, word in known.items() if key in values)


def _purposes(
    points: list[RatePoint], budgets: dict[str, int]
) -> tuple[list[RatePoint], dict[str, int]]:
    """Give points their further purposes; the first is that of the study's B."""
    first, over = points[0], {}
    within = [point for point in points if point.n_bytes <= budgets[BEST_BELOW]]
    best = max(within, key=lambda point: point.psnr, default=None)
    chosen = []
    for point in points:
        purposes = list(point.purposes)
        if point is first and point.n_bytes <= budgets[RAW_OVER_B]:
            purposes.insert(1, RAW_OVER_B)
        if point is best:
            purposes.append(BEST_BELOW)
        chosen.append(replace(point, purposes=tuple(purposes)))
    if first.n_bytes > budgets[RAW_OVER_B]:
        over[RAW_OVER_B] = first.n_bytes
    if best is None:
        over[BEST_BELOW] = min(point.n_bytes for point in points)
    return chosen, over


class _Decoded:
    """A file decoded once, block by block: scored, and some frames of it kept."""

    def __init__(self, file: OurFile, settings: Settings, material: Material) -> None:
        self._file, self._settings, self._material = file, settings, material
        first, stop = material.fidelity_frames
        self.window = np.empty((stop - first, *material.raw.shape[1:]), np.float32)
        self.seconds = 0.0

    def scores(self, progress: Progress) -> FrameScores:
        """PSNR and SSIM of each frame; two at a time, since that is most of the work."""
        psnr: list[float] = []
        ssim: list[float] = []
        with ThreadPoolExecutor(2) as threads:
            for first, frames in self._blocks(progress):
                self._keep(first, frames)
                truth = self._material.reference.read(first, first + len(frames))
                for one, other in threads.map(self._score, frames, truth):
                    psnr.append(one)
                    ssim.append(other)
        return FrameScores(tuple(psnr), tuple(ssim))

    def _blocks(self, progress: Progress) -> Iterator[tuple[int, NDArray[Any]]]:
        blocks = reconstruct(self._file.compressed, self._settings, progress=progress)
        start = time.process_time()
        for block in blocks:
            self.seconds += time.process_time() - start
            yield block.first_frame, block.frames
            start = time.process_time()

    def _keep(self, first: int, frames: NDArray[Any]) -> None:
        begin, stop = self._material.fidelity_frames
        low, high = max(first, begin), min(first + len(frames), stop)
        if low < high:
            self.window[low - begin : high - begin] = frames[low - first : high - first]

    def _score(self, image: NDArray[Any], truth: NDArray[Any]) -> tuple[float, float]:
        data_range = self._material.data_range
        psnr = metrics.psnr(image, truth, data_range=data_range)
        return round(psnr, 4), round(metrics.ssim(image, truth, data_range=data_range), 5)


def plain_pictures(material: Material, file: OurFile) -> tuple[Shown, ...]:
    """Return the shown frame as recorded and in the reference, and its block's measurement."""
    frame = material.shown_frame
    index = frame // file.compressed.compression_ratio
    measurement = file.compressed.measurement(index)
    values, masks = measurement.values, file.compressed.masks_of(index)
    mask_sum = masks.mask_sum((values.shape[0], values.shape[1]))
    normalised = (values / np.maximum(mask_sum, 1)).astype(np.float32)
    raw, reference = (
        part.read(frame, frame + 1)[0].astype(np.float32)
        for part in (material.raw, material.reference)
    )
    return (
        Shown("raw", "", frame, raw),
        Shown("reference", "", frame, reference),
        Shown("measurement", "", frame, normalised),
    )
