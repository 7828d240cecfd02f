"""How long the structure of a scene lasts, as raw frames of its movie would tell.

What is measured on a crop is not what is measured on the movie: a crop of a crystal has no quiet
quarter, and one of the ground nothing else. So a crop tells of its movie where there is one, and
where its window stayed; other scenes tell of themselves.
"""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..persistence import LAGS, SIDE, detail_of, products_of, summarised, tiles_of
from ..reconstruction.unfolding import persistence_inputs
from .coding import uniform_number

_SIDE = 24  # [px] of tiles: crops are small
_UNKNOWN = 0.25  # share of movies of which nothing is told: files of before, single frames
_SHORT = 0.15  # share of movies of which too few frames were compared for the longest lags
_PIXELS = (1e5, 1e8)  # that are compared in a movie; that decides how exact the numbers are
_JITTER = 0.15  # of the logarithm: blur and magnification act on detail of each size differently
_PATTERN = 0.975  # of the variance of a white pattern is detail; the rest is in its local mean
_LEAST_POWER = 1e-6  # of intensities: less is how stored movies are rounded
_LEAST_SHOWN = 0.1  # of a pattern's variance: less of a scene is not told from it


class Whole(NamedTuple):
    """Of the movie that a scene was cut from: what its frames have in common some time later.

    Attributes
    ----------
    products
        (2, n, lags) of its tiles, as :func:`napari_tcsdl.persistence.products_of` gives them.
    power
        Mean square of the detail of the crop as it was cut, in the same units.
    """

    products: NDArray[np.float64]
    power: float

    @classmethod
    def of(cls, products: NDArray[np.float64], cut: NDArray[np.floating]) -> Self:
        """Of a crop ``cut`` (T, H, W) from the movie that has these products."""
        return cls(products, _power(_detail(cut.astype(np.float32), _SIDE)))


def whole_products(movie: NDArray[np.floating]) -> NDArray[np.float64]:
    """:attr:`Whole.products` of a clean movie (T ≥ 2, H, W)."""
    products = products_of(_detail(movie.astype(np.float32), SIDE))
    n_lags = sum(lag < len(movie) for lag in LAGS)
    products[..., n_lags:] = products[..., n_lags - 1 : n_lags]
    return products


def draw_persistence(
    truth: Tensor,
    noise: float,
    generator: torch.Generator,
    whole: Whole | None = None,
    fixed: float = 0.0,
) -> Tensor:
    """Return what the network is told of a scene (F,), on its device.

    Parameters
    ----------
    truth
        Clean frames (T, H, W), normalised; all that were cut.
    noise
        Variance of the noise of one raw frame in the same units.
    generator
        Says how exact the numbers are, and whether there are any.
    whole
        Of the movie that the scene was cut from; None to tell what the scene itself shows.
    fixed
        Variance of the detector's own pattern in ``truth``, the same everywhere and in all frames.
    """
    if uniform_number(generator) < _UNKNOWN or len(truth) < 2:
        return truth.new_tensor(persistence_inputs(None, 1.0))
    detail = _detail(truth.float().cpu().numpy(), _SIDE)
    variance, pattern = _power(detail), _PATTERN * fixed
    products, n_lags = products_of(detail), sum(lag < len(truth) for lag in LAGS)
    shown = variance - pattern
    if whole is not None and whole.power > _LEAST_POWER and shown > _LEAST_SHOWN * pattern:
        # Contrast and gain of the crop are in its own detail, and about so blur and magnification.
        products, n_lags = shown / whole.power * whole.products + pattern, len(LAGS)
        variance = float(products[..., 0].mean())
    if uniform_number(generator) < _SHORT:
        n_lags = 1 + int(n_lags * uniform_number(generator))
    low, high = _PIXELS
    error = (noise + variance) / (low * (high / low) ** uniform_number(generator)) ** 0.5
    # The mean of n tiles in two halves of the movie shall have that error.
    scatter = error * (2 * products.shape[1]) ** 0.5
    products += scatter * _normal(products.shape, generator)
    products *= np.exp(_JITTER * _normal((1, 1, 1), generator))
    products[..., n_lags:] = products[..., n_lags - 1 : n_lags]  # as of a movie that lacks them
    return truth.new_tensor(persistence_inputs(summarised(products, error), 1.0))


def _detail(frames: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """Detail (n, T, S, S) of frames (T, H, W) in tiles of ``side``, or smaller frames."""
    return detail_of(tiles_of(frames, min(side, *frames.shape[1:])))


def _power(detail: NDArray[np.float32]) -> float:
    return float(np.square(detail).mean())


def _normal(shape: tuple[int, ...], generator: torch.Generator) -> NDArray[np.float64]:
    drawn = torch.randn(shape, generator=generator, device=generator.device)
    return np.asarray(drawn.double().cpu())
