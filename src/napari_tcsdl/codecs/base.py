"""What every rival codec is: frames to bytes at a quality, and back to detector units.

Bytes are those that a disk would hold: headers, checksums and chunk index counted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .._validation import InputError

IMAGE, VIDEO, LOSSLESS, CHEAP = "image", "video", "lossless", "cheap"
"""Kinds of codecs: frame by frame; across frames; exact; as cheap as a coded measurement."""


@dataclass(frozen=True)
class PixelMap:
    """A linear way from detector units to the whole numbers that a codec stores, and back.

    Attributes
    ----------
    low
        Detector value of code 0.
    step
        Detector units per code.
    bits
        Codes are 0 … 2^bits − 1.
    exact
        Whether codes are the detector values themselves.
    """

    low: float
    step: float
    bits: int
    exact: bool

    @property
    def top(self) -> int:
        """The largest code."""
        return int(2**self.bits - 1)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Pixel type of the codes."""
        return np.dtype(np.uint8 if self.bits <= 8 else np.uint16)

    @property
    def words(self) -> str:
        """What is done, for reports."""
        if self.exact:
            return f"{self.bits}-bit pixels as they are (above {self.top} clipped)"
        high = self.low + self.top * self.step
        return f"{self.low:g} … {high:g} mapped linearly to {self.bits} bits (clipped, rounded)"

    def codes(self, frames: NDArray[Any]) -> NDArray[Any]:
        """Return frames (…, H, W) as codes; values beyond the range are clipped to it."""
        if self.exact:
            clipped: NDArray[Any] = np.minimum(frames, self.top)
            return clipped.astype(self.dtype, copy=False)
        levels = np.rint((frames.astype(np.float64) - self.low) / self.step)
        return np.clip(levels, 0, self.top).astype(self.dtype)

    def values(self, codes: NDArray[Any]) -> NDArray[np.float32]:
        """Return codes as detector units."""
        if self.exact:
            return codes.astype(np.float32)
        return (self.low + codes * self.step).astype(np.float32)


def pixel_map(
    dtype: np.dtype[Any], value_range: tuple[float, float], depths: Sequence[int], codec: str
) -> PixelMap:
    """Choose how frames become the whole numbers of a codec.

    Integers stay as they are where a depth of the codec holds them and they use at least half of
    its levels; else the value range is stretched over the deepest useful depth. Transform codecs
    are made for pictures that fill their range: dark counts stored as they are would cost up to
    1 dB more than they must.

    Parameters
    ----------
    dtype
        Of the frames: uint8, uint16 or float32.
    value_range
        (low, high) in detector units. One range per movie, not per block.
    depths
        Bits that the codec can store, for example (8, 10, 12).
    codec
        What to call it in messages.

    Raises
    ------
    InputError
        For a ``value_range`` that is needed and is empty or not finite.
    """
    low, high = float(value_range[0]), float(value_range[1])
    deepest = max(depths)
    wanted = 8 if dtype == np.uint8 else 16
    bits = min((depth for depth in depths if depth >= wanted), default=deepest)
    if dtype == np.uint8 and not 0 < high - low < np.iinfo(np.uint8).max / 2:
        if 8 in depths:
            return PixelMap(0.0, 1.0, 8, exact=True)
        low, high = 0.0, 255.0  # all that the type holds: nothing needs to be clipped
    span = high - low
    if not (math.isfinite(low) and math.isfinite(high) and high > low):
        raise InputError(
            f"got value range {low:g} … {high:g} for {bits}-bit {codec}, expected finite "
            "low < high; use the value range of the movie"
        )
    if dtype.kind == "u" and low >= 0:
        for depth in sorted(depths):
            if high <= 2**depth - 1 and span >= (2**depth - 1) / 2:
                return PixelMap(0.0, 1.0, depth, exact=True)
    return PixelMap(low, span / (2**bits - 1), bits, exact=False)


@dataclass(frozen=True, eq=False)
class Encoded:
    """Frames as a codec stores them.

    Attributes
    ----------
    files
        Contents in order: one a frame, or one for several frames.
    frame_bytes
        (n,) real bytes of each frame; their sum is what a disk would hold.
    settings
        Encoder, version, flags, quality and pixel mapping in words, for reports.
    quality
        One of the codec's ``qualities``, or None where it has none.
    state
        What the codec needs to decode, besides the files; its own business.
    """

    files: tuple[bytes, ...] = field(repr=False)
    frame_bytes: tuple[int, ...]
    settings: str
    quality: float | None
    state: Any = field(repr=False, default=None)

    @property
    def n_bytes(self) -> int:
        """Bytes of all frames together."""
        return sum(self.frame_bytes)


class Codec(Protocol):
    """One rival: a row of :data:`napari_tcsdl.codecs.CODECS`."""

    @property
    def name(self) -> str:
        """Its key in the table."""
        ...

    @property
    def label(self) -> str:
        """What people call it."""
        ...

    @property
    def kind(self) -> str:
        """``IMAGE``, ``VIDEO``, ``LOSSLESS`` or ``CHEAP``."""
        ...

    @property
    def licence(self) -> str:
        """Licence of the encoder, SPDX where there is an identifier."""
        ...

    @property
    def qualities(self) -> tuple[float, ...]:
        """What :meth:`encode` takes as quality, from the smallest files to the largest.

        Empty for codecs without a choice.
        """
        ...

    def missing(self) -> str | None:
        """Why it cannot be used here, in one sentence with what to install; None if it can."""
        ...

    def version(self) -> str:
        """Name the encoder with its version, such as ``libjpeg-turbo 3.1``."""
        ...

    def encode(
        self, frames: NDArray[Any], quality: float | None, value_range: tuple[float, float]
    ) -> Encoded:
        """Encode consecutive frames.

        Parameters
        ----------
        frames
            (n, H, W) uint8, uint16 or float32, in detector units.
        quality
            One of :attr:`qualities`; None where there are none.
        value_range
            (low, high) of the movie, in detector units.

        Raises
        ------
        InputError
            For frames that the codec cannot hold, in words.
        """
        ...

    def decode(self, encoded: Encoded) -> NDArray[Any]:
        """Return the frames (n, H, W) in detector units: float32, or exact in their own type."""
        ...


def shares(total: int, n_frames: int) -> tuple[int, ...]:
    """Split the bytes of a block over its frames so that the shares sum to them exactly."""
    edges = [total * k // n_frames for k in range(n_frames + 1)]
    return tuple(b - a for a, b in pairwise(edges))


def geometric(first: float, last: float, count: int) -> tuple[float, ...]:
    """Return ``count`` qualities at equal ratios, in three significant digits.

    Examples
    --------
    >>> geometric(8, 0.5, 5)
    (8.0, 4.0, 2.0, 1.0, 0.5)
    """
    return tuple(float(f"{value:.3g}") for value in np.geomspace(first, last, count))


def check_quality(codec: Codec, quality: float | None) -> None:
    """Refuse anything but one of the codec's qualities, or None where it has none.

    Raises
    ------
    InputError
        Naming both ends of the scale.
    """
    scale = codec.qualities
    if quality in scale or (quality is None and not scale):
        return
    expected = f"one of {len(scale)} from {scale[0]:g} to {scale[-1]:g}" if scale else "None"
    raise InputError(
        f"got quality {quality} for {codec.label}, expected {expected}; choose one of its qualities"
    )


def check_block(frames: NDArray[Any]) -> None:
    """Refuse anything but frames (n ≥ 1, H, W).

    Raises
    ------
    InputError
        For other shapes.
    """
    if frames.ndim != 3 or frames.size == 0:
        raise InputError(
            f"got a block of shape {frames.shape}, expected frames (n, H, W); give at least one "
            "frame"
        )
