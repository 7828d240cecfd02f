"""A comparison as files: table, summary, figure, and the compressed movie itself."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ._all_or_nothing import all_or_nothing, check_unused
from .comparison import BlockResult, Comparison, FrameScores, compare, mean_scores
from .decoding import Progress, no_progress
from .describe import movie_facts, software_versions, write_text
from .figures import FigureData, save_comparison_figure
from .io import open_compressed
from .movie import Movie
from .settings import Settings
from .storage import storage_ratios

SCORES, SUMMARY, FIGURE = "scores.csv", "summary.json", "comparison.png"
SCORE_COLUMNS = ("codec", "frame", "psnr", "ssim", "bytes")


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
    container = f"{Path(movie.name).stem}.tcs.zarr"
    files = (container, SCORES, SUMMARY, FIGURE)
    check_unused(out, files, overwrite)
    with all_or_nothing(out, files) as work:
        comparison = compare(movie, work / container, settings, truth=truth, progress=progress)
        middle = movie.shape[0] // 2
        scores: list[FrameScores] = []
        facts: dict[str, dict[str, Any]] = {}
        for block in comparison.run(progress):
            scores += block.scores
            _collect(facts, block)
            if block.first_frame <= middle < block.first_frame + block.n_frames:
                shown = block
        summary = summarise(comparison, scores, facts)
        write_text(work / SCORES, scores_csv(scores))
        figure = figure_data(comparison, shown, scores, summary, middle)
        save_comparison_figure(figure, work / FIGURE)
        write_text(work / SUMMARY, json.dumps(summary, indent=2))
        check_unused(out, files, overwrite)  # another run may have finished there meanwhile
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
    compressed = open_compressed(comparison.path)
    real = compressed.bytes_on_disk()
    means = mean_scores(scores)
    return {
        "movie": movie_facts(movie),
        "settings": comparison.settings.to_json(),
        "reference": comparison.reference.description,
        "data_range": comparison.reference.data_range,
        "bytes": {"raw": movie.nbytes, **real},
        "storage_ratio": movie.nbytes / real["total"],
        "storage_ratios": storage_ratios(compressed).to_json(),
        "noise_warning": comparison.statistics.spectrum.spoilt,
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
        f"{real['masks']:,}, metadata {real['metadata']:,})"
    )
    ratios = summary["storage_ratios"]
    known = [f"{value:.2f} to {name.replace('_', ' ')}" for name, value in ratios.items() if value]
    lines.append(f"storage ratio: {', '.join(known)}")
    if summary["noise_warning"]:
        lines.append(f"warning: {summary['noise_warning']}")
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


def scores_csv(scores: Sequence[FrameScores]) -> str:
    """Write ``scores`` as CSV: a header of :data:`SCORE_COLUMNS`, one row a codec and frame."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(SCORE_COLUMNS)
    for row in scores:
        writer.writerow((row.codec, row.frame, f"{row.psnr:.4f}", f"{row.ssim:.5f}", row.bytes))
    return buffer.getvalue()


def _finite(value: float) -> float | None:
    """JSON has no infinity: an image equal to its reference has PSNR None."""
    return value if np.isfinite(value) else None
