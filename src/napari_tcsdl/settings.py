"""One settings object for scripts, the command line and the window, saved with every result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from numbers import Integral
from typing import Any

from ._validation import InputError, check_compression_ratio
from .companding import ENTROPY_CODINGS as ENTROPY_CODINGS
from .companding import check_fraction

REFERENCES = ("denoised", "raw", "truth")

DEVIATIONS = ("stated", "judged")

SMALLEST_TILE = 64
"""[px] Smaller decoder tiles would be mostly overlap."""


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
        n of balanced masks; None for n = B/2, and 2B/5 from B = 20.
    seed
        Of the masks.
    mask_tile
        Side of the periodic mask tile [px]; 0 for masks as large as the frame.
    companding
        Step to which measurements are rounded, in standard deviations of their noise; 0 keeps
        them exactly.
    entropy
        How their numbers are coded: ``zstd``, which every zarr 3 reader has, or ``jpegls``,
        ``jpegxl`` or ``best`` (the smallest of all for each chunk), which want this package.
    deviation
        ``stated`` as the decoder does by itself, or ``judged`` by raw frames while they are there:
        a sample of the movie is decoded, and the factor that it asks for kept in the file.
    decoder
        A key of :data:`napari_tcsdl.reconstruction.RECONSTRUCTORS`.
    weights
        Path of weights (NAME.safetensors) for a learned decoder, such as fine-tuned ones; None
        for those that come with the package.
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
    mask_tile: int = 64
    companding: float = 0.5
    entropy: str = "zstd"
    deviation: str = "stated"
    decoder: str = "unfolding"
    weights: str | None = None
    device: str = "auto"
    decode_tile: int = 512
    reference: str = "denoised"

    def __post_init__(self) -> None:
        check_compression_ratio(self.compression_ratio)
        _check_whole("mask_tile", self.mask_tile, 0, "px, or 0 for the whole frame")
        _check_whole("decode_tile", self.decode_tile, SMALLEST_TILE, "px")
        _check_whole("seed", self.seed, 0, "")
        check_fraction(self.companding)
        _check_choice("reference", self.reference, REFERENCES)
        _check_choice("entropy coding", self.entropy, ENTROPY_CODINGS)
        _check_choice("deviation", self.deviation, DEVIATIONS)

    def to_json(self) -> dict[str, Any]:
        """Return the settings as plain JSON types."""
        return asdict(self)

    @classmethod
    def from_file(cls, values: Mapping[str, Any]) -> Settings:
        """Make settings from those stored in a compressed file; unknown ones are passed over.

        A file that a later version wrote stays readable when only settings were added.
        """
        known = {f.name for f in fields(cls)}
        return cls(**{name: value for name, value in values.items() if name in known})

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Settings:
        """Make settings from :meth:`to_json` output, or from a summary that holds one.

        Raises
        ------
        InputError
            For a name that is no setting.
        """
        values = values.get("settings", values)
        known = {f.name for f in fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise InputError(
                f"got unknown setting {', '.join(unknown)}, expected {', '.join(sorted(known))}; "
                "remove or rename it"
            )
        return cls(**values)


def _check_choice(what: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise InputError(
            f"got {what} {value!r}, expected one of {', '.join(choices)}; choose one of these"
        )


def _check_whole(name: str, value: object, least: int, unit: str) -> None:
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    if not whole or value < least:  # type: ignore[operator] # whole numbers compare
        raise InputError(
            f"got {name} = {value!r}, expected a whole number of at least {least} {unit}".rstrip()
            + "; leave it out for the default"
        )
