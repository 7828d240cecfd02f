"""What of a study is not a setting of the run itself."""

from __future__ import annotations

import os
from dataclasses import dataclass

from .._validation import InputError
from ..codecs import CODECS, Codec
from ..lattice import LATTICES, Lattice

ALL = ("all",)
"""Every row of :data:`napari_tcsdl.codecs.CODECS`."""


@dataclass(frozen=True)
class StudyOptions:
    """What of a study is not a setting of the run itself.

    Attributes
    ----------
    rivals
        Names of codecs, or ``("all",)``.
    ratios
        Further B at which we compress, for our own curve.
    decoders
        Further decoders, with the weights that come with the package.
    lattice
        Name of the substance whose Bragg spots are scored, a key of
        :data:`napari_tcsdl.lattice.LATTICES`; None for none.
    cost
        Whether the cost of encoders is measured.
    shown_frame
        Frame kept for pictures; None for the middle of the movie.
    processes
        Rivals that are measured at a time; 0 does all in this process, in which CPU times and
        memory of encoders then hold whatever else it does.
    overwrite
        Replace an existing compressed file.
    held_out
        Whether rivals are also judged by electrons that they never saw.
    split_seed
        ≥ 0, of the split into two halves of the electrons.
    """

    rivals: tuple[str, ...] = ALL
    ratios: tuple[int, ...] = ()
    decoders: tuple[str, ...] = ()
    lattice: str | None = None
    cost: bool = True
    shown_frame: int | None = None
    processes: int = min(4, os.cpu_count() or 1)
    overwrite: bool = False
    held_out: bool = False
    split_seed: int = 0

    def substance(self) -> Lattice | None:
        """Return the lattice that was chosen.

        Raises
        ------
        InputError
            For a name that is no lattice.
        """
        if self.lattice is not None and self.lattice not in LATTICES:
            raise InputError(
                f"got lattice {self.lattice!r}, expected one of {', '.join(LATTICES)}; choose one "
                "of these, or none"
            )
        return None if self.lattice is None else LATTICES[self.lattice]

    def codecs(self) -> tuple[Codec, ...]:
        """Rows of the table that were chosen, in its order.

        Raises
        ------
        InputError
            For a name that is no codec.
        """
        unknown = sorted(set(self.rivals) - set(CODECS) - set(ALL))
        if unknown:
            raise InputError(
                f"got rival {', '.join(unknown)}, expected all, or some of {', '.join(CODECS)}; "
                "choose of these"
            )
        if set(ALL) & set(self.rivals):
            return tuple(CODECS.values())
        return tuple(codec for name, codec in CODECS.items() if name in self.rivals)
