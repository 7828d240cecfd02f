"""Fidelity: what PSNR does not tell of a decoded movie, in numbers that a microscopist reads."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import edges
from ._sampled import Consecutive, evenly_spaced, read_frames
from ._validation import InputError
from .edges import Edges, edge_width, find_edges, match_edges
from .fourier import pixel_spacing
from .frc import ESTIMATE_THRESHOLD, HALVES_THRESHOLD, frc
from .lattice import Lattice
from .movie import FrameSource
from .spot_fidelity import ReferenceSpots, SpotFidelity
from .tracking import LEAST_FRAMES, LEAST_SIDE, Features, follow, track

MOST_PIXELS = 2**23
"""Of the frames that are held in memory at a time, spread evenly over the movie."""

MOST_FRAMES_FOLLOWED = 64
"""Consecutive frames, from the middle of the movie, in which features are followed."""


_TRACKING = ("tracking_rms", "tracking_bias", "tracking_lost", "lag", "speed_correlation")


@dataclass(frozen=True)
class Fidelity:
    """Scores of one movie against a reference; what is None has its reason in ``reasons``.

    Attributes
    ----------
    unit
        Of all lengths: "Å", or "px" without a pixel size.
    frc_half, frc_seventh
        Distance that is resolved: FRC with the reference at ½ and 1/7.
    spots
        Of each reflection that the reference shows.
    edge_width, edge_error
        10–90 % rise, see :func:`napari_tcsdl.edges.edge_width`.
    tracking_rms, tracking_bias, tracking_lost, lag, speed_correlation
        Of features that move, see :class:`napari_tcsdl.tracking.Tracking`.
    frames_scored, frames_followed
        Frames of which FRC, spots and edges were taken, and consecutive frames that were followed.
    reasons
        Name of a score that is None → why.
    """

    unit: str
    frc_half: float | None
    frc_seventh: float | None
    spots: Mapping[str, SpotFidelity]
    edge_width: float | None
    edge_error: float | None
    tracking_rms: float | None
    tracking_bias: tuple[float, float] | None
    tracking_lost: float | None
    lag: float | None
    speed_correlation: float | None
    frames_scored: int
    frames_followed: int
    reasons: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """As plain JSON types."""
        values = asdict(self)
        values["spots"] = {name: spot._asdict() for name, spot in self.spots.items()}
        values["tracking_bias"] = None if self.tracking_bias is None else [*self.tracking_bias]
        values["reasons"] = dict(self.reasons)
        return values


@dataclass(frozen=True, eq=False)
class Yardstick:
    """A reference, prepared once for all movies that are scored against it.

    Attributes
    ----------
    reference
        (T, H, W) lazy frames: truth, or denoised frames.
    pixel_size
        [Å px⁻¹], or None where it is unknown.
    lattice
        Whose reflections are scored; None for none.
    """

    reference: FrameSource
    pixel_size: float | None = None
    lattice: Lattice | None = None

    def __post_init__(self) -> None:
        pixel_spacing(self.pixel_size)
        if len(self.reference.shape) != 3 or 0 in self.reference.shape:
            raise InputError(
                f"got a reference of shape {tuple(self.reference.shape)}, expected frames "
                "(T, H, W); give the frames that were to be decoded"
            )

    @property
    def scored(self) -> list[int]:
        """Frames of which FRC, spots and edges are taken."""
        return evenly_spaced(tuple(self.reference.shape), MOST_PIXELS)

    @property
    def followed(self) -> range:
        """Consecutive frames in which features are followed."""
        n_frames = self.reference.shape[0]
        count = min(n_frames, MOST_FRAMES_FOLLOWED)
        start = (n_frames - count) // 2
        return range(start, start + count)

    @property
    def frames_needed(self) -> list[int]:
        """Frames that a movie must have at hand to be scored; others are not read."""
        return sorted({*self.scored, *self.followed})

    def score(self, frames: FrameSource) -> Fidelity:
        """Score a movie.

        Parameters
        ----------
        frames
            (T, H, W), in any units: neither offset nor positive factor matters.

        Raises
        ------
        InputError
            If the shape is not that of the reference, or pixels are NaN or infinite.
        """
        if tuple(frames.shape) != tuple(self.reference.shape):
            raise InputError(
                f"got frames of shape {tuple(frames.shape)} and a reference of shape "
                f"{tuple(self.reference.shape)}, expected one shape; score the same frames"
            )
        reasons: dict[str, str] = {}
        stack = read_frames(frames, self.scored)
        values = {
            **self._frc(stack, reasons),
            "spots": self._spots(stack, reasons),
            **self._edge_width(stack, reasons),
            **self._tracking(frames, reasons),
        }
        return Fidelity(
            unit="px" if self.pixel_size is None else "Å",
            frames_scored=len(self.scored),
            frames_followed=len(self.followed),
            reasons=reasons,
            **values,
        )

    @cached_property
    def _stack(self) -> NDArray[np.float32]:
        return read_frames(self.reference, self.scored)

    @cached_property
    def _edges(self) -> list[Edges]:
        return [find_edges(frame) for frame in self._stack]

    @cached_property
    def _features(self) -> Features:
        return follow(Consecutive(self.reference, self.followed))

    @cached_property
    def _reference_spots(self) -> ReferenceSpots:
        return ReferenceSpots.of(self._stack, self.pixel_size, self.lattice)

    def _frc(self, stack: NDArray[np.float32], reasons: dict[str, str]) -> dict[str, Any]:
        curve = frc(stack, self._stack, pixel_size=self.pixel_size)
        values: dict[str, Any] = {}
        thresholds = {"frc_half": ESTIMATE_THRESHOLD, "frc_seventh": HALVES_THRESHOLD}
        for name, threshold in thresholds.items():
            resolution = curve.resolution(threshold)
            values[name] = resolution if math.isfinite(resolution) else None
            if values[name] is None:
                reasons[name] = f"the FRC is below {threshold:.2g} from the first ring on"
        return values

    def _spots(
        self, stack: NDArray[np.float32], reasons: dict[str, str]
    ) -> dict[str, SpotFidelity]:
        if self._reference_spots.reason:
            reasons["spots"] = self._reference_spots.reason
        found = self._reference_spots.score(stack)
        for name, spot in found.items():
            if spot.share is None:
                reasons[f"share of {name}"] = "noise is as strong as this reflection"
        return found

    def _edge_width(self, stack: NDArray[np.float32], reasons: dict[str, str]) -> dict[str, Any]:
        if min(stack.shape[1:]) < edges.LEAST_SIDE:
            reasons["edge_width"] = f"frames have sides below {edges.LEAST_SIDE} px"
            return {"edge_width": None, "edge_error": None}
        matches = [
            match_edges(frame, reference, lines)
            for frame, reference, lines in zip(stack, self._stack, self._edges, strict=True)
        ]
        found = edge_width(matches, pixel_size=self.pixel_size)
        if found.width is None:
            reasons["edge_width"] = found.reason
        return {"edge_width": found.width, "edge_error": found.error}

    def _tracking(self, frames: FrameSource, reasons: dict[str, str]) -> dict[str, Any]:
        height, width = self.reference.shape[1:]
        if len(self.followed) < LEAST_FRAMES or min(height, width) < LEAST_SIDE:
            reasons["tracking_rms"] = (
                f"tracking needs {LEAST_FRAMES} frames with sides of at least {LEAST_SIDE} px"
            )
            return dict.fromkeys(_TRACKING)
        test, truth = (Consecutive(source, self.followed) for source in (frames, self.reference))
        found = track(test, truth, self._features, pixel_size=self.pixel_size)
        if found.reason:
            reasons["tracking_rms"] = found.reason
        numbers = (found.rms, found.bias, found.lost, found.lag, found.speed_correlation)
        return dict(zip(_TRACKING, numbers, strict=True))


def fidelity(
    frames: FrameSource,
    reference: FrameSource,
    *,
    pixel_size: float | None = None,
    lattice: Lattice | None = None,
) -> Fidelity:
    """Score a movie against a reference; for several movies take one :class:`Yardstick`.

    Parameters
    ----------
    frames
        (T, H, W) decoded frames, in the units of the reference.
    reference
        (T, H, W) truth, or denoised frames. Both are read a few frames at a time.
    pixel_size
        [Å px⁻¹], or None where it is unknown.
    lattice
        Of the substance, as ``LATTICES["Au"]``; None for no spots.

    Returns
    -------
    Fidelity
        In memory bounded by 2²³ pixels of evenly spaced frames of each, whatever the movie's
        length; motion is followed through up to 64 consecutive frames in its middle.

    Raises
    ------
    InputError
        If the shapes differ, sides are below 16 px, pixels are NaN or infinite, or for a pixel
        size ≤ 0.
    """
    return Yardstick(reference, pixel_size, lattice).score(frames)
