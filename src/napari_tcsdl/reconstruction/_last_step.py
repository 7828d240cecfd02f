"""The network's last step: what the measurement still says, dealt out by how sure each frame is.

With P the variances that the estimate states (diagonal) and R the variance of the noise of Y, the
linear estimate of least variance is x̂ + P Φᵀ (Φ P Φᵀ + R)⁻¹ (Y − Φx̂), and its variances are the
diagonal of P − P Φᵀ (Φ P Φᵀ + R)⁻¹ Φ P (Kalman, 1960). Φ P Φᵀ is diagonal, too: each pixel is a
division.

Of a neighbour that is decoded in part Y is of all its frames, so that the step is not exact there.
These frames are not wanted; they only tell where a seam is (:mod:`._seams`).

Where the network did well this changes next to nothing. Where it did not (a dose far above those it
knows, a last block of one frame, which is its own measurement), the estimate cannot be much worse
than what was measured.

References
----------
R. E. Kalman, "A new approach to linear filtering and prediction problems", J. Basic Eng. 82 (1960)
35-45, doi 10.1115/1.3662552.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

if TYPE_CHECKING:
    from ._unfolding_net import CodedSequence

_TINY = 1e-12  # of normalised Y: where no mask opens a pixel nothing is divided by nothing
_LEAST_LEFT = 1e-4  # of a variance: the log of nothing is not a number


def last_step(coded: CodedSequence, frames: Tensor, log_sigma: Tensor) -> tuple[Tensor, Tensor]:
    """Return better frames, and the log of their deviation, both (N, T, H, W).

    Parameters
    ----------
    coded
        Masks, Ȳ and its noise.
    frames
        x̂ (N, T, H, W), normalised.
    log_sigma
        Log of its standard deviation. The frames teach it nothing: no gradient passes.
    """
    variance = (2 * log_sigma.detach()).exp()
    exposures = coded.summed(coded.masks).clamp(min=1)
    noise = (exposures * coded.per_frame(coded.sigma)).square()
    expected = coded.summed(coded.masks * variance) + noise  # variance of Y − Φx̂
    gain = variance / expected.clamp(min=_TINY)
    left = (1 - coded.masks * gain).clamp(min=_LEAST_LEFT)
    return frames + gain * exposures * coded.residual(frames), log_sigma + left.log() / 2
