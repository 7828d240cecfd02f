"""What scores are taken against: truth, raw frames, or denoised raw frames; always named.

Denoised frames are computed once: they are kept in the user's cache folder
(:mod:`napari_tcsdl.reference_cache`) and found there by the next comparison of the same movie.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import metrics
from ._validation import InputError
from .bm3d_part import WHOLE, Effort, Part, is_worth_it
from .decoding import Progress, no_progress
from .denoise import DENOISED_REFERENCE, denoise_reference
from .encoding import MovieStatistics
from .movie import Movie
from .noise import NoiseModel
from .noise_spectrum import NoiseSpectrum
from .reference_cache import DEFAULT_STORE, CachedFrames, ReferenceStore

GRID = 4
"""Windows along each side of a large frame, from which the data range is taken."""

WINDOW = 192
"""[px] Side of such a window."""

WINDOW_HALO = 32
"""[px] Margin that is denoised and cut off."""

_SAMPLED = 2**21  # pixels of the frames from which range and spectrum are taken
_CONSECUTIVE = 16  # frames that tell the spectrum


@dataclass(frozen=True, eq=False)
class Reference:
    """What scores are taken against, with one data range for the whole movie.

    Attributes
    ----------
    kind
        'truth', 'raw' or 'denoised'.
    description
        The same in words, for reports.
    data_range
        Span of the signal [detector units], for all frames and codecs alike.
    noise, spectrum
        Of the movie, by which it is denoised; a spectrum of None stands for white noise.
    truth
        Of kind 'truth'.
    movie, cache
        Of kind 'denoised': the raw movie, and where its denoised frames are kept, if they are.
    """

    kind: str
    description: str
    data_range: float
    noise: NoiseModel
    truth: Movie | None = None
    spectrum: NoiseSpectrum | None = None
    movie: Movie | None = None
    cache: CachedFrames | None = None

    def frames(
        self, raw: NDArray[Any], first_frame: int, progress: Progress = no_progress
    ) -> NDArray[np.float32]:
        """Return reference frames (n, H, W) for raw frames that begin at ``first_frame``.

        Of kind 'denoised', ``raw`` may be parts of frames; only whole ones are kept and found.
        """
        if self.truth is not None:
            return self.truth.read(first_frame, first_frame + len(raw)).astype(np.float32)
        if self.kind == "raw":
            return raw.astype(np.float32)
        return self._denoised(raw, range(first_frame, first_frame + len(raw)), progress)

    def has_cheap(self, part: Part) -> bool:
        """Whether :meth:`part` takes less than half the work of a whole frame."""
        if self.movie is None:
            return False
        return is_worth_it(part, self.movie.shape[1:], coloured=self.spectrum is not None)

    def part(
        self, raw: NDArray[Any], index: int, part: Part, step: Callable[[], None]
    ) -> NDArray[np.float32]:
        """Return ``part`` of reference frame ``index``, of kind 'denoised'.

        Where the frame is not kept, only ``part`` and its surroundings are denoised, to what they
        become in the whole frame.

        Parameters
        ----------
        raw
            (H, W), the whole raw frame.
        index
            0 … T − 1.
        part
            Rows and columns.
        step
            Called now and then, from any thread; what it raises stops the work.
        """
        whole = self.cache.load(index, raw) if self.cache is not None else None
        cut: NDArray[np.float32]
        if whole is not None:
            cut = whole[part]
        else:
            cut = self._denoise(raw[None], part, Effort(step=step))[0]
        return cut

    def fill(self, step: Callable[[int], None], shown: Callable[[], int] = lambda: 0) -> None:
        """Compute and keep the frames that are not kept yet, so that nobody has to wait for them.

        For a thread in the background: it takes one core. What ``step`` raises stops it, in the
        midst of a frame, too, and the frames that are done stay. Does nothing where there is
        nothing to keep, or nowhere to keep it.

        Parameters
        ----------
        step
            Called often, with the number of frames that are kept.
        shown
            Says which frame is looked at: those nearest to it come first.

        Raises
        ------
        InputError
            If a frame of the movie cannot be read.
        """
        if self.movie is None or self.cache is None:
            return
        n_frames = self.movie.shape[0]
        missing = [index for index in range(n_frames) if not self.cache.has(index)]
        while missing:
            kept = n_frames - len(missing)
            step(kept)
            now = shown()
            index = min(missing, key=lambda index: abs(index - now))
            missing.remove(index)
            if self.cache.has(index):  # a run has come by meanwhile
                continue
            raw = self.movie.read(index, index + 1)
            effort = Effort(threads=1, step=partial(step, kept))
            self.cache.keep(index, raw[0], self._denoise(raw, effort=effort)[0])
            if not self.cache.has(index):  # deleted by another process, or the disk is full
                return
        step(n_frames)

    def _denoised(
        self, raw: NDArray[Any], indices: Sequence[int], progress: Progress
    ) -> NDArray[np.float32]:
        """Take kept frames, denoise the others a few at a time: to be followed and stopped."""
        frames = np.empty(raw.shape, np.float32)
        missing = []
        for offset, index in enumerate(indices):
            kept = self.cache.load(index, raw[offset]) if self.cache is not None else None
            if kept is None:
                missing.append(offset)
            else:
                frames[offset] = kept
        step = os.cpu_count() or 1
        for start in range(0, len(missing), step):
            progress(start / len(missing))
            offsets = missing[start : start + step]
            frames[offsets] = self._denoise(raw[offsets])
            if self.cache is not None:
                for offset in offsets:
                    self.cache.keep(indices[offset], raw[offset], frames[offset])
        return frames

    def _denoise(
        self, frames: NDArray[Any], part: Part = WHOLE, effort: Effort | None = None
    ) -> NDArray[np.float32]:
        spectrum = None if self.spectrum is None else self.spectrum.power
        return denoise_reference(frames, self.noise, spectrum, part=part, effort=effort)


def make_reference(
    movie: Movie,
    kind: str,
    statistics: MovieStatistics,
    truth: Movie | None,
    progress: Progress = no_progress,
    store: ReferenceStore | None = DEFAULT_STORE,
) -> Reference:
    """Choose the reference and measure its data range, p99.9 − p0.1.

    Parameters
    ----------
    movie
        The raw movie.
    kind
        'truth', 'raw' or 'denoised'.
    statistics
        Of ``movie``.
    truth
        Noise-free frames (T, H, W), for kind 'truth'.
    progress
        Called with 0 now and then; what it raises stops the work.
    store
        Where denoised frames are kept: by default in the user's cache folder; None keeps none.

    Raises
    ------
    InputError
        If truth is asked for and missing, or its shape differs from the movie's.
    """
    if kind == "truth":
        if truth is None:
            raise InputError(
                "got reference 'truth' without a truth movie, expected a noise-free movie of the "
                "same shape; name its file, or choose reference 'denoised' or 'raw'"
            )
        if truth.shape != movie.shape:
            raise InputError(
                f"got a truth of {truth.shape} for a movie of {movie.shape} (T, H, W), expected "
                "equal shapes; name the truth that belongs to this movie"
            )
        data_range = metrics.data_range_of(truth.sample())
        return Reference(kind, f"truth: {truth.name}", data_range, statistics.noise, truth)
    if kind == "raw":
        data_range = metrics.data_range_of(movie.sample())
        return Reference(kind, "raw frames as recorded", data_range, statistics.noise)
    return _denoised_reference(movie, statistics, progress, store)


def _denoised_reference(
    movie: Movie, statistics: MovieStatistics, progress: Progress, store: ReferenceStore | None
) -> Reference:
    spectrum = None if statistics.spectrum.white else statistics.spectrum
    method = {
        "denoiser": DENOISED_REFERENCE,
        "package": version("napari-tcsdl"),
        "noise": statistics.noise.to_json(),
        "spectrum": None if spectrum is None else spectrum.power.ravel().tolist(),
    }
    reference = Reference(
        kind="denoised",
        description=DENOISED_REFERENCE,
        data_range=1.0,
        noise=statistics.noise,
        spectrum=spectrum,
        movie=movie,
        cache=None if store is None else store.open(movie, method),
    )
    known = None if reference.cache is None else reference.cache.data_range
    if known is None:
        known = _range_of_denoised(movie, reference, progress)
        if reference.cache is not None:
            reference.cache.keep_data_range(known)
    return replace(reference, data_range=known)


def _range_of_denoised(movie: Movie, reference: Reference, progress: Progress) -> float:
    """Measure it on whole frames, which are kept, or on windows of large ones."""
    n_frames, height, width = movie.shape
    count = int(np.clip(_SAMPLED // (height * width), 2, n_frames))
    indices = np.unique(np.linspace(0, n_frames - 1, count).round().astype(int)).tolist()
    frames = np.concatenate([movie.read(index, index + 1) for index in indices])
    windows = spread_windows(frames)
    if windows is frames:
        denoised = reference._denoised(frames, indices, lambda _: progress(0.0))
        return metrics.data_range_of(denoised)
    sample = reference.frames(windows, 0, lambda _: progress(0.0))
    # At the edge of a window a patch finds half of its likes.
    inner = slice(WINDOW_HALO, -WINDOW_HALO)
    return metrics.data_range_of(sample[:, inner, inner])


def spread_windows(frames: NDArray[Any]) -> NDArray[Any]:
    """Cut large frames into windows spread over the whole field; small ones are kept whole.

    Denoising a 4096² frame takes a minute, and its range is known from a sample of its pixels.

    Parameters
    ----------
    frames
        (n, H, W).

    Returns
    -------
    NDArray
        (n · 16, WINDOW, WINDOW), or ``frames``.
    """
    height, width = frames.shape[1:]
    if height * width <= GRID * GRID * WINDOW**2 or min(height, width) < WINDOW:
        return frames
    tops, lefts = (np.linspace(0, size - WINDOW, GRID).astype(int) for size in (height, width))
    return np.concatenate([frames[:, y : y + WINDOW, x : x + WINDOW] for y in tops for x in lefts])
