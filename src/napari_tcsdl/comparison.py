"""reconstruction → metrics, as code: a movie against its reconstruction and its rivals.

Block by block, like :mod:`napari_tcsdl.pipeline`: memory is bounded by one block of B frames,
and each block's result is ready as soon as it is computed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import codecs, metrics
from ._validation import InputError, check_compression_ratio
from .denoise import DENOISED_REFERENCE, denoise_reference
from .encoder import Measurement
from .io import CompressedWriter, open_compressed
from .masks import Masks
from .movie import Movie
from .noise import NoiseModel
from .pipeline import (
    MovieStatistics,
    Progress,
    ReconstructedBlock,
    decode_block,
    encode_block,
    make_header,
    make_masks,
    measure_statistics,
    no_progress,
    part_of,
)
from .settings import Settings


@dataclass(frozen=True)
class FrameScores:
    """One row of the table. ``bytes`` are this frame's share of the codec's real bytes."""

    codec: str
    frame: int
    psnr: float
    ssim: float
    bytes: int


@dataclass(frozen=True, eq=False)
class CodecBlock:
    """What one codec made of one block.

    Attributes
    ----------
    codec
        Its name in the table.
    description
        Encoder, version and flags in words.
    frames
        (n, H, W), detector units: float32, raw frames in their own type.
    frame_bytes
        Real bytes of each frame; they sum to the real bytes of the block.
    budget
        Bytes allowed for the block, or None.
    quality
        Of JPEG, or None.
    """

    codec: str
    description: str
    frames: NDArray[Any]
    frame_bytes: tuple[int, ...]
    budget: int | None = None
    quality: int | None = None

    @property
    def fits(self) -> bool:
        """Whether the real bytes keep to the budget."""
        return self.budget is None or sum(self.frame_bytes) <= self.budget


@dataclass(frozen=True, eq=False)
class BlockResult:
    """One compared block.

    ``measurement`` is Ȳ (H, W) in detector units; ``codecs`` always holds raw, the decoder,
    binning, jpeg_raw_over_B and jpeg_same_bytes in this order.
    """

    index: int
    first_frame: int
    measurement: NDArray[np.float32]
    reference: NDArray[np.float32]
    codecs: tuple[CodecBlock, ...]
    scores: tuple[FrameScores, ...]

    @property
    def n_frames(self) -> int:
        """Frames in this block: B, fewer only in the last."""
        return len(self.reference)

    def frames(self, codec: str) -> NDArray[Any]:
        """Frames (n, H, W) of the codec named ``codec``."""
        return next(block.frames for block in self.codecs if block.codec == codec)


@dataclass(frozen=True, eq=False)
class Reference:
    """What scores are taken against, with one data range for the whole movie."""

    kind: str
    description: str
    data_range: float
    noise: NoiseModel
    truth: Movie | None = None

    def frames(self, raw: NDArray[Any], first_frame: int) -> NDArray[np.float32]:
        """Return reference frames (n, H, W) for raw frames that begin at ``first_frame``."""
        if self.truth is not None:
            return self.truth.read(first_frame, first_frame + len(raw)).astype(np.float32)
        if self.kind == "raw":
            return raw.astype(np.float32)
        return denoise_reference(raw, self.noise)


def make_reference(
    movie: Movie, kind: str, statistics: MovieStatistics, truth: Movie | None
) -> Reference:
    """Choose the reference and measure its data range, p99.9 − p0.1.

    Raises
    ------
    InputError
        If truth is asked for and missing, or its shape differs from the movie's.
    """
    if kind == "truth":
        if truth is None:
            raise InputError(
                "got reference 'truth' without a truth movie, expected a noise-free movie of the "
                "same shape; name its file, or choose reference 'denoised' or 'raw'"
            )
        if truth.shape != movie.shape:
            raise InputError(
                f"got a truth of {truth.shape} for a movie of {movie.shape} (T, H, W), expected "
                "equal shapes; name the truth that belongs to this movie"
            )
        description, sample = f"truth: {truth.name}", truth.sample()
    elif kind == "raw":
        description, sample = "raw frames as recorded", movie.sample()
    else:
        description, truth = DENOISED_REFERENCE, None
        # The middle of large frames will do for the range, and costs seconds, not minutes.
        sample = denoise_reference(_middle(movie.sample(2**21), 512), statistics.noise)
    return Reference(
        kind=kind,
        description=description,
        data_range=metrics.data_range_of(sample),
        noise=statistics.noise,
        truth=truth if kind == "truth" else None,
    )


@dataclass(frozen=True, eq=False)
class Comparison:
    """A comparison in progress: iterate over it for one :class:`BlockResult` a block."""

    movie: Movie
    settings: Settings
    path: Path
    statistics: MovieStatistics
    reference: Reference
    overwrite: bool = False

    def __iter__(self) -> Iterator[BlockResult]:
        return self.run()

    def run(self, progress: Progress = no_progress) -> Iterator[BlockResult]:
        """Compress, reconstruct and score block by block."""
        movie, settings = self.movie, self.settings
        ratio, n_frames = settings.compression_ratio, movie.shape[0]
        masks = make_masks(settings, movie.shape[1:])
        header = make_header(movie, settings, self.statistics)
        count = -(-n_frames // ratio)
        with CompressedWriter(self.path, masks, header, overwrite=self.overwrite) as writer:
            # Masks and metadata are paid once a file: each frame carries an equal share.
            once = open_compressed(writer.path).bytes_on_disk()["total"]
            spent = 0
            for index in range(count):
                measurement, block_masks = encode_block(movie, index * ratio, masks)
                written = writer.append(measurement, block_masks)
                real_bytes = written + once * measurement.n_frames // n_frames
                compressed = open_compressed(writer.path)
                if index == count - 1:
                    writer.close()
                    compressed = open_compressed(self.path)
                    real_bytes = compressed.bytes_on_disk()["total"] - spent
                decoded = decode_block(compressed, index, settings, part_of(progress, index, count))
                yield self._score(index, measurement, block_masks, decoded, real_bytes)
                spent += real_bytes
                progress((index + 1) / count)

    def _score(
        self,
        index: int,
        measurement: Measurement,
        masks: Masks,
        decoded: ReconstructedBlock,
        real_bytes: int,
    ) -> BlockResult:
        first, n = measurement.first_frame, measurement.n_frames
        raw = self.movie.read(first, first + n)
        reference = self.reference.frames(raw, first)
        blocks = (
            CodecBlock("raw", "frames as recorded", raw, _shares(raw.nbytes, n)),
            CodecBlock(self.settings.decoder, f"coded measurement, decoder {self.settings.decoder}",
                       decoded.frames, _shares(real_bytes, n)),
            *self._rivals(raw, real_bytes),
        )  # fmt: skip
        return BlockResult(
            index=index,
            first_frame=first,
            measurement=_normalise(measurement.values, masks),
            reference=reference,
            codecs=blocks,
            scores=tuple(
                row
                for block in blocks
                for row in _score_frames(block, reference, first, self.reference.data_range)
            ),
        )

    def _rivals(self, raw: NDArray[Any], real_bytes: int) -> Iterator[CodecBlock]:
        binned = codecs.binning(raw)
        yield CodecBlock("binning", binned.settings, binned.decoded, binned.frame_bytes)
        budgets = {
            "jpeg_raw_over_B": raw.nbytes // self.settings.compression_ratio,
            "jpeg_same_bytes": real_bytes,
        }
        for name, budget in budgets.items():
            result = codecs.jpeg(raw, budget, self.statistics.value_range)
            yield CodecBlock(
                name, result.settings, result.decoded, result.frame_bytes, budget, result.quality
            )


def compare(
    movie: Movie,
    path: str | Path,
    settings: Settings,
    *,
    truth: Movie | None = None,
    overwrite: bool = False,
) -> Comparison:
    """Prepare a comparison of ``movie`` against its reconstruction and its rivals.

    Parameters
    ----------
    movie
        The raw movie.
    path
        Where the compressed file goes; its real bytes are JPEG's second budget.
    settings
        What to do.
    truth
        Noise-free frames (T, H, W), if they are known.
    overwrite
        Replace an existing compressed file.

    Returns
    -------
    Comparison
        Nothing but statistics is computed until it is iterated over.

    Raises
    ------
    InputError
        For a bad movie, B larger than the movie, or a reference that is missing.
    """
    check_compression_ratio(settings.compression_ratio, movie.shape[0])
    statistics = measure_statistics(movie)
    reference = make_reference(movie, settings.reference, statistics, truth)
    return Comparison(movie, settings, Path(path), statistics, reference, overwrite)


def _middle(frames: NDArray[Any], side: int) -> NDArray[Any]:
    top, left = (max(0, size - side) // 2 for size in frames.shape[1:])
    return frames[:, top : top + side, left : left + side]


def _shares(total: int, n_frames: int) -> tuple[int, ...]:
    """Split ``total`` bytes over frames so that the shares sum to it exactly."""
    edges = [total * k // n_frames for k in range(n_frames + 1)]
    return tuple(b - a for a, b in pairwise(edges))


def _normalise(values: NDArray[Any], masks: Masks) -> NDArray[np.float32]:
    """Ȳ = Y ⊘ Σ_b C_b (paper, Eq. 2); 0 where no mask opens."""
    mask_sum = masks.mask_sum((values.shape[0], values.shape[1]))
    return (values / np.maximum(mask_sum, 1)).astype(np.float32)


def _score_frames(
    block: CodecBlock, reference: NDArray[np.float32], first_frame: int, data_range: float
) -> Iterator[FrameScores]:
    for offset, (image, truth) in enumerate(zip(block.frames, reference, strict=True)):
        yield FrameScores(
            codec=block.codec,
            frame=first_frame + offset,
            psnr=metrics.psnr(image, truth, data_range=data_range),
            ssim=metrics.ssim(image, truth, data_range=data_range),
            bytes=block.frame_bytes[offset],
        )


def mean_scores(scores: Sequence[FrameScores]) -> dict[str, tuple[float, float]]:
    """Mean (PSNR [dB], SSIM) of each codec, in the order of the table.

    A frame that equals its reference has no finite PSNR and is left out of that mean, unless all
    frames do: one lone last frame, kept exactly, must not make a whole movie perfect.
    """
    names = dict.fromkeys(row.codec for row in scores)
    return {name: _means([row for row in scores if row.codec == name]) for name in names}


def _means(rows: Sequence[FrameScores]) -> tuple[float, float]:
    finite = [row.psnr for row in rows if np.isfinite(row.psnr)]
    psnr = float(np.mean(finite)) if finite else float("inf")
    return psnr, float(np.mean([row.ssim for row in rows]))
