"""reconstruction → metrics, as code: a movie against its reconstruction and its rivals.

Block by block, like :mod:`napari_tcsdl.pipeline`: memory is bounded by one block of B frames,
and each block's result is ready as soon as it is computed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import codecs, metrics
from ._ahead import CodedBlock, WriteAhead
from ._validation import check_compression_ratio
from .decoder_choice import check_can_judge, check_decoder
from .decoding import Decoder, Progress, ReconstructedBlock, no_progress, part_of
from .encoding import MovieStatistics, level_of_movie, make_masks, measure_statistics
from .io import CompressedWriter, check_place
from .masks import Masks
from .movie import Movie
from .pipeline import make_header
from .reference import Reference, make_reference
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
    quality: float | None = None

    @property
    def fits(self) -> bool:
        """Whether the real bytes keep to the budget."""
        return self.budget is None or sum(self.frame_bytes) <= self.budget


@dataclass(frozen=True, eq=False)
class BlockResult:
    """One compared block.

    ``measurement`` is Ȳ (H, W) in detector units; ``codecs`` always holds raw, the decoder,
    binning, jpeg_raw_over_B and jpeg_same_bytes in this order. ``uncertainty`` is the standard
    deviation of the decoder's frames, (n, H, W) in detector units, or None.
    """

    index: int
    first_frame: int
    measurement: NDArray[np.float32]
    reference: NDArray[np.float32]
    codecs: tuple[CodecBlock, ...]
    scores: tuple[FrameScores, ...]
    uncertainty: NDArray[np.float32] | None = None

    @property
    def n_frames(self) -> int:
        """Frames in this block: B, fewer only in the last."""
        return len(self.reference)

    def codec(self, name: str) -> CodecBlock:
        """Return what the codec named ``name`` made of this block."""
        return next(block for block in self.codecs if block.codec == name)

    def frames(self, codec: str) -> NDArray[Any]:
        """Frames (n, H, W) of the codec named ``codec``."""
        return self.codec(codec).frames


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
        check_place(self.path, self.overwrite)
        masks = make_masks(settings, movie.shape[1:])
        header = make_header(movie, settings, self.statistics, lambda fraction: progress(0.0))
        level = level_of_movie(movie, masks, progress, header.storage)
        with CompressedWriter(self.path, masks, header, overwrite=self.overwrite) as writer:
            store = WriteAhead(movie, settings.compression_ratio, writer, masks)
            decoder = Decoder(store.compressed, settings, level)
            steps = 2 * store.count  # each block is decoded, then scored
            for index in range(store.count):
                decoder.extend(store.write_to(decoder.reach(index, store.count)))
                group = decoder.group(index, store.count)
                start, scoring = 2 * group.start, group.start + len(group) + index
                share = part_of(progress, range(start, start + len(group)), steps)
                decoded = decoder.block(index, share)
                share = part_of(progress, range(scoring, scoring + 1), steps)
                yield self._score(store.take(index), decoded, share)
                progress((scoring + 1) / steps)

    def _score(
        self, coded: CodedBlock, decoded: ReconstructedBlock, progress: Progress
    ) -> BlockResult:
        first, n = coded.measurement.first_frame, coded.measurement.n_frames
        raw = self.movie.read(first, first + n)
        reference = self.reference.frames(raw, first, progress)
        decoder = self.settings.decoder
        blocks = (
            CodecBlock("raw", "frames as recorded", raw, codecs.shares(raw.nbytes, n)),
            CodecBlock(
                decoder,
                f"coded measurement, decoder {decoder}",
                decoded.frames,
                codecs.shares(coded.real_bytes, n),
            ),
            *self._rivals(raw, coded.real_bytes),
        )
        return BlockResult(
            index=coded.index,
            first_frame=first,
            measurement=_normalise(coded.measurement.values, coded.masks),
            reference=reference,
            codecs=blocks,
            scores=tuple(
                row
                for block in blocks
                for row in _score_frames(block, reference, first, self.reference.data_range)
            ),
            uncertainty=decoded.uncertainty,
        )

    def _rivals(self, raw: NDArray[Any], real_bytes: int) -> Iterator[CodecBlock]:
        settings = self.settings
        storage = codecs.SumStorage(self.statistics.noise, settings.companding, settings.entropy)
        binned, jpeg = codecs.binning(raw, storage), codecs.CODECS["jpeg"]
        yield CodecBlock("binning", binned.settings, binned.decoded, binned.frame_bytes)
        budgets = {
            "jpeg_raw_over_B": raw.nbytes // self.settings.compression_ratio,
            "jpeg_same_bytes": real_bytes,
        }
        for name, budget in budgets.items():
            result = codecs.at_budget(jpeg, raw, budget, self.statistics.value_range)
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
    progress: Progress = no_progress,
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
    progress
        Called with 0 while the reference is prepared; what it raises stops the work.

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
    check_decoder(settings)
    check_can_judge(settings)
    metrics.check_frame_size(movie.shape[1:])
    statistics = measure_statistics(movie)
    reference = make_reference(movie, settings.reference, statistics, truth, progress)
    return Comparison(movie, settings, Path(path), statistics, reference, overwrite)


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
