"""From a request to its spectra: what the FFT dock computes in a thread. No viewer, no Qt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .._validation import InputError, TcsdlError
from .region import Region
from .sentences import as_sentence

if TYPE_CHECKING:
    from ..frc import FrcCurve
    from ..spots import Spectrum2D, Spot

Reader = Callable[[], NDArray[Any]]

AT_MOST = 12
"""Spots that are found by themselves."""
BLACK, WHITE = 70.0, 99.97
"""[%] Levels of a panel: black is what 70 % of the radii (of their pixels) fall below, white is
reached by the brightest 3 pixels of 10,000. Radii count alike, large and small: a reconstruction
has no power beyond what it resolves, and most pixels lie there."""
CONTRAST = 2.0
"""[decades] At least from black to white: the spectrum of mere noise stays dark."""
HALVES = 8
"""Frames around the current one that make even and odd halves, where there is one image only."""
POOLS = (1, 2, 4)


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
    """What the dock has to show now; answers to an older generation are dropped."""

    generation: int
    panels: tuple[PanelRequest, ...]
    reference: int = 0
    spots: tuple[Spot, ...] = ()
    find: bool = False
    profiles: bool = False


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


def _read(panel: PanelRequest) -> NDArray[Any] | str:
    if panel.read is None:
        return panel.sentence
    try:
        return panel.read()
    except Exception as error:  # any reader may fail in its own way
        return str(as_sentence(error))


def _transform(panel: PanelRequest, crop: NDArray[Any] | str) -> PanelSpectrum:
    from ..spots import spectrum_of

    if isinstance(crop, str):
        return PanelSpectrum(panel, sentence=crop)
    try:
        spectrum = spectrum_of(crop, pixel_size=panel.pixel_size)
    except TcsdlError as error:
        return PanelSpectrum(panel, sentence=str(error))
    return PanelSpectrum(panel, spectrum, pools(grey_levels(spectrum.power)))


def _measure(panel: PanelSpectrum, spots: Sequence[Spot], profiles: bool) -> PanelSpectrum:
    if panel.spectrum is None:
        return panel
    profile = None
    if profiles:
        from ..radial import radial_profile

        profile = radial_profile(panel.spectrum)
    signals = tuple(signal_of(panel.spectrum, spot) for spot in spots)
    return replace(panel, signals=signals, profile=profile)


def signal_of(spectrum: Spectrum2D, spot: Spot) -> float:
    """SNR that ``spot`` has in ``spectrum``; NaN beyond it, and in another unit."""
    from ..spots import snr_at

    inside = abs(spot.qy) <= -spectrum.fy[0] and abs(spot.qx) <= -spectrum.fx[0]
    if spectrum.unit != spot.unit or not inside:
        return float("nan")
    return float(snr_at(spectrum, spot))


def grey_levels(power: NDArray[Any]) -> NDArray[np.uint8]:
    """Logarithm of a power spectrum as 256 levels, from its noise to its brightest pixels.

    Each panel has levels of its own: the powers of a movie, of its reconstruction and of a
    measurement differ by orders of magnitude, and what is compared is how far spots rise above
    their own noise. Half of the spectrum holds it all.
    """
    half = power[: power.shape[0] // 2 + 1]
    floor = max(float(half.max()) * 1e-12, float(np.finfo(np.float32).tiny))
    logs = np.maximum(half, np.float32(floor))
    np.log10(logs, out=logs)
    sample = logs.ravel()[:: max(1, half.size // 2**15) | 1]  # odd: not always the same columns
    low = np.percentile(logs[_radial_sample(*power.shape)], BLACK)
    high = np.percentile(sample, WHITE)
    scale = 255 / max(float(high - low), CONTRAST)
    np.subtract(logs, np.float32(low), out=logs)
    np.multiply(logs, np.float32(scale), out=logs)
    return _mirrored(np.clip(logs, 0, 255, out=logs).astype(np.uint8), power.shape[0])


def _mirrored(upper: NDArray[np.uint8], height: int) -> NDArray[np.uint8]:
    """Whole spectrum from the rows −H/2 … 0: that at −q equals that at q."""
    whole = np.empty((height, upper.shape[1]), np.uint8)
    whole[: len(upper)] = upper
    lower = upper[1 - height % 2 : -1][::-1, ::-1]  # an even side has a −H/2 and no +H/2
    whole[len(upper) :] = lower if upper.shape[1] % 2 else np.roll(lower, 1, axis=1)
    return whole


@lru_cache(maxsize=8)
def _radial_sample(height: int, width: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return pixels of the upper half up to Nyquist's circle, as many at each radius."""
    radius, angle = (np.linspace(0, 1, count, endpoint=False) for count in (96, 96))
    radius, angle = 0.03 + 0.96 * radius[:, np.newaxis], np.pi * (angle + 0.5 / 96)
    rows = height // 2 - radius * np.sin(angle) * (height // 2)
    columns = width // 2 + radius * np.cos(angle) * (width // 2)
    return rows.astype(np.intp).ravel(), columns.astype(np.intp).ravel()


def pools(levels: NDArray[np.uint8]) -> dict[int, tuple[int, NDArray[np.uint8]]]:
    """``levels`` and its maxima over 2 × 2 and 4 × 4 pixels, by factor, with the level of noise.

    The maximum of several pixels of noise is brighter than each: what is to be black rises too.
    """
    made = {1: (0, levels)}
    for factor in POOLS[1:]:
        last = made[factor // 2][1]
        height, width = (side // 2 * 2 for side in last.shape)
        if min(height, width) < 2:
            break
        rows = np.maximum(last[0:height:2, :width], last[1:height:2, :width])
        pooled = np.maximum(rows[:, 0::2], rows[:, 1::2])
        made[factor] = (int(np.median(pooled.ravel()[:: max(1, pooled.size // 2**14)])), pooled)
    return made


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
