"""Where an estimate contradicts its measurement: (Y − ΦX̂) over its expected noise."""

from __future__ import annotations

import torch
from torch import Tensor

from ._validation import InputError
from .measurement import Phi
from .noise import NoiseModel

_DARKEST = 0.01  # of the variance at the movie's mean: what a pixel of an estimate has at least


def consistency(y: Tensor, phi: Phi, frames: Tensor, noise: NoiseModel) -> Tensor:
    """Residual of the measurement in standard deviations of its noise, (…, H, W).

    Parameters
    ----------
    y
        Measurement Y (…, H, W) [detector units].
    phi
        Its forward operator.
    frames
        The estimate X̂ (…, B, H, W) [detector units].
    noise
        Of one frame. σ_Y² = Σ_b C_b · variance(X̂_b): the noise of the frames that a pixel saw
        adds up.

    Returns
    -------
    Tensor
        (Y − ΦX̂) / σ_Y: mean 0 and variance 1 for the true frames, less for an estimate that was
        fitted to Y, large in size where X̂ cannot be what was measured; 0 where no mask opens.
        Where X̂ is next to nothing, or below, its noise counts as a tenth of that at the movie's
        mean (if ``noise`` knows it): one electron there is not thousands of deviations.

    Raises
    ------
    InputError
        If the shapes do not fit each other.

    Notes
    -----
    It sees Σ_b C_b ⊙ X̂_b only. Frames of a block that were swapped where their masks agree stay
    unnoticed.

    Examples
    --------
    >>> phi = Phi(torch.ones(4, 1, 2))
    >>> frames = torch.full((4, 1, 2), 25.0)
    >>> consistency(torch.tensor([[100.0, 130.0]]), phi, frames, NoiseModel(1.0, 0.0)).tolist()
    [[0.0, 3.0]]
    """
    measured = phi(frames)
    if y.shape != measured.shape:
        raise InputError(
            f"got a measurement of {tuple(y.shape)}, expected {tuple(measured.shape)} as the "
            "frames have; give the measurement of these frames"
        )
    expected = noise.variance(frames)
    if noise.mean is not None:
        expected = expected.clamp(min=_DARKEST * noise.variance(noise.mean))
    variance = phi(expected)
    # A clean movie has no noise but that of rounding; it must not become 0 / 0.
    rounding = torch.finfo(y.dtype).eps * measured.abs().amax().clamp(min=1)
    residual: Tensor = (y - measured) / variance.sqrt().clamp(min=rounding)
    return residual * (phi.mask_sum > 0)
