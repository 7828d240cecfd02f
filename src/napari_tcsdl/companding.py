"""Square-root companding: a number is stored as finely as its noise deserves, and no finer.

A sum of frames has the variance gain · y + exposures · offset_variance. Its values are rounded
to a table whose steps are a fraction of that noise (generalised Anscombe): the steps grow with
the square root of the signal, and one code is worth the same everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from numbers import Integral
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from ._validation import LARGEST_VALUE, InputError

if TYPE_CHECKING:  # the command line checks settings with this module before it loads any other
    from .noise import NoiseModel

LARGEST_FRACTION = 2.0
"""Of the noise: with coarser steps the noise no longer makes rounding unbiased."""

MAX_CODES = 2**16
"""More are worth no table: what needs them is stored as it is."""

ENTROPY_CODINGS = ("zstd", "jpegls", "jpegxl", "best")
"""How what is left may be coded; see :class:`napari_tcsdl.io.Storage`."""

_LARGEST_LOOKUP = 2**22  # sums below this are coded by one look-up each
_HEADROOM = 4  # times the expected highest value: how far tables follow the noise
_TAIL = 2.0**-6  # relative step beyond that, up to the largest possible sum


@dataclass(frozen=True, eq=False)
class Companding:
    """A table of values, one a code; make it with :func:`companding_table`.

    Attributes
    ----------
    fraction
        Step of the table, in standard deviations of the noise.
    values
        (n_codes,) in detector units, strictly increasing from 0: uint16 or uint32 for sums of
        integers, float32 for those of floats.

    Examples
    --------
    >>> table = companding_table(NoiseModel(1.0, 0.0), 5, 1275, 0.5)
    >>> len(table.values), table.expand(table.compress(np.array([3, 100, 1000]))).tolist()
    (140, [3, 99, 1002])
    """

    fraction: float
    values: NDArray[Any] = field(repr=False)

    def __post_init__(self) -> None:
        check_fraction(self.fraction)
        values = self.values
        known = values.dtype in (np.uint16, np.uint32, np.float32) and values.ndim == 1
        if not known or not 2 <= len(values) <= MAX_CODES or not np.all(values[1:] > values[:-1]):
            raise InputError(
                f"got a table of {values.dtype} values {values.shape}, expected 2 to {MAX_CODES} "
                "uint16, uint32 or float32 values, strictly increasing; make it with "
                "companding_table"
            )
        values.flags.writeable = False

    @property
    def code_dtype(self) -> np.dtype[Any]:
        """The narrowest type that holds every code: uint8 or uint16."""
        return np.dtype(np.uint8 if len(self.values) <= 256 else np.uint16)

    def compress(self, y: NDArray[Any]) -> NDArray[Any]:
        """Code of the value nearest to each of ``y``, uint8 or uint16.

        Integers halfway between two go up in one gap of the table and down in the next, so that
        rounding leaves means alone.

        Raises
        ------
        InputError
            If values are below 0, beyond the table's end, or not finite: they would be clipped;
            or if they are not whole numbers and the table is one of integers.
        """
        integers = self.values.dtype.kind == "u"
        low, high = (y.min(), y.max()) if y.size else (0, 0)
        if not (low >= 0 and high <= self.values[-1]) or (integers and y.dtype.kind not in "ui"):
            raise InputError(
                f"got {y.dtype} values from {low} to {high} for a table from 0 to "
                f"{self.values[-1]} of {self.values.dtype}, expected values within it and of its "
                "kind; make a table up to the largest possible sum"
            )
        if integers and self.values[-1] < _LARGEST_LOOKUP:
            codes: NDArray[Any] = self._lookup[y]
            return codes
        return self._nearest(y)

    def expand(self, codes: NDArray[Any]) -> NDArray[Any]:
        """Values of ``codes``, in the type of the table.

        Raises
        ------
        InputError
            For a code that the table does not have.
        """
        if codes.size and not 0 <= codes.min() <= codes.max() < len(self.values):
            raise InputError(
                f"got code {codes.max()}, expected 0 to {len(self.values) - 1}; give the codes "
                "that this table made"
            )
        values: NDArray[Any] = self.values[codes]
        return values

    def noise(self, noise: NoiseModel) -> NoiseModel:
        """Add to the noise of a frame what rounding adds: fraction² / 12 of its variance.

        Exact where steps are much larger than 1; where every integer has its own code, nothing
        is added, and this is too much by as little as that.
        """
        factor = 1 + self.fraction**2 / 12
        return replace(
            noise, gain=noise.gain * factor, offset_variance=noise.offset_variance * factor
        )

    def to_json(self) -> dict[str, Any]:
        """As plain numbers."""
        return {
            "fraction": self.fraction,
            "dtype": str(self.values.dtype),
            "values": self.values.tolist(),
        }

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Self:
        """Undo :meth:`to_json`.

        Raises
        ------
        InputError
            If the values are no such table.
        """
        return cls(float(stored["fraction"]), np.asarray(stored["values"], stored["dtype"]))

    @cached_property
    def _lookup(self) -> NDArray[Any]:
        """Code of every integer up to the table's end."""
        return self._nearest(np.arange(int(self.values[-1]) + 1))

    def _nearest(self, y: NDArray[Any]) -> NDArray[Any]:
        codes: NDArray[Any] = np.searchsorted(self._bounds, y, side="right").astype(self.code_dtype)
        return codes

    @cached_property
    def _bounds(self) -> NDArray[np.float64]:
        """Least value of each code but the first: halfway, and of ties every other one below."""
        values = self.values.astype(np.float64)
        bounds = (values[1:] + values[:-1]) / 2
        if self.values.dtype.kind == "u":
            ties = bounds % 1 == 0
            bounds += 0.5 * (ties & (np.cumsum(ties) % 2 == 0))
        return bounds


def check_fraction(fraction: object) -> float:
    """Return ``fraction`` as a step in standard deviations of the noise; 0 is lossless.

    Raises
    ------
    InputError
        If it is no number from 0 to :data:`LARGEST_FRACTION`.
    """
    is_number = isinstance(fraction, int | float) and not isinstance(fraction, bool)
    if not is_number or not 0 <= fraction <= LARGEST_FRACTION:  # type: ignore[operator]
        raise InputError(
            f"got companding = {fraction!r}, expected 0 (lossless) to {LARGEST_FRACTION:g} "
            "standard deviations of the noise; give for example 0.5"
        )
    return float(fraction)  # type: ignore[arg-type]


def companding_table(
    noise: NoiseModel,
    exposures: float,
    highest: int | float,
    fraction: float,
    *,
    expected: float | None = None,
) -> Companding | None:
    """Make the table for sums of ``exposures`` frames.

    Parameters
    ----------
    noise
        Of one frame.
    exposures
        Frames in a sum; their mean, where it differs between pixels. 1 for frames themselves.
    highest
        Largest possible sum [detector units]. A whole number (``int``) makes a table of whole
        numbers that ends there. A ``float`` makes one of floats, which goes on up to
        ``exposures`` frames of the largest value that is admitted.
    fraction
        Step in standard deviations of the noise at each value; 0 for none.
    expected
        Largest sum to be expected, by default ``highest``. Four times of it are stored as finely
        as the noise wants; what is far beyond, in steps of 1/64 of its value, so that a table
        of floats has an end.

    Returns
    -------
    Companding or None
        None where the exact numbers are as good: for fraction 0, without noise, with so little
        noise that each integer needs a code of its own, or more than 65,536 codes.

    Raises
    ------
    InputError
        If ``fraction`` is out of its range.

    Notes
    -----
    Where fraction · σ is below 1, integers keep a code each. Elsewhere rounding adds fraction² / 12
    of the noise's variance (2.1 % at ½), and no bias, as long as the noise is there: it dithers.

    References
    ----------
    Mäkitalo, Foi, IEEE Trans. Image Process. 22, 91 (2013), for the stabilisation; Bernstein et
    al., Publ. Astron. Soc. Pac. 122, 336 (2010), for what such rounding costs.
    """
    if not check_fraction(fraction) or exposures <= 0 or highest <= 0:
        return None
    gain, offset = float(noise.gain), float(exposures * noise.offset_variance)
    if gain < 0 or gain * float(highest) + offset <= 0:
        return None
    whole = isinstance(highest, Integral)
    most = float(highest) if whole else max(float(highest), LARGEST_VALUE * exposures)
    end = _HEADROOM * float(highest if expected is None else expected)
    end = min(max(end, _noise_becomes_finer(gain, offset, fraction)), most)
    values = _steps(gain, offset, end, fraction, 1.0 if whole else fraction**2 * gain / 4)
    if values is None:
        return None
    if values[-1] < most:
        count = int(np.log(most / values[-1]) / np.log1p(_TAIL)) + 1
        values = np.append(values, values[-1] * (1 + _TAIL) ** np.arange(1, count + 1))
    if whole:
        values = np.minimum(np.floor(values + 0.5), most)
        values = values[: np.searchsorted(values, most) + 1]
        if len(values) > most:  # each integer has its own code
            return None
    dtype = (np.uint16 if most < 2**16 else np.uint32) if whole else np.float32
    values = np.unique(values.astype(dtype))
    return Companding(fraction, values) if len(values) <= MAX_CODES else None


def _noise_becomes_finer(gain: float, offset: float, fraction: float) -> float:
    """Value from which steps of 1/64 of the value are coarser than the noise asks for."""
    half = gain * (fraction / _TAIL) ** 2 / 2
    return half + float((half**2 + max(offset, 0.0) * (fraction / _TAIL) ** 2) ** 0.5)


def _steps(
    gain: float, offset: float, end: float, fraction: float, least: float
) -> NDArray[np.float64] | None:
    """Values from 0 to ``end`` or beyond, ``fraction`` · σ apart, or ``least``; None if too many.

    With u = σ(y), dy = 2 u du / gain: equal steps of fraction · gain / 2 in u are steps of
    fraction · σ in y.
    """
    if gain * end <= 1e-6 * offset:  # constant noise
        step = max(fraction * offset**0.5, least)
        count = end / step
        return step * np.arange(int(count) + 2) if count < MAX_CODES else None
    # Below this value the noise is finer than the finest step.
    turn = min(max(((least / fraction) ** 2 - offset) / gain, 0.0), end)
    linear = int(np.ceil(turn / least)) if turn else 0
    start = linear * least
    first = max(gain * start + offset, 0.0) ** 0.5
    highest_root = max(gain * max(end, start) + offset, 0.0) ** 0.5
    count = (highest_root - first) / (fraction * gain / 2)
    if linear + count >= MAX_CODES:
        return None
    u = first + fraction * gain / 2 * np.arange(int(count) + 2)
    curved = start + (u**2 - first**2) / gain
    steps: NDArray[np.float64] = np.append(least * np.arange(linear), curved)
    return steps
