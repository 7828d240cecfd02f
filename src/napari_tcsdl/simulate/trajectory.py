"""Atoms through time, and small files of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .._validation import CorruptFileError, OutputError

Floats = NDArray[np.float64]

_STEP = 0.005  # of a stored coordinate [Å]


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
        OutputError
            If the file exists already.
        """
        if path.exists():
            raise OutputError(f"{path} exists, expected a new file; give another name")
        whole = np.round(self.positions / _STEP).astype(np.int32)
        steps = np.diff(whole, axis=0, prepend=0)
        # Slow bytes apart from fast ones: the upper are nearly all 0 or -1 and compress away.
        # Coordinates of ± 163 Å fit into 16 bits.
        halves = steps.astype("<i2").transpose(0, 2, 1)[..., None].view(np.uint8)
        with path.open("xb") as file:
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
            with np.load(path) as stored:
                halves = np.moveaxis(stored["steps"], 0, -1)
                symbol, interval = str(stored["symbol"]), float(stored["interval"])
        except (OSError, ValueError, KeyError) as error:
            raise CorruptFileError(
                f"{path}: got {error}, expected a trajectory; make it again"
            ) from error
        steps = np.ascontiguousarray(halves).view("<i2")[..., 0].transpose(0, 2, 1)
        whole = np.cumsum(steps.astype(np.int32), axis=0)
        return cls(symbol, whole.astype(np.float64) * _STEP, interval)
