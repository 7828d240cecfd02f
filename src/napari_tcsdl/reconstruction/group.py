"""Consecutive measurements that are decoded together, and rectangles of their frames."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from ..drift import offsets_of
from ..masks import Masks
from ..measurement import Phi
from .base import Segment

FARTHEST = 64
"""[px] Offset of the specimen, to either side of a middle, that a decoder follows it by."""


class Area(NamedTuple):
    """A rectangle of the frame [px]."""

    top: int
    left: int
    height: int
    width: int

    @property
    def side(self) -> int:
        """Its longer side."""
        return max(self.height, self.width)

    @property
    def rows(self) -> slice:
        """Its rows within the frame."""
        return slice(self.top, self.top + self.height)

    @property
    def columns(self) -> slice:
        """Its columns within the frame."""
        return slice(self.left, self.left + self.width)

    def split(self, side: int) -> Iterator[Area]:
        """Cut into tiles of about equal size, none longer than ``side``."""
        for y0, y1 in _cuts(self.height, side):
            for x0, x1 in _cuts(self.width, side):
                yield Area(self.top + y0, self.left + x0, y1 - y0, x1 - x0)


def _cuts(length: int, side: int) -> list[tuple[int, int]]:
    """Cut 0 … length into the fewest parts of about equal length ≤ side."""
    edges = np.linspace(0, length, -(-length // side) + 1).round().astype(int).tolist()
    return list(pairwise(edges))


@dataclass(frozen=True, eq=False)
class GroupBlock:
    """One measurement of a group that is decoded together.

    Attributes
    ----------
    values
        Y (H, W), detector units.
    masks
        Masks of the block; the first ``n_frames`` of them were used.
    n_frames
        Frames in the block, ≤ B.
    used
        Frames of the block that are decoded along, 0 … ``n_frames`` − 1; None for all of them.
    wanted
        False for a neighbour that is decoded along only to help the others; neighbours come
        first and last in a group.
    positions
        Where the specimen lies in each frame of the block (n_frames, 2), (y, x) [px]; None where
        that is not known.
    """

    values: NDArray[Any]
    masks: Masks
    n_frames: int
    used: range | None = None
    wanted: bool = True
    positions: NDArray[np.float64] | None = None

    @property
    def frames(self) -> range:
        """Frames of the block that are decoded."""
        return range(self.n_frames) if self.used is None else self.used

    def segment(self, area: Area, device: torch.device) -> Segment:
        """Cut the window ``area`` out of it, on ``device``.

        Of a block that is used in part only, y is Ȳ times the exposures of the used frames.
        """
        window = self.values[area.rows, area.columns]
        unpacked = self.masks.unpack(window.shape, (area.top, area.left))[: self.n_frames]
        values = window.astype(np.float32)
        frames = self.frames
        used = unpacked[frames.start : frames.stop]
        whole = None
        if len(used) < self.n_frames:
            exposures = unpacked.sum(axis=0, dtype=np.float32)
            values /= np.maximum(exposures, 1)
            whole = torch.from_numpy(values).to(device), torch.from_numpy(exposures).to(device)
            values = values * used.sum(axis=0, dtype=np.float32)
        phi = Phi(torch.from_numpy(used).to(device, torch.float32))
        positions = None if self.positions is None else self.positions[frames.start : frames.stop]
        return Segment(torch.from_numpy(values).to(device), phi, whole, positions)


def offsets_in(blocks: Sequence[GroupBlock | Segment]) -> NDArray[np.int32] | None:
    """Return by how many whole pixels the specimen lies off in each frame of a group, (T, 2).

    None where that is not known of all of them.
    """
    known = []
    for block in blocks:
        if block.positions is None:
            return None
        frames = block.frames if isinstance(block, GroupBlock) else range(block.n_frames)
        known.append(block.positions[frames.start : frames.stop])
    return offsets_of(np.concatenate(known), FARTHEST)


def drift_range(group: Sequence[GroupBlock]) -> int:
    """Pixels between the places of the specimen in a group's frames: what a tile looks beyond."""
    offsets = offsets_in(group)
    return 0 if offsets is None else int(np.ptp(offsets, axis=0).max())


@dataclass(frozen=True, eq=False)
class DecodedGroup:
    """Frames (T, H, W) of the wanted blocks in order, and their standard deviation or None.

    Both float32, detector units.
    """

    frames: NDArray[np.float32]
    uncertainty: NDArray[np.float32] | None = None
