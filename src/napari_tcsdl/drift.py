"""Where the specimen lies in each frame: the drift of the whole field.

A specimen that drifts by a pixel a frame is another one to whoever looks at one pixel for ten
frames. Told where it is, a decoder looks where it went. Raw frames tell it: each is laid over the
mean of those before it, where it fits best.

How well it fits at each place is the logarithm of a likelihood: the product of both, smoothed, over
the power of the noise. To that comes what is known beforehand, that steps are short. Where frames
show much they decide alone; along a straight edge, or under noise, the shortest step is the one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.ndimage import gaussian_filter

_SIDE = 1024  # [px] of larger frames
_SMOOTH = 1.2  # [px] standard deviation of what is smoothed away: little but noise
_LARGE = 16.0  # [px] the same of what is taken off: shadows and the beam stay where they are
_FARTHEST = 48  # [px] step that is looked for
_USUAL = 1.0  # [px] standard deviation of steps, as far as nothing is seen
_JUMP = 12.0  # log-likelihood ratio that a jump to anywhere needs
_MEMORY = 0.85  # of the mean of the frames before, from one frame to the next
_NOISY = 0.4  # [1/px] frequencies above tell the noise
_LAGS, _HOT, _EVERY = (1, 2, 4, 8), 0.5, 4  # frames; percent; values
_LEAST_NOISE = 1e-4  # of the mean power: clean frames


class Follower:
    """Follows the specimen through frames of one shape, one after the other.

    Parameters
    ----------
    shape
        (H, W) [px]. Of larger frames the middle is followed, 1024 × 1024 px.
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        self._middle = middle_of(shape)
        self.shape = height, width = min(shape[0], _SIDE), min(shape[1], _SIDE)
        self._window = np.multiply.outer(np.hanning(height), np.hanning(width)).astype(np.float32)
        self._energy = float(np.square(self._window).sum())
        self._rows, self._columns = fft.fftfreq(height)[:, None], fft.rfftfreq(width)
        squares = self._rows**2 + self._columns**2
        blurs = [np.exp(-2 * np.pi**2 * size**2 * squares) for size in (_SMOOTH, _LARGE)]
        self._band = (blurs[0] - blurs[1]).astype(np.float32)
        self._fine = squares > _NOISY**2
        self._reach = [min(_FARTHEST, side // 3) for side in self.shape]
        steps = [np.arange(-reach, reach + 1) for reach in self._reach]
        squares = np.add.outer(*(step.astype(float) ** 2 for step in steps))
        self._unlikely = np.minimum(squares / (2 * _USUAL**2), _JUMP)
        self._mean: NDArray[np.complex128] | None = None
        self._weight = self._squares = 0.0
        self.position = (0.0, 0.0)
        """(y, x) [px] of the specimen in the latest frame, from where it was in the first."""

    def follow(self, frame: NDArray[np.generic]) -> tuple[float, float]:
        """Return :attr:`position` in the next frame (H, W)."""
        values = _without_hot_pixels(frame[self._middle])
        spectrum = fft.rfft2((values - values.mean()) * self._window)
        power = np.square(np.abs(spectrum))
        fine = float(power[self._fine].mean()) if self._fine.any() else 0.0
        noise = max(fine, _LEAST_NOISE * float(power.mean()))
        if self._mean is None:
            self._mean = np.zeros(spectrum.shape, np.complex128)
        elif noise > 0:
            expected = self._mean / self._weight * self._shift(self.position)
            shown = self._shown(expected, noise * self._squares / self._weight**2)
            fit = fft.irfft2(spectrum * expected.conj() * self._band, self.shape)
            step = self._best(fit * (shown * self._energy / noise))
            self.position = (self.position[0] + step[0], self.position[1] + step[1])
        y, x = self.position
        self._mean = _MEMORY * self._mean + spectrum * self._shift((-y, -x))
        self._weight = _MEMORY * self._weight + 1
        self._squares = _MEMORY**2 * self._squares + 1
        return self.position

    def _shown(self, mean: NDArray[np.complex128], noise: float) -> float:
        """Share of the power of the mean of frames that is not its own noise."""
        power = float(np.sum(self._band * np.square(np.abs(mean))))
        return max(0.0, 1 - noise * float(self._band.sum()) / power) if power > 0 else 0.0

    def _shift(self, by: tuple[float, float]) -> NDArray[np.complex128]:
        rows, columns = (
            np.exp(-2j * np.pi * frequencies.ravel() * distance)
            for frequencies, distance in zip((self._rows, self._columns), by, strict=True)
        )
        turns: NDArray[np.complex128] = np.multiply.outer(rows, columns)
        return turns

    def _best(self, fit: NDArray[np.float64]) -> tuple[float, float]:
        """Place (y, x) of the most likely step of a log-likelihood in FFT layout."""
        near = fit[np.ix_(*[np.arange(-r, r + 1) for r in self._reach])] - self._unlikely
        y, x = (int(p) for p in np.unravel_index(int(near.argmax()), near.shape))
        rows, columns = near.shape
        if not (0 < y < rows - 1 and 0 < x < columns - 1):
            return 0.0, 0.0
        fine = (_vertex(near[y - 1 : y + 2, x]), _vertex(near[y, x - 1 : x + 2]))
        return y - self._reach[0] + fine[0], x - self._reach[1] + fine[1]


def _without_hot_pixels(frames: NDArray[np.generic]) -> NDArray[np.float32]:
    """Cut the brightest and the darkest values: hot pixels stay where they are."""
    values = frames.astype(np.float32)
    limits = np.percentile(values.ravel()[::_EVERY], (_HOT, 100 - _HOT))
    if limits[0] == limits[1]:  # few pixels are hit at all
        return values
    return np.clip(values, *limits, out=values)


def _vertex(three: NDArray[np.float64]) -> float:
    """Place of the maximum of a parabola through values at −1, 0 and 1."""
    low, middle, high = (float(value) for value in three)
    bend = low - 2 * middle + high
    return 0.5 * (low - high) / bend if bend < 0 else 0.0


def middle_of(shape: tuple[int, int]) -> tuple[slice, slice]:
    """Rows and columns of frames (H, W) that are looked at: 1024 × 1024 px at most."""
    sides = [min(side, _SIDE) for side in shape]
    (top, height), (left, width) = (
        ((side - part) // 2, part) for side, part in zip(shape, sides, strict=True)
    )
    return slice(top, top + height), slice(left, left + width)


def positions_of(frames: NDArray[np.generic]) -> NDArray[np.float64]:
    """Return (T, 2), where the specimen lies in frames (T, H, W) [px], from where it was first."""
    follower = Follower(frames.shape[1:])
    return np.array([follower.follow(frame) for frame in frames])


def in_common(
    detail: NDArray[np.float32], positions: NDArray[np.float64], lag: int
) -> tuple[float, float]:
    """Mean product of frames ``lag`` apart, as they lie and laid over one another.

    Of different frames noise has no part in it: it is the covariance of what they show.

    Parameters
    ----------
    detail
        Frames (T, H, W) without their local mean.
    positions
        Where the specimen lies in each (T, 2) [px].
    lag
        1 … T − 1 frames.

    Returns
    -------
    tuple of float
        Mean over the pixels that both frames hold, the same for either number.
    """
    still = followed = 0.0
    n_pixels = 0
    for index in range(len(detail) - lag):
        moved = positions[index + lag] - positions[index]
        there = [slice(max(step, 0), side + min(step, 0)) for step, side in _steps(moved, detail)]
        here = [slice(max(-step, 0), side - max(step, 0)) for step, side in _steps(moved, detail)]
        first, second = detail[index], detail[index + lag]
        part = first[here[0], here[1]]
        followed += float(np.vdot(part, second[there[0], there[1]]))
        still += float(np.vdot(part, second[here[0], here[1]]))
        n_pixels += part.size
    return still / max(n_pixels, 1), followed / max(n_pixels, 1)


def _steps(moved: NDArray[np.float64], detail: NDArray[np.float32]) -> list[tuple[int, int]]:
    """Whole pixels of a step, none beyond the frame, and the sides of frames."""
    height, width = detail.shape[1:]
    steps = np.clip(np.rint(moved).astype(int), (-height, -width), (height, width)).tolist()
    return list(zip(steps, (height, width), strict=True))


def is_worth_following(frames: NDArray[np.generic]) -> bool:
    """Whether raw frames (T, H, W) have more in common where the specimen went than as they lie.

    Where parts of it move each in its own way they have less, and where most of what is seen
    is the detector's own pattern.
    """
    positions = positions_of(frames)
    if not np.rint(positions).any():
        return False
    values = _without_hot_pixels(frames)
    detail = np.stack([gaussian_filter(x, _SMOOTH) - gaussian_filter(x, _LARGE) for x in values])
    pairs = [in_common(detail, positions, lag) for lag in _LAGS if lag < len(frames)]
    still, followed = np.sum(pairs, axis=0)
    return bool(followed > still)


def offsets_of(positions: NDArray[np.float64], most: int) -> NDArray[np.int32]:
    """Round positions (T, 2) to offsets of ``most`` px at most, on either side of a middle.

    A specimen that goes farther is followed in stretches, each with a middle of its own, as long as
    they can be.
    """
    offsets = np.zeros(positions.shape, np.int32)
    start = 0
    for stop in range(1, len(positions) + 1):
        if stop < len(positions) and np.ptp(positions[start : stop + 1], axis=0).max() <= 2 * most:
            continue
        stretch = positions[start:stop]
        middle = np.floor((stretch.min(0) + stretch.max(0)) / 2)
        offsets[start:stop] = np.rint(stretch - middle)
        start = stop
    return offsets
