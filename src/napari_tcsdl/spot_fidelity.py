"""Reflections of any lattice, in a movie against its reference: what is left of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ._speckle import highest_noise
from .bragg import (
    Spectrum,
    SpotScore,
    find_spots,
    mean_spectrum,
    spot_scores,
)
from .fourier import pixel_spacing
from .lattice import Lattice

FALSE_ALARMS = 0.005
"""Chance, at most, that the texture of a reference's film passes for a reflection."""

LARGEST_ERROR = 0.25
"""Of a share; where noise alone makes it larger, no share is given."""


class SpotFidelity(NamedTuple):
    """One reflection.

    Attributes
    ----------
    contrast
        Power at its spots over the median of its ring; about 1 where it is lost.
    share
        Power above the ring in units of the reference's: 1 is kept whole, 0 is lost. None where
        noise alone changes it by more than 0.25.
    """

    contrast: float
    share: float | None


@dataclass(frozen=True, eq=False)
class ReferenceSpots:
    """Reflections that a reference shows, and where.

    Attributes
    ----------
    pixel_size
        [Å px⁻¹], or None where it is unknown.
    reflections
        Name → d-spacing [Å].
    places
        Name → (n ≥ 1, 2) rows and columns in its spectrum.
    truth
        Name → strength in the reference.
    reason
        Why there are none; empty where there are some.
    """

    pixel_size: float | None
    reflections: Mapping[str, float] = field(repr=False)
    places: Mapping[str, NDArray[np.intp]] = field(repr=False)
    truth: Mapping[str, SpotScore] = field(repr=False)
    reason: str = ""

    @classmethod
    def of(
        cls, reference: NDArray[Any], pixel_size: float | None, lattice: Lattice | None
    ) -> ReferenceSpots:
        """Find the reflections of a lattice in a reference.

        Parameters
        ----------
        reference
            (n, H, W), noise-free or denoised.
        pixel_size
            [Å px⁻¹], or None where it is unknown: then there are no reflections.
        lattice
            As ``LATTICES["Si"]`` of :mod:`napari_tcsdl.lattice`, or None for no reflections.

        Raises
        ------
        InputError
            For frames not (n ≥ 1, H, W) of finite pixels, too small, or a pixel size ≤ 0.
        """
        if lattice is None or pixel_size is None:
            reason = "no lattice was named" if lattice is None else "the pixel size is unknown"
            return cls(pixel_size, {}, {}, {}, reason)
        possible = reflections_of(lattice, pixel_size)
        spectrum = mean_spectrum(reference, pixel_size=pixel_size)
        # A film that stays is the same speckle in all frames: averaging does not make it even.
        least = highest_noise(FALSE_ALARMS, spectrum.power.size / 2)
        spots = find_spots(spectrum, possible, least_contrast=least)
        places = _of_nearest(spectrum, possible, spots, least)
        shown = {name: possible[name] for name in places}
        reason = "" if shown else f"the reference shows no reflection of {lattice.name}"
        return cls(pixel_size, shown, places, spot_scores(spectrum, shown, places), reason)

    def score(self, frames: NDArray[Any]) -> dict[str, SpotFidelity]:
        """Measure what is left of each reflection.

        Parameters
        ----------
        frames
            (n, H, W) the same frames as of the reference, in its units.

        Raises
        ------
        InputError
            For frames of another size, or NaN or infinite pixels.
        """
        if not self.reflections:
            return {}
        spectrum = mean_spectrum(frames, pixel_size=self.pixel_size)
        scores = spot_scores(spectrum, self.reflections, self.places)
        return {name: _fidelity(score, self.truth[name]) for name, score in scores.items()}


def reflections_of(lattice: Lattice, pixel_size: float) -> dict[str, float]:
    """Name the reflections of a lattice that a movie can show.

    Parameters
    ----------
    lattice
        As ``LATTICES["Si"]``.
    pixel_size
        [Å px⁻¹]

    Returns
    -------
    dict
        Name → d-spacing [Å] of those above two pixels, for
        :func:`napari_tcsdl.bragg.spot_scores`; empty where there are none.

    Raises
    ------
    InputError
        For a pixel size ≤ 0.

    Examples
    --------
    >>> from napari_tcsdl.lattice import LATTICES
    >>> list(reflections_of(LATTICES["Au"], 0.6))
    ['111', '200', '220', '311']
    """
    least = 2 * pixel_spacing(pixel_size)
    return {ring.name: ring.d for ring in lattice.reflections if ring.d > least}


def _fidelity(score: SpotScore, truth: SpotScore) -> SpotFidelity:
    excess = truth.power - truth.background
    known = score.error <= LARGEST_ERROR * excess
    return SpotFidelity(score.contrast, score.share_of(truth) if known else None)


def _of_nearest(
    spectrum: Spectrum,
    reflections: Mapping[str, float],
    spots: Mapping[str, NDArray[np.intp]],
    least: float,
) -> dict[str, NDArray[np.intp]]:
    """Leave each spot to the reflection whose d it has; drop those below the least contrast."""
    names, ideal = list(reflections), 1 / np.array(list(reflections.values()))
    kept = {}
    for index, name in enumerate(names):
        places = spots[name]
        measured = spectrum.frequency[tuple(places.T)]
        own = np.abs(measured[:, np.newaxis] - ideal).argmin(axis=1) == index
        if own.any():
            score = spot_scores(spectrum, {name: reflections[name]}, {name: places[own]})[name]
            if score.contrast >= least:
                kept[name] = places[own]
    return kept
