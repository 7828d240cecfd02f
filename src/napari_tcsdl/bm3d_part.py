"""BM3D of a part of a frame, or of a whole one that may be stopped on the way.

What :func:`~napari_tcsdl.bm3d.bm3d` makes of a pixel depends on pixels not far from it, on the
frame's mean, which is subtracted, and on what is chosen by all of the frame: the side of a block,
and what counts as similar. All this is that of the whole frame here, too, and reference blocks lie
where they lie there: the result is that of the whole frame but for the rounding of sums.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._bm3d_kernels import Step
from ._bm3d_steps import NO_NOISE, RADIUS, STRIDE, block_side, checked_power, filtered, steps_for
from .bm3d import bm3d, whiten

_COLOUR_REACH = 32
"""[px] Beyond which the colour of noise, put on again, brings nothing from one pixel to another."""

Part = tuple[slice, slice]
"""Rows and columns of a frame."""

WHOLE: Part = (slice(None), slice(None))


def nothing() -> None:
    """Go on."""


@dataclass(frozen=True)
class Effort:
    """How the work is done, which does not change the result.

    Attributes
    ----------
    threads
        That share it; None for one per core.
    step
        Called now and then, in any of these threads; what it raises stops the work.
    """

    threads: int | None = None
    step: Callable[[], None] = nothing


def bm3d_part(
    frame: NDArray[np.float64],
    spectrum: NDArray[Any] | None = None,
    part: Part = WHOLE,
    effort: Effort | None = None,
) -> NDArray[np.float64]:
    """Denoise ``part`` of a frame whose noise has unit variance.

    Parameters
    ----------
    frame
        (H, W), at least 8 × 8: the whole frame.
    spectrum
        Power of the noise over spatial frequencies, (S, S) or (H, W) in FFT layout; None stands
        for white noise.
    part
        Rows and columns, without steps; by default all of them.
    effort
        How the work is done.

    Returns
    -------
    NDArray
        (h, w) float64: ``part`` of what :func:`~napari_tcsdl.bm3d.bm3d` makes of ``frame``.

    Raises
    ------
    InputError
        As :func:`~napari_tcsdl.bm3d.bm3d` does.
    """
    bm3d(frame, 0.0, spectrum)  # refuses what it would refuse
    if NO_NOISE * float(np.ptp(frame)) >= 1:
        return frame[part]
    power = None if spectrum is None else checked_power(spectrum, frame.shape)
    white = frame if power is None else whiten(frame, power)
    mean = white.mean()
    noisy = (white - mean).astype(np.float32)
    steps = steps_for(block_side(noisy))  # of the whole frame
    around = _around(part, noisy.shape, steps[0].block, coloured=power is not None)
    crop = np.ascontiguousarray(noisy[around])
    denoised: NDArray[np.float64] = mean + _two_steps(crop, steps, effort or Effort())
    if power is not None:
        white[around] = denoised
        return whiten(white, power, undo=True)[part]
    top, left = (axis.start for axis in around)
    (first, last), (begin, end) = _bounds(part, noisy.shape)
    return denoised[first - top : last - top, begin - left : end - left]


def is_worth_it(part: Part, shape: tuple[int, ...], *, coloured: bool) -> bool:
    """Whether :func:`bm3d_part` works on less than half of a frame (H, W) for ``part`` of it.

    ``coloured`` says whether the noise has a spectrum.
    """
    sizes = (_sizes(_around(part, shape, block, coloured=coloured)) for block in RADIUS)
    return all(2 * height * width < shape[0] * shape[1] for height, width in sizes)


def _two_steps(
    noisy: NDArray[np.float32], steps: tuple[Step, Step], effort: Effort
) -> NDArray[np.float64]:
    with ThreadPoolExecutor(effort.threads or os.cpu_count() or 1) as pool:
        run = map if effort.threads == 1 else pool.map

        def stoppable(work: Callable[..., Any], *arguments: Any) -> Any:
            def begin(*each: Any) -> Any:
                effort.step()
                return work(*each)

            return run(begin, *arguments)

        first, second = steps
        pilot = filtered(noisy, noisy, first, stoppable)
        return filtered(noisy, pilot, second, stoppable).astype(np.float64)


def _around(part: Part, shape: tuple[int, ...], block: int, *, coloured: bool) -> Part:
    """Return ``part`` with all that may take part in what it becomes.

    Each of the two steps reaches a block that covers a pixel, the reference block that found it
    within the radius of the search, and the others that this one found, to their ends. The colour
    of noise is put on as if frames went on periodically: near a border it needs the one opposite.
    """
    margin = 2 * (2 * RADIUS[block] + 2 * block) + (_COLOUR_REACH if coloured else 0)
    bounds = _bounds(part, shape)
    inner = all(
        start >= _COLOUR_REACH and stop <= size - _COLOUR_REACH
        for (start, stop), size in zip(bounds, shape, strict=True)
    )
    if coloured and not inner:
        return slice(0, shape[0]), slice(0, shape[1])
    stride = STRIDE[block]  # of reference blocks: there must be the same
    rows, columns = (
        slice(max(0, start - margin) // stride * stride, min(size, stop + margin))
        for (start, stop), size in zip(bounds, shape, strict=True)
    )
    return rows, columns


def _bounds(part: Part, shape: tuple[int, ...]) -> tuple[tuple[int, int], tuple[int, int]]:
    rows, columns = (axis.indices(size)[:2] for axis, size in zip(part, shape, strict=True))
    return rows, columns


def _sizes(part: Part) -> tuple[int, int]:
    return part[0].stop - part[0].start, part[1].stop - part[1].start
