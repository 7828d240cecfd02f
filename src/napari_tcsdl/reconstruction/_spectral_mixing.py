"""Mixing in windows of Fourier space: where a lattice is a few numbers, and noise is many.

A convolution sees a lattice only through its few pixels. In a window of 32 × 32 pixels the same
lattice is a handful of coefficients, each the sum over a thousand pixels: what the measurement
tells of a frame is far above the noise there. A small network looks at the powers of all
coefficients, and answers with real weights by which the innovation and the neighbouring frames
enter each of them; phases are never touched, so it works at any position of the lattice.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

SIDE = 32
"""Of a window [px]."""

HOP = SIDE // 2
"""Between windows [px]; they lie at multiples of it from the corner of the frame."""

_REACH = 2  # frames before and after that may enter
_FRAMES_AT_ONCE = 8  # in inference
_FEATURES = 10
_HIDDEN = 16
_WINDOW_POWER = 0.25  # mean square of the window in two dimensions
_FLOOR = 0.05  # of powers in units of the noise
_LEAST_SIGMA = 0.02  # of the movie's standard deviation: a clean movie has no noise to compare with


class SpectralMixing(nn.Module):
    """Adds to each frame what its own and its neighbours' windows in Fourier space suggest."""

    def __init__(self) -> None:
        super().__init__()
        n_weights = 2 * (2 * _REACH + 1)
        self.first = nn.Linear(_FEATURES, _HIDDEN)
        self.second = nn.Linear(_HIDDEN, _HIDDEN)
        self.last = nn.Linear(_HIDDEN, n_weights)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)
        ramp = torch.sin(torch.pi * (torch.arange(SIDE) + 0.5) / SIDE)
        self.register_buffer("window", ramp[:, None] * ramp, persistent=False)
        radius = torch.hypot(torch.fft.fftfreq(SIDE)[:, None], torch.fft.rfftfreq(SIDE))
        self.register_buffer("radius", radius, persistent=False)

    window: Tensor
    radius: Tensor

    def forward(self, frames: Tensor, innovation: Tensor, sigma: Tensor, ratio: int) -> Tensor:
        """Return better frames.

        Parameters
        ----------
        frames
            Estimate (N, T, H, W), normalised.
        innovation
            Masked residual of the measurement, same shape.
        sigma
            Noise of Ȳ in each frame, same shape.
        ratio
            B.
        """
        if torch.is_grad_enabled():
            return self._mix(frames, innovation, sigma, ratio)
        n_frames = frames.shape[1]
        parts = []
        for start in range(0, n_frames, _FRAMES_AT_ONCE):  # coefficients take much memory
            before = min(start, _REACH)
            part = slice(start - before, start + _FRAMES_AT_ONCE + _REACH)
            mixed = self._mix(frames[:, part], innovation[:, part], sigma[:, part], ratio)
            parts.append(mixed[:, before : before + _FRAMES_AT_ONCE])
        return torch.cat(parts, 1)

    def _mix(self, frames: Tensor, innovation: Tensor, sigma: Tensor, ratio: int) -> Tensor:
        # Of B frames that share a pixel each gets 1/B of its residual.
        x, v = self._analyse(frames), self._analyse(ratio * innovation)
        level = self._local(sigma).clamp(min=_LEAST_SIGMA)[..., None, None]
        weights = self._weigh(x.detach(), v.detach(), level, ratio).movedim(-1, 0).unbind(0)
        change = torch.zeros_like(x)
        for index, gap in enumerate(range(-_REACH, _REACH + 1)):
            other = _later(x, gap) - x if gap else -x
            change = change + weights[2 * index] * _later(v, gap) + weights[2 * index + 1] * other
        return frames + self._synthesise(change, frames.shape)

    def _weigh(self, x: Tensor, v: Tensor, level: Tensor, ratio: int) -> Tensor:
        """Real weights of every coefficient (N, T, rows, columns, k, l, weights)."""
        noise = level.square() * _WINDOW_POWER
        noise_v = noise * (ratio * ratio / 2)  # masks open half of the pixels, about
        power_x, power_v = _power(x) / noise, _power(v) / noise_v
        together = _power(_mean_over_time(v)) / noise_v
        likeness = (v * x.conj()).real / (noise_v * noise * (1 + power_x)).sqrt()
        features = [
            _log(power_x),
            _log(_blurred(power_x)),
            _log(power_v),
            _log(_blurred(power_v)),
            _log(together),
            _log(_mean_over_time(power_v)),
            likeness.clamp(-4, 4),
            level.log().expand_as(power_x),
            self.radius.expand_as(power_x),
            torch.full_like(power_x, math.log2(ratio) / 5),
        ]
        stacked = torch.stack(features, -1)
        hidden = functional.leaky_relu(self.first(stacked), 0.1)
        hidden = functional.leaky_relu(self.second(hidden), 0.1)
        return self.last(hidden).float()  # type: ignore[no-any-return]

    def _local(self, sigma: Tensor) -> Tensor:
        """Mean over each window, (N, T, rows, columns)."""
        padded = functional.pad(sigma, _padding(sigma.shape), mode="replicate")
        return functional.avg_pool2d(padded, SIDE, HOP)

    def _analyse(self, frames: Tensor) -> Tensor:
        """(N, T, H, W) → coefficients (N, T, rows, columns, SIDE, SIDE // 2 + 1)."""
        padded = functional.pad(frames, _padding(frames.shape), mode="replicate")
        windows = padded.unfold(-2, SIDE, HOP).unfold(-2, SIDE, HOP)
        spectra: Tensor = torch.fft.rfft2(windows * self.window, norm="ortho")
        return spectra

    def _synthesise(self, spectra: Tensor, shape: torch.Size) -> Tensor:
        """Undo :meth:`_analyse`: overlapping windows add up to one.

        Except near the edges of the frame, where the last window fades alone.
        """
        windows = torch.fft.irfft2(spectra, (SIDE, SIDE), norm="ortho") * self.window
        rows: Tensor = functional.pad(windows[..., :HOP, :], (0, 0, 0, 0, 0, 0, 0, 1))
        rows = rows + functional.pad(windows[..., HOP:, :], (0, 0, 0, 0, 0, 0, 1, 0))
        both = functional.pad(rows[..., :HOP], (0, 0, 0, 0, 0, 1))
        both = both + functional.pad(rows[..., HOP:], (0, 0, 0, 0, 1, 0))
        frames = both.transpose(-3, -2).flatten(-4, -3).flatten(-2)
        return frames[..., : shape[-2], : shape[-1]]


def _padding(shape: torch.Size) -> tuple[int, int, int, int]:
    """Rows and columns that are missing at the end to a whole number of windows."""
    height, width = shape[-2:]
    return (0, max(-width % HOP, SIDE - width), 0, max(-height % HOP, SIDE - height))


def _later(spectra: Tensor, gap: int) -> Tensor:
    """Coefficients of the frame ``gap`` later; at the ends those of the last there is."""
    n_frames = spectra.shape[1]
    numbers = torch.arange(n_frames, device=spectra.device).add(gap).clamp(0, n_frames - 1)
    return spectra[:, numbers] if gap else spectra


def _mean_over_time(values: Tensor) -> Tensor:
    parts = [_later(values, gap) for gap in range(-_REACH, _REACH + 1)]
    return torch.stack(parts).mean(0)


def _power(spectra: Tensor) -> Tensor:
    return spectra.real.square() + spectra.imag.square()


def _blurred(power: Tensor) -> Tensor:
    """Mean over neighbouring coefficients."""
    flat = power.flatten(0, 3)[:, None]
    blurred = functional.avg_pool2d(flat, 3, 1, 1, count_include_pad=False)
    return blurred.reshape(power.shape)


def _log(power: Tensor) -> Tensor:
    return (power + _FLOOR).log()
