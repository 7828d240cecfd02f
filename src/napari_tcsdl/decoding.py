"""reconstruction, as code: the measurements of one compressed movie, decoded in any order.

A decoder with temporal context decodes fixed groups of consecutive measurements, with some frames
of their neighbours: the same group in the same way, whichever of its blocks is asked for first.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ._validation import CorruptFileError
from .decoder_choice import check_decoder, weights_of
from .encoder import Measurement
from .io import CompressedMovie, Header
from .level import Level, level_of, sampled_measurements, typical_level
from .masks import Masks
from .reconstruction import RECONSTRUCTORS
from .reconstruction.together import Groups
from .settings import Settings

if TYPE_CHECKING:  # compress, info and validate never need torch, which takes seconds to load
    from .reconstruction import BlockContext, DecodedGroup, GroupBlock

Progress = Callable[[float], None]


def no_progress(fraction: float) -> None:
    """Ignore progress."""


def part_of(progress: Progress, part: range, count: int) -> Progress:
    """Map the progress of steps ``part`` of ``count`` to the progress of the whole."""
    return lambda fraction: progress((part.start + fraction * len(part)) / count)


@dataclass(frozen=True, eq=False)
class ReconstructedBlock:
    """Frames (n, H, W), float32, in detector units; ``frames[0]`` is ``first_frame``.

    ``uncertainty`` is the standard deviation of each value, or None where the decoder knows none.
    """

    first_frame: int
    frames: NDArray[np.float32]
    uncertainty: NDArray[np.float32] | None = None


def level_of_file(compressed: CompressedMovie) -> Level | None:
    """Level of a compressed movie; None where no measurement of the sample can be read."""
    levels = []
    for index in sampled_measurements(compressed.frames_valid, compressed.compression_ratio):
        try:
            measurement = compressed.measurement(index)
        except CorruptFileError:  # told where that measurement is asked for
            continue
        levels.append(level_of(measurement, compressed.masks_of(index)))
    return typical_level(levels)


@dataclass(frozen=True, eq=False)
class _Kept:
    """The measurements that were decoded last, and what came of them."""

    measurements: dict[int, Measurement]
    decoded: DecodedGroup

    def block(self, index: int) -> ReconstructedBlock:
        """Cut one block out: a copy, so that nobody who works on it in place changes the rest."""
        frames, uncertainty = self.decoded.frames, self.decoded.uncertainty
        measurement, first = self.measurements[index], min(self.measurements)
        if len(self.measurements) > 1:
            start = measurement.first_frame - self.measurements[first].first_frame
            part = slice(start, start + measurement.n_frames)
            frames = frames[part].copy()
            uncertainty = None if uncertainty is None else uncertainty[part].copy()
        return ReconstructedBlock(measurement.first_frame, frames, uncertainty)


class Decoder:
    """Decodes the blocks of one compressed movie; any thread may ask for any of them.

    The group that was decoded last is kept, so that going through a movie decodes each group
    once. A block's frames do not depend on what was asked for before. Where a measurement of a
    group is damaged, those before it and those behind it are decoded apart.

    Parameters
    ----------
    compressed
        The movie; :meth:`extend` where it grows.
    settings
        Decoder, device and tile.
    level
        Typical mean and spread of its measurements; None to take them from ``compressed``.

    Attributes
    ----------
    deviation_factor
        By what the file has the decoder's deviation multiplied; 1 where it was not judged, or that
        of other weights.

    Raises
    ------
    InputError, CorruptFileError, DeviceError
        As :func:`check_decoder`.
    """

    def __init__(
        self, compressed: CompressedMovie, settings: Settings, level: Level | None = None
    ) -> None:
        check_decoder(settings, compressed.masks)
        self.settings = settings
        row, weights = RECONSTRUCTORS[settings.decoder], weights_of(settings)
        self._reconstructor = row.make(weights) if weights else row.make()
        self.deviation_factor = _factor_of(compressed.header, weights)
        self._compressed = compressed
        self._level = level
        self._kept: _Kept | None = None
        self._lock = threading.Lock()

    def group(self, index: int, count: int | None = None) -> range:
        """Measurements that are decoded together with ``index``, of ``count`` in all.

        ``count`` is by default that of those that are there.
        """
        count = self._compressed.n_measurements if count is None else count
        return self._groups.of(index, count)

    def reach(self, index: int, count: int) -> int:
        """Measurements, counted from the first, that must be there before ``index`` is decoded.

        Of a file whose number of frames is known from the start.
        """
        return self._groups.reach(index, count)

    @property
    def _groups(self) -> Groups:
        valid, ratio = self._compressed.frames_valid, self._compressed.compression_ratio
        # Nothing follows a short block, whatever was announced.
        n_frames = valid if valid % ratio else self._compressed.header.shape[0] or valid
        return Groups.of_movie(n_frames, ratio, self._reconstructor.context_frames)

    def extend(self, compressed: CompressedMovie) -> None:
        """Go on with the same movie after measurements were added to its file.

        Blocks whose :meth:`reach` was not there yet must not have been asked for.
        """
        with self._lock:
            self._compressed = compressed

    def block(self, index: int, progress: Progress | None = None) -> ReconstructedBlock:
        """Frames of measurement ``index``.

        Parameters
        ----------
        index
            0 … n − 1.
        progress
            Called with the fraction of the group that is done, and not at all where the group is
            there already; what it raises stops the work.

        Raises
        ------
        CorruptFileError
            If this measurement is damaged.
        InputError
            If there is no such measurement.
        """
        with self._lock:
            if self._kept is not None and index in self._kept.measurements:
                return self._kept.block(index)
            self._kept = None  # its memory goes before the next group needs as much
            kept = self._decode(self._run(index), progress or (lambda fraction: None))
            if len(kept.measurements) > 1:
                self._kept = kept
            return kept.block(index)

    def _run(self, index: int) -> dict[int, Measurement]:
        """Read the part of the group around ``index`` that no damage interrupts, in order."""
        run = {index: self._compressed.measurement(index)}
        group = self.group(index)
        for others in (range(index - 1, group.start - 1, -1), range(index + 1, group.stop)):
            for other in others:
                measurement = self._readable(other)
                if measurement is None:
                    break
                run[other] = measurement
        return dict(sorted(run.items()))

    def _readable(self, index: int) -> Measurement | None:
        """Read measurement ``index``; None beyond the ends and where it is damaged."""
        if not 0 <= index < self._compressed.n_measurements:
            return None
        try:
            return self._compressed.measurement(index)
        except CorruptFileError:  # told where that measurement itself is asked for
            return None

    def _decode(self, run: dict[int, Measurement], progress: Progress) -> _Kept:
        from ._device import choose_device
        from .reconstruction import GroupBlock, reconstruct_tiled

        blocks = [
            GroupBlock(
                measurement.values,
                self._compressed.masks_of(index),
                measurement.n_frames,
                positions=measurement.positions,
            )
            for index, measurement in run.items()
        ]
        decoded = reconstruct_tiled(
            self._reconstructor,
            [*self._before(min(run)), *blocks, *self._behind(max(run))],
            self._context(),
            device=choose_device(self.settings.device).device,
            tile=self.settings.decode_tile,
            progress=progress,
        )
        if decoded.uncertainty is not None and self.deviation_factor != 1:
            decoded.uncertainty[...] *= self.deviation_factor
        return _Kept(run, decoded)

    def _before(self, first: int) -> list[GroupBlock]:
        """Return the frames before measurement ``first`` that are decoded along."""
        return self._neighbouring(range(first - 1, -1, -1), from_end=True)[::-1]

    def _behind(self, last: int) -> list[GroupBlock]:
        """Return the frames behind measurement ``last`` that are decoded along."""
        stop = min(self._compressed.n_measurements, self._groups.whole)
        return self._neighbouring(range(last + 1, stop), from_end=False)

    def _neighbouring(self, indices: Iterable[int], *, from_end: bool) -> list[GroupBlock]:
        """Go through neighbours outwards until there are enough frames, or damage."""
        from .reconstruction import GroupBlock

        missing = self._reconstructor.context_frames
        found: list[GroupBlock] = []
        for index in indices:
            measurement = self._readable(index) if missing > 0 else None
            if measurement is None:
                break
            n_frames = measurement.n_frames
            taken = min(n_frames, missing)
            used = range(n_frames - taken, n_frames) if from_end else range(taken)
            masks = self._compressed.masks_of(index)
            found.append(
                GroupBlock(measurement.values, masks, n_frames, used, False, measurement.positions)
            )
            missing -= taken
        return found

    def _context(self) -> BlockContext:
        """Return what is known of the movie, the same for all its blocks."""
        if self._level is None:
            self._level = level_of_file(self._compressed)
        return context_of(self._compressed.header, self._compressed.masks, self._level)


def context_of(header: Header, masks: Masks, level: Level | None) -> BlockContext:
    """Return what a decoder may know of a movie of this header, masks and level."""
    from .reconstruction import BlockContext

    return BlockContext(
        value_range=header.value_range,
        noise=header.noise_in_measurements,
        mean=level.mean if level else None,
        spread=level.spread if level else None,
        compression_ratio=masks.compression_ratio,
        openness=masks.openness,
        persistence=header.persistence,
    )


def _factor_of(header: Header, weights: Path | None) -> float:
    """Return what these weights' deviation is to be multiplied by; 1 if others were judged."""
    judged = header.deviation
    if judged is None or weights is None:
        return 1.0
    from .reconstruction.checkpoint import digest_of

    return judged.factor if judged.weights == digest_of(weights) else 1.0
