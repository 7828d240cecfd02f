"""What the tile of the masks costs: their bytes, the quality, and traces of its period.

    python benchmarks/mask_tiles.py MOVIE.tif=TRUTH.tif … [--tiles 32 64 128 256] [--ratio 10]
                                    [--frames 30] [--seeds 2] [--decoders gap_tv unfolding]

Masks repeat as a periodic tile. A small one weighs less; whether it costs anything is what this
table says, for each movie and decoder, with masks of several seeds. Columns:

mask bytes   of the file, packed and compressed, paid once a movie
PSNR         [dB] against the truth, mean over frames, range p99.9 − p0.1 of the truth; one number
             for each seed
against      [dB] mean over seeds, less that of the largest tile
harmonics    power of the reconstruction's error at the frequencies of the tile over the median
             power around them, mean over all harmonics, mean over seeds; noise alone gives 1.4
             (mean over median of an exponential distribution), repeated masks that show give more
             than frames decoded with the largest tile do at the same frequencies (in brackets)
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from napari_tcsdl.io import open_movie
from napari_tcsdl.metrics import data_range_of, psnr
from napari_tcsdl.movie import Movie
from napari_tcsdl.pipeline import compress, reconstruct
from napari_tcsdl.settings import Settings

HALF_WIDTH = 3  # frequencies around a harmonic that its surroundings are taken from
COLUMNS = ("movie", "decoder", "tile", "mask bytes", "PSNR", "against", "harmonics")


class Pair(NamedTuple):
    """A movie and its truth (n, H, W)."""

    movie: Movie
    truth: NDArray[np.float32]
    data_range: float


class Result(NamedTuple):
    """Of one tile and seed."""

    mask_bytes: int
    psnr: float
    error_power: NDArray[np.float64]  # (H, W) in FFT layout, mean over frames


def main() -> None:
    options = _options()
    print("| " + " | ".join(COLUMNS) + " |\n|" + "---|" * len(COLUMNS))
    for argument in options.pairs:
        pair = read(argument, options.frames)
        for decoder in options.decoders:
            settings = Settings(compression_ratio=options.ratio, decoder=decoder)
            for row in rows(pair, settings, sorted(options.tiles, reverse=True), options.seeds):
                print("| " + " | ".join((pair.movie.name, decoder, *row)) + " |", flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("pairs", nargs="+", help="MOVIE.tif=TRUTH.tif")
    parser.add_argument("--tiles", type=int, nargs="+", default=[32, 64, 128, 256])
    parser.add_argument("--ratio", type=int, default=10)
    parser.add_argument("--frames", type=int, default=30)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--decoders", nargs="+", default=["gap_tv", "unfolding"])
    return parser.parse_args()


def read(argument: str, n_frames: int) -> Pair:
    """Open MOVIE=TRUTH; the data range is that of the whole truth."""
    movie, truth = (open_movie(Path(path)) for path in argument.split("=", 1))
    short = Movie(movie.read(0, n_frames), movie.name, movie.pixel_size, movie.frame_time)
    return Pair(short, truth.read(0, n_frames).astype(np.float32), data_range_of(truth.sample()))


def rows(pair: Pair, settings: Settings, tiles: list[int], seeds: int) -> Iterator[list[str]]:
    """Cells of each tile, the largest first: it is what the others are compared with."""
    reference: list[Result] = []
    for tile in tiles:
        results = [
            decoded(pair, replace(settings, mask_tile=tile, seed=seed)) for seed in range(seeds)
        ]
        reference = reference or results
        mine, largest = (float(np.mean([r.psnr for r in many])) for many in (results, reference))
        peak, usual = (
            float(np.mean([harmonics(r.error_power, tile) for r in many]))
            for many in (results, reference)
        )
        yield [
            str(tile),
            f"{results[0].mask_bytes:,}",
            ", ".join(f"{result.psnr:.2f}" for result in results),
            f"{mine - largest:+.2f}",
            "–" if np.isnan(peak) else f"{peak:.2f} ({usual:.2f})",
        ]


def decoded(pair: Pair, settings: Settings) -> Result:
    """Compress and reconstruct as a user does."""
    with tempfile.TemporaryDirectory() as work:
        compressed = compress(pair.movie, Path(work) / "movie.tcs.zarr", settings)
        frames = np.concatenate([block.frames for block in reconstruct(compressed, settings)])
        mask_bytes = compressed.bytes_on_disk()["masks"]
    scores = [
        psnr(a, b, data_range=pair.data_range) for a, b in zip(frames, pair.truth, strict=True)
    ]
    power = np.mean(
        [np.abs(fft.fft2(a - b)) ** 2 for a, b in zip(frames, pair.truth, strict=True)], 0
    )
    return Result(mask_bytes, float(np.mean(scores)), power)


def harmonics(power: NDArray[np.float64], tile: int) -> float:
    """Mean power at the tile's frequencies over the median around each; nan where there are none.

    The frequencies of the frame are left out that the tile's period does not hit exactly.
    """
    height, width = power.shape
    if height % tile or width % tile or tile >= min(height, width):
        return float("nan")
    steps = (height // tile, width // tile)
    half = [min(HALF_WIDTH, step - 1) for step in steps]
    ratios = []
    for y in range(0, height, steps[0]):
        for x in range(0, width, steps[1]):
            if y or x:
                around = power[
                    np.ix_(
                        np.arange(y - half[0], y + half[0] + 1) % height,
                        np.arange(x - half[1], x + half[1] + 1) % width,
                    )
                ].copy()
                around[half[0], half[1]] = np.nan
                ratios.append(power[y, x] / np.nanmedian(around))
    return float(np.mean(ratios))


if __name__ == "__main__":
    main()
