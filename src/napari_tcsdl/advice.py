"""Which B for this movie: proposed from its motion, its noise and its dose, with the reason.

How large an error to expect was measured: movies with known truth (drifting texture and lattice at
0 … 3 px/frame and 2, 10 and 50 e/px, sintering crystals, bending fibres; 40 × 128²) were coded at
B = 4 … 40 and decoded by the network that comes with the package. The error of their detail
(periods below 32 px), as a share of its power, is nearly the sum of three parts:

- noise: what a Wiener filter leaves of the mean of ``FRAMES_AVERAGED`` frames, whatever B is
  (the decoder looks at neighbouring measurements, too), and 0.012 that the network never recovers;
- blur: a share of what the plain mean of the B frames loses, ``BLUR_KEPT`` where things jump and
  at a low dose; of steady motion the less, the less noise there is (0.2 at 50 e/px, 0.37 at 10,
  0.8 at 2, where the noise's part was 0.022, 0.045 and 0.13);
- confusion: frames are the harder to tell apart the more of them share a measurement, even
  though nothing moves.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from .motion import Change, Progress, measure_change
from .movie import Movie
from .settings import Settings

SMALLEST, LARGEST = 4, 40
"""B that is proposed: the range in which the decoder was measured."""

FRAMES_AVERAGED = 5.0
BLUR_KEPT = 0.8
_KEPT_PER_NOISE = 8.0  # the share of steady motion's blur that is kept, over the noise's part
_STEADY = 0.8  # of the detail that consecutive frames share, drift undone, where motion is steady
_NEVER_RECOVERED = 0.012
_CONFUSION = 0.055  # error at B = 40 of a still scene without noise; it grows as B³

TOLERANCE = 1.0
"""[dB] that the error may be above that of the smallest B."""

_HALF = 0.5  # of the detail: beyond, a block's frames share less than that with their mean
_UNRELATED = 0.3  # consecutive frames that share less of their detail are two scenes
_STILL = 0.02  # [px/frame] below which drift is not worth a word


@dataclass(frozen=True)
class Advice:
    """A proposal for B, and what it rests on.

    Attributes
    ----------
    compression_ratio
        B.
    reason
        One sentence with the numbers.
    motion
        Steady drift [px/frame]; None where the picture cannot be followed.
    half_life
        Frames after which half of the detail has changed; None where that takes longer than was
        looked at.
    dose
        Mean of the frames [detector units].
    electrons
        [e/px/frame], from the noise; None where the gain is not known well enough.
    snr
        Detail over noise in one frame (standard deviations); None without noise.
    blur
        Share of the detail's power that the mean of B frames loses, 0 … 1.
    coherent
        Whether consecutive frames show the same scene.
    frames_read
        Frames that were looked at.
    """

    compression_ratio: int
    reason: str
    motion: float | None
    half_life: int | None
    dose: float
    electrons: float | None
    snr: float | None
    blur: float
    coherent: bool
    frames_read: int

    def to_json(self) -> dict[str, Any]:
        """As plain JSON types."""
        return asdict(self)


def recommend(movie: Movie, *, progress: Progress = lambda fraction: None) -> Advice:
    """Propose B for ``movie``.

    The largest B from 4 to 40 (and no more than there are frames) whose expected error is at most
    1 dB above that of the smallest, and whose frames keep half of their detail in their mean.

    Parameters
    ----------
    movie
        At least 2 frames of 32 × 32 px; a bounded sample is read, see
        :func:`~napari_tcsdl.motion.measure_change`.
    progress
        Called with the fraction done; what it raises stops the work.

    Raises
    ------
    InputError
        For smaller frames, or frames that no detector records.
    """
    change = measure_change(movie, progress)
    n_frames = movie.shape[0]
    ratio = _choose(change, range(min(SMALLEST, n_frames), min(LARGEST, n_frames) + 1))
    progress(1.0)
    return Advice(
        compression_ratio=ratio,
        reason=_reason(change, ratio, n_frames),
        motion=change.speed,
        half_life=change.half_life,
        dose=change.mean,
        electrons=_electrons(change),
        snr=change.snr if np.isfinite(change.snr) else None,
        blur=change.blur(ratio),
        coherent=_coherent(change),
        frames_read=change.frames_read,
    )


def expected_error(change: Change, compression_ratio: int) -> float:
    """Error of the reconstructed detail, as a share of its power; see the module's text."""
    noise, kept = _noise_error(change), BLUR_KEPT
    if np.median(change.steps) >= _STEADY:
        kept = min(kept, _KEPT_PER_NOISE * noise)
    return noise + kept * change.blur(compression_ratio) + _confusion(compression_ratio)


def _confusion(compression_ratio: int) -> float:
    return _CONFUSION * (compression_ratio / LARGEST) ** 3


def _noise_error(change: Change) -> float:
    noise = change.noise_power / FRAMES_AVERAGED
    total = change.signal + noise
    left = np.divide(change.signal * noise, total, out=np.zeros_like(total), where=total > 0)
    return float(left.sum() / change.signal.sum()) + _NEVER_RECOVERED


def _choose(change: Change, ratios: range) -> int:
    """Apply the rule."""
    if not change.signal.any():
        return int(np.clip(Settings.compression_ratio, ratios[0], ratios[-1]))
    tolerated = 10 ** (TOLERANCE / 10) * expected_error(change, ratios[0])
    good = [
        ratio
        for ratio in ratios
        if expected_error(change, ratio) <= tolerated and change.blur(ratio) <= _HALF
    ]
    return max(good, default=ratios[0])


def _coherent(change: Change) -> bool:
    return bool(np.median(change.steps) >= _UNRELATED)


def _electrons(change: Change) -> float | None:
    """Electrons per pixel and frame that make so much noise at this gain."""
    noise, mean = change.noise, change.mean
    if noise.counting:
        return mean
    variance = noise.variance(mean)
    if noise.gain <= 0 or noise.gain * mean < 0.9 * variance:
        return None  # most of the noise is not that of the electrons
    return float(variance / noise.gain**2)


# --- the reason -------------------------------------------------------------------------------


def _reason(change: Change, ratio: int, n_frames: int) -> str:
    if not change.signal.any():
        return (
            f"No detail stands out of the noise, so that motion cannot be measured: B = {ratio} "
            "is the default and no finding."
        )
    return f"{_motion(change)}; {_dose(change)}: {_verdict(change, ratio, n_frames)}{_jump(change)}"


def _motion(change: Change) -> str:
    if not _coherent(change):
        return f"Consecutive frames share {_share(float(np.median(change.steps)))} of their detail"
    speed, half_life = change.speed, change.half_life
    furthest = len(change.correlations) - 1
    if half_life is not None:
        changed = f"half of its detail has changed after {_frames(half_life)}"
    else:
        kept = _share(float(change.correlations[-1]))
        changed = f"{kept} of its detail is the same after {_frames(furthest)}"
    if speed is None:
        return f"The picture has no steady drift and {changed}"
    if speed < _STILL:
        return f"The picture drifts by less than {_STILL} px a frame and {changed}"
    return f"The picture drifts by {speed:.2g} px a frame and {changed}"


def _dose(change: Change) -> str:
    electrons = _electrons(change)
    if electrons is None:
        dose = f"a frame has {change.mean:.3g} detector units"
    elif change.noise.counting:
        dose = f"a frame has {electrons:.2g} e/px"
    else:
        dose = f"a frame has about {electrons:.2g} e/px ({change.mean:.3g} detector units)"
    if not np.isfinite(change.snr):
        return f"{dose} and no noise"
    return f"{dose} and detail of {change.snr:.2g} times its noise"


def _verdict(change: Change, ratio: int, n_frames: int) -> str:
    blur = _share(change.blur(ratio))
    if not _coherent(change):
        return (
            f"B = {ratio}, the smallest that is proposed, as frames coded together should show "
            "one scene; record faster if you can."
        )
    if change.blur(ratio) > _HALF:
        return (
            f"B = {ratio}, the smallest that is proposed, and even so the mean of a block loses "
            f"{blur} of the detail; record faster if you can."
        )
    if ratio == n_frames:
        return f"B = {ratio}, all the frames there are, blurs {blur} of the detail."
    if ratio == LARGEST:
        return f"B = {ratio}, the largest that is proposed, blurs {blur} of the detail."
    speed = change.speed or 0.0
    travel = f"spans {ratio * speed:.2g} px and " if speed >= _STILL else ""
    if change.blur(ratio + 1) > _HALF:
        beyond = "a larger one would blur more than half of it"
    elif change.blur(ratio) < _confusion(ratio):
        beyond = "in a larger one frames are harder to tell apart"
    else:
        beyond = f"a larger one costs more than {TOLERANCE:.0f} dB of it"
    return f"B = {ratio} {travel}blurs {blur} of the detail; {beyond}."


def _jump(change: Change) -> str:
    """Say that the scene changes suddenly somewhere, where it is otherwise coherent."""
    if not _coherent(change) or not (change.steps < _UNRELATED).any():
        return ""
    return " Somewhere the scene changes from one frame to the next: its block will show both."


def _share(value: float) -> str:
    if value < 0.005:
        return "under 1 %"
    return "all" if value > 0.995 else f"{100 * value:.0f} %"


def _frames(count: int) -> str:
    return f"{count} frame{'s' if count != 1 else ''}"
