"""Our multislice against abTEM's: the same atoms, the same lens.

    python benchmarks/multislice.py

abTEM (GPL) is a peer that this script runs, never a dependency: install it beside this package
(``pip install abtem``). Prints one table: the correlation of our image with abTEM's image on the
same grid and on a grid of 0.0625 Å, both cut into slices of 1 Å and seen through the same lens.
On coarse grids abTEM smooths atoms that lie between grid points, ours does not: there more slabs
do not bring the two closer.
"""

from __future__ import annotations

import math
import sys
import time

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from napari_tcsdl.simulate._random import Stream
from napari_tcsdl.simulate.crystals import Shape, crystal, zone_rotation
from napari_tcsdl.simulate.microscope import Microscope
from napari_tcsdl.simulate.multislice import Atoms, Grid, Slabs, exit_wave, images, slab_phases

SIDE = 64.0  # [Å]
FINEST = 1024  # px
SLICE = 1.0  # of abTEM [Å]
DISPLACEMENT = 0.0872  # thermal, root mean square along one direction [Å]: B = 0.60 Å²
DEBYE_WALLER = 8 * math.pi**2 * DISPLACEMENT**2
LENS = Microscope(300.0, defocus=60.0, spherical=-10.0, focal_spread=30.0, convergence=0.3)


def two_crystals():
    """Two gold crystals in [110] and 4° off it, (N, 3) [Å]."""
    stream = Stream(7, "bench")
    first = zone_rotation((1, 1, 0), 0.3).apply(crystal("Au", Shape(radius=16.0), stream))
    second = zone_rotation((1, 1, 0), 1.4).apply(crystal("Au", Shape(radius=13.0), stream))
    tilted = Rotation.from_euler("x", 4, degrees=True).apply(second)
    return np.concatenate([first - np.array([12.5, 4, 0]), tilted + np.array([17.0, 6, 0])])


def abtem_spectrum(positions, pixels):
    """Fourier transform of abTEM's exit wave (pixels, pixels), rows along y."""
    import abtem
    from ase import Atoms as AseAtoms

    corner = [SIDE / 2, SIDE / 2, 1 - positions[:, 2].min()]
    cell = [SIDE, SIDE, np.ptp(positions[:, 2]) + 2]
    atoms = AseAtoms(["Au"] * len(positions), positions=positions + corner, cell=cell)
    potential = abtem.Potential(
        atoms,
        gpts=(pixels, pixels),
        slice_thickness=SLICE,
        parametrization=abtem.parametrizations.KirklandParametrization(sigmas={"Au": DISPLACEMENT}),
        projection="infinite",
    )
    beam = abtem.PlaneWave(energy=LENS.voltage * 1e3)
    wave = beam.multislice(potential).compute(progress_bar=False)
    return np.fft.fft2(np.asarray(wave.array).T.astype(np.complex64))


def our_spectrum(positions, pixels, slabs):
    """Fourier transform of our exit wave (pixels, pixels), and seconds."""
    grid = Grid((pixels, pixels), SIDE / pixels)
    cut = Slabs(slabs, float(positions[:, 2].min()) - 1, float(positions[:, 2].max()) + 1)
    atoms = [Atoms("Au", torch.from_numpy(positions[None].astype(np.float32)), DEBYE_WALLER)]
    started = time.process_time()
    wave = exit_wave(slab_phases(atoms, grid, cut, LENS), grid, cut, LENS)
    return wave[0].numpy(), time.process_time() - started


def imaged(spectrum, pixels):
    """Image (pixels, pixels) of a wave that may have been computed on a finer grid."""
    finer = len(spectrum)
    edge = (finer - pixels) // 2
    kept = np.fft.fftshift(spectrum)[edge : edge + pixels, edge : edge + pixels]
    scaled = np.fft.ifftshift(kept) * (pixels / finer) ** 2
    grid = Grid((pixels, pixels), SIDE / pixels)
    return images(torch.from_numpy(scaled.astype(np.complex64))[None], grid, LENS)[0].numpy()


def correlation(first, second):
    return np.corrcoef(first.ravel(), second.ravel())[0, 1]


def main():
    try:
        import abtem  # noqa: F401
    except ImportError:
        print("this benchmark compares with abTEM: pip install abtem", file=sys.stderr)
        return 2
    positions = two_crystals()
    slices = math.ceil((np.ptp(positions[:, 2]) + 2) / SLICE)
    finest = abtem_spectrum(positions, FINEST)
    print(f"{len(positions)} Au atoms, {SIDE:.0f} Å, {LENS.voltage:.0f} kV, abTEM: {slices} slices")
    print("| px | Å/px | our slabs | abTEM, same grid | abTEM, 0.0625 Å | CPU s of ours |")
    print("|---|---|---|---|---|---|")
    for pixels in (256, 512):
        same = imaged(abtem_spectrum(positions, pixels), pixels)
        fine = imaged(finest, pixels)
        for slabs in (1, 2, 4, 8):
            spectrum, seconds = our_spectrum(positions, pixels, slabs)
            image = imaged(spectrum, pixels)
            print(
                f"| {pixels} | {SIDE / pixels:.3f} | {slabs} | {correlation(image, same):.4f} | "
                f"{correlation(image, fine):.4f} | {seconds:.3f} |"
            )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
