"""Rendered movies on disk as training data: crops of them, changed at random."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from .._validation import CorruptFileError, InputError
from ..simulate.procedural import DARKEST
from .lasting import Whole, whole_products
from .scenes import Scenes


class Library:
    """Folder of ``NAME.npy`` files (T, H, W), intensity relative to an empty field.

    A tenth of the files, chosen by name, is held out for validation. Files that appear later are
    found by :meth:`refresh`.

    Parameters
    ----------
    folder
        Where the files lie.
    held_out
        Serve the held-out tenth instead of the rest.
    only
        Names of the files to serve, of these; None for all.

    Raises
    ------
    InputError
        If one of ``only`` is not there.
    """

    def __init__(
        self, folder: Path, *, held_out: bool = False, only: Sequence[str] | None = None
    ) -> None:
        self.folder = folder
        self.held_out = held_out
        self.only = only
        self.movies: dict[str, NDArray[np.float16]] = {}
        self._products: dict[str, NDArray[np.float64]] = {}  # a tenth of a second each, once
        self.refresh()
        missing = sorted(set(only or ()) - set(self.movies))
        if missing:
            raise InputError(
                f"got library {folder} without {', '.join(missing[:3])}, expected the "
                f"{len(only or ())} movies that this run is validated on; bring them back, or "
                "start a new run with --from"
            )

    def refresh(self) -> None:
        """Load files that are new."""
        for path in sorted(self.folder.glob("*.npy")):
            wanted = self.only is None or path.name in self.only
            held_out = _is_held_out(path.name)
            if wanted and path.name not in self.movies and held_out == self.held_out:
                self.movies[path.name] = _load(path)

    def crops(self, count: int, shape: tuple[int, int, int], generator: torch.Generator) -> Scenes:
        """Cut (count, T, H, W) float32 at random: place, time, direction, scale, contrast.

        H = W. The crops lie on the device of ``generator``. Those of a window that stays where it
        is tell of the movie that they were cut from.

        Raises
        ------
        InputError
            If the folder holds no movie.
        """
        if not self.movies:
            raise InputError(
                f"got no movie in {self.folder}, expected NAME.npy files (T, H, W); render some "
                "first, or train without a library"
            )
        names = list(self.movies)
        picks = _draw(count, generator).mul(len(names)).long().tolist()
        cuts = [_crop(self.movies[names[i]], shape, generator) for i in picks]
        wholes = (self._whole(names[i], cut) for i, (_, cut) in zip(picks, cuts, strict=True))
        return Scenes(torch.stack([crop for crop, _ in cuts]), tuple(wholes))

    def _whole(self, name: str, cut: NDArray[np.float16] | None) -> Whole | None:
        """Tell of the movie that was cut from; None of a window that moved, and of one frame."""
        if cut is None or len(self.movies[name]) < 2:
            return None
        if name not in self._products:
            self._products[name] = whole_products(self.movies[name])
        return Whole.of(self._products[name], cut)


def census(folder: Path) -> tuple[int, int]:
    """Count the movies in ``folder`` to train on, and those held out, without loading them."""
    held_out = [_is_held_out(path.name) for path in folder.glob("*.npy")]
    return held_out.count(False), held_out.count(True)


def _load(path: Path) -> NDArray[np.float16]:
    try:
        movie: NDArray[np.float16] = np.load(path)
    except (OSError, ValueError, EOFError) as error:
        raise CorruptFileError(
            f"got {path}, which cannot be read ({error}), expected an array (T, H, W); remove the "
            "file, or render it again"
        ) from error
    if movie.ndim != 3:
        raise InputError(f"got {path} of shape {movie.shape}, expected (T, H, W); remove the file")
    return movie


def _is_held_out(name: str) -> bool:
    return hashlib.sha256(name.encode()).digest()[0] < 26


def _crop(
    movie: NDArray[np.float16], shape: tuple[int, int, int], generator: torch.Generator
) -> tuple[Tensor, NDArray[np.float16] | None]:
    """Cut one crop; the window may drift and jump over the movie.

    Returns
    -------
    tuple
        The crop (T, H, W) and, of a window that stays, what was cut before it was changed.
    """
    n_frames, side = shape[0], shape[1]
    u = _draw(12, generator).tolist()
    scale = 0.75 + 0.6 * u[0] if u[1] < 0.4 else 1.0
    window = min(round(side * scale), *movie.shape[1:])
    times = _times(n_frames, len(movie), u[2], generator)
    path = _window_path(n_frames, np.array(movie.shape[1:]) - window, u[3:6], generator)
    frames = np.stack(
        [movie[t, y : y + window, x : x + window] for t, (y, x) in zip(times, path, strict=True)]
    )
    crop = torch.from_numpy(frames).to(generator.device).float()
    if window != side:
        crop = functional.interpolate(crop[None], (side, side), mode="bicubic", antialias=True)[0]
    if u[6] < 0.5:
        crop = crop.flip(-1)
    crop = torch.rot90(crop, int(4 * u[7]), (-2, -1))
    # Contrast: from half to one and a half, around the mean; sometimes inverted.
    factor = (0.5 + u[8]) * (-1 if u[9] < 0.1 else 1)
    level = crop.mean()
    changed: Tensor = level + factor * (crop - level)
    moves = bool((path != path[0]).any())
    return changed.clamp(min=DARKEST), None if moves else frames


def _times(n_frames: int, available: int, start: float, generator: torch.Generator) -> list[int]:
    """Frame numbers: forwards or backwards; a movie too short swings back at its ends."""
    period = max(2 * (available - 1), 1)
    first = int(start * available) if n_frames > available else int(start * (available - n_frames))
    numbers = [(first + i) % period for i in range(n_frames)]
    numbers = [min(n, period - n) if available > 1 else 0 for n in numbers]
    return numbers[::-1] if float(_draw(1, generator)) < 0.5 else numbers


def _window_path(
    n_frames: int, room: NDArray[np.int64], u: list[float], generator: torch.Generator
) -> NDArray[np.int64]:
    """Corner of the window in each frame [px]: mostly still, else drift and jumps of whole px."""
    start = room * np.array(u[:2])
    path = np.repeat(start[None], n_frames, 0)
    if u[2] < 0.3:
        drift = 0.8 * torch.randn(2, generator=generator, device=generator.device).cpu().numpy()
        path = path + np.arange(n_frames)[:, None] * drift
        if u[2] < 0.15:
            noise = torch.randn(n_frames, 2, generator=generator, device=generator.device)
            path = path + 0.7 * noise.cpu().numpy()
    corners: NDArray[np.int64] = np.clip(path.round(), 0, room).astype(np.int64)
    return corners


def _draw(count: int, generator: torch.Generator) -> Tensor:
    return torch.rand(count, generator=generator, device=generator.device).cpu()
