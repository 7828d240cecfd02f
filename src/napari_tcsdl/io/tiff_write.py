"""Write float32 movies as ImageJ TIFF, block by block, with their calibration."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from .._validation import InputError, OutputError
from ._durable import cannot_write, check_parent, new_file

LARGEST_CLASSIC = 2**32 - 2**26
"""[bytes] of frames above which ImageJ's own large-stack layout is written: a single directory,
then all frames (classic TIFF cannot address more directories). 64 MiB are left for directories."""


def save_tiff(
    path: str | os.PathLike[str],
    blocks: Iterable[NDArray[Any]],
    *,
    shape: tuple[int, int, int],
    pixel_size: float | None = None,
    frame_time: float | None = None,
    overwrite: bool = False,
) -> Path:
    """Write blocks of frames as they come into an ImageJ TIFF stack of float32 pixels.

    The file gets its name only once it is complete: an interrupted run leaves nothing behind,
    and what a killed one left, the next run removes.

    Parameters
    ----------
    path
        Of the new file.
    blocks
        Arrays (n, H, W) in the order of time, any n.
    shape
        (T, H, W), T the sum of all n.
    pixel_size
        [Å px⁻¹], None if unknown.
    frame_time
        [s], None if unknown.
    overwrite
        Replace an existing file.

    Returns
    -------
    Path
        Where the file is.

    Raises
    ------
    OutputError
        If ``path`` exists and ``overwrite`` is False, or it cannot be written.
    InputError
        If ``blocks`` holds more or fewer frames than ``shape`` says, or frames of another size.
    """
    path = Path(path)
    check_parent(path)
    if os.path.isdir(path) or (os.path.lexists(path) and not overwrite):
        raise OutputError(
            f"got output {path}, which exists already, expected a new name; choose another name, "
            "or give --overwrite"
        )
    frames = _frames(blocks, shape, path.name)
    try:
        with new_file(path) as file:
            tifffile.imwrite(
                file,
                frames,
                shape=shape,
                dtype=np.float32,
                imagej=True,
                photometric="minisblack",
                truncate=shape[0] * shape[1] * shape[2] * 4 > LARGEST_CLASSIC,
                **_calibration_tags(pixel_size, frame_time),
            )
    except OSError as error:
        raise cannot_write(path, error) from error
    return path


def _calibration_tags(pixel_size: float | None, frame_time: float | None) -> dict[str, Any]:
    metadata: dict[str, Any] = {"axes": "TYX"}
    tags: dict[str, Any] = {"metadata": metadata}
    if pixel_size is not None:
        per_nm = 10 / pixel_size
        tags["resolution"] = (per_nm, per_nm)
        metadata["unit"] = "nm"
    if frame_time is not None:
        metadata["finterval"] = frame_time
    return tags


def _frames(
    blocks: Iterable[NDArray[Any]], shape: tuple[int, int, int], name: str
) -> Iterator[NDArray[np.float32]]:
    count = 0
    for block in blocks:
        if block.ndim != 3 or block.shape[1:] != shape[1:] or count + len(block) > shape[0]:
            raise InputError(
                f"{name}: got a block {block.shape} after {count} frames, expected {shape[0]} "
                f"frames of {shape[1]} × {shape[2]} in all; give the shape of the whole movie"
            )
        count += len(block)
        yield from np.asarray(block, np.float32)
    if count < shape[0]:
        raise InputError(
            f"{name}: got {count} frames, expected {shape[0]}; give the shape of the whole movie"
        )
