"""How many frames of a block a pixel should be open in: quality and bytes of balanced masks.

    python benchmarks/exposures.py FOLDER [--ratios 10 20 30] [--shares 0.2 0.25 0.33 0.4 0.5]
                                   [--decoders unfolding gap_tv] [--movies PATTERN]

FOLDER holds pairs NAME.tif, NAME_truth.tif. Few exposures tell one frame from another, many gather
electrons; which is better depends on the dose, the motion and the decoder. A column for each share
n / B: PSNR [dB] against the truth, mean over frames, range p99.9 − p0.1 of the truth, and in
brackets raw bytes ÷ real bytes. The default is in bold.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from quality import Scene, decoded, movie_pairs

from napari_tcsdl._exposures import usual_exposures
from napari_tcsdl.metrics import psnr
from napari_tcsdl.pipeline import compress
from napari_tcsdl.settings import Settings


def main() -> None:
    options = _options()
    columns = ("movie", "decoder", "B", *(f"{share:g}" for share in options.shares))
    print("| " + " | ".join(columns) + " |\n|" + "---|" * len(columns))
    for pair in movie_pairs(options.folder):
        if not pair[0].match(options.movies):
            continue
        scene = Scene.read(*pair, None, "au_*")
        for decoder in options.decoders:
            for ratio in options.ratios:
                settings = Settings(compression_ratio=ratio, decoder=decoder, reference="truth")
                cells = [cell(scene, settings, share) for share in options.shares]
                row = (scene.movie.name, decoder, str(ratio), *cells)
                print("| " + " | ".join(row) + " |", flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--ratios", type=int, nargs="+", default=[10, 20, 30], metavar="B")
    parser.add_argument("--shares", type=float, nargs="+", default=[0.2, 0.25, 0.33, 0.4, 0.5])
    parser.add_argument("--decoders", nargs="+", default=["unfolding", "gap_tv"], metavar="NAME")
    parser.add_argument("--movies", default="*", help="only those whose file name matches")
    return parser.parse_args()


def cell(scene: Scene, settings: Settings, share: float) -> str:
    """Compress and decode with pixels open in that share of the frames."""
    ratio = settings.compression_ratio
    exposures = max(1, round(share * ratio))
    with tempfile.TemporaryDirectory() as work:
        path = Path(work) / "movie.tcs.zarr"
        estimate = decoded(
            compress(scene.movie, path, replace(settings, exposures=exposures)), settings
        )
    pairs = zip(estimate.frames, scene.truth, strict=True)
    score = np.mean([psnr(*pair, data_range=scene.data_range) for pair in pairs])
    assert estimate.real_bytes is not None
    text = f"{score:.2f} ({scene.movie.nbytes / estimate.real_bytes:.1f})"
    return f"**{text}**" if exposures == usual_exposures(ratio) else text


if __name__ == "__main__":
    main()
