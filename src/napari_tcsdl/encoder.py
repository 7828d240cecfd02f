"""The encoder: Y = Σ_b C_b ⊙ X_b as a detector would make it, streaming and at memory speed.

Sums are exact integers for uint8 and uint16 frames, and float32 sums in the order of the frames
for float32. A block of frames is read once; its sums stay in cache (:mod:`._kernels`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._kernels import add_frames, lanes
from ._validation import DETECTOR_DTYPES, InputError
from .masks import Masks


@dataclass(frozen=True, eq=False)
class Measurement:
    """The measurement Y of one block, as it is stored.

    Attributes
    ----------
    values
        (H, W) in detector units, of :func:`measurement_dtype`.
    first_frame
        Index of the block's first frame within the movie.
    n_frames
        Frames in the block: B, fewer only in the last block.
    positions
        Where the specimen lies in each of them (n_frames, 2), (y, x) [px] from where it lay in
        the movie's first; None where nobody looked.
    """

    values: NDArray[Any] = field(repr=False)
    first_frame: int
    n_frames: int
    positions: NDArray[np.float64] | None = field(default=None, repr=False)


def measurement_dtype(frame_dtype: np.dtype[Any] | type, compression_ratio: int) -> np.dtype[Any]:
    """Pixel type of a measurement: the narrowest that B frames at full scale cannot overflow.

    uint16 where B · max(frame_dtype) ≤ 65,535, else uint32; float32 for float32 frames.

    Raises
    ------
    InputError
        If the frames are not uint8, uint16 or float32, or if even uint32 could overflow.

    Examples
    --------
    >>> measurement_dtype(np.uint8, 257), measurement_dtype(np.uint8, 258)
    (dtype('uint16'), dtype('uint32'))
    """
    dtype = _native(np.dtype(frame_dtype))
    if dtype.kind == "f":
        return dtype
    most = compression_ratio * int(np.iinfo(dtype).max)
    if most > np.iinfo(np.uint32).max:
        raise InputError(
            f"got compression ratio B = {compression_ratio} for {dtype} frames, expected "
            f"B ≤ {np.iinfo(np.uint32).max // np.iinfo(dtype).max} so that uint32 sums cannot "
            "overflow; choose a smaller B"
        )
    return np.dtype(np.uint16 if most <= np.iinfo(np.uint16).max else np.uint32)


def encode(frames: NDArray[Any], masks: Masks) -> NDArray[Any]:
    """Measurement Y = Σ_b C_b ⊙ X_b of one block.

    Parameters
    ----------
    frames
        X_b, (b, H, W) uint8, uint16 or float32 in detector units, 1 ≤ b ≤ B. Fastest where they
        are C-contiguous.
    masks
        C_b; the first b of them are used, tiled periodically over the frame.

    Returns
    -------
    NDArray
        (H, W) of :func:`measurement_dtype`.

    Raises
    ------
    InputError
        If ``frames`` has another shape or dtype, or more than B frames.

    References
    ----------
    Zheng et al., Patterns 2, 100292 (2021), Eq. 1.
    """
    if frames.ndim != 3 or 0 in frames.shape or len(frames) > masks.compression_ratio:
        raise InputError(
            f"got a block of shape {frames.shape}, expected (b, H, W) with 1 ≤ b ≤ B = "
            f"{masks.compression_ratio}; split the movie into blocks of B frames"
        )
    adder = _Adder(masks, frames.shape[1:], frames.dtype)
    sums = adder.zeros()
    adder.add(sums, frames, 0)
    return adder.crop(sums)


class Encoder:
    """Streaming encoder: takes frames one by one or in groups, as they leave the detector.

    Frames are added to the sums at once and none is kept, so a detector may reuse its buffer.
    The result does not depend on how the frames are grouped, and equals :func:`encode`; groups
    of eight or more are fastest, since the sums are then read and written once for eight frames.

    Parameters
    ----------
    masks
        C_b of every block.
    frame_shape
        (H, W) of every frame.
    frame_dtype
        uint8, uint16 or float32.

    Raises
    ------
    InputError
        If ``frame_shape`` is not (H, W) or ``frame_dtype`` is another.
    """

    def __init__(
        self, masks: Masks, frame_shape: tuple[int, int], frame_dtype: np.dtype[Any] | type
    ) -> None:
        self._adder = _Adder(masks, frame_shape, np.dtype(frame_dtype))
        self._ratio = masks.compression_ratio
        self._sums = self._adder.zeros()
        self._first_frame = 0
        self._n_frames = 0  # of the current block
        self._finished = False

    def add(self, frames: NDArray[Any]) -> list[Measurement]:
        """Take the next frame (H, W) or frames (n, H, W); return the measurements they complete.

        Raises
        ------
        InputError
            If shape or dtype differ from those announced, or after :meth:`finish`.
        """
        group = frames[None] if frames.ndim == 2 else frames
        self._check(group)
        done: list[Measurement] = []
        while len(group):
            room = self._ratio - self._n_frames
            part, group = group[:room], group[room:]
            self._adder.add(self._sums, part, self._n_frames)
            self._n_frames += len(part)
            if self._n_frames == self._ratio:
                done.append(self._close())
        return done

    def finish(self) -> Measurement | None:
        """End the movie: the measurement of a short last block, made with the first masks.

        None where the movie ended with a whole block.
        """
        self._finished = True
        return self._close() if self._n_frames else None

    def _check(self, group: NDArray[Any]) -> None:
        if self._finished:
            raise InputError(
                f"got {len(group)} frames after the movie was finished, expected none; "
                "make a new Encoder for another movie"
            )
        shape, dtype = self._adder.frame_shape, self._adder.frame_dtype
        if group.shape[1:] != shape or group.dtype.newbyteorder("=") != dtype:
            raise InputError(
                f"got frames of shape {group.shape[1:]} and type {group.dtype}, expected {shape} "
                f"and {dtype} as the frames before; make a new Encoder for another movie"
            )

    def _close(self) -> Measurement:
        values = self._adder.crop(self._sums)
        measurement = Measurement(values, self._first_frame, self._n_frames)
        self._first_frame += self._n_frames
        self._n_frames = 0
        self._sums = self._adder.zeros()
        return measurement


class _Adder:
    """The kernel and what it needs: masks laid out for its vectors, frames wide enough."""

    def __init__(
        self, masks: Masks, frame_shape: tuple[int, ...], frame_dtype: np.dtype[Any]
    ) -> None:
        if len(frame_shape) != 2 or min(frame_shape) < 1:
            raise InputError(
                f"got frame shape {frame_shape}, expected (height, width) of at least 1 pixel "
                "each; give the shape of one grey frame"
            )
        self.frame_dtype = _native(frame_dtype)
        self.sum_dtype = measurement_dtype(self.frame_dtype, masks.compression_ratio)
        self.height, self.width = self.frame_shape = (int(frame_shape[0]), int(frame_shape[1]))
        # Frames narrower than a vector are padded; no mask opens the padding.
        self.padded_width = max(self.width, lanes(self.frame_dtype))
        self.planes = self._laid_out(masks)

    def _laid_out(self, masks: Masks) -> NDArray[np.uint8]:
        """Mask planes as :func:`add_frames` wants them; the packed masks themselves if they fit."""
        n_lanes = lanes(self.frame_dtype)
        row = -(-self.width // n_lanes) * n_lanes
        packed = masks.packed[:, : self.height]
        width = masks.tile[1]
        if row == self.width == width:
            return packed if packed.flags.c_contiguous else np.ascontiguousarray(packed)
        planes = np.zeros((*packed.shape[:2], row), dtype=np.uint8)
        for left in range(0, self.width, width):
            n = min(width, self.width - left)
            planes[:, :, left : left + n] = packed[:, :, :n]
        if self.width > n_lanes and row > self.width:
            tail, overlap = planes[:, :, row - n_lanes :], row - self.width
            tail[:, :, overlap:] = tail[:, :, : n_lanes - overlap].copy()
            tail[:, :, :overlap] = 0
        return planes

    def zeros(self) -> NDArray[Any]:
        return np.zeros((self.height, self.padded_width), dtype=self.sum_dtype)

    def add(self, sums: NDArray[Any], frames: NDArray[Any], first: int) -> None:
        padding = self.padded_width - self.width
        if padding:
            frames = np.pad(frames, ((0, 0), (0, 0), (0, padding)))
        frames = np.ascontiguousarray(frames, dtype=self.frame_dtype)
        add_frames(sums, self.planes, frames, first)

    def crop(self, sums: NDArray[Any]) -> NDArray[Any]:
        return np.ascontiguousarray(sums[:, : self.width])


def _native(dtype: np.dtype[Any]) -> np.dtype[Any]:
    native = dtype.newbyteorder("=")
    if native not in DETECTOR_DTYPES:
        raise InputError(
            f"got frames of type {dtype}, expected uint8, uint16 or float32; "
            "convert the movie first"
        )
    return native
