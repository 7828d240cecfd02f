"""Scores beyond PSNR of a rival's frames, as JSON: one yardstick for all."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._validation import InputError
from ..fidelity import Yardstick
from ..lattice import Lattice
from .frames import FrameFile, Part
from .material import Material


def yardstick_of(
    reference: FrameFile, frames: tuple[int, int], pixel_size: float | None, lattice: Lattice | None
) -> Yardstick:
    """Prepare scores on some consecutive frames of the reference.

    What is found in the reference is found once, when the first movie is scored, and travels to
    other processes with the yardstick.
    """
    return Yardstick(Part(reference, *frames), pixel_size, lattice)


def scores_beyond(frames: NDArray[np.float32], material: Material) -> dict[str, Any] | None:
    """Score frames of the yardstick; None where these frames cannot be scored, such as tiny ones.

    Parameters
    ----------
    frames
        (n, H, W), those of ``material.fidelity_frames``.
    material
        The movie.
    """
    try:
        return material.yardstick.score(frames).to_json()
    except InputError:
        return None
