"""Where fine-tuning begins and where its weights go: nothing that exists is ever replaced."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from platformdirs import user_data_path

from .._validation import InputError, OutputError
from ..movie import Movie
from ..settings import Settings
from .layers import title_of

if TYPE_CHECKING:  # torch takes seconds to load
    from ..reconstruction import Checkpoint

SUFFIX = ".safetensors"
PACKAGE = Path(__file__).parents[1]
SHIPPED = "the weights that come with the package"


def find_trainable() -> dict[str, str]:
    """List decoders that can be trained: names, and what to call them; loads torch."""
    from ..reconstruction import RECONSTRUCTORS
    from ..training.objective import OBJECTIVES

    names = [name for name, row in RECONSTRUCTORS.items() if row.weights and name in OBJECTIVES]
    return {name: title_of(name) for name in names}


def start_of(settings: Settings) -> tuple[Checkpoint, str]:
    """Read the weights that are begun with; returns them and what to call them.

    Raises
    ------
    InputError
        If there are none, or they are not for this decoder, these masks or this B.
    CorruptFileError
        If they are damaged.
    """
    from ..reconstruction import (
        RECONSTRUCTORS,
        check_trained_for,
        load_checkpoint,
        shipped_weights,
    )
    from ..training.objective import OBJECTIVES

    row = RECONSTRUCTORS.get(settings.decoder)
    if row is None or row.weights is None or settings.decoder not in OBJECTIVES:
        raise InputError(
            f"got decoder {settings.decoder!r} to train, expected one of "
            f"{', '.join(find_trainable())}; choose one of these"
        )
    path = Path(settings.weights) if settings.weights else shipped_weights(row.weights)
    start = load_checkpoint(path)
    check_trained_for(start, settings.decoder, settings.masks, settings.compression_ratio)
    return start, origin_of(settings)


def origin_of(settings: Settings) -> str:
    """Say which weights are begun with."""
    return f"the weights {Path(settings.weights).stem}" if settings.weights else SHIPPED


def proposed_path(movie: Movie, decoder: str, compression_ratio: int) -> Path:
    """Where weights for ``movie`` may be kept: beside its file, or with the user's data.

    The name says what they are for, and is free.
    """
    folder = user_data_path("napari-tcsdl", appauthor=False) / "weights"
    stem = Path(movie.name).stem
    if movie.path:
        file = Path(movie.path).absolute()
        # Sample movies lie in the package, which an update replaces.
        if PACKAGE not in file.parents and os.access(file.parent, os.W_OK):
            folder, stem = file.parent, file.stem
    stem = re.sub(r"[^\w.-]+", "_", stem).strip("._") or "movie"
    return free_path(folder / f"{stem}_{decoder}_B{compression_ratio}{SUFFIX}")


def with_suffix(path: str | Path) -> Path:
    """Return ``path`` as NAME.safetensors."""
    path = Path(path)
    return path if path.suffix == SUFFIX else path.with_name(path.name + SUFFIX)


def free_path(path: Path) -> Path:
    """Return ``path``, or NAME_2, NAME_3, … where files of that name exist."""
    found, number = path, 1
    while _taken(found):
        number += 1
        found = path.with_name(f"{path.stem}_{number}{path.suffix}")
    return found


def check_free(path: Path) -> None:
    """Refuse a place where weights are already, or where none can be written.

    Raises
    ------
    OutputError
        Saying what to do.
    """
    taken = _taken(path)
    if taken is not None:
        raise OutputError(
            f"got weights {taken}, which exist already, expected a new name; choose another name"
        )
    folder = path.absolute().parent
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise OutputError(
            f"got {path.parent}, which cannot be written, expected a folder of your own; choose "
            "another place"
        )


def _taken(path: Path) -> Path | None:
    """Tensors and their description lie side by side: neither may be there."""
    both = (path, path.with_suffix(".json"))
    return next((file for file in both if file.exists()), None)
