"""Scores of a run as they arrive, or as they are taken anew for a region or a reference. No Qt."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

if TYPE_CHECKING:
    from ..comparison import FrameScores

Rows = dict[str, dict[int, "FrameScores"]]
"""Codec → frame → row."""


@dataclass(frozen=True)
class Basis:
    """What scores are taken over and against.

    Attributes
    ----------
    reference
        In words.
    region
        (H, W) of a part of the frames [px], or None for whole frames.
    """

    reference: str
    region: tuple[int, int] | None = None

    @property
    def field(self) -> str:
        """What the scores are taken over, in words."""
        if self.region is None:
            return "whole field"
        return f"region of {self.region[0]} × {self.region[1]} px"

    @property
    def text(self) -> str:
        """Both, in words."""
        return f"{self.field}, against {self.reference}"


@dataclass(frozen=True, eq=False)
class Series:
    """One codec over the frames that are scored: three arrays (n,), in the order of frames."""

    frames: NDArray[np.int64]
    psnr: NDArray[np.float64]
    ssim: NDArray[np.float64]


@dataclass(frozen=True)
class Summary:
    """One codec over all frames that are scored.

    Attributes
    ----------
    psnr, psnr_sd, ssim, ssim_sd
        Mean [dB] and standard deviation from frame to frame; NaN where there are too few frames.
        A frame that equals its reference has no finite PSNR and is left out, unless all do.
    n_frames
        Frames behind these means.
    bytes
        Real bytes of all frames that the run has done: a region does not change them.
    storage_ratio
        Raw bytes over these bytes; None where raw frames are no row of the table.
    """

    psnr: float
    psnr_sd: float
    ssim: float
    ssim_sd: float
    n_frames: int
    bytes: int
    storage_ratio: float | None


@dataclass(frozen=True)
class ScoreTable:
    """What is shown now, and the run's own beside it: a copy that can be written in a thread.

    Attributes
    ----------
    basis, own_basis
        What either is taken over and against.
    rows
        (shown, own) of each codec and frame that the run has scored, in the order of the table;
        ``shown`` is None where it was not taken (yet).
    """

    basis: Basis
    own_basis: Basis
    rows: tuple[tuple[FrameScores | None, FrameScores], ...]


class ScoreBoard:
    """Rows by codec and frame: the run's own, and over them those that were taken anew.

    Parameters
    ----------
    basis
        Of the run's own rows.
    """

    changed = Signal()
    """Other rows, or another basis."""

    def __init__(self, basis: Basis) -> None:
        self._own_basis = self._basis = basis
        self._own: Rows = {}
        self._anew: Rows | None = None
        self._waiting: frozenset[str] = frozenset()
        self.version = 0
        """Another number after each change."""
        self._means: tuple[int, dict[str, Summary]] = (-1, {})

    # --- rows come ----------------------------------------------------------------------------

    def add(self, rows: Iterable[FrameScores]) -> None:
        """Take in rows of the run itself."""
        _sort_in(self._own, rows)
        self._tell()

    def begin(self, basis: Basis, codecs: Iterable[str]) -> None:
        """Show nothing but rows for ``basis`` from now on: those of ``codecs`` will come."""
        self._basis, self._anew, self._waiting = basis, {}, frozenset(codecs)
        self._tell()

    def put(self, rows: Iterable[FrameScores]) -> None:
        """Take in rows that were taken anew; their bytes are those of the run's own rows."""
        if self._anew is None:
            return
        known = [row for row in rows if row.frame in self._own.get(row.codec, {})]
        own = self._own
        _sort_in(self._anew, [replace(row, bytes=own[row.codec][row.frame].bytes) for row in known])
        self._tell()

    def stop(self) -> None:
        """No more rows will be put; those that came stay."""
        if self._waiting:
            self._waiting = frozenset()
            self._tell()

    def reset(self) -> None:
        """Return to the run's own rows."""
        if self._anew is not None:
            self._basis, self._anew, self._waiting = self._own_basis, None, frozenset()
            self._tell()

    def _tell(self) -> None:
        self.version += 1
        self.changed.emit()

    # --- what they say ------------------------------------------------------------------------

    @property
    def basis(self) -> Basis:
        """What the scores that are shown are taken over and against."""
        return self._basis

    @property
    def overridden(self) -> bool:
        """Whether other scores than the run's own are shown."""
        return self._anew is not None

    @property
    def codecs(self) -> list[str]:
        """Names, in the order of the table."""
        return list(self._own)

    @property
    def n_frames(self) -> int:
        """Frames that the run has scored."""
        return max((len(rows) for rows in self._own.values()), default=0)

    def missing(self) -> list[int]:
        """Frames that the run has scored and that are not taken anew yet, in order."""
        if self._anew is None:
            return []
        anew = self._anew
        done = {frame for rows in self._own.values() for frame in rows}
        there = [anew.get(codec, {}) for codec in self._waiting]
        return sorted(frame for frame in done if any(frame not in frames for frames in there))

    def waits_for(self, codec: str | None, frame: int) -> bool:
        """Whether the score of ``codec`` in ``frame`` is still to be taken anew."""
        return codec in self._waiting and self.score(codec, frame) is None

    def score(self, codec: str | None, frame: int) -> FrameScores | None:
        """Return one row; None where there is none (yet)."""
        return self._rows.get(codec or "", {}).get(frame)

    def at(self, frame: int) -> dict[str, FrameScores]:
        """Return the rows of one frame, by codec."""
        found = {codec: self.score(codec, frame) for codec in self._own}
        return {codec: row for codec, row in found.items() if row is not None}

    def series(self, codec: str) -> Series:
        """Return the scores of ``codec`` over the frames; empty where there are none."""
        rows = [row for _, row in sorted(self._rows.get(codec, {}).items())]
        return Series(
            np.array([row.frame for row in rows], np.int64),
            np.array([row.psnr for row in rows], np.float64),
            np.array([row.ssim for row in rows], np.float64),
        )

    def means(self) -> dict[str, Summary]:
        """Return means, deviations and real bytes of each codec that has scores."""
        if self._means[0] != self.version:  # kept: they are asked for at each step of the slider
            self._means = (self.version, self._take_means())
        return dict(self._means[1])

    def _take_means(self) -> dict[str, Summary]:
        spent = {codec: sum(r.bytes for r in rows.values()) for codec, rows in self._own.items()}
        raw = spent.get("raw")
        return {
            codec: _summary(self.series(codec), spent[codec], raw)
            for codec in self._own
            if self._rows.get(codec)
        }

    def rows(self) -> list[FrameScores]:
        """Return all rows that are shown, codec by codec, in the order of frames."""
        return _in_order(self._rows, self._own)

    def table(self) -> ScoreTable:
        """Return all rows that are shown, and the run's own beside them."""
        rows = tuple((self.score(row.codec, row.frame), row) for row in self.own_rows())
        return ScoreTable(self._basis, self._own_basis, rows)

    def own_rows(self) -> list[FrameScores]:
        """Return the rows of the run itself, whatever is shown."""
        return _in_order(self._own, self._own)

    @property
    def _rows(self) -> Rows:
        return self._own if self._anew is None else self._anew


def _sort_in(table: Rows, rows: Iterable[FrameScores]) -> None:
    for row in rows:
        table.setdefault(row.codec, {})[row.frame] = row


def _in_order(table: Rows, codecs: Iterable[str]) -> list[FrameScores]:
    return [row for codec in codecs for _, row in sorted(table.get(codec, {}).items())]


def _summary(series: Series, spent: int, raw: int | None) -> Summary:
    finite = series.psnr[np.isfinite(series.psnr)]
    return Summary(
        psnr=float(finite.mean()) if len(finite) else math.inf,
        psnr_sd=_deviation(finite),
        ssim=float(series.ssim.mean()),
        ssim_sd=_deviation(series.ssim),
        n_frames=len(series.frames),
        bytes=spent,
        storage_ratio=raw / spent if raw and spent else None,
    )


def _deviation(values: NDArray[np.float64]) -> float:
    return float(values.std(ddof=1)) if len(values) > 1 else math.nan
