"""What belongs to a rival beside its points: the cost of its encoder, and scores without truth."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self


@dataclass(frozen=True)
class EncoderCost:
    """What encoding costs, measured alone in a process of its own.

    Attributes
    ----------
    cpu_seconds_per_frame
        User and system time of all threads.
    megabytes_per_second_per_core
        Raw input over CPU time [10⁶ bytes].
    peak_bytes
        Most memory above what lay there before, the frames themselves not counted; None where
        the system does not tell.
    ratio_to_ours
        CPU time over that of our whole encoder: masked sum, entropy coding.
    settings
        What was run, in words.
    """

    cpu_seconds_per_frame: float
    megabytes_per_second_per_core: float
    peak_bytes: int | None
    ratio_to_ours: float
    settings: str = ""

    def to_json(self) -> dict[str, Any]:
        """As plain JSON types."""
        return asdict(self)


@dataclass(frozen=True)
class HeldOutScore:
    """What a rival makes of one half of the electrons, judged by the other half.

    Attributes
    ----------
    quality
        Of the codec; B for ours; None where there is no choice.
    n_bytes
        Real bytes of the half that it was given, headers counted.
    mse, mse_error
        Mean squared error against the unknown truth of a half, without bias, and its standard
        error [detector units²]. By chance it may be below 0.
    psnr, psnr_error
        Of it [dB]; infinite where ``mse`` is not above 0.
    resolution
        Where the FRC, corrected for the noise of the other half, falls below ½ [Å, or px without
        a pixel size], over the rings in which the halves agree; infinite where nothing is
        resolved.
    n_frames
        Frames that were looked at.
    """

    quality: float | None
    n_bytes: int
    mse: float
    mse_error: float
    psnr: float
    psnr_error: float
    resolution: float
    n_frames: int

    def to_json(self) -> dict[str, Any]:
        """As plain JSON types; what is infinite is None."""
        values = asdict(self)
        return values | {key: finite(values[key]) for key in _MAY_BE_INFINITE}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Undo :meth:`to_json`."""
        return cls(**{**values, **{key: infinite(values[key]) for key in _MAY_BE_INFINITE}})


_MAY_BE_INFINITE = ("psnr", "psnr_error", "resolution")


@dataclass(frozen=True)
class HeldOutFacts:
    """How a movie was split into two halves of its electrons, and what that tells.

    Attributes
    ----------
    seed
        Of the split.
    unit
        ``Å`` or ``px``, of resolutions.
    data_range
        Of PSNR, half that of the whole movie [detector units].
    refused
        Why the noise of this movie cannot be split; None where it was.
    warning
        Why the level of the noise is less sure than usual, or None.
    noise_variance
        Of a half at its mean [detector units²].
    dependence
        Mean FRC of the halves over the outermost quarter of the rings. Times ``noise_variance``:
        what mean squared errors may be off by, beyond their errors.
    raw_resolution
        Where the FRC of even against odd raw frames falls below 1/7: a property of the movie, not
        of a codec. Infinite where nothing is resolved, None for frames that are too small.
    failed
        Why there is no score of a rival that has points, by name.
    """

    seed: int
    unit: str
    data_range: float
    refused: str | None = None
    warning: str | None = None
    noise_variance: float | None = None
    dependence: float | None = None
    raw_resolution: float | None = None
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def shared_error(self) -> float | None:
        """What mean squared errors may be off by, beyond their errors [detector units²]."""
        if self.dependence is None or self.noise_variance is None:
            return None
        return abs(self.dependence) * self.noise_variance

    def to_json(self) -> dict[str, Any]:
        """As plain JSON types; an infinite resolution is the word ``inf``."""
        values = asdict(self)
        if self.raw_resolution is not None and math.isinf(self.raw_resolution):
            values["raw_resolution"] = "inf"
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Undo :meth:`to_json`."""
        raw = values["raw_resolution"]
        return cls(**{**values, "raw_resolution": None if raw is None else float(raw)})


def finite(value: float) -> float | None:
    """JSON has no infinity."""
    return value if math.isfinite(value) else None


def infinite(value: float | None) -> float:
    """Undo :func:`finite`."""
    return math.inf if value is None else value
