"""``compare`` on the command line: a movie against its reconstruction and its rivals."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ._cli_common import (
    Companding,
    Decoder,
    DecodeTile,
    Deviation,
    Device,
    Entropy,
    Exposures,
    FrameTime,
    MasksKind,
    MoviePath,
    Overwrite,
    PixelSize,
    Preset,
    Ratio,
    Seed,
    Tile,
    Weights,
    frame_progress,
    open_calibrated,
    settings_from,
)
from ._validation import InputError, check_compression_ratio
from .movie import Movie
from .settings import Settings

if TYPE_CHECKING:  # it loads every codec; --help needs none
    from .rivals import StudyOptions

REPORT = "report.html"

Rivals = Annotated[
    str | None,
    typer.Option(help="With --report: all, or names of codecs, joined by commas; by default all."),
]
Report = Annotated[
    Path | None,
    typer.Option(
        help="Folder for a study of rivals at real bytes: report.html, CSV and JSON. Takes minutes."
    ),
]
FurtherRatios = Annotated[
    str | None,
    typer.Option("--ratios", help="With --report: further B for our own curve, such as 5,20,30."),
]
HeldOut = Annotated[
    bool,
    typer.Option(
        "--held-out",
        help="With --report: judge rivals by half of the electrons, too; needs no truth.",
    ),
]
SplitSeed = Annotated[
    int | None,
    typer.Option("--split-seed", min=0, help="With --held-out: of the split, 0 by default."),
]
Substance = Annotated[
    str | None,
    typer.Option("--lattice", help="With --report: substance whose Bragg spots are scored: Au, …"),
]


def compare(
    movie: MoviePath,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder for table, figure and file.")
    ] = None,
    report: Report = None,
    rivals: Rivals = None,
    ratios: FurtherRatios = None,
    lattice: Substance = None,
    held_out: HeldOut = False,
    split_seed: SplitSeed = None,
    ratio: Ratio = None,
    reference: Annotated[
        str | None,
        typer.Option(help="What scores are taken against: denoised, raw, or a truth movie's file."),
    ] = None,
    masks: MasksKind = None,
    exposures: Exposures = None,
    seed: Seed = None,
    mask_tile: Tile = None,
    companding: Companding = None,
    entropy: Entropy = None,
    deviation: Deviation = None,
    decoder: Decoder = None,
    weights: Weights = None,
    device: Device = None,
    tile: DecodeTile = None,
    pixel_size: PixelSize = None,
    frame_time: FrameTime = None,
    preset: Preset = None,
    overwrite: Overwrite = False,
) -> None:
    """Compare reconstruction and rivals at real bytes: table and figure, or a whole report."""
    from .io import open_movie

    of_report = {"--rivals": rivals, "--ratios": ratios, "--lattice": lattice}
    _check_outputs(out, report, of_report | {"--held-out": "" if held_out else None})
    _check_split(held_out, split_seed)
    truth = None
    if reference not in (None, "denoised", "raw"):
        truth, reference = open_movie(Path(str(reference))), "truth"
    settings = settings_from(
        preset,
        compression_ratio=ratio,
        reference=reference,
        masks=masks,
        exposures=exposures,
        seed=seed,
        mask_tile=mask_tile,
        companding=companding,
        entropy=entropy,
        deviation=deviation,
        decoder=decoder,
        weights=weights,
        device=device,
        decode_tile=tile,
    )
    opened = open_calibrated(movie, pixel_size, frame_time)
    chosen = None
    if report is not None:  # looked at before anything else runs for minutes
        from .rivals import ALL, StudyOptions

        chosen = StudyOptions(_words(rivals) or ALL, _ratios(ratios), lattice=lattice)
        chosen = replace(chosen, held_out=held_out, split_seed=split_seed or 0, overwrite=overwrite)
        chosen.codecs(), chosen.substance()
    if out is not None:
        run_comparison(opened, truth, out, settings, overwrite)
    if report is not None and chosen is not None:
        run_study(opened, truth, report, settings, chosen)


def run_comparison(
    movie: Movie, truth: Movie | None, out: Path, settings: Settings, overwrite: bool
) -> None:
    """Compare, show progress, print the table of means."""
    from .report import format_summary, write_comparison

    with frame_progress("compare", movie.shape[0]) as progress:
        summary = write_comparison(
            movie, out, settings, truth=truth, overwrite=overwrite, progress=progress
        )
    typer.echo(format_summary(summary))
    typer.echo(f"Written: {', '.join(str(out / name) for name in summary['files'])}")


def run_study(
    movie: Movie, truth: Movie | None, out: Path, settings: Settings, options: StudyOptions
) -> None:
    """Study all rivals, show progress, print the verdict."""
    from .describe import write_text
    from .rival_report import html_report
    from .rivals.study_files import FILES, HELD_OUT, write_study

    with frame_progress("rivals", movie.shape[0]) as progress:
        study = write_study(
            movie,
            out,
            settings,
            options,
            truth=truth,
            also={REPORT: lambda found, path: write_text(path, html_report(found))},
            overwrite=options.overwrite,
            progress=progress,
        )
    for sentence in study.verdict:
        typer.echo(sentence)
    names = (REPORT, *FILES, *((HELD_OUT,) if options.held_out else ()))
    typer.echo(f"Written: {', '.join(str(out / name) for name in names)}")


def _check_outputs(out: Path | None, report: Path | None, of_report: dict[str, str | None]) -> None:
    if out is None and report is None:
        raise InputError(
            "got no place for results, expected --out FOLDER for a table and a figure, or --report "
            "FOLDER for a report on all rivals; give one or both"
        )
    given = [name for name, value in of_report.items() if value is not None]
    if report is None and given:
        raise InputError(
            f"got {', '.join(given)} without --report, expected a folder for the report that it is "
            "for; add --report FOLDER"
        )
    if out is not None and out == report:
        raise InputError(
            f"got {out} for both --out and --report, expected two folders; choose another for one"
        )


def _check_split(held_out: bool, seed: int | None) -> None:
    if seed is not None and not held_out:
        raise InputError(
            f"got --split-seed {seed} without --held-out, expected scores that it is for; add "
            "--held-out"
        )


def _words(joined: str | None) -> tuple[str, ...]:
    return tuple(word for word in (joined or "").replace(" ", "").split(",") if word)


def _ratios(joined: str | None) -> tuple[int, ...]:
    return tuple(check_compression_ratio(word) for word in _words(joined))
