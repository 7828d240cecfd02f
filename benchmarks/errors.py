"""What a decoder gets wrong, as pictures and as spectra, of a movie with known truth.

    python benchmarks/errors.py MOVIE.tif TRUTH.tif OUT.png [--ratios 10 30] [--decoder unfolding]
                                [--frame N] [--weights FILE]

One row for each B: a frame of the truth, the same of the reconstruction, and what it is wrong by,
in stated deviations (of a decoder that states none, in its root mean square). Then radial means of
the power spectra of all frames: of the truth, of the noise of a raw frame, and of the error. Where
the error is as strong as the truth nothing is kept. Prints error over truth by d-spacing.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from quality import Estimate, Scene, decoded

from napari_tcsdl._figure_layout import DPI, GROUND, LINE, MUTED, TEXT, scale_bar
from napari_tcsdl._whole_file import whole_file
from napari_tcsdl.pipeline import compress
from napari_tcsdl.radial import radial_profile
from napari_tcsdl.settings import Settings
from napari_tcsdl.spots import spectrum_of

Floats = NDArray[np.float64]

SHADES = {"truth": TEXT, "noise of a raw frame": MUTED, "error": "#ff9f43"}
_MOST = 3.0  # deviations, white and black in the picture of the error
_BANDS = 6


def mean_profile(frames: NDArray[np.floating], pixel_size: float | None) -> tuple[Floats, Floats]:
    """Spatial frequency and mean power over frames and directions, both (n,)."""
    spectra = (spectrum_of(frame, pixel_size=pixel_size) for frame in frames)
    frequencies, powers = zip(*map(radial_profile, spectra), strict=True)
    return frequencies[0], np.mean(powers, axis=0)


def profiles(scene: Scene, estimate: Estimate) -> tuple[Floats, dict[str, Floats]]:
    """Curves by name of :data:`SHADES` against the spatial frequency."""
    raw = scene.movie.read(0, len(scene.truth)).astype(np.float32)
    shown = (scene.truth, raw - scene.truth, estimate.frames - scene.truth)
    found = [mean_profile(frames, scene.movie.pixel_size) for frames in shown]
    return found[0][0], dict(zip(SHADES, (power for _, power in found), strict=True))


def draw_row(axes: list[Axes], scene: Scene, estimate: Estimate, frame: int) -> None:
    """Three pictures and the spectra of one B."""
    truth, image = scene.truth[frame], estimate.frames[frame]
    error = image - truth
    if estimate.uncertainty is None:
        deviation, unit = np.sqrt(np.square(error).mean()), "r.m.s."
    else:
        deviation, unit = estimate.uncertainty[frame], "stated deviations"
    low, high = np.quantile(scene.truth, (0.001, 0.999))
    shown = (truth, image, error / deviation)
    limits = ((low, high), (low, high), (-_MOST, _MOST))
    words = ("truth", estimate.method, f"error, ±{_MOST:g} {unit}")
    for panel, picture, (least, most), word in zip(axes, shown, limits, words, strict=False):
        panel.imshow(picture, cmap="gray", vmin=least, vmax=most, interpolation="nearest")
        panel.set_title(word, color=TEXT, fontsize=12)
        panel.set_axis_off()
    scale_bar(axes[0], truth.shape, scene.movie.pixel_size)
    draw_profiles(axes[3], *profiles(scene, estimate), scene.movie.pixel_size)


def draw_profiles(
    axes: Axes, frequency: Floats, curves: dict[str, Floats], pixel_size: float | None
) -> None:
    """Power against spatial frequency."""
    for name, power in curves.items():
        axes.semilogy(frequency, power, color=SHADES[name], label=name)
    axes.set_facecolor(GROUND)
    axes.tick_params(colors=MUTED)
    for spine in axes.spines.values():
        spine.set_color(LINE)
    axes.set_xlabel("1/nm" if pixel_size else "1/px", color=MUTED)
    axes.set_title("power of all frames", color=TEXT, fontsize=12)
    axes.legend(frameon=False, labelcolor="linecolor", fontsize=9)


def tell(ratio: int, frequency: Floats, curves: dict[str, Floats], known: bool) -> None:
    """Print error over truth in bands of equal width."""
    unit = "Å" if known else "px"
    spacing = (10 if known else 1) / frequency
    for band in np.array_split(np.arange(len(frequency)), _BANDS):
        share = curves["error"][band].sum() / curves["truth"][band].sum()
        ends = f"{spacing[band[0]]:.2f} … {spacing[band[-1]]:.2f} {unit}"
        print(f"B = {ratio:2d}  {ends:>20}  error / truth {share:.3f}")


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("movie", type=Path)
    parser.add_argument("truth", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--ratios", type=int, nargs="+", default=[10, 30], metavar="B")
    parser.add_argument("--decoder", default="unfolding")
    parser.add_argument("--weights", help="instead of those that come with the package")
    parser.add_argument("--frame", type=int, default=25)
    parser.add_argument("--device", default="cpu")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Decode, draw, print."""
    options = parse(arguments)
    scene = Scene.read(options.movie, options.truth, None, "nothing")
    rows = len(options.ratios)
    figure = Figure((17, 4.5 * rows), facecolor=GROUND, layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(rows, 4, squeeze=False, width_ratios=(1, 1, 1, 1.2))
    for axes, ratio in zip(grid, options.ratios, strict=True):
        settings = Settings(
            compression_ratio=ratio,
            reference="truth",
            device=options.device,
            decoder=options.decoder,
            weights=options.weights,
        )
        with tempfile.TemporaryDirectory() as work:
            file = compress(scene.movie, Path(work) / "movie.tcs.zarr", settings)
            estimate = decoded(file, settings)
        draw_row(list(axes), scene, estimate, options.frame)
        axes[1].set_title(f"{estimate.method}, B = {ratio}", color=TEXT, fontsize=12)
        tell(ratio, *profiles(scene, estimate), scene.movie.pixel_size is not None)
    with whole_file(options.out) as partial:
        figure.savefig(partial, format="png", dpi=DPI, facecolor=GROUND)


if __name__ == "__main__":
    main()
