"""Where scenes for training come from: procedural movies, and a library of rendered ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from .._validation import InputError
from ..simulate.procedural import procedural_movies
from .library import Library
from .scenes import Movies, Scenes

REFRESH_EVERY = 200
"""Batches after which a library is searched for new files: they may be rendered meanwhile."""


def procedural(count: int, shape: tuple[int, int, int], generator: torch.Generator) -> Scenes:
    """Movies that are drawn on the device of ``generator``, never twice the same."""
    return Scenes.alone(
        procedural_movies(count, shape, generator=generator, device=generator.device)
    )


@dataclass
class MixedScenes:
    """Procedural movies, and for a share of them crops of a library's.

    Parameters
    ----------
    library
        Rendered movies; while it holds none, all movies are procedural.
    share
        Probability that a movie is one of the library's.
    others
        Gives the rest.
    """

    library: Library
    share: float
    others: Movies = procedural
    calls: int = field(default=0, init=False)

    def __call__(
        self, count: int, shape: tuple[int, int, int], generator: torch.Generator
    ) -> Scenes:
        """Draw ``count`` scenes (T, H, W) on the device of ``generator``."""
        self.calls += 1
        if self.calls % REFRESH_EVERY == 0:
            self.library.refresh()
        if not self.library.movies:
            return self.others(count, shape, generator)
        drawn = torch.rand(count, generator=generator, device=generator.device)
        from_library = int((drawn < self.share).sum())
        if not from_library:
            return self.others(count, shape, generator)
        crops = self.library.crops(from_library, shape, generator)
        if from_library == count:
            return crops
        return crops.and_then(self.others(count - from_library, shape, generator))


def training_scenes(library: str | None, share: float) -> Movies:
    """Return the source of movies to train on.

    Parameters
    ----------
    library
        Folder of the library, or None for procedural movies alone.
    share
        Of the movies, how many come from the library.

    Raises
    ------
    InputError
        If there is no such folder.
    """
    if library is None or share == 0:
        return procedural
    return MixedScenes(Library(_folder(library)), share)


def held_out_names(library: str | None) -> list[str]:
    """Names of the library's files that are held out at present.

    Raises
    ------
    InputError
        If there is no such folder.
    """
    if library is None:
        return []
    return list(Library(_folder(library), held_out=True).movies)


def held_out_scenes(library: str | None, names: Sequence[str]) -> dict[str, Movies]:
    """Return the sources of movies to validate on, by name; none of them is trained on.

    Procedural movies come from seeds of their own, library movies from the files ``names``, of
    those held out: they stay the same while the library grows.

    Raises
    ------
    InputError
        If there is no such folder or file.
    """
    sources: dict[str, Movies] = {"procedural": procedural}
    if library is not None:
        held_out = Library(_folder(library), held_out=True, only=names)
        if held_out.movies:
            sources["library"] = held_out.crops
    return sources


def _folder(library: str) -> Path:
    folder = Path(library)
    if not folder.is_dir():
        raise InputError(
            f"got library {library}, which is no folder, expected one of NAME.npy files (T, H, W); "
            "check the path, or train without a library"
        )
    return folder
