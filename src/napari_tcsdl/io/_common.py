"""What the formats share: path checks, units of calibration, natural order, contiguous frames."""

from __future__ import annotations

import math
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._validation import CorruptFileError, InputError

ANGSTROM = {
    "pm": 0.01, "picometer": 0.01, "picometre": 0.01,
    "å": 1.0, "a": 1.0, "angstrom": 1.0, "ångström": 1.0, "angström": 1.0,
    "nm": 10.0, "nanometer": 10.0, "nanometre": 10.0,
    "µm": 1e4, "um": 1e4, "micron": 1e4, "microns": 1e4, "micrometer": 1e4, "micrometre": 1e4,
    "mm": 1e7, "millimeter": 1e7, "millimetre": 1e7,
    "cm": 1e8, "centimeter": 1e8, "centimetre": 1e8,
    "m": 1e10, "meter": 1e10, "metre": 1e10,
    "inch": 2.54e8, "inches": 2.54e8, "in": 2.54e8,
}  # fmt: skip
"""Length units as files spell them, in Å."""

SECONDS = {
    "ns": 1e-9, "µs": 1e-6, "us": 1e-6, "ms": 1e-3, "msec": 1e-3,
    "s": 1.0, "sec": 1.0, "second": 1.0, "seconds": 1.0,
    "min": 60.0, "minute": 60.0, "minutes": 60.0, "h": 3600.0, "hour": 3600.0, "hours": 3600.0,
}  # fmt: skip
"""Time units as files spell them, in s."""


class Calibration(NamedTuple):
    """Pixel size [Å px⁻¹] and frame time [s]; None where unknown."""

    pixel_size: float | None = None
    frame_time: float | None = None


def convert(value: object, unit: object, table: Mapping[str, float]) -> float | None:
    r"""Return ``value`` in the table's own unit; None where value or unit mean nothing.

    ImageJ writes µ escaped as ``\u00B5``, and there are two µ in Unicode: all are understood.
    """
    text = str(unit or "").replace("\\u00B5", "µ").replace("\\u00C5", "Å").strip()
    text = text.replace("μ", "µ").replace("\u212b", "Å").casefold().replace("μ", "µ")
    factor = table.get(text)
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    if factor is None or not math.isfinite(number) or number <= 0:
        return None
    return number * factor


def square_pixel(x: float | None, y: float | None, name: str) -> float | None:
    """Pixel size [Å px⁻¹] from those of x and y; refuse pixels that are not square.

    Raises
    ------
    InputError
        If they differ by more than 0.1 %: FFTs and scale bars would be wrong.
    """
    if x is None or y is None:
        return x if y is None else y
    if abs(x - y) > 1e-3 * max(x, y):
        raise InputError(
            f"{name}: got pixels of {x:g} × {y:g} Å (x × y), expected square pixels; resample the "
            "movie, or correct its calibration"
        )
    return x


def natural_key(path: Path) -> list[tuple[int, int | str]]:
    """Sort key that puts frame2 before frame10."""
    parts = re.split(r"(\d+)", path.name.casefold())
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in parts if part]


def times(shape: tuple[int, ...]) -> str:
    """``(512, 660)`` as ``512 × 660``."""
    return " × ".join(map(str, shape))


def cannot_read(path: Path, error: OSError) -> InputError:
    """Make the sentence for an operating system error on reading ``path``."""
    if isinstance(error, FileNotFoundError):
        return InputError(f"got {path}, which does not exist, expected a file; check the path")
    if isinstance(error, PermissionError):
        return InputError(
            f"got {path}, which may not be read, expected read permission; "
            "change its permissions or copy it"
        )
    reason = error.strerror or str(error)
    return InputError(f"got {path}, which cannot be read ({reason}), expected a readable file; "
                      "check the disk or the network")  # fmt: skip


def is_there(file: Path) -> bool:
    """Whether ``file`` is a file with content, as far as the system lets us look."""
    try:
        status = file.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise cannot_read(file, error) from error
    return stat.S_ISREG(status.st_mode) and status.st_size > 0


def check_readable(*files: Path) -> None:
    """Raise InputError if the system refuses to read one of them; one that is missing is none."""
    for file in files:
        try:
            file.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise cannot_read(file, error) from error


def check_input_file(path: str | os.PathLike[str]) -> Path:
    """Return ``path`` if it is a file with content that may be read.

    Raises
    ------
    InputError
        If it is missing, a folder, may not be read, or is empty.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            empty = not file.read(1)
    except IsADirectoryError as error:
        raise InputError(f"got {path}, which is a folder, expected a file; name a file") from error
    except OSError as error:
        raise cannot_read(path, error) from error
    if empty:
        raise InputError(
            f"got {path}, which is empty (0 bytes), expected a movie; "
            "check that the recording was saved"
        )
    return path


def cut_short(name: str, size: int, n_frames: int, frame: int) -> CorruptFileError:
    """Make the sentence for a file that ends too early."""
    return CorruptFileError(
        f"{name}: file is cut short, it ends after {size} bytes within or before frame {frame}, "
        f"expected {n_frames} complete frames; copy it again from where it was recorded"
    )


def frame_range(key: int | slice, n_frames: int) -> range:
    """Frame indices that ``key`` selects."""
    if isinstance(key, slice):
        return range(n_frames)[key]
    index = range(n_frames)[key]
    return range(index, index + 1)


@dataclass(frozen=True, eq=False)
class ContiguousFrames:
    """Uncompressed frames one after another in a file, read when asked for.

    The file is opened for each read and closed again: nothing leaks, and any number of threads
    may read at once.

    Attributes
    ----------
    path, name
        The file, and what to call it in messages.
    shape
        (T, H, W).
    stored
        Pixel type with the file's byte order.
    offset
        Of frame 0 [bytes].
    """

    path: Path
    name: str
    shape: tuple[int, int, int]
    stored: np.dtype[Any]
    offset: int

    @property
    def dtype(self) -> np.dtype[Any]:
        """Pixel type in native byte order."""
        return self.stored.newbyteorder("=")

    @property
    def frame_bytes(self) -> int:
        """Bytes of one frame."""
        return self.shape[1] * self.shape[2] * self.stored.itemsize

    def check_length(self) -> None:
        """Raise CorruptFileError if the file ends before the last frame does."""
        size = self.path.stat().st_size
        if size < self.offset + self.shape[0] * self.frame_bytes:
            complete = max(0, size - self.offset) // self.frame_bytes
            raise cut_short(self.name, size, self.shape[0], complete)

    def __getitem__(self, key: int | slice) -> NDArray[Any]:
        """Frames (n, H, W) of a slice, or one frame (H, W) of an index."""
        indices = frame_range(key, self.shape[0])
        frames = np.empty((len(indices), *self.shape[1:]), self.stored)
        try:
            with self.path.open("rb") as file:
                for frame, index in zip(frames, indices, strict=True):
                    file.seek(self.offset + index * self.frame_bytes)
                    if file.readinto(memoryview(frame).cast("B")) != self.frame_bytes:
                        raise cut_short(self.name, self.path.stat().st_size, self.shape[0], index)
        except OSError as error:
            raise cannot_read(self.path, error) from error
        native = frames.astype(self.dtype, copy=False)
        return native if isinstance(key, slice) else native[0]


def reason_of(error: Exception) -> str:
    """Say in a few words, which fit into a sentence, what a library's error was."""
    text = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return text[:120].rstrip(".")
