"""The paper's figures again, on the sample movies of this project, each number beside the paper's.

    python benchmarks/paper_figures.py [--out docs/images] [--device cpu]

Writes paper_figure_2.png … paper_figure_6.png and prints one table. The movies are not those of
the paper, which are not public, so its numbers are there to be looked at, not to be beaten: both
its method and its JPEG start from another noise level.

Figure 2   Au, B = 30: raw, JPEG at raw/B, reconstruction, reference
Figure 3   frames 5 and 25 of it, with spectra; the (004) spots
Figure 4   carbon fibres, B = 10
Figure 5   PSNR and SSIM against B = 10, 20, 30, reconstruction and JPEG
Figure 6   loss and validation of the training run behind the weights

As in the paper, JPEG gets 1/B of the raw bytes, and scores are taken against denoised raw frames;
beside them, against the truth, which a simulated movie has.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from numpy.typing import NDArray

from napari_tcsdl._figure_layout import DPI, GROUND, LINE, MARK, MUTED, TEXT, scale_bar
from napari_tcsdl._whole_file import whole_file
from napari_tcsdl.bragg import AU_REFLECTIONS, find_spots, mean_spectrum, spot_scores
from napari_tcsdl.codecs import CODECS, at_budget
from napari_tcsdl.encoding import measure_statistics
from napari_tcsdl.fourier import power_spectrum
from napari_tcsdl.io import open_movie
from napari_tcsdl.metrics import data_range_of, psnr, ssim
from napari_tcsdl.movie import Movie
from napari_tcsdl.pipeline import compress, reconstruct
from napari_tcsdl.reference import make_reference
from napari_tcsdl.settings import Settings
from napari_tcsdl.simulate import sample_movie_path, sample_truth
from napari_tcsdl.training.curves import write_curves

RATIOS = (10, 20, 30)
OURS, JPEG = "reconstruction", "JPEG, raw/B"
SHADES = {OURS: "#ff9f43", JPEG: "#56b4e9"}
LOG = Path(__file__).parent.parent / "runs" / "unfolding_leg_11a.jsonl"

PUBLISHED = {
    ("au_sinter", 30, JPEG): 23.98,
    ("au_sinter", 30, OURS): 25.91,
    ("carbon_fibres", 10, JPEG): 32.38,
    ("carbon_fibres", 10, OURS): 35.41,
}
"""PSNR [dB] that the text of Zheng et al. (2021) gives, on its own movies, against BM3D."""


@dataclass(frozen=True, eq=False)
class Scene:
    """A sample movie (n, H, W) with its truth and its denoised frames."""

    name: str
    movie: Movie
    raw: NDArray[Any]
    truth: NDArray[np.float32]
    denoised: NDArray[np.float32]
    description: str

    @classmethod
    def of(cls, name: str) -> Scene:
        """Open a sample and make its two references."""
        movie = open_movie(sample_movie_path(name))
        raw = movie.read(0, movie.shape[0])
        reference = make_reference(movie, "denoised", measure_statistics(movie), None)
        denoised = reference.frames(raw, 0)
        return cls(name, movie, raw, sample_truth(name), denoised, reference.description)


Results = dict[str, NDArray[Any]]


def results_of(scene: Scene, ratio: int, device: str) -> Results:
    """Our frames and JPEG's at 1/B of the raw bytes, both (n, H, W)."""
    with tempfile.TemporaryDirectory() as work:
        settings = Settings(compression_ratio=ratio, device=device)
        compressed = compress(scene.movie, Path(work) / "movie.tcs.zarr", settings)
        ours = np.concatenate([block.frames for block in reconstruct(compressed, settings)])
    budget = scene.raw.nbytes // ratio
    value_range = measure_statistics(scene.movie).value_range
    squeezed = at_budget(CODECS["jpeg"], scene.raw, budget, value_range)
    return {OURS: ours, JPEG: squeezed.decoded}


def scores(frames: NDArray[Any], reference: NDArray[Any]) -> tuple[float, float]:
    """Mean PSNR [dB] and SSIM over the range of the reference."""
    span = data_range_of(reference)
    pairs = list(zip(frames, reference, strict=True))
    return (
        float(np.mean([psnr(*pair, data_range=span) for pair in pairs])),
        float(np.mean([ssim(*pair, data_range=span) for pair in pairs])),
    )


# --- pictures -----------------------------------------------------------------------------------


def new_figure(width: float, height: float, title: str) -> Figure:
    """Make an empty figure in our colours, sizes in inches."""
    figure = Figure((width, height), dpi=DPI, facecolor=GROUND, layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, color=TEXT, fontsize=12.5)
    return figure


def save(figure: Figure, path: Path) -> None:
    """Write a PNG whole or not at all."""
    with whole_file(path, replace=True) as partial:
        figure.savefig(partial, format="png", facecolor=GROUND)


def bare(axes: Axes, title: str = "") -> None:
    """Take the ticks off a panel."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_title(title, color=TEXT, fontsize=10.5)
    for spine in axes.spines.values():
        spine.set_color(LINE)


def show(axes: Axes, image: NDArray[Any], limits: tuple[float, float], scene: Scene) -> None:
    """Show a frame with its scale bar."""
    axes.imshow(image, cmap="gray", vmin=limits[0], vmax=limits[1], interpolation="nearest")
    scale_bar(axes, image.shape, scene.movie.pixel_size)


def panels(scene: Scene, results: Results, frame: int) -> dict[str, NDArray[Any]]:
    """Choose what stands side by side, in the order of the paper."""
    shown = {"raw": scene.raw, **{name: results[name] for name in (JPEG, OURS)}}
    return {name: frames[frame] for name, frames in (shown | {"truth": scene.truth}).items()}


def limits_of(image: NDArray[Any]) -> tuple[float, float]:
    """Black and white of the truth, which all panels share."""
    low, high = np.percentile(image, (0.3, 99.7))
    return float(low), float(high)


def draw_frames(scene: Scene, results: Results, frame: int, title: str) -> Figure:
    """Figures 2 and 4: whole frames above, their middle below."""
    images = panels(scene, results, frame)
    figure = new_figure(13, 7.2, title)
    grid = figure.subplots(2, len(images))
    limits = limits_of(images["truth"])
    height, width = images["truth"].shape
    detail = (slice(height // 3, 2 * height // 3), slice(width // 3, 2 * width // 3))
    for column, (name, image) in enumerate(images.items()):
        words = name
        if name != "truth":
            value = psnr(image, scene.truth[frame], data_range=data_range_of(scene.truth))
            words = f"{name}, {value:.2f} dB to truth"
        for row, part in enumerate((image, image[detail])):
            show(grid[row, column], part, limits, scene)
            bare(grid[row, column], words if row == 0 else "")
    return figure


def draw_spectra(scene: Scene, results: Results, frames: tuple[int, ...], title: str) -> Figure:
    """Figure 3: two frames with their spectra; circles where the truth has (004)."""
    figure = new_figure(13, 6.6 * len(frames), title)
    grid = figure.subplots(2 * len(frames), 4)
    reflections = {"004": AU_REFLECTIONS["004"]}
    for at, frame in enumerate(frames):
        images = panels(scene, results, frame)
        truth = mean_spectrum(images["truth"], pixel_size=scene.movie.pixel_size)
        spots = find_spots(truth, reflections)
        limits = limits_of(images["truth"])
        floor = np.log10(np.median(truth.power) + 1e-12)
        for column, (name, image) in enumerate(images.items()):
            top, bottom = grid[2 * at, column], grid[2 * at + 1, column]
            show(top, image, limits, scene)
            bare(top, f"{name}, frame {frame}")
            power, _ = power_spectrum(image, pixel_size=scene.movie.pixel_size)
            bottom.imshow(np.log10(power + 1e-12), cmap="gray", vmin=floor, vmax=floor + 5)
            for y, x in spots["004"]:
                bottom.add_patch(Circle((x, y), 7, fill=False, color=MARK, lw=1))
            own = mean_spectrum(image, pixel_size=scene.movie.pixel_size)
            score = spot_scores(own, reflections, spots)["004"]
            bare(bottom, f"(004): {score.contrast:.1f} × its ring")
    return figure


def draw_curves(table: Mapping[tuple[str, int, str], Mapping[str, tuple[float, float]]]) -> Figure:
    """Figure 5: PSNR and SSIM against B."""
    figure = new_figure(11, 6.6, "Figure 5 again: PSNR and SSIM against B")
    grid = figure.subplots(2, 2, sharex=True)
    for column, name in enumerate(dict.fromkeys(key[0] for key in table)):
        for row, what in enumerate(("PSNR [dB]", "SSIM")):
            axes = grid[row, column]
            axes.set_facecolor(GROUND)
            for method in (OURS, JPEG):
                for basis, style in (("denoised", "-o"), ("truth", "--s")):
                    values = [table[name, ratio, method][basis][row] for ratio in RATIOS]
                    label = f"{method}, against {basis}"
                    axes.plot(RATIOS, values, style, color=SHADES[method], ms=4, label=label)
            axes.set_ylabel(what, color=TEXT)
            axes.set_xticks(RATIOS)
            axes.grid(color=LINE, lw=0.6)
            axes.tick_params(colors=MUTED)
        grid[0, column].set_title(name.replace("_", " "), color=TEXT, fontsize=11)
        grid[1, column].set_xlabel("B", color=TEXT)
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", ncols=4, frameon=False, labelcolor=TEXT
    )
    return figure


# --- the run ------------------------------------------------------------------------------------


def main(arguments: list[str] | None = None) -> None:
    """Draw all five and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args(arguments)
    out = options.out
    table: dict[tuple[str, int, str], dict[str, tuple[float, float]]] = {}
    kept: dict[tuple[str, int], Results] = {}
    scenes = {name: Scene.of(name) for name in ("au_sinter", "carbon_fibres")}
    print(f"denoised: {scenes['au_sinter'].description}")
    print("| movie | B | | against denoised | against truth | paper, its movies |")
    print("|---|---|---|---|---|---|")
    for name, scene in scenes.items():
        for ratio in RATIOS:
            results = kept[name, ratio] = results_of(scene, ratio, options.device)
            for method, frames in results.items():
                row = {
                    "denoised": scores(frames, scene.denoised),
                    "truth": scores(frames, scene.truth),
                }
                table[name, ratio, method] = row
                texts = [f"{db:.2f} dB / {similarity:.3f}" for db, similarity in row.values()]
                paper = PUBLISHED.get((name, ratio, method))
                published = "a curve only" if paper is None else f"{paper:.2f} dB"
                print(f"| {name} | {ratio} | {method} | {' | '.join(texts)} | {published} |")
    au, fibres = scenes["au_sinter"], scenes["carbon_fibres"]
    title = "Figure 2 again: Au nanocrystals sinter, B = 30, frame 15"
    save(draw_frames(au, kept["au_sinter", 30], 15, title), out / "paper_figure_2.png")
    title = "Figure 3 again: frames 5 and 25 at B = 30; circles: (004) of the truth"
    save(draw_spectra(au, kept["au_sinter", 30], (5, 25), title), out / "paper_figure_3.png")
    title = "Figure 4 again: carbon fibres bend, B = 10, frame 15"
    save(draw_frames(fibres, kept["carbon_fibres", 10], 15, title), out / "paper_figure_4.png")
    save(draw_curves(table), out / "paper_figure_5.png")
    write_curves(LOG, out / "paper_figure_6.png", None)


if __name__ == "__main__":
    main()
