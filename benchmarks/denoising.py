"""Our BM3D against the authors' package and non-local means, in one table.

    python benchmarks/denoising.py [IMAGES] [--frames TRUTH.tif …] [--sigmas 15 25 50] [--markdown]

White Gaussian noise on the grey images of the folder IMAGES, without one on those that come with
scikit-image; on a lattice, and on the middle frame of each movie given (noise-free; its range is
taken as 0 … 255, like an image's). The standard set (Cameraman, House, Peppers, Starfish, Monarch,
Airplane, Parrot, Lena, Barbara, Boat, Man, Couple) is `Set12` of the public repository
cszn/DnCNN, below TrainingCodes/DnCNN_TrainingCodes_v1.0/data/Test; it has no licence to be shipped.

The package is compared where it is installed (pip install bm3d; licensed for non-commercial use
only); it is no dependency of this project. Columns:

bm3d, nlm, package   PSNR [dB] of ours, of scikit-image's non-local means, and of the package
ours − package       [dB]; the aim is above −0.2
CPU-s                of ours
× time, × wall       CPU and wall time of the package over ours, one after the other
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from skimage import color, data, io

from napari_tcsdl.bm3d import bm3d
from napari_tcsdl.denoise import denoise_reference
from napari_tcsdl.io import open_movie

Image = NDArray[np.float64]
RANGE = 255.0
SUFFIXES = (".png", ".tif", ".tiff", ".bmp", ".pgm", ".jpg", ".jpeg")
AIM = -0.2  # [dB] against the package
HEADINGS = (
    "image", "σ", "bm3d", "nlm", "package", "ours − package", "CPU-s", "× time", "× wall",
)  # fmt: skip


def main() -> None:
    options = _options()
    package = _package()
    rows = []
    bm3d(np.zeros((32, 32)), 1.0)  # compiled, or loaded, before the clock runs
    divider = " | " if options.markdown else "  "
    print(divider.join(HEADINGS))
    if options.markdown:
        print(divider.join("---" for _ in HEADINGS))
    for name, truth in _truths(options.images, options.frames):
        for sigma in options.sigmas:
            rows.append(_row(name, truth, sigma, package))
            print(divider.join(_cell(value) for value in rows[-1]), flush=True)
    if package is not None:
        gaps, times = np.array([(row[5], row[7]) for row in rows], float).T
        short = [
            f"{row[0]} at σ = {row[1]:g}" for row, gap in zip(rows, gaps, strict=True) if gap < AIM
        ]
        print(f"ours − package: worst {gaps.min():+.2f} dB, mean {gaps.mean():+.2f} dB")
        print(f"more than {-AIM:.1f} dB below the package: {', '.join(short) or 'none'}")
        print(f"CPU time of the package over ours: {times.min():.1f} to {times.max():.1f}")
    else:
        print("the package bm3d is not installed: no comparison with it")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("images", type=Path, nargs="?", help="folder of grey images (PNG, TIFF, …)")
    parser.add_argument("--frames", type=Path, nargs="*", default=[], help="noise-free movies")
    parser.add_argument("--sigmas", type=float, nargs="+", default=[15.0, 25.0, 50.0])
    parser.add_argument("--markdown", action="store_true")
    return parser.parse_args()


def _package() -> Callable[..., Image] | None:
    try:
        return import_module("bm3d").bm3d
    except ImportError:
        return None


def _truths(folder: Path | None, movies: list[Path]) -> Iterator[tuple[str, Image]]:
    yield from _samples() if folder is None else _images(folder)
    y, x = np.mgrid[:256, :256]
    u, v = 0.98 * x + 0.17 * y, 0.98 * y - 0.17 * x
    yield "lattice", 128 + 60 * np.cos(2 * np.pi * u / 8.2) * np.cos(2 * np.pi * v / 9.1)
    for path in movies:
        movie = open_movie(path)
        middle = movie.shape[0] // 2
        frame = movie.read(middle, middle + 1)[0].astype(np.float64)
        yield path.stem, RANGE * (frame - frame.min()) / np.ptp(frame)


def _samples() -> Iterator[tuple[str, Image]]:
    for name in ("camera", "astronaut", "coins", "moon", "brick"):
        yield name, _grey(getattr(data, name)())


def _images(folder: Path) -> Iterator[tuple[str, Image]]:
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    if not paths:
        raise SystemExit(
            f"got no image in {folder}, expected {', '.join(SUFFIXES)} files; give another folder"
        )
    for path in paths:
        yield path.stem, _grey(io.imread(path))


def _grey(image: NDArray[np.integer]) -> Image:
    """From 8-bit grey or colour to 0 … 255."""
    return RANGE * color.rgb2gray(image[..., :3]) if image.ndim == 3 else image.astype(np.float64)


def _row(
    name: str, truth: Image, sigma: float, package: Callable[..., Image] | None
) -> list[str | float | None]:
    noisy = truth + np.random.default_rng(int(sigma)).normal(0, sigma, truth.shape)
    ours, busy, wall = _timed(lambda: bm3d(noisy, sigma))
    nlm = denoise_reference(noisy[None], sigma, method="nlm")[0]
    row: list[str | float | None] = [name, sigma, _psnr(ours, truth), _psnr(nlm, truth)]
    if package is None:
        return [*row, None, None, busy, None, None]
    theirs, their_busy, their_wall = _timed(lambda: package(noisy, sigma))
    reached = _psnr(theirs, truth)
    return [*row, reached, float(row[2] or 0) - reached, busy, their_busy / busy, their_wall / wall]


def _timed(work: Callable[[], Image]) -> tuple[Image, float, float]:
    """Return the result, CPU seconds and wall seconds."""
    busy, wall = time.process_time(), time.perf_counter()
    result = work()
    return result, time.process_time() - busy, time.perf_counter() - wall


def _psnr(estimate: NDArray[np.floating], truth: Image) -> float:
    return float(10 * np.log10(RANGE**2 / np.mean((estimate - truth) ** 2)))


def _cell(value: str | float | None) -> str:
    if value is None:
        return "–"
    return value if isinstance(value, str) else f"{value:.2f}"


if __name__ == "__main__":
    main()
