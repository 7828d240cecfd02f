"""One settings object for scripts, the command line and the window, saved with every result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from ._validation import InputError, check_compression_ratio

REFERENCES = ("denoised", "raw", "truth")


@dataclass(frozen=True)
class Settings:
    """What to do with a movie; ``to_json`` of it lies beside every result.

    Attributes
    ----------
    compression_ratio
        B, frames per measurement. Not the ratio of bytes.
    masks
        ``balanced`` (each pixel is exposed exactly n times in a block) or ``bernoulli``
        (p = 0.5, the paper's).
    exposures
        n of balanced masks; None for n = B/2, and B/4 from B = 20.
    seed
        Of the masks.
    mask_tile
        Side of the periodic mask tile [px]; 0 for masks as large as the frame.
    decoder
        A key of :data:`napari_tcsdl.reconstruction.RECONSTRUCTORS`.
    device
        ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
    decode_tile
        Side of the tiles in which frames are decoded [px].
    reference
        What scores are taken against: ``denoised`` raw frames, ``raw`` frames, or ``truth``.
    """

    compression_ratio: int = 10
    masks: str = "balanced"
    exposures: int | None = None
    seed: int = 0
    mask_tile: int = 256
    decoder: str = "gap_tv"
    device: str = "auto"
    decode_tile: int = 512
    reference: str = "denoised"

    def __post_init__(self) -> None:
        check_compression_ratio(self.compression_ratio)
        if self.reference not in REFERENCES:
            raise InputError(
                f"got reference {self.reference!r}, expected one of {', '.join(REFERENCES)}; "
                "choose one of these"
            )

    def to_json(self) -> dict[str, Any]:
        """Return the settings as plain JSON types."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Settings:
        """Make settings from :meth:`to_json` output.

        Raises
        ------
        InputError
            For a name that is no setting.
        """
        known = {f.name for f in fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise InputError(
                f"got unknown setting {', '.join(unknown)}, expected {', '.join(sorted(known))}; "
                "remove or rename it"
            )
        return cls(**values)
