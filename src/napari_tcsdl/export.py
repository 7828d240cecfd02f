"""A reconstruction as a file: ImageJ TIFF, with the settings that made it beside it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ._validation import CorruptFileError, InputError, OutputError
from .decoding import Decoder
from .describe import software_versions, write_text
from .io import CompressedMovie, save_tiff
from .pipeline import Progress, no_progress, part_of
from .settings import Settings


def reconstruct_to_tiff(
    compressed: CompressedMovie,
    path: Path,
    settings: Settings,
    *,
    overwrite: bool = False,
    skip_damaged: bool = False,
    progress: Progress = no_progress,
) -> list[str]:
    """Write the reconstruction as an ImageJ float32 TIFF, settings beside it as ``NAME.tif.json``.

    Frames are in the movie's own detector units; pixel size and frame time are kept.

    Parameters
    ----------
    compressed
        The file to decode.
    path
        ``NAME.tif``.
    settings
        Decoder, device and tile.
    overwrite
        Replace existing outputs.
    skip_damaged
        Write NaN frames where a measurement is damaged, instead of stopping there.
    progress
        Called with the fraction done.

    Returns
    -------
    list of str
        One sentence for each damaged measurement that was passed over.

    Raises
    ------
    OutputError
        If ``path`` is no TIFF name, exists and ``overwrite`` is False, or cannot be written.
    CorruptFileError
        If a measurement is damaged and ``skip_damaged`` is False.
    InputError
        If no frame of the file was ever acknowledged, or the decoder is unknown or unsuited.
    """
    sidecar = path.with_name(path.name + ".json")
    decoder = Decoder(compressed, settings)
    _check_tiff_outputs(path, sidecar, overwrite)
    if compressed.frames_valid == 0:
        raise InputError(
            f"got {compressed.path.name} with no measurement in it, expected at least one; its run "
            "was stopped before the first, so compress the movie again"
        )
    header = compressed.header
    damaged: list[str] = []
    save_tiff(
        path,
        _frames(compressed, decoder, damaged if skip_damaged else None, progress),
        shape=(compressed.frames_valid, *compressed.frame_shape),
        pixel_size=header.pixel_size,
        frame_time=header.frame_time,
        overwrite=overwrite,
    )
    facts = {
        "source": header.source,
        "settings": settings.to_json(),
        "damaged": damaged,
        "software": software_versions(),
    }
    write_text(sidecar, json.dumps(facts, indent=2))
    return damaged


def _check_tiff_outputs(path: Path, sidecar: Path, overwrite: bool) -> None:
    if path.suffix.lower() not in (".tif", ".tiff"):
        raise OutputError(
            f"got output {path.name}, expected a name that ends in .tif; the reconstruction is "
            "written as ImageJ TIFF"
        )
    if sidecar.exists() and not overwrite:
        raise OutputError(
            f"got output {sidecar}, which exists already, expected a new name; choose another "
            "name, or give --overwrite"
        )


def _frames(
    compressed: CompressedMovie,
    decoder: Decoder,
    damaged: list[str] | None,
    progress: Progress,
) -> Iterator[NDArray[np.float32]]:
    """Decode block by block; a list ``damaged`` takes the sentences of what cannot be read."""
    count, ratio = compressed.n_measurements, compressed.compression_ratio
    for index in range(count):
        group = decoder.group(index)
        try:
            yield decoder.block(index, part_of(progress, group, count)).frames
        except CorruptFileError as error:
            if damaged is None:
                raise
            damaged.append(str(error))
            n_frames = min(ratio, compressed.frames_valid - index * ratio)
            yield np.full((n_frames, *compressed.frame_shape), np.nan, np.float32)
        progress(group.stop / count)
