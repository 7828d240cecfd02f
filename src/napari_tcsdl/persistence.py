"""How long a movie's structure lasts: what frames have in common with frames some time later.

A measurement Y = Σ C ⊙ X tells what the sum of its frames holds, but hardly what of it stayed: a
grain that is new in every frame leaves the same trace as noise. Raw frames tell it, and without
knowing the noise: that of different frames is independent, so the mean product of two frames is the
covariance of what they show. A few such numbers, taken while the raw frames are there, tell the
decoder what nothing in Y can, and how sure it may be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

from ._validation import InputError, finite_numbers
from .movie import Movie

LAGS = (1, 2, 4, 8, 16)
"""[frames] after which two frames are compared."""

SMOOTH = 9
"""[px] Side of the mean that is taken off: what is larger any decoder sees."""

SIDE = 32
"""[px] Side of the tiles among which quiet ones are looked for; smaller frames are one tile."""

_QUIET = 4  # one tile in so many is taken to be quiet
_DARK = 0.1  # of the median of tiles, of variance and of change: less is hardly exposed
_CUT, _MOST, _EVERY = 2.0, 0.99, 4  # times what 99 % of every fourth frame's values keep to
_RUNS, _RUN = 3, 32  # runs of frames that are read, and their length
_MOST_PIXELS, _MOST_TILES = 2**28, 256
_AT_ONCE = 32  # tiles whose detail is held at a time


@dataclass(frozen=True)
class Persistence:
    """Covariance of the detail of frames with that of frames some time later.

    Detail is what stands out from the mean of 9 × 9 px.

    Attributes
    ----------
    whole
        Mean over the frame, less what is hardly exposed, for each of :data:`LAGS`
        [detector units²].
    quiet
        The same where least is to be seen: the quarter of the tiles that holds least, each half of
        the movie judged by the other one. Who picks tiles by the very values that are then averaged
        picks chance.
    error
        Standard error of the first of ``whole`` from the variance and the number of pixels, as if
        these were independent [detector units²]. Noise that pixels share makes the true one larger:
        1.2 times of integrating detectors, 1.6 times of scintillators.
    """

    whole: tuple[float, ...]
    quiet: tuple[float, ...]
    error: float

    def thinned(self, fraction: float) -> Persistence:
        """Of ``fraction`` of the signal, as :func:`napari_tcsdl.thinning.thin` keeps it."""
        square = fraction**2
        whole, quiet = (tuple(square * v for v in values) for values in (self.whole, self.quiet))
        return Persistence(whole, quiet, square * self.error)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON types."""
        return {**asdict(self), "whole": list(self.whole), "quiet": list(self.quiet)}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """Undo :meth:`to_json`.

        Raises
        ------
        ValueError, KeyError, TypeError, OverflowError
            For anything but as many finite numbers as there are lags, and an error ≥ 0.
        """
        whole, quiet = (finite_numbers(values[name], len(LAGS)) for name in ("whole", "quiet"))
        (error,) = finite_numbers([values["error"]], 1)
        if error < 0:
            raise ValueError(f"a standard error of {error:g}")
        return cls(whole, quiet, error)


def measure_persistence(runs: Sequence[NDArray[Any]]) -> Persistence:
    """Measure it on runs of consecutive frames.

    Parameters
    ----------
    runs
        At least one: (n, T, S, S), the same n tiles of T ≥ 2 frames, detector units.

    Returns
    -------
    Persistence
        Lags for which no run is long enough are given the covariance of the longest measured one.
    """
    found, variances, pairs = [], [], 0
    for tiles in runs:
        products, squares = _compared(tiles)
        found.append(products)
        variances.append(squares)
        pairs += (tiles.shape[1] - 1) * tiles[0, 0].size
    products, variance = _filled(np.stack(found)), np.mean(variances, axis=0)
    # What no electron hits, or is blank after drift correction, is no quiet place of the specimen:
    # nothing is there, and nothing changes. A quiet place of a raw movie changes by its noise.
    changes = variance - products[..., 0].mean(0)
    seen = (variance >= _DARK * np.median(variance)) | (changes > _DARK * np.median(changes))
    error = float(variance[seen].mean()) / float(seen.sum() * pairs) ** 0.5
    told = summarised(products[:, seen], error)
    if max(tiles.shape[1] for tiles in runs) == 2:  # one pair cannot both judge and be judged
        told = replace(told, quiet=told.whole)
    return told


def _compared(tiles: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Products (2, n, lags) and variances (n,) of the detail of a run (n, T, S, S), in parts."""
    least = _least_step(tiles)
    products, variances = [], []
    for part in np.array_split(tiles, -(-len(tiles) // _AT_ONCE)):
        detail = detail_of(_without_hot_pixels(part, least))
        products.append(products_of(detail))
        squares = np.einsum("ntyx,ntyx->n", detail, detail, dtype=np.float64)
        variances.append(squares / detail[0].size)
    return np.concatenate(products, axis=1), np.concatenate(variances)


def _least_step(tiles: NDArray[Any]) -> float:
    """Return by how much values differ from the median of their tile, if they do: one electron."""
    looked_at = tiles[:, ::_EVERY].reshape(len(tiles), -1)
    away = np.abs(looked_at - np.median(looked_at, axis=1, keepdims=True))
    return float(np.min(away, initial=np.inf, where=away > 0)) if away.any() else 0.0


def _without_hot_pixels(tiles: NDArray[Any], least: float) -> NDArray[np.float32]:
    """Cut what stands out from its tile more than noise or a lattice do; (n, T, S, S).

    ``least`` always stays: where few pixels are hit, 99 % of them are empty.
    """
    values = tiles.astype(np.float32)
    looked_at = values[:, ::_EVERY].reshape(len(values), -1)
    middle = np.median(looked_at, axis=1, keepdims=True)
    most = np.quantile(np.abs(looked_at - middle), _MOST, axis=1)
    reach = _CUT * np.maximum(most, least).astype(np.float32)
    low, high = (end.reshape(-1, 1, 1, 1) for end in (middle[:, 0] - reach, middle[:, 0] + reach))
    return np.clip(values, low, high, out=values)


def _filled(products: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean (2, n, lags) of runs (runs, 2, n, lags); long lags that none has are as the last one."""
    known = np.isfinite(products)
    counts = known.sum(0)
    means: NDArray[np.float64] = np.where(known, products, 0).sum(0) / np.maximum(counts, 1)
    n_lags = int((counts > 0).all((0, 1)).sum())
    means[..., n_lags:] = means[..., n_lags - 1 : n_lags]
    return means


def summarised(products: NDArray[np.float64], error: float) -> Persistence:
    """Average over the frame and over its quiet tiles.

    Parameters
    ----------
    products
        (2, n, lags) of either half of the movie, as :func:`products_of` gives them, without NaN.
    error
        As in :class:`Persistence`.
    """
    count = max(1, products.shape[1] // _QUIET)
    quiet = [
        judged[np.argsort(judge[:, 0])[:count]].mean(0)
        for judge, judged in ((products[0], products[1]), (products[1], products[0]))
    ]
    whole = products.mean((0, 1))
    return Persistence(tuple(whole.tolist()), tuple(np.mean(quiet, 0).tolist()), error)


def detail_of(tiles: NDArray[Any]) -> NDArray[np.float32]:
    """Take the mean of the neighbourhood off frames (…, H, W)."""
    values = tiles.astype(np.float32)
    size = min(SMOOTH, *tiles.shape[-2:])
    mean = uniform_filter1d(uniform_filter1d(values, size, axis=-1), size, axis=-2)
    detail: NDArray[np.float32] = values - mean
    return detail


def products_of(detail: NDArray[np.float32]) -> NDArray[np.float64]:
    """Multiply frames some time apart, pixel by pixel.

    Parameters
    ----------
    detail
        (n, T, S, S): n tiles of T frames, detector units.

    Returns
    -------
    ndarray
        Mean products (2, n, lags) of either half of the movie [detector units²]; NaN for lags that
        none of its frames have.
    """
    n_tiles, n_frames = detail.shape[:2]
    found = np.full((2, n_tiles, len(LAGS)), np.nan)
    for place, lag in enumerate(LAGS):
        if lag >= n_frames:
            break
        each = np.einsum("ntyx,ntyx->nt", detail[:, :-lag], detail[:, lag:], dtype=np.float64)
        middle = each.shape[1] // 2
        for half, part in enumerate((each[:, :middle], each[:, middle:])):
            if part.shape[1]:
                found[half, :, place] = part.mean(1)
    found /= detail[0, 0].size
    found[0] = np.where(np.isnan(found[0]), found[1], found[0])  # a single pair is in both
    return found


def tiles_of(frames: NDArray[Any], side: int = SIDE, most: int | None = None) -> NDArray[Any]:
    """Cut frames (T, H, W) into tiles (n, T, side, side); what is left at the edges is left out.

    Of more than ``most`` tiles so many are kept, in rows and columns spread over the frame.
    """
    n_frames, height, width = frames.shape
    rows, columns = max(height // side, 1), max(width // side, 1)
    high, wide = min(side, height), min(side, width)
    cut = frames[:, : rows * high, : columns * wide]
    grid = cut.reshape(n_frames, rows, high, columns, wide)
    if most is not None and rows * columns > most:
        kept_rows = min(rows, max(round(most**0.5), most // columns))
        kept_columns = min(columns, most // kept_rows)
        grid = grid[:, _spread(rows, kept_rows)][:, :, :, _spread(columns, kept_columns)]
        rows, columns = kept_rows, kept_columns
    return grid.transpose(1, 3, 0, 2, 4).reshape(rows * columns, n_frames, high, wide)


def _spread(count: int, kept: int) -> NDArray[np.intp]:
    """``kept`` of ``count`` places, each in the middle of its share."""
    return ((np.arange(kept) + 0.5) * count / kept).astype(np.intp)


def persistence_of(movie: Movie) -> Persistence | None:
    """Measure it on a bounded sample of a movie of any size: runs of frames, tiles of each.

    Up to 96 frames are read as one run, of longer movies three runs of 32, spread over it. Of
    frames so large that this would be more than 2²⁸ pixels, one shorter run is read from the middle
    of the movie, long enough for the longest lag. At most 256 tiles of each frame are kept.

    Returns
    -------
    Persistence or None
        None where every run holds a frame that cannot be used. Which one is told where it is
        encoded: the frames before it must not be lost.
    """
    n_frames, height, width = movie.shape
    readable = int(np.clip(_MOST_PIXELS // (height * width), LAGS[-1] + 1, _RUNS * _RUN))
    length = n_frames if n_frames <= readable else min(readable, _RUN)
    count = max(1, min(readable, n_frames) // length)
    ends = (0, n_frames - length) if count > 1 else ((n_frames - length) // 2,) * 2
    starts = np.linspace(*ends, count).astype(int).tolist()
    found = [_tiles_of_run(movie, range(start, start + length)) for start in starts]
    usable = [tiles for tiles in found if tiles is not None]
    return measure_persistence(usable) if usable else None


def _tiles_of_run(movie: Movie, frames: range) -> NDArray[Any] | None:
    """Tiles (n, T, S, S); frames are read one by one, so that only tiles are held."""
    kept = []
    for index in frames:
        try:
            frame = movie.read(index, index + 1)
        except InputError:
            return None
        # Contiguous, in memory of their own: the frame is let go.
        kept.append(np.array(tiles_of(frame, most=_MOST_TILES)))
    return np.concatenate(kept, axis=1)
