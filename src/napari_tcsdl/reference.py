"""What scores are taken against: truth, raw frames, or denoised raw frames; always named.

Denoised frames are computed once: they are kept in the user's cache folder
(:mod:`napari_tcsdl.reference_cache`) and found there by the next comparison of the same movie.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import metrics
from ._validation import InputError
from .denoise import DENOISED_REFERENCE, denoise_reference
from .movie import Movie
from .noise import NoiseModel
from .noise_spectrum import NoiseSpectrum
from .pipeline import MovieStatistics, Progress, no_progress
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

    def fill(self, progress: Progress = no_progress) -> None:
        """Compute and keep all frames that are not yet there, so that nobody has to wait for them.

        For a thread in the background: what ``progress`` raises stops it, and the frames that
        are done stay. Does nothing where there is nothing to keep, or nowhere to keep it.

        Raises
        ------
        InputError
            If a frame of the movie cannot be read.
        """
        if self.movie is None or self.cache is None:
            return
        n_frames, step = self.movie.shape[0], os.cpu_count() or 1
        missing = [index for index in range(n_frames) if not self.cache.has(index)]
        for start in range(0, len(missing), step):
            progress((n_frames - len(missing) + start) / n_frames)
            indices = missing[start : start + step]
            raw = np.concatenate([self.movie.read(index, index + 1) for index in indices])
            self._denoised(raw, indices, no_progress)
            if not self.cache.has(indices[0]):  # deleted by another process, or the disk is full
                return
        progress(1.0)

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
            frames[offsets] = _denoise(raw[offsets], self.noise, self.spectrum)
            if self.cache is not None:
                for offset in offsets:
                    self.cache.keep(indices[offset], raw[offset], frames[offset])
        return frames


def _denoise(
    frames: NDArray[Any], noise: NoiseModel, spectrum: NoiseSpectrum | None
) -> NDArray[np.float32]:
    return denoise_reference(frames, noise, None if spectrum is None else spectrum.power)


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
