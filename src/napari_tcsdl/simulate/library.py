"""``python -m napari_tcsdl.simulate.library FOLDER``: movies to train on, one file each.

Files are float16 (T, H, W), intensity relative to vacuum; kind and seed, which a file's name
tells, decide what is in it::

    python -m napari_tcsdl.simulate.dynamics FOLDER/trajectories au_pair
    python -m napari_tcsdl.simulate.library FOLDER --kind crystals --count 90
    python -m napari_tcsdl.simulate.library FOLDER --kind au_pair --count 24 \
        --trajectories FOLDER/trajectories

``--device cuda`` computes them there; on another device the last digits of a movie may differ.
The library for the shipped weights is made by ``runs/unfolding_cpu.sh``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from .._device import choose_device
from .._validation import InputError, exit_code
from .._whole_file import whole_file
from .bending import bending_movie
from .dynamics import TRAJECTORIES
from .rigid import scene_movie
from .sintering import sintering_movie
from .trajectory import Trajectory

Maker = Callable[[int, int, int], NDArray[np.float32]]

KINDS = ("crystals", "fibre", *(name for name in TRAJECTORIES if name != "au_sample"))
"""Rigid crystals, bending fibres, and views of crystals that sinter by molecular dynamics."""


def write_library(folder: Path, maker: Maker, kind: str, seeds: range) -> None:
    """Write movies that are not there yet, each whole or not at all: runs read them meanwhile.

    Parameters
    ----------
    folder
        Made where it is missing.
    maker
        (seed, frames, side [px]) → (T, H, W) float32, relative to vacuum.
    kind
        First part of the files' names.
    seeds
        One file each.

    Raises
    ------
    OutputError
        If a file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        path = folder / f"{kind}_{seed:05d}.npy"
        if path.exists():
            continue
        movie = maker(seed, 48 + 4 * (seed % 5), 256 if seed % 3 else 192)
        with whole_file(path) as partial, partial.open("wb") as file:
            np.save(file, movie.astype(np.float16))
        print(f"{path.name}: {movie.shape}, mean {movie.mean():.3f}, s.d. {movie.std():.3f}")


def maker_of(kind: str, trajectories: Path | None, device: torch.device | str = "cpu") -> Maker:
    """Return what makes a movie of this kind.

    Parameters
    ----------
    kind
        One of :data:`KINDS`.
    trajectories
        Folder of npz files, for views of them.
    device
        Where movies are computed.

    Raises
    ------
    InputError
        If the trajectory for the movies is not there.
    """
    if kind == "crystals":
        return partial(scene_movie, device=device)
    if kind == "fibre":
        return partial(bending_movie, device=device)
    path = (trajectories or Path()) / f"{kind}.npz"
    if not path.exists():
        raise InputError(
            f"got no trajectory {path}, expected --trajectories FOLDER with {kind}.npz; make it "
            f"with python -m napari_tcsdl.simulate.dynamics FOLDER {kind}"
        )
    return partial(sintering_movie, Trajectory.load(path), device=device)


def main(arguments: list[str]) -> int:
    """Write the library; 0, or 2 with one sentence on stderr."""
    parser = argparse.ArgumentParser(prog="python -m napari_tcsdl.simulate.library")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kind", choices=KINDS, default="crystals")
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--count", type=int, default=10)
    parser.add_argument("--trajectories", type=Path, help="folder of npz files, for views of them")
    parser.add_argument("--device", default="cpu", help="where movies are computed, e.g. cuda")
    chosen = parser.parse_args(arguments)
    seeds = range(chosen.first, chosen.first + chosen.count)
    return exit_code(
        lambda: write_library(
            chosen.folder,
            maker_of(chosen.kind, chosen.trajectories, choose_device(chosen.device).device),
            chosen.kind,
            seeds,
        )
    )


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
