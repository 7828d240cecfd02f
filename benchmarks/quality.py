"""Quality against known truth: decoders and rivals at real bytes, one table for a set of movies.

    python benchmarks/quality.py FOLDER [--decoders gap_tv …] [--ratios 10 20 30] [--frames N]
                                 [--csv OUT] [--markdown] [--untold] [--set NAME=VALUE …]

FOLDER holds pairs NAME.tif and NAME_truth.tif (float32, noise-free). With --untold decoders are not
told how long structure lasts, as of files whose encoder had no raw frames. Columns:

psnr, ssim      means over frames; the data range is p99.9 − p0.1 of the truth
frc_1/2, _1/7   distance at which the Fourier ring correlation with the truth, all frames pooled,
                first falls below ½ or 1/7 [Å, px where the pixel size is unknown]
raw/bytes       raw bytes ÷ real bytes, masks and headers counted
±1σ             share of the truth within one standard deviation of the estimate, of decoders that
                state one; 68 % is right
edge            mean |change| from frame to frame at block edges over that inside blocks; where the
                truth's own is not 1, the scene has part in it
111 … 004       spots of gold, in movies that --gold names: power over the median of their ring, in
                brackets the share of the truth's power above that median (1: all kept, 0: lost)
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_tcsdl import codecs
from napari_tcsdl._validation import TcsdlError
from napari_tcsdl.bragg import AU_REFLECTIONS, find_spots, mean_spectrum, spot_scores
from napari_tcsdl.encoding import measure_statistics
from napari_tcsdl.frc import HALVES_THRESHOLD, frc
from napari_tcsdl.io import CompressedMovie, open_movie
from napari_tcsdl.metrics import data_range_of, psnr, ssim
from napari_tcsdl.movie import Movie
from napari_tcsdl.pipeline import compress, reconstruct
from napari_tcsdl.reconstruction import RECONSTRUCTORS
from napari_tcsdl.settings import Settings

COLUMNS = ("movie", "B", "method", "psnr", "ssim", "frc_1/2", "frc_1/7", "raw/bytes", "±1σ", "edge")
WIDTH = {"movie": 44, "method": 16} | dict.fromkeys(AU_REFLECTIONS, 15)
DIGITS = {"psnr": 2, "ssim": 3, "raw/bytes": 1} | dict.fromkeys(AU_REFLECTIONS, 1)


@dataclass(frozen=True, eq=False)
class Scene:
    """A movie (n, H, W) with its truth, and the spots of its lattice."""

    movie: Movie
    truth: NDArray[np.float32]
    data_range: float
    reflections: dict[str, float]

    @classmethod
    def read(cls, movie_path: Path, truth_path: Path, n_frames: int | None, gold: str) -> Scene:
        """Open a pair; the data range is always that of the whole truth."""
        movie, truth = open_movie(movie_path), open_movie(truth_path)
        stop = min(n_frames or movie.shape[0], movie.shape[0])
        pixel_size = movie.pixel_size
        is_gold = pixel_size is not None and movie_path.match(gold)
        return cls(
            Movie(movie.read(0, stop), movie_path.stem, pixel_size, movie.frame_time),
            truth.read(0, stop).astype(np.float32),
            data_range_of(truth.sample()),
            {k: d for k, d in AU_REFLECTIONS.items() if is_gold and d > 2 * pixel_size},
        )


@dataclass(frozen=True, eq=False)
class Estimate:
    """Frames (n, H, W) that one method made, with its real bytes, None for the truth."""

    method: str
    frames: NDArray[Any]
    real_bytes: int | None = None
    uncertainty: NDArray[np.float32] | None = None


# --- what is compared ---------------------------------------------------------------------------


def rivals(scene: Scene, ratio: int) -> Iterator[Estimate]:
    """Truth, raw frames, binning, and JPEG at raw/B."""
    raw = scene.movie.read(0, scene.movie.shape[0])
    yield Estimate("truth", scene.truth)
    yield Estimate("raw", raw, raw.nbytes)
    statistics, defaults = measure_statistics(scene.movie), Settings()
    value_range = statistics.value_range
    storage = codecs.SumStorage(statistics.noise, defaults.companding, defaults.entropy)
    blocks = [raw[first : first + ratio] for first in range(0, len(raw), ratio)]
    jpeg = codecs.CODECS["jpeg"]
    for method, results in (
        ("binning", [codecs.binning(block, storage) for block in blocks]),
        (
            "jpeg_raw/B",
            [codecs.at_budget(jpeg, block, block.nbytes // ratio, value_range) for block in blocks],
        ),
    ):
        over = sum(not result.fits for result in results)
        if over:
            print(f"{scene.movie.name}: {method} exceeds raw/B in {over} blocks", file=sys.stderr)
        yield Estimate(
            method,
            np.concatenate([result.decoded for result in results]),
            sum(sum(result.frame_bytes) for result in results),
        )


def decoded(compressed: CompressedMovie, settings: Settings) -> Estimate:
    """Decode the whole movie."""
    blocks = list(reconstruct(compressed, settings))
    uncertainties = [block.uncertainty for block in blocks]
    known = [uncertainty for uncertainty in uncertainties if uncertainty is not None]
    return Estimate(
        settings.decoder,
        np.concatenate([block.frames for block in blocks]),
        compressed.bytes_on_disk()["total"],
        np.concatenate(known) if known else None,
    )


def estimates(
    scene: Scene, settings: Settings, decoders: list[str], untold: bool
) -> Iterator[Estimate]:
    """Every row of one movie at one B; a decoder that cannot do it says why on stderr."""
    ratio = settings.compression_ratio
    yield from rivals(scene, ratio)
    with tempfile.TemporaryDirectory() as work:
        compressed = compress(scene.movie, Path(work) / "movie.tcs.zarr", settings)
        if untold:
            header = replace(compressed.header, persistence=None)
            compressed = replace(compressed, header=header)
        for decoder in decoders:
            values = settings.to_json() | {"decoder": decoder}
            try:
                yield decoded(compressed, Settings.from_json(values))
            except TcsdlError as error:
                print(f"{scene.movie.name}, B = {ratio}, {decoder}: {error}", file=sys.stderr)


# --- numbers ------------------------------------------------------------------------------------


def measure(scene: Scene, ratio: int, estimate: Estimate) -> dict[str, Any]:
    """One row of the table; None where a number has no meaning."""
    row: dict[str, Any] = dict.fromkeys(COLUMNS)
    row |= {"movie": scene.movie.name, "B": ratio, "method": estimate.method}
    if estimate.real_bytes is not None:
        pairs = list(zip(estimate.frames, scene.truth, strict=True))
        for name, metric in (("psnr", psnr), ("ssim", ssim)):
            row[name] = np.mean([metric(*pair, data_range=scene.data_range) for pair in pairs])
        curve = frc(estimate.frames, scene.truth, pixel_size=scene.movie.pixel_size)
        row["frc_1/2"] = curve.resolution()
        row["frc_1/7"] = curve.resolution(HALVES_THRESHOLD)
        row["raw/bytes"] = scene.movie.nbytes / estimate.real_bytes
    if estimate.uncertainty is not None:
        within = np.abs(estimate.frames - scene.truth) <= estimate.uncertainty
        row["±1σ"] = within.mean()
    row["edge"] = edge_flicker(estimate.frames, ratio)
    return row | spot_columns(scene, estimate)


def edge_flicker(frames: NDArray[Any], ratio: int) -> float | None:
    """Mean |X_{t+1} − X_t| at block edges over that inside blocks; None without an edge."""
    steps = np.array([np.abs(b.astype(np.float32) - a).mean() for a, b in pairwise(frames)])
    at_edge = np.arange(1, len(frames)) % ratio == 0
    if at_edge.all() or not at_edge.any():
        return None
    inside = steps[~at_edge].mean()
    return float(steps[at_edge].mean() / inside) if inside > 0 else math.inf


def spot_columns(scene: Scene, estimate: Estimate) -> dict[str, float]:
    """Contrast of each reflection, and the share of the truth's power that is kept."""
    if not scene.reflections:
        return {}
    truth, image = (
        mean_spectrum(frames, pixel_size=scene.movie.pixel_size)
        for frames in (scene.truth, estimate.frames)
    )
    spots = find_spots(truth, scene.reflections)
    expected = spot_scores(truth, scene.reflections, spots)
    columns = {}
    for name, score in spot_scores(image, scene.reflections, spots).items():
        columns |= {name: score.contrast, f"{name}_kept": score.share_of(expected[name])}
    return columns


# --- the table ----------------------------------------------------------------------------------


def cells(row: dict[str, Any], columns: list[str]) -> list[str]:
    """Return a row as text."""
    texts = []
    for column in columns:
        value = row.get(column)
        if value is None:
            texts.append("–")
        elif not isinstance(value, float):
            texts.append(str(value))
        else:
            text = "∞" if math.isinf(value) else f"{value:.{DIGITS.get(column, 2)}f}"
            kept = row.get(f"{column}_kept")
            texts.append(text if kept is None else f"{text} ({kept:.3f})")
    return texts


def line(texts: list[str], columns: list[str], markdown: bool) -> str:
    """Join the cells of a row."""
    if markdown:
        return "| " + " | ".join(texts) + " |"
    widths = [WIDTH.get(column, max(len(column), 7)) for column in columns]
    return "  ".join(
        text.ljust(width) if column in ("movie", "method") else text.rjust(width)
        for text, width, column in zip(texts, widths, columns, strict=True)
    ).rstrip()


def movie_pairs(folder: Path) -> Iterator[tuple[Path, Path]]:
    """Movies of ``folder`` that have a truth beside them."""
    for truth in sorted(folder.glob("*_truth.tif")):
        yield truth.with_name(truth.name.replace("_truth", "")), truth


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--decoders", nargs="+", default=list(RECONSTRUCTORS), metavar="NAME")
    parser.add_argument("--ratios", type=int, nargs="+", default=[10, 20, 30], metavar="B")
    parser.add_argument("--frames", type=int, help="only the first of each movie")
    parser.add_argument("--movies", default="*", help="only those whose file name matches")
    parser.add_argument("--gold", default="au_*", help="file names of movies with gold's lattice")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--untold", action="store_true", help="not how long structure lasts")
    parser.add_argument("--set", action="extend", nargs="+", default=[], metavar="NAME=VALUE",
                        help="other settings, for example companding=0")  # fmt: skip
    parser.add_argument("--csv", type=Path, help="write all numbers here, too")
    parser.add_argument("--markdown", action="store_true")
    return parser.parse_args(arguments)


def settings_of(options: argparse.Namespace, ratio: int) -> Settings:
    """Return the settings at one B, with what --set gives put over them."""
    usual = Settings(compression_ratio=ratio, reference="truth", device=options.device)
    given = dict(text.split("=", 1) for text in options.set)
    plain = {"decoder", "deviation", "entropy", "weights"}
    values = {name: text if name in plain else json.loads(text) for name, text in given.items()}
    return Settings.from_json(usual.to_json() | values)


def main(arguments: list[str] | None = None) -> None:
    """Print the table row by row."""
    options = parse(arguments)
    pairs = [pair for pair in movie_pairs(options.folder) if pair[0].match(options.movies)]
    if not pairs:
        sys.exit(f"got {options.folder} without NAME_truth.tif, expected pairs of movies")
    scenes = [Scene.read(*pair, options.frames, options.gold) for pair in pairs]
    reflections = [name for name in AU_REFLECTIONS if any(name in s.reflections for s in scenes)]
    columns = [*COLUMNS, *reflections]
    print(line(columns, columns, options.markdown))
    if options.markdown:
        print("|" + "---|" * len(columns))
    rows = []
    for scene in scenes:
        for ratio in options.ratios:
            settings = settings_of(options, ratio)
            for estimate in estimates(scene, settings, options.decoders, options.untold):
                rows.append(measure(scene, ratio, estimate))
                print(line(cells(rows[-1], columns), columns, options.markdown), flush=True)
    if options.csv:
        with options.csv.open("w", newline="", encoding="utf-8") as file:
            names = [*columns, *(f"{name}_kept" for name in reflections)]
            writer = csv.DictWriter(file, names)
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
