"""Results as files: the reconstruction as TIFF; the comparison as table, summary and figure."""

from __future__ import annotations

import csv
import io
import json
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from . import __version__
from ._validation import OutputError
from .comparison import BlockResult, Comparison, FrameScores, compare, mean_scores
from .figures import FigureData, save_comparison_figure
from .io import CompressedMovie, is_compressed, open_compressed, open_movie, save_tiff
from .movie import Movie
from .pipeline import Progress, no_progress, reconstruct
from .settings import Settings

SCORES, SUMMARY, FIGURE = "scores.csv", "summary.json", "comparison.png"
SCORE_COLUMNS = ("codec", "frame", "psnr", "ssim", "bytes")


# --- reconstruction ---------------------------------------------------------------------------


def reconstruct_to_tiff(
    compressed: CompressedMovie,
    path: Path,
    settings: Settings,
    *,
    overwrite: bool = False,
    progress: Progress = no_progress,
) -> None:
    """Write the reconstruction as an ImageJ float32 TIFF, settings beside it as JSON.

    Frames are in the movie's own detector units; pixel size and frame time are kept.

    Raises
    ------
    OutputError
        If ``path`` exists and ``overwrite`` is False, or cannot be written.
    """
    header = compressed.header
    sidecar = path.with_suffix(".json")
    if sidecar.exists() and not overwrite:
        raise OutputError(
            f"got output {sidecar}, which exists already, expected a new name; choose another "
            "name, or give --overwrite"
        )
    blocks = reconstruct(compressed, settings, progress=progress)
    save_tiff(
        path,
        (block.frames for block in blocks),
        shape=(compressed.frames_valid, *compressed.frame_shape),
        pixel_size=header.pixel_size,
        frame_time=header.frame_time,
        overwrite=overwrite,
    )
    facts = {
        "source": header.source,
        "settings": settings.to_json(),
        "software": software_versions(),
    }
    write_text(sidecar, json.dumps(facts, indent=2))


# --- comparison -------------------------------------------------------------------------------


def write_comparison(
    movie: Movie,
    out: Path,
    settings: Settings,
    *,
    truth: Movie | None = None,
    overwrite: bool = False,
    progress: Progress = no_progress,
) -> dict[str, Any]:
    """Compare and write ``scores.csv``, ``summary.json``, one figure and the compressed file.

    Returns
    -------
    dict
        The summary, as written to ``summary.json``.

    Raises
    ------
    OutputError
        If one of the outputs exists and ``overwrite`` is False, or cannot be written.
    """
    container = out / f"{Path(movie.name).stem}.tcs.zarr"
    for name in (container.name, SCORES, SUMMARY, FIGURE):
        if (out / name).exists() and not overwrite:
            raise OutputError(
                f"got output folder {out}, which holds {name} already, expected a new folder; "
                "choose another --out, or give --overwrite"
            )
    comparison = compare(
        movie, container, settings, truth=truth, overwrite=overwrite, progress=progress
    )
    out.mkdir(parents=True, exist_ok=True)
    middle = movie.shape[0] // 2
    scores: list[FrameScores] = []
    shown: BlockResult | None = None
    facts: dict[str, dict[str, Any]] = {}
    for block in comparison.run(progress):
        scores += block.scores
        _collect(facts, block)
        if block.first_frame <= middle < block.first_frame + block.n_frames:
            shown = block
    assert shown is not None  # every frame lies in one block
    summary = summarise(comparison, scores, facts)
    write_text(out / SCORES, _csv(scores))
    save_comparison_figure(figure_data(comparison, shown, scores, summary, middle), out / FIGURE)
    write_text(out / SUMMARY, json.dumps(summary, indent=2))
    return summary


def _collect(facts: dict[str, dict[str, Any]], block: BlockResult) -> None:
    """Add up each codec's real bytes, budget and qualities over the blocks."""
    for codec in block.codecs:
        fact = facts.setdefault(
            codec.codec,
            {"description": codec.description, "bytes": 0, "budget": None, "qualities": [],
             "blocks_over_budget": 0},
        )  # fmt: skip
        fact["bytes"] += sum(codec.frame_bytes)
        if codec.budget is not None:
            fact["budget"] = (fact["budget"] or 0) + codec.budget
            fact["qualities"].append(codec.quality)
            fact["blocks_over_budget"] += not codec.fits


def summarise(
    comparison: Comparison, scores: Sequence[FrameScores], facts: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    """Everything that is needed to judge, and to repeat, a comparison; plain JSON types."""
    movie = comparison.movie
    real = open_compressed(comparison.path).bytes_on_disk()
    means = mean_scores(scores)
    return {
        "movie": movie_facts(movie),
        "settings": comparison.settings.to_json(),
        "reference": comparison.reference.description,
        "data_range": comparison.reference.data_range,
        "bytes": {"raw": movie.nbytes, **real},
        "storage_ratio": movie.nbytes / real["total"],
        "codecs": {
            name: {"psnr": _finite(means[name][0]), "ssim": means[name][1], **fact}
            for name, fact in facts.items()
        },
        "software": software_versions(),
        "files": [comparison.path.name, SCORES, SUMMARY, FIGURE],
    }


def format_summary(summary: dict[str, Any]) -> str:
    """Format the table of means for a terminal, with what they were taken against."""
    real = summary["bytes"]
    lines = [
        f"reference: {summary['reference']} (data range {summary['data_range']:.4g})",
        f"{'codec':<18}{'PSNR [dB]':>11}{'SSIM':>8}{'bytes':>14}{'raw/bytes':>11}",
    ]
    for name, fact in summary["codecs"].items():
        psnr = "∞" if fact["psnr"] is None else f"{fact['psnr']:.2f}"
        over = fact["blocks_over_budget"]
        note = f"  over budget in {over} blocks even at quality 1" if over else ""
        lines.append(
            f"{name:<18}{psnr:>11}{fact['ssim']:>8.3f}{fact['bytes']:>14,}"
            f"{real['raw'] / fact['bytes']:>11.2f}{note}"
        )
    lines.append(
        f"compressed file: {real['total']:,} bytes (measurements {real['measurements']:,}, masks "
        f"{real['masks']:,}, metadata {real['metadata']:,}), storage ratio "
        f"{summary['storage_ratio']:.2f}"
    )
    return "\n".join(lines)


def figure_data(
    comparison: Comparison,
    block: BlockResult,
    scores: Sequence[FrameScores],
    summary: dict[str, Any],
    frame: int,
) -> FigureData:
    """Collect the frame shown in the figure, with the curves of every codec."""
    offset = frame - block.first_frame
    decoder = comparison.settings.decoder
    labels = {
        "raw": "raw",
        decoder: f"reconstruction ({decoder})",
        "jpeg_same_bytes": "JPEG, same bytes",
        "binning": "frame binning",
    }
    by_name = {(row.codec, row.frame): row for row in scores}
    curves = {
        codec.codec: (
            np.array([row.frame for row in scores if row.codec == codec.codec]),
            np.array([row.psnr for row in scores if row.codec == codec.codec]),
            np.array([row.ssim for row in scores if row.codec == codec.codec]),
        )
        for codec in block.codecs
    }
    return FigureData(
        title=f"{comparison.movie.name}, B = {comparison.settings.compression_ratio}, "
        f"storage ratio {summary['storage_ratio']:.1f}",
        frame_index=frame,
        images={
            **{label: block.frames(name)[offset] for name, label in labels.items()},
            f"reference: {comparison.reference.kind}": block.reference[offset],
        },
        subtitles={
            label: f"{by_name[name, frame].psnr:.2f} dB, SSIM {by_name[name, frame].ssim:.3f}, "
            f"{summary['codecs'][name]['bytes']:,} B in all"
            for name, label in labels.items()
        },
        pixel_size=comparison.movie.pixel_size,
        curves=curves,
    )


# --- facts ------------------------------------------------------------------------------------


def describe(path: Path) -> dict[str, Any]:
    """Say what a movie or a compressed file holds, as plain JSON types."""
    if not is_compressed(path):
        return movie_facts(open_movie(path))
    compressed = open_compressed(path)
    header, masks = compressed.header, compressed.masks
    real = compressed.bytes_on_disk()
    frame_bytes = int(np.prod(compressed.frame_shape)) * np.dtype(header.dtype).itemsize
    return {
        "name": Path(path).name,
        "source": header.source,
        "frames_valid": compressed.frames_valid,
        "measurements": compressed.n_measurements,
        "frame_shape": list(compressed.frame_shape),
        "dtype": header.dtype,
        "compression_ratio": masks.compression_ratio,
        "masks": masks.to_json(),
        "pixel_size_angstrom": header.pixel_size,
        "frame_time_s": header.frame_time,
        "value_range": list(header.value_range),
        "noise": header.noise,
        "settings": header.settings,
        "bytes": real,
        "storage_ratio": compressed.frames_valid * frame_bytes / real["total"],
    }


def movie_facts(movie: Movie) -> dict[str, Any]:
    """Shape, pixel type and calibration of a movie; None is unknown."""
    return {
        "name": movie.name,
        "frames": movie.shape[0],
        "frame_shape": list(movie.shape[1:]),
        "dtype": str(movie.dtype),
        "pixel_size_angstrom": movie.pixel_size,
        "frame_time_s": movie.frame_time,
        "bytes": movie.nbytes,
    }


def software_versions() -> dict[str, str]:
    """Versions that a result depends on."""
    names = ("imagecodecs", "numpy", "scikit-image", "torch", "zarr")
    return {
        "napari-tcsdl": __version__,
        "python": platform.python_version(),
        **{name: version(name) for name in names},
    }


def write_text(path: Path, text: str) -> None:
    """Write ``text`` whole or not at all: a reader never sees half a file."""
    temporary = path.with_name(f".{path.name}.partial")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _csv(scores: Sequence[FrameScores]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(SCORE_COLUMNS)
    for row in scores:
        writer.writerow((row.codec, row.frame, f"{row.psnr:.4f}", f"{row.ssim:.5f}", row.bytes))
    return buffer.getvalue()


def _finite(value: float) -> float | None:
    """JSON has no infinity: an image equal to its reference has PSNR None."""
    return value if np.isfinite(value) else None
