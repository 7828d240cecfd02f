"""Quality at real bytes: decoder and rivals on movies whose truth is known.

Usage: python benchmarks/quality.py FOLDER [--ratios 10 20 30]

FOLDER holds pairs NAME.tif and NAME_truth.tif (float32, noise-free). PSNR and SSIM are means over
frames against the truth; the data range is p99.9 − p0.1 of the truth. Sizes are real bytes; the
second figure of a cell is raw bytes / real bytes.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from napari_tcsdl.comparison import compare, mean_scores
from napari_tcsdl.io import open_movie
from napari_tcsdl.settings import Settings

CODECS = ("raw", "binning", "gap_tv", "jpeg_raw_over_B", "jpeg_same_bytes")


def movie_pairs(folder: Path) -> Iterator[tuple[Path, Path]]:
    """Movies of ``folder`` that have a truth beside them."""
    for truth in sorted(folder.glob("*_truth.tif")):
        yield truth.with_name(truth.name.replace("_truth", "")), truth


def measure(movie_path: Path, truth_path: Path, ratio: int) -> str:
    """One row of the table."""
    movie, truth = open_movie(movie_path), open_movie(truth_path)
    settings = Settings(compression_ratio=ratio, reference="truth", device="cpu")
    scores, sizes, over = [], dict.fromkeys(CODECS, 0), dict.fromkeys(CODECS, 0)
    with tempfile.TemporaryDirectory() as work:
        for block in compare(movie, Path(work) / "movie.tcs.zarr", settings, truth=truth):
            scores += block.scores
            for codec in block.codecs:
                sizes[codec.codec] += sum(codec.frame_bytes)
                over[codec.codec] += not codec.fits
    means = mean_scores(scores)
    cells = [
        f"{means[name][0]:.2f} / {means[name][1]:.3f} ({movie.nbytes / sizes[name]:.1f}×"
        + (f", {over[name]} blocks over budget)" if over[name] else ")")
        for name in CODECS
    ]
    return f"| {movie_path.stem} | {ratio} | " + " | ".join(cells) + " |"


def main() -> None:
    """Print one markdown table, row by row."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--ratios", type=int, nargs="+", default=[10, 20, 30])
    arguments = parser.parse_args()
    pairs = list(movie_pairs(arguments.folder))
    if not pairs:
        sys.exit(f"got {arguments.folder} without NAME_truth.tif, expected pairs of movies")
    print("PSNR [dB] / SSIM (raw bytes ÷ real bytes)\n")
    print("| movie | B | " + " | ".join(CODECS) + " |")
    print("|---|---|" + "---|" * len(CODECS))
    for movie_path, truth_path in pairs:
        for ratio in arguments.ratios:
            print(measure(movie_path, truth_path, ratio), flush=True)


if __name__ == "__main__":
    main()
