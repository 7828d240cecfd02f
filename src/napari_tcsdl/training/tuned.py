"""What fine-tuning came to: weights, the networks before and after, and one honest sentence."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import nn

from ..reconstruction.checkpoint import Checkpoint
from .thinned import RawMovie


@dataclass(frozen=True, eq=False)
class Tuned:
    """What fine-tuning came to.

    Attributes
    ----------
    checkpoint
        The better weights; those of the start if nothing got better.
    improved
        Whether anything did.
    errors
        On the held-out frames, before and after: mean squared error, the noise of the target
        taken off, about in units of the movie's variance.
    history
        Rows of step and that error, one for each look.
    before, after
        Networks with the weights of the start and with those of ``checkpoint``.
    raw
        The movie and its noise.
    held_out
        Frames that were held out.
    """

    checkpoint: Checkpoint
    improved: bool
    errors: tuple[float, float]
    history: list[dict[str, float]]
    before: nn.Module
    after: nn.Module
    raw: RawMovie
    held_out: range

    @property
    def decibels(self) -> float | None:
        """How much the error fell [dB]; None where it is too small to be known.

        An estimate of the noise that is a little too high makes small errors negative.
        """
        before, after = self.errors
        return 10 * math.log10(before / after) if min(before, after) > 0 else None

    def sentence(self) -> str:
        """Say what came of it."""
        before, after = self.errors
        steps = int(self.history[-1]["step"])
        if not self.improved:
            return (
                f"{steps} steps on {self.raw.movie.name} made nothing better on its held-out "
                "frames: the weights are those of the start"
            )
        known = self.decibels is not None
        which = f", from {before:.4g} to {after:.4g}" if known else ""
        decibel = f" ({self.decibels:.2f} dB)" if known else ""
        return (
            f"{steps} steps on {self.raw.movie.name} lowered the squared error on its held-out "
            f"frames by {before - after:.3g} of the movie's variance{which}{decibel}"
        )
