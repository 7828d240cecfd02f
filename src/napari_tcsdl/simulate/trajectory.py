"""Atoms through time, and small files of them."""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .._validation import CorruptFileError, InputError
from .._whole_file import whole_file

Floats = NDArray[np.float64]

_STEP = 0.005  # of a stored coordinate [Å]
_STORED = np.iinfo(np.int16)
_UNREADABLE = (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True)
class Trajectory:
    """Atoms of one element through time.

    Attributes
    ----------
    symbol
        Element.
    positions
        (T, N, 3) [Å], around the origin.
    interval
        Time between snapshots [ps].
    """

    symbol: str
    positions: Floats
    interval: float

    def save(self, path: Path) -> None:
        """Write a compressed npz file of whole 0.005 Å, differences in time.

        Raises
        ------
        InputError
            If atoms are absent (NaN), or farther than 163.8 Å from the origin.
        OutputError
            If the file exists already, or cannot be written.
        """
        steps = np.diff(np.round(self.positions / _STEP), axis=0, prepend=0)
        if not (np.abs(steps) <= _STORED.max).all():  # nor is NaN
            raise InputError(
                f"got atoms of {self.symbol} that are absent or farther than "
                f"{_STORED.max * _STEP:.1f} Å from the origin, expected all of them nearer; centre "
                "the trajectory"
            )
        # Slow bytes apart from fast ones: the upper are nearly all 0 or -1 and compress away.
        halves = steps.astype("<i2").transpose(0, 2, 1)[..., None].view(np.uint8)
        with whole_file(path) as partial, partial.open("wb") as file:
            np.savez_compressed(
                file,
                steps=np.moveaxis(halves, -1, 0),
                symbol=self.symbol,
                interval=self.interval,
            )

    @classmethod
    def load(cls, path: Path) -> Trajectory:
        """Read what :meth:`save` wrote.

        Raises
        ------
        CorruptFileError
            If the file is not such a file.
        """
        try:
            with path.open("rb") as file, np.load(file) as stored:
                halves = np.moveaxis(stored["steps"], 0, -1)
                symbol, interval = str(stored["symbol"]), float(stored["interval"])
        except _UNREADABLE as error:
            raise CorruptFileError(
                f"{path}: got {error}, expected a trajectory; make it again"
            ) from error
        steps = np.ascontiguousarray(halves).view("<i2")[..., 0].transpose(0, 2, 1)
        whole = np.cumsum(steps.astype(np.int32), axis=0)
        return cls(symbol, whole.astype(np.float64) * _STEP, interval)
