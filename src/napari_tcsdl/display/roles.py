"""What a comparison can show, one row each: the order of the boxes and what each box means."""

from __future__ import annotations

from dataclasses import dataclass

RAW = "raw"
RECONSTRUCTION = "reconstruction"
JPEG = "JPEG"
JPEG_RAW_OVER_B = "JPEG raw/B"
BINNING = "binning"
MEASUREMENT = "measurement"
REFERENCE = "reference"
UNCERTAINTY = "uncertainty"
CONSISTENCY = "consistency"


@dataclass(frozen=True)
class Role:
    """One kind of box.

    Attributes
    ----------
    codec
        Its name in the table of scores; None where it has no scores. The reconstruction's is the
        decoder of the run.
    tip
        What it shows, in one sentence.
    default
        Whether a comparison begins with it.
    per_block
        Whether it holds one picture for each measurement, not for each frame.
    like_frames
        Whether its values are detector units of a frame, so that it shares the contrast of the
        others.
    """

    codec: str | None
    tip: str
    default: bool = False
    per_block: bool = False
    like_frames: bool = True


ROLES: dict[str, Role] = {
    RAW: Role("raw", "Frames as recorded.", default=True),
    RECONSTRUCTION: Role(
        RECONSTRUCTION, "Frames that the decoder gives back from the measurements.", default=True
    ),
    JPEG: Role("jpeg_same_bytes", "JPEG at the real bytes of the compressed file.", default=True),
    MEASUREMENT: Role(
        None,
        "What a detector would store: Y over the number of exposures of each pixel.",
        default=True,
        per_block=True,
    ),
    JPEG_RAW_OVER_B: Role("jpeg_raw_over_B", "JPEG at 1/B of the raw bytes: the paper's rival."),
    BINNING: Role("binning", "Mean of the B frames of a block: the honest rival, blurs motion."),
    REFERENCE: Role(None, "What PSNR and SSIM are taken against."),
    UNCERTAINTY: Role(
        None,
        "Standard deviation that the decoder states for each pixel; too small on unfamiliar "
        "specimens.",
        like_frames=False,
    ),
    CONSISTENCY: Role(
        None,
        "(Y − ΦX̂) / σ_Y: where the reconstruction contradicts its measurement, in standard "
        "deviations.",
        per_block=True,
        like_frames=False,
    ),
}
"""By name, which is also that of the layer, in the order of the boxes."""

DEFAULT_ROLES = tuple(name for name, role in ROLES.items() if role.default)


def in_order(names: set[str] | list[str] | tuple[str, ...]) -> list[str]:
    """Return ``names`` in the order of the boxes."""
    return [name for name in ROLES if name in names]
