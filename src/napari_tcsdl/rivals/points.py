"""What a study of rivals found, as plain frozen objects: what the report and the window draw.

Everything but pictures goes through JSON and comes back equal.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from .rival_facts import EncoderCost as EncoderCost  # whoever reads points needs it
from .rival_facts import HeldOutFacts, HeldOutScore, finite, infinite

RAW_OVER_B, SAME_BYTES, BEST_BELOW = "raw_over_B", "same_bytes", "best_below"
"""Purposes with a budget: 1/B of the raw bytes (the paper's protocol); the bytes of our real file;
the best PSNR at any size that is at most raw/B, since codecs spend bits on noise."""

LADDER, EXACT = "ladder", "exact"
"""Purposes without: a step of the rate–distortion curve; the only point of a lossless codec."""
BUDGETED = (RAW_OVER_B, SAME_BYTES, BEST_BELOW)

PURPOSE_WORDS = {
    RAW_OVER_B: "at raw/B",
    SAME_BYTES: "at the same bytes",
    BEST_BELOW: "at any size up to raw/B",
    EXACT: "lossless",
    LADDER: "on the curve",
}
"""How reports name purposes."""

OURS = "ours"
"""Kind of the rivals that are coded measurements; the other kinds are those of codecs."""


@dataclass(frozen=True)
class RatePoint:
    """One movie at one quality of one codec.

    Attributes
    ----------
    codec
        Name of the rival.
    quality
        Of the codec; B for ours; None where there is no choice.
    settings
        Encoder, version, flags and quality in words.
    n_bytes
        Real bytes of the whole movie, headers counted.
    psnr
        Mean over frames [dB]; infinite where every frame equals its reference.
    psnr_sd
        Standard deviation over frames [dB].
    ssim
        Mean over frames.
    encode_seconds, decode_seconds
        [CPU s] for the whole movie, as measured while other rivals ran.
    purposes
        Why this point is there.
    psnr_frames, ssim_frames
        Of each frame, for points that are more than a step of the curve; else empty.
    """

    codec: str
    quality: float | None
    settings: str
    n_bytes: int
    psnr: float
    psnr_sd: float
    ssim: float
    encode_seconds: float
    decode_seconds: float
    purposes: tuple[str, ...]
    psnr_frames: tuple[float, ...] = field(default=(), repr=False)
    ssim_frames: tuple[float, ...] = field(default=(), repr=False)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON types; infinite PSNR is None."""
        psnr_frames = [finite(value) for value in self.psnr_frames]
        return {**asdict(self), "psnr": finite(self.psnr), "psnr_frames": psnr_frames}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Undo :meth:`to_json`."""
        read = {
            **values,
            "purposes": tuple(values["purposes"]),
            "psnr": infinite(values["psnr"]),
            "psnr_frames": tuple(infinite(value) for value in values["psnr_frames"]),
            "ssim_frames": tuple(values["ssim_frames"]),
        }
        return cls(**read)


@dataclass(frozen=True)
class Rival:
    """One codec, or one of our decoders, on one movie.

    Attributes
    ----------
    name, label
        Key of the codec or decoder; what people call it.
    kind, licence, version
        ``image``, ``video``, ``lossless``, ``cheap`` or ``ours``; of the encoder.
    missing, refused
        Why it cannot be used here; why it did not take this movie or failed on it. Or None.
    points
        By rising bytes.
    over_budget
        Least bytes that it reaches, by purpose, where those exceed the budget.
    fidelity
        Scores beyond PSNR as JSON, by purpose.
    cost
        Of its encoder, or None where it was not measured.
    held_out
        Its score by electrons that it never saw, or None where that was not measured.
    """

    name: str
    label: str
    kind: str
    licence: str = ""
    version: str = ""
    missing: str | None = None
    refused: str | None = None
    points: tuple[RatePoint, ...] = ()
    over_budget: dict[str, int] = field(default_factory=dict)
    fidelity: dict[str, dict[str, Any]] = field(default_factory=dict)
    cost: EncoderCost | None = None
    held_out: HeldOutScore | None = None

    @property
    def absent(self) -> str | None:
        """Why there are no points, in one sentence; None if there are."""
        return self.missing or self.refused

    def point(self, purpose: str) -> RatePoint | None:
        """Return the point that serves ``purpose``; None if there is none, such as over budget."""
        return next((point for point in self.points if purpose in point.purposes), None)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON types."""
        return {
            **asdict(self),
            "points": [point.to_json() for point in self.points],
            "held_out": self.held_out.to_json() if self.held_out else None,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Undo :meth:`to_json`."""
        points = tuple(RatePoint.from_json(point) for point in values["points"])
        cost = EncoderCost(**values["cost"]) if values["cost"] else None
        held = values.get("held_out")  # studies of earlier versions have none
        held_out = HeldOutScore.from_json(held) if held else None
        return cls(**{**values, "points": points, "cost": cost, "held_out": held_out})


@dataclass(frozen=True, eq=False)
class Shown:
    """One frame for pictures: ``image`` (H, W) float32, in detector units.

    ``codec`` is the name of a rival, or ``raw``, ``reference`` or ``measurement``, which have no
    purpose. Where one quality serves several purposes it is shown once, under the last of them.
    """

    codec: str
    purpose: str
    frame_index: int
    image: NDArray[np.float32] = field(repr=False)


@dataclass(frozen=True)
class Study:
    """A movie, our reconstruction of it and every rival, at real bytes.

    Attributes
    ----------
    movie
        Facts: name, frames, frame_shape, dtype, calibration, bytes.
    settings
        :class:`~napari_tcsdl.settings.Settings` as JSON.
    reference, data_range
        What scores were taken against, in words; of PSNR and SSIM [detector units].
    raw_bytes
        Of the movie.
    file_bytes
        Of our real file: measurements, masks, metadata, total.
    budgets
        [bytes] by purpose.
    storage_ratios
        Raw bytes over ours, by what raw is; see :class:`~napari_tcsdl.storage.StorageRatios`.
    rivals
        Ours first, then the codecs in the order of their table.
    camera_cost
        Of our masked sum alone, as a detector would do it, without entropy coding.
    fidelity_frames
        First and last frame + 1 on which scores beyond PSNR were taken.
    held_out
        How the movie was split for scores without truth, or None where that was not asked for.
    verdict
        Who wins where, in plain sentences.
    software, seconds
        Versions, and the time that the study took [s].
    shown
        Pictures; not part of the JSON.
    """

    movie: dict[str, Any]
    settings: dict[str, Any]
    reference: str
    data_range: float
    raw_bytes: int
    file_bytes: dict[str, int]
    budgets: dict[str, int]
    storage_ratios: dict[str, float | None]
    rivals: tuple[Rival, ...]
    camera_cost: EncoderCost | None = None
    fidelity_frames: tuple[int, int] | None = None
    held_out: HeldOutFacts | None = None
    verdict: tuple[str, ...] = ()
    software: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    shown: tuple[Shown, ...] = field(default=(), compare=False, repr=False)

    @property
    def compression_ratio(self) -> int:
        """B of the study."""
        return int(self.settings["compression_ratio"])

    @property
    def ours(self) -> Rival:
        """Our decoder of the settings: the first rival."""
        return self.rivals[0]

    def rival(self, name: str) -> Rival:
        """Return the rival called ``name``."""
        return next(rival for rival in self.rivals if rival.name == name)

    def picture(self, name: str, purpose: str) -> Shown | None:
        """Return the picture of the point that serves ``purpose`` of the rival called ``name``."""
        point = self.rival(name).point(purpose)
        served = () if point is None else point.purposes
        own = (shown for shown in self.shown if shown.codec == name)
        return next((shown for shown in own if shown.purpose in served), None)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON types, without pictures."""
        plain = asdict(replace(self, shown=(), rivals=()))
        del plain["shown"]
        frames = list(self.fidelity_frames) if self.fidelity_frames else None
        return {
            **plain,
            "rivals": [rival.to_json() for rival in self.rivals],
            "fidelity_frames": frames,
            "held_out": self.held_out.to_json() if self.held_out else None,
            "verdict": list(self.verdict),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any], shown: Iterable[Shown] = ()) -> Self:
        """Undo :meth:`to_json`."""
        frames = values["fidelity_frames"]
        cost = values["camera_cost"]
        held = values.get("held_out")
        read = {
            **values,
            "rivals": tuple(Rival.from_json(rival) for rival in values["rivals"]),
            "camera_cost": EncoderCost(**cost) if cost else None,
            "fidelity_frames": (frames[0], frames[1]) if frames else None,
            "held_out": HeldOutFacts.from_json(held) if held else None,
            "verdict": tuple(values["verdict"]),
            "shown": tuple(shown),
        }
        return cls(**read)
