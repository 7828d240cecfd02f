"""Write float32 movies as ImageJ TIFF, block by block, with their calibration."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from .._validation import InputError, OutputError
from ._durable import check_parent, new_files, told_of

LARGEST_CLASSIC = 2**32 - 2**26
"""[bytes] of frames above which ImageJ's own large-stack layout is written: a single directory,
then all frames (classic TIFF cannot address more directories). 64 MiB are left for directories."""


class TiffStack:
    """An ImageJ TIFF stack of float32 pixels that takes its frames as they come.

    Its directories and tags are written at once, so that its size is known; then the frames.

    Parameters
    ----------
    file
        Empty, open for reading and writing; it stays open.
    path
        The name that it will have, for the sentences of errors.
    shape
        (T, H, W).
    pixel_size
        [Å px⁻¹], None if unknown.
    frame_time
        [s], None if unknown.

    Raises
    ------
    OutputError
        If it cannot be written.
    """

    def __init__(
        self,
        file: IO[bytes],
        path: Path,
        shape: tuple[int, int, int],
        *,
        pixel_size: float | None = None,
        frame_time: float | None = None,
    ) -> None:
        self._file, self._path, self._shape = file, path, shape
        self._count = 0
        with told_of(path):
            place: Any = tifffile.imwrite(  # offset of the first frame, and bytes
                file,
                None,
                shape=shape,
                dtype=np.float32,
                imagej=True,
                photometric="minisblack",
                truncate=shape[0] * shape[1] * shape[2] * 4 > LARGEST_CLASSIC,
                returnoffset=True,
                **_calibration_tags(pixel_size, frame_time),
            )
        self._start: int = place[0]

    def write(self, block: NDArray[Any]) -> None:
        """Write the frames (n, H, W) that come next.

        Raises
        ------
        InputError
            If they are of another size, or more than the stack has.
        OutputError
            If they cannot be written.
        """
        count, shape = self._count, self._shape
        if block.ndim != 3 or block.shape[1:] != shape[1:] or count + len(block) > shape[0]:
            raise InputError(
                f"{self._path.name}: got a block {block.shape} after {count} frames, expected "
                f"{shape[0]} frames of {shape[1]} × {shape[2]} in all; give the shape of the whole "
                "movie"
            )
        with told_of(self._path):
            self._file.seek(self._start + count * shape[1] * shape[2] * 4)
            for frame in block:  # one at a time, as a block may be large and of another type
                self._file.write(np.ascontiguousarray(frame, np.float32).data)
        self._count += len(block)

    def check_complete(self) -> None:
        """Refuse a stack that lacks frames.

        Raises
        ------
        InputError
            Naming how many there are.
        """
        if self._count < self._shape[0]:
            raise InputError(
                f"{self._path.name}: got {self._count} frames, expected {self._shape[0]}; give the "
                "shape of the whole movie"
            )


def check_free(path: Path, overwrite: bool) -> None:
    """Refuse a name that a file cannot be given.

    Raises
    ------
    OutputError
        If ``path`` exists and ``overwrite`` is False, is a folder, or its folder does not exist.
    """
    check_parent(path)
    if os.path.isdir(path) or (os.path.lexists(path) and not overwrite):
        raise OutputError(
            f"got output {path}, which exists already, expected a new name; choose another name, "
            "or give --overwrite"
        )


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
    check_free(path, overwrite)
    with new_files([path]) as (file,):
        stack = TiffStack(file, path, shape, pixel_size=pixel_size, frame_time=frame_time)
        for block in blocks:
            stack.write(block)
        stack.check_complete()
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
