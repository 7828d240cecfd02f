"""One codec on one movie: encodes each quality once, decodes and scores what is asked for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from .. import metrics
from ..codecs import Codec, StoredMovie, decode_movie, encode_movie
from ._ssim_kernel import ssim_frames
from .frames import FramePieces
from .material import Material
from .points import RatePoint

T = TypeVar("T")


@dataclass(frozen=True)
class FrameScores:
    """PSNR [dB] and SSIM of each frame."""

    psnr: tuple[float, ...]
    ssim: tuple[float, ...]


class Trials:
    """Qualities of one codec that were tried; each is encoded once and kept on the disk.

    Parameters
    ----------
    codec
        Not missing.
    material
        The movie.
    tick
        Called between pieces of work; may raise to stop it.
    """

    def __init__(self, codec: Codec, material: Material, tick: Callable[[], None]) -> None:
        self.codec, self.material, self._tick = codec, material, tick
        self.qualities: tuple[float | None, ...] = tuple(codec.qualities) or (None,)
        self.sizes: dict[int, int] = {}
        self._stored: dict[int, StoredMovie] = {}
        self._encode_seconds: dict[int, float] = {}
        self._decode_seconds: dict[int, float] = {}
        self._psnr: dict[int, tuple[float, ...]] = {}
        self._ssim: dict[int, tuple[float, ...]] = {}

    def size(self, index: int) -> int:
        """Bytes of the whole movie at quality ``index``."""
        if index not in self.sizes:
            self._encode(index)
        return self.sizes[index]

    def psnr(self, index: int) -> float:
        """Mean PSNR over frames [dB]."""
        if index not in self._psnr:
            self._score(index, self._psnr_of)
        return mean_psnr(self._psnr[index])

    def scores(self, index: int) -> FrameScores:
        """PSNR and SSIM of each frame; where neither is known, both of one decoding."""
        if index not in self._ssim:
            known = index in self._psnr
            self._score(index, *([] if known else [self._psnr_of]), self._ssim_of)
        return FrameScores(
            tuple(round(value, 4) for value in self._psnr[index]),
            tuple(round(value, 5) for value in self._ssim[index]),
        )

    def point(self, index: int, purposes: tuple[str, ...], *, frames: bool) -> RatePoint:
        """Describe quality ``index``, with the scores of each frame if ``frames``."""
        scores = self.scores(index)
        return rate_point(
            codec=self.codec.name,
            quality=self.qualities[index],
            settings=self._stored[index].settings,
            n_bytes=self.size(index),
            scores=scores,
            seconds=(self._encode_seconds[index], self._decode_seconds[index]),
            purposes=purposes,
            frames=frames,
        )

    def cut(self, index: int, first: int, stop: int) -> NDArray[np.float32]:
        """Return frames ``first`` … ``stop − 1`` after quality ``index``."""

        def part(start: int, decoded: NDArray[Any]) -> NDArray[np.float32]:
            # A copy: a view would keep the whole segment.
            wanted = decoded[max(0, first - start) : max(0, stop - start)]
            return wanted.astype(np.float32, copy=True)

        return np.concatenate(self._segments(index, part, stop))

    def _psnr_of(self, frames: NDArray[Any], truth: NDArray[Any]) -> tuple[float, ...]:
        pairs, data_range = zip(frames, truth, strict=True), self.material.data_range
        return tuple(metrics.psnr(image, other, data_range=data_range) for image, other in pairs)

    def _ssim_of(self, frames: NDArray[Any], truth: NDArray[Any]) -> tuple[float, ...]:
        return ssim_frames(frames, truth, self.material.data_range)

    def _score(self, index: int, *scores: Callable[..., tuple[float, ...]]) -> None:
        """Score each frame after quality ``index`` against its reference, and remember it."""

        def score(start: int, decoded: NDArray[Any]) -> list[tuple[float, ...]]:
            truth = self.material.reference.read(start, start + len(decoded))
            return [each(decoded, truth) for each in scores]

        parts = self._segments(index, score)
        kept = {self._psnr_of: self._psnr, self._ssim_of: self._ssim}
        for number, each in enumerate(scores):
            kept[each][index] = tuple(value for part in parts for value in part[number])

    def _segments(
        self, index: int, work: Callable[[int, NDArray[Any]], T], until: int | None = None
    ) -> list[T]:
        """Do ``work`` on (first frame, frames) of each segment, of which one is in memory.

        Segments that begin at frame ``until`` or later are not decoded.
        """
        self.size(index)
        lengths = [stop - start for start, stop in self.material.segments]
        pieces = _Timed(decode_movie(self.codec, self._stored[index], lengths))
        start, done = 0, []
        for decoded in pieces:
            self._tick()
            done.append(work(start, decoded))
            start += len(decoded)
            del decoded  # before the next are made
            if until is not None and start >= until:
                break
        else:
            self._decode_seconds.setdefault(index, pieces.seconds)
        return done

    def _encode(self, index: int) -> None:
        material = self.material
        pieces = FramePieces(material.raw, material.segments, self._tick)
        begin = time.process_time()
        self._stored[index] = encode_movie(
            self.codec,
            pieces,
            self.qualities[index],
            material.value_range,
            material.folder / f"{self.codec.name}-{index}.encoded",
        )
        self._encode_seconds[index] = time.process_time() - begin - pieces.seconds
        self.sizes[index] = self._stored[index].n_bytes

    def clear(self) -> None:
        """Delete what was kept on the disk."""
        for path in self.material.folder.glob(f"{self.codec.name}-*.encoded"):
            path.unlink(missing_ok=True)


class _Timed(Iterator[T]):
    """What an iterator gives, with the CPU time [s] that it takes to make it."""

    def __init__(self, made: Iterator[T]) -> None:
        self._made, self.seconds = made, 0.0

    def __next__(self) -> T:
        begin = time.process_time()
        try:
            return next(self._made)
        finally:
            self.seconds += time.process_time() - begin


def mean_psnr(values: tuple[float, ...]) -> float:
    """Mean [dB] of the frames that differ from their reference; infinite if none does."""
    finite = [value for value in values if np.isfinite(value)]
    return float(np.mean(finite)) if finite else float("inf")


def rate_point(
    *,
    codec: str,
    quality: float | None,
    settings: str,
    n_bytes: int,
    scores: FrameScores,
    seconds: tuple[float, float],
    purposes: tuple[str, ...],
    frames: bool,
) -> RatePoint:
    """Make a point of scores of single frames, kept with it if ``frames``."""
    finite = [value for value in scores.psnr if np.isfinite(value)]
    return RatePoint(
        codec=codec,
        quality=quality,
        settings=settings,
        n_bytes=n_bytes,
        psnr=mean_psnr(scores.psnr),
        psnr_sd=float(np.std(finite, ddof=1)) if len(finite) > 1 else 0.0,
        ssim=float(np.mean(scores.ssim)),
        encode_seconds=seconds[0],
        decode_seconds=seconds[1],
        purposes=purposes,
        psnr_frames=scores.psnr if frames else (),
        ssim_frames=scores.ssim if frames else (),
    )
