"""From a request to its spectra: what the FFT dock computes in a thread. No viewer, no Qt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .._validation import InputError, TcsdlError
from .region import Region
from .sentences import as_sentence
from .spectra_pictures import grey_levels, pools

if TYPE_CHECKING:
    from ..frc import FrcCurve
    from ..spots import Spectrum2D, Spot

Reader = Callable[[], NDArray[Any]]

AT_MOST = 12
"""Spots that are found by themselves."""
HALVES = 8
"""Frames around the current one that make even and odd halves, where there is one image only."""
DRAFT = 2
"""A draft is made of every second Fourier pixel, down and across: in a quarter of the time."""
LEAST_DRAFT = 512
"""[px] Side from which on a draft is worth its while."""
FLAT = "All pixels are alike, as in a frame that is not computed yet: it has no spectrum."


@dataclass(frozen=True, eq=False)
class PanelRequest:
    """One panel of the dock.

    Attributes
    ----------
    name
        The layer's; one panel a layer.
    role
        What the layer is in a comparison; empty for any other.
    read
        Reads the crop of the frame that is shown.
    region
        The crop.
    pixel_size
        [Å px⁻¹], None where it is unknown.
    read_halves
        Reads the crop of a few frames (n, H, W) around the one shown, for the FRC of one movie.
    sentence
        Why there is nothing to read.
    """

    name: str
    role: str = ""
    read: Reader | None = None
    region: Region = field(default_factory=lambda: Region(0, 0, 0, 0))
    pixel_size: float | None = None
    read_halves: Reader | None = None
    sentence: str = ""


@dataclass(frozen=True, eq=False)
class Request:
    """What the dock has to show now; answers to an older generation are dropped.

    ``exact`` if a draft will not do.
    """

    generation: int
    panels: tuple[PanelRequest, ...]
    reference: int = 0
    spots: tuple[Spot, ...] = ()
    find: bool = False
    profiles: bool = False
    exact: bool = False


@dataclass(frozen=True, eq=False)
class PanelSpectrum:
    """What one panel shows.

    Attributes
    ----------
    spectrum
        None where there is a sentence instead.
    images
        By pooling factor 1, 2, 4: level that is black, and the logarithm of the power as uint8.
        A pooled pixel is the largest of its pixels, so no spot is lost on a small panel.
    signals
        SNR of each spot of the request; NaN where it cannot be measured here.
    profile
        (q, power) of the rings, if it was asked for.
    """

    request: PanelRequest
    spectrum: Spectrum2D | None = None
    images: dict[int, tuple[int, NDArray[np.uint8]]] = field(default_factory=dict)
    signals: tuple[float, ...] = ()
    profile: tuple[NDArray[Any], NDArray[Any]] | None = None
    sentence: str = ""

    @property
    def name(self) -> str:
        """Name of the layer."""
        return self.request.name


@dataclass(frozen=True, eq=False)
class Answer:
    """What came of one request.

    Attributes
    ----------
    spots
        Those of the request, and then those ``found``, if any were looked for.
    curves
        FRC of each panel against the reference, by name.
    halves
        The curve is that of even against odd frames of the only panel.
    """

    generation: int
    panels: tuple[PanelSpectrum, ...]
    reference: int = 0
    spots: tuple[Spot, ...] = ()
    found: tuple[Spot, ...] | None = None
    curves: dict[str, FrcCurve] = field(default_factory=dict)
    halves: bool = False


def compute(request: Request) -> Answer:
    """Read the crops and transform them; an error in one panel is a sentence in that panel."""
    with ThreadPoolExecutor(max_workers=max(1, len(request.panels))) as pool:
        return _compute(request, pool)


def _compute(request: Request, pool: Executor) -> Answer:
    """Panels in threads of their own: NumPy and the transforms let go of the interpreter."""
    crops = list(pool.map(_read, request.panels))
    shown = list(pool.map(_transform, request.panels, crops))
    spots, found = request.spots, None
    spectrum = shown[request.reference].spectrum if shown else None
    if request.find and spectrum is not None:
        from ..spots import find_peaks

        found = tuple(find_peaks(spectrum, at_most=AT_MOST))
        spots = (*spots, *found)
    measure = partial(_measure, spots=spots, profiles=request.profiles)
    return Answer(
        generation=request.generation,
        panels=tuple(pool.map(measure, shown)),
        reference=request.reference,
        spots=spots,
        found=found,
        curves=_curves(request, crops) if request.profiles else {},
        halves=len(request.panels) == 1,
    )


def draft(request: Request) -> Answer | None:
    """Pictures of every second Fourier pixel, and no numbers: for as long as the slider moves.

    None where that will not do: spots or profiles are asked for, or no field is large.
    """
    sides = [panel.region.shape for panel in request.panels if panel.read is not None]
    coarse = [min(side) >= LEAST_DRAFT and not np.any(np.mod(side, 2 * DRAFT)) for side in sides]
    if request.exact or request.find or request.profiles or not coarse or not all(coarse):
        return None
    with ThreadPoolExecutor(max_workers=len(request.panels)) as pool:
        crops = pool.map(_read, request.panels)
        panels = pool.map(partial(_transform, every=DRAFT), request.panels, crops)
        return Answer(request.generation, tuple(panels), request.reference, request.spots)


def _read(panel: PanelRequest) -> NDArray[Any] | str:
    if panel.read is None:
        return panel.sentence
    try:
        return panel.read()
    except Exception as error:  # any reader may fail in its own way
        return str(as_sentence(error))


def _transform(panel: PanelRequest, crop: NDArray[Any] | str, every: int = 1) -> PanelSpectrum:
    from ..spots import spectrum_of

    if isinstance(crop, str):
        return PanelSpectrum(panel, sentence=crop)
    if _is_flat(crop):  # else each spot would be called lost there
        return PanelSpectrum(panel, sentence=FLAT)
    try:
        spectrum = spectrum_of(crop, pixel_size=panel.pixel_size, every=every)
    except TcsdlError as error:
        return PanelSpectrum(panel, sentence=str(error))
    return PanelSpectrum(panel, spectrum, pools(grey_levels(spectrum.power)))


def _is_flat(crop: NDArray[Any]) -> bool:
    """Whether all pixels are alike; a few of them tell nearly always."""
    few = crop[::61, ::67]
    return bool(few.size and few.min() == few.max() and crop.min() == crop.max())


def _measure(panel: PanelSpectrum, spots: Sequence[Spot], profiles: bool) -> PanelSpectrum:
    if panel.spectrum is None:
        return panel
    profile = None
    if profiles:
        from ..radial import radial_profile

        profile = radial_profile(panel.spectrum)
    signals = signals_of(panel.spectrum, spots)
    return replace(panel, signals=signals, profile=profile)


def signals_of(spectrum: Spectrum2D, spots: Sequence[Spot]) -> tuple[float, ...]:
    """SNR that each of ``spots`` has in ``spectrum``; NaN beyond it, and in another unit."""
    from ..spots import snrs_at

    inside = [
        spot.unit == spectrum.unit
        and abs(spot.qy) <= -spectrum.fy[0]
        and abs(spot.qx) <= -spectrum.fx[0]
        for spot in spots
    ]
    measured = [spot for spot, there in zip(spots, inside, strict=True) if there]
    found = iter(snrs_at(spectrum, measured))
    return tuple(next(found) if there else float("nan") for there in inside)


def _curves(request: Request, crops: Sequence[NDArray[Any] | str]) -> dict[str, FrcCurve]:
    """FRC of each rival against the reference; of the halves of the movie where it is alone."""
    from ..frc import frc, frc_halves

    curves = {}
    reference = crops[request.reference] if crops else ""
    if len(crops) == 1:
        panel = request.panels[0]
        if panel.read_halves is not None:
            try:
                frames = panel.read_halves()
                curves[panel.name] = frc_halves(frames, pixel_size=panel.pixel_size)
            except InputError:
                pass
        return curves
    for k, (panel, crop) in enumerate(zip(request.panels, crops, strict=True)):
        if k == request.reference or isinstance(crop, str) or isinstance(reference, str):
            continue
        try:
            curves[panel.name] = frc(reference, crop, pixel_size=panel.pixel_size)
        except InputError:
            continue  # other shape, or too small: this rival has no curve
    return curves
