"""Which network :mod:`.bidirectional` uses: stored as JSON beside its weights."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, Self, get_args

from .._validation import InputError

Variant = Literal["paper", "released"]
FirstFrame = Literal["cnn", "gap_tv"]
Units = Literal["spread", "range"]


@dataclass(frozen=True)
class BidirectionalConfig:
    """Which network; stored with its weights.

    Attributes
    ----------
    variant
        ``paper``: the backward pass subtracts the forward frames (Eq. 4), attention as published.
        ``released``: it subtracts Ȳ as the forward pass does, and attention is normalised over the
        queries; that is what the authors' code computes.
    width
        Multiplies the published channel counts.
    first_frame
        ``cnn``: as published. ``gap_tv``: the first frame is given, by total variation, and the
        network has no CNN for it.
    largest_ratio
        Of ``cnn``: the largest B it has inputs for; shorter blocks leave some of them zero.
    attention
        Of ``cnn``: False leaves the self-attention out.
    attention_window
        Side [px of frames at half resolution] up to which frames are attended to as a whole, cut
        into windows of at most this above; 0: always as a whole. 128 is the published 256² field.
    units
        ``spread``: frames less their mean, over the standard deviation of Ȳ. ``range``: frames
        from 0 to 1 over the movie's value range, closest to the paper's.

    Raises
    ------
    InputError
        For a value that is none of these.
    """

    variant: Variant = "paper"
    width: float = 1.0
    first_frame: FirstFrame = "cnn"
    largest_ratio: int = 10
    attention: bool = True
    attention_window: int = 128
    units: Units = "spread"

    def __post_init__(self) -> None:
        for name, known in (("variant", Variant), ("first_frame", FirstFrame), ("units", Units)):
            if getattr(self, name) not in get_args(known):
                raise InputError(
                    f"got {name} {getattr(self, name)!r}, expected one of "
                    f"{', '.join(get_args(known))}; choose one of these"
                )
        for name, least in (("width", 0.02), ("largest_ratio", 1), ("attention_window", 0)):
            if not getattr(self, name) >= least:
                raise InputError(
                    f"got {name} = {getattr(self, name)}, expected at least {least}; "
                    "leave it out for the default"
                )

    def to_json(self) -> dict[str, Any]:
        """As plain JSON types."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """Undo :meth:`to_json`.

        Raises
        ------
        InputError
            For a name that this version does not know.
        """
        unknown = sorted(set(values) - {field.name for field in fields(cls)})
        if unknown:
            raise InputError(
                f"got {', '.join(unknown)} in the configuration of a bidirectional network, "
                f"expected {', '.join(field.name for field in fields(cls))}; "
                "use the version of napari-tcsdl that wrote it"
            )
        return cls(**values)
