"""How long the structure of a scene lasts, as raw frames of it would tell."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..persistence import LAGS, detail_of, products_of, summarised, tiles_of
from ..reconstruction.unfolding import persistence_inputs
from .coding import uniform_number

_SIDE = 24  # [px] of tiles: crops are small
_UNKNOWN = 0.25  # share of movies of which nothing is told: files of before, single frames
_SHORT = 0.15  # share of movies of which too few frames were compared for the longest lags
_PIXELS = (1e5, 1e8)  # that are compared in a movie; that decides how exact the numbers are
_JITTER = 0.15  # of the logarithm: a crop is not the whole movie


def draw_persistence(truth: Tensor, noise: float, generator: torch.Generator) -> Tensor:
    """Return what the network is told of a scene (F,), on its device.

    Parameters
    ----------
    truth
        Clean frames (T, H, W), normalised.
    noise
        Variance of the noise of one raw frame in the same units.
    generator
        Says how exact the numbers are, and whether there are any.
    """
    if uniform_number(generator) < _UNKNOWN or len(truth) < 2:
        return truth.new_tensor(persistence_inputs(None, 1.0))
    frames = truth.float().cpu().numpy()
    detail = detail_of(tiles_of(frames, min(_SIDE, *frames.shape[1:])))
    products = products_of(detail)
    n_lags = sum(lag < len(frames) for lag in LAGS)
    if uniform_number(generator) < _SHORT:
        n_lags = 1 + int(n_lags * uniform_number(generator))
    variance = noise + float(np.square(detail).mean())
    low, high = _PIXELS
    error = variance / (low * (high / low) ** uniform_number(generator)) ** 0.5
    # The mean of n tiles in two halves of the movie shall have that error.
    scatter = error * (2 * products.shape[1]) ** 0.5
    products += scatter * _normal(products.shape, generator)
    products *= np.exp(_JITTER * _normal((1, 1, 1), generator))
    products[..., n_lags:] = products[..., n_lags - 1 : n_lags]  # as of a movie that lacks them
    return truth.new_tensor(persistence_inputs(summarised(products, error), 1.0))


def _normal(shape: tuple[int, ...], generator: torch.Generator) -> NDArray[np.float64]:
    drawn = torch.randn(shape, generator=generator, device=generator.device)
    return np.asarray(drawn.double().cpu())
