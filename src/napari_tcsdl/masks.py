"""Coded masks C_b: seeded, bit-packed, tileable, the same for ever.

How the bits are made (version 1). Anyone can rewrite it from these lines:

1. Words: Philox4x64-10 with the key (seed, tag · 2³² + B), tag = 0x4D534B31 ("MSK1"), counter
   from zero, incremented before each draw of four words. This is what
   ``numpy.random.Philox(key=...).random_raw`` returns; no method of ``Generator`` is used, since
   NumPy may change those.
2. Order: one word for each (row, frame, column) of the tile, column fastest. u = word >> 32.
3. ``bernoulli``: pixel open where u < 2³¹.
4. ``balanced``, exactly n of B (selection sampling, Knuth, TAOCP 2, Algorithm 3.4.2S): going
   through the frames b = 0 … B−1 of a pixel, with ``need`` = n − exposures so far, it is open
   where (u · (B − b)) >> 32 < need. Every n-subset of the frames is equally likely, to 2⁻³².
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ._exposures import check_exposures
from ._validation import CorruptFileError, InputError, check_compression_ratio, is_whole

KINDS = ("balanced", "bernoulli")
VERSION = 1
_TAG = 0x4D534B31
_WORDS_AT_ONCE = 2**20
_ONES_IN_BYTE = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).sum(
    axis=1, dtype=np.uint8
)


@dataclass(frozen=True, eq=False)
class Masks:
    """B binary masks C_b of one block, as a periodic tile; make them with :meth:`create`.

    Attributes
    ----------
    kind
        ``"balanced"`` (each pixel open in exactly ``exposures`` frames) or ``"bernoulli"``
        (independent, p = 0.5).
    compression_ratio
        B, the number of masks.
    seed
        0 … 2⁶⁴ − 1.
    exposures
        n, the number of frames in which a pixel is open; None for ``bernoulli``.
    tile
        (h, w) of the tile, repeated periodically over the frame; the frame's shape for
        full-frame masks.
    packed
        (⌈B/8⌉, h, w) uint8, C-contiguous, read-only: bit j of plane k is C_{8k+j}; the bits
        beyond B are 0.
    """

    kind: str
    compression_ratio: int
    seed: int
    exposures: int | None
    tile: tuple[int, int]
    packed: NDArray[np.uint8] = field(repr=False)

    @property
    def openness(self) -> float:
        """Expected share of the frames in which a pixel is exposed."""
        return 0.5 if self.exposures is None else self.exposures / self.compression_ratio

    @classmethod
    def create(
        cls,
        compression_ratio: int,
        *,
        kind: str = "balanced",
        seed: int = 0,
        tile: tuple[int, int] = (256, 256),
        exposures: int | None = None,
    ) -> Self:
        """Make the masks of a movie; equal arguments give equal bits, for ever.

        Of ``exposures`` that holds for numbers: what None stands for has changed, and may again.

        Parameters
        ----------
        compression_ratio
            B ≥ 2, frames per measurement.
        kind
            One of :data:`KINDS`.
        seed
            0 … 2⁶⁴ − 1.
        tile
            (h, w) [px] of the periodic tile; give the frame's shape for full-frame masks.
        exposures
            Frames in which a pixel is open, 1 … B, balanced masks only. None: B/2 rounded,
            and 2B/5 rounded from B = 20.

        Raises
        ------
        InputError
            If an argument is out of its range.
        """
        ratio = check_compression_ratio(compression_ratio)
        _check(kind, seed, tile)
        return cls._make(kind, ratio, int(seed), check_exposures(kind, ratio, exposures), tile)

    @classmethod
    def _make(
        cls, kind: str, ratio: int, seed: int, exposures: int | None, tile: tuple[int, int]
    ) -> Self:
        shape = (int(tile[0]), int(tile[1]))
        return cls(kind, ratio, seed, exposures, shape, _packed(ratio, seed, exposures, shape))

    def __post_init__(self) -> None:
        self.packed.flags.writeable = False

    @cached_property
    def sha256(self) -> str:
        """Hex digest over a canonical header (kind, B, exposures, tile, version) and the bits."""
        header = {
            "compression_ratio": self.compression_ratio,
            "exposures": self.exposures,
            "kind": self.kind,
            "tile": list(self.tile),
            "version": VERSION,
        }
        text = json.dumps(header, sort_keys=True, separators=(",", ":")) + "\n"
        return hashlib.sha256(text.encode() + self.packed.tobytes()).hexdigest()

    def shortened(self, n_frames: int) -> Masks:
        """Masks for a last block that is known to hold only ``n_frames`` ≤ B frames.

        Same kind, seed and tile, exposures scaled (≥ 1): no pixel of a balanced block stays
        unexposed, as it could with the first ``n_frames`` of the B masks. The key holds the
        number of frames, so the bits are those of ``create(n_frames, ...)``.

        Raises
        ------
        InputError
            If ``n_frames`` is not 1 … B.
        """
        ratio = self.compression_ratio
        if not 1 <= n_frames <= ratio:
            raise InputError(
                f"got a last block of {n_frames} frames, expected 1 to B = {ratio}; "
                "split the movie into blocks of B frames first"
            )
        if n_frames == ratio:
            return self
        exposures = self.exposures
        if exposures is not None:
            exposures = max(1, (2 * exposures * n_frames + ratio) // (2 * ratio))
        return self._make(self.kind, n_frames, self.seed, exposures, self.tile)

    def unpack(self, shape: tuple[int, int], start: tuple[int, int] = (0, 0)) -> NDArray[np.uint8]:
        """Masks (B, H, W) of {0, 1} in a window of the periodically tiled plane.

        Parameters
        ----------
        shape
            (H, W) of the window [px].
        start
            (row, column) of its first pixel.
        """
        window = self._window(self.packed, shape, start)
        return np.unpackbits(window, axis=0, count=self.compression_ratio, bitorder="little")

    def mask_sum(
        self, shape: tuple[int, int], start: tuple[int, int] = (0, 0)
    ) -> NDArray[np.int32]:
        """Exposures Σ_b C_b of each pixel (H, W) in a window, as :meth:`unpack` takes it.

        0 where no mask opens a pixel, which happens in bernoulli masks.
        """
        sums = _ONES_IN_BYTE[self.packed].sum(axis=0, dtype=np.int32)
        return self._window(sums, shape, start)

    def _window(
        self, tiled: NDArray[Any], shape: tuple[int, int], start: tuple[int, int]
    ) -> NDArray[Any]:
        rows = (start[0] + np.arange(shape[0])) % self.tile[0]
        columns = (start[1] + np.arange(shape[1])) % self.tile[1]
        return np.ascontiguousarray(tiled[..., rows[:, None], columns])

    def to_json(self) -> dict[str, Any]:
        """Everything but the bits, with their sha256 and the Philox key that made them."""
        return {
            "version": VERSION,
            "kind": self.kind,
            "compression_ratio": self.compression_ratio,
            "seed": self.seed,
            "exposures": self.exposures,
            "tile": list(self.tile),
            "philox_key": [hex(word) for word in _key(self.seed, self.compression_ratio)],
            "sha256": self.sha256,
        }

    @classmethod
    def from_json(cls, meta: dict[str, Any], packed: NDArray[Any]) -> Self:
        """Masks as stored: the dictionary of :meth:`to_json` and the packed bits.

        Raises
        ------
        CorruptFileError
            If an entry is missing or the bits differ from their sha256.
        InputError
            If a newer version of the mask format made them.
        """
        try:
            version, digest = int(meta["version"]), str(meta["sha256"])
            ratio, seed, kind = int(meta["compression_ratio"]), int(meta["seed"]), str(meta["kind"])
            height, width = (int(side) for side in meta["tile"])
            exposures = None if meta["exposures"] is None else int(meta["exposures"])
        except (KeyError, TypeError, ValueError) as error:
            raise CorruptFileError(
                f"got mask metadata with a damaged or missing entry ({error}), expected kind, "
                "compression_ratio, seed, exposures, tile, version and sha256; restore the file"
            ) from error
        if version > VERSION:
            raise InputError(
                f"got masks of format version {version}, expected at most {VERSION}; "
                "update napari-tcsdl"
            )
        bits = np.array(packed, dtype=np.uint8, order="C")
        masks = cls(kind, ratio, seed, exposures, (height, width), bits)
        expected = (-(-ratio // 8), height, width)
        if bits.shape != expected or masks.sha256 != digest:
            raise CorruptFileError(
                f"got masks {bits.shape} with sha256 {masks.sha256[:12]}…, expected {expected} "
                f"with {digest[:12]}…; restore the file, or make the masks again from their seed"
            )
        return masks


def _check(kind: str, seed: int, tile: tuple[int, int]) -> None:
    if kind not in KINDS:
        raise InputError(
            f"got mask kind {kind!r}, expected {' or '.join(KINDS)}; choose one of them"
        )
    if not is_whole(seed) or not 0 <= seed < 2**64:
        raise InputError(
            f"got mask seed {seed!r}, expected a whole number from 0 to 2⁶⁴ − 1; "
            "give for example seed = 0"
        )
    if len(tile) != 2 or not all(is_whole(side) and side >= 1 for side in tile):
        raise InputError(
            f"got mask tile {tile!r}, expected (height, width) of at least 1 pixel each; "
            "give for example (256, 256)"
        )


def _key(seed: int, ratio: int) -> tuple[int, int]:
    return seed, (_TAG << 32) | ratio


def _packed(
    ratio: int, seed: int, exposures: int | None, tile: tuple[int, int]
) -> NDArray[np.uint8]:
    """Bits of the module docstring, some rows at a time so that large tiles fit in memory."""
    height, width = tile
    source = np.random.Philox(key=np.array(_key(seed, ratio), dtype=np.uint64))
    packed = np.zeros((-(-ratio // 8), height, width), dtype=np.uint8)
    step = max(1, _WORDS_AT_ONCE // (ratio * width))
    for top in range(0, height, step):
        rows = min(step, height - top)
        words = source.random_raw(rows * ratio * width).reshape(rows, ratio, width)
        words >>= np.uint64(32)
        need = np.full((rows, width), exposures or 0, dtype=np.uint64)
        for b in range(ratio):
            draw = words[:, b]
            if exposures is None:
                opened = draw < np.uint64(2**31)
            else:
                opened = (draw * np.uint64(ratio - b)) >> np.uint64(32) < need
                need -= opened
            packed[b // 8, top : top + rows] |= opened.view(np.uint8) << np.uint8(b % 8)
    return packed
