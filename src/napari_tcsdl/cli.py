"""Command line: compress, reconstruct, compare, validate, info, recommend, demo, view, train.

Results go to standard output, progress and errors to standard error. An error is one sentence
and exit code 2; ``validate`` exits with 1 if it finds a violation.
"""

from __future__ import annotations

import logging
import os
import sys
import warnings
from pathlib import Path
from typing import Annotated

import typer

from . import __version__
from ._cli_common import (
    Companding,
    CompressedPath,
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
    frames_kept,
    open_calibrated,
    settings_from,
    start_window,
    unused_folder,
    why_no_window,
    with_decoding_of,
)
from ._validation import Cancelled, TcsdlError
from ._words import human_bytes
from .cli_compare import compare, run_comparison
from .cli_info import info, recommend, validate, view
from .cli_train import train
from .movie import Movie
from .settings import Settings

app = typer.Typer(
    name="napari-tcsdl",
    help="Temporal compressive sensing for in situ TEM movies.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

DEMO_RATIO = 8

SkipDamaged = Annotated[
    bool, typer.Option("--skip-damaged", help="Write NaN frames where a part is damaged.")
]
UncertaintyFile = Annotated[
    Path | None,
    typer.Option(help="UNC.tif: the standard deviation of each frame that the decoder states."),
]
ConsistencyFile = Annotated[
    Path | None,
    typer.Option(help="CON.tif: (Y − ΦX̂) / σ_Y, where frames contradict each measurement."),
]

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""


# --- commands ---------------------------------------------------------------------------------


@app.command()
def compress(
    movie: MoviePath,
    out: Annotated[Path, typer.Option("--out", "-o", help="OUT.tcs.zarr")],
    ratio: Ratio = None,
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
    pixel_size: PixelSize = None,
    frame_time: FrameTime = None,
    preset: Preset = None,
    overwrite: Overwrite = False,
) -> None:
    """Compress a movie into a .tcs.zarr file."""
    from . import pipeline
    from .decoder_choice import check_decoder
    from .deviation import uncertainty_words
    from .storage import storage_ratios

    settings = settings_from(
        preset,
        compression_ratio=ratio,
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
    )
    if any(option is not None for option in (decoder, weights, device)):
        check_decoder(settings)
    opened = open_calibrated(movie, pixel_size, frame_time)
    with frame_progress("compress", opened.shape[0]) as progress:
        compressed = pipeline.compress(
            opened, out, settings, overwrite=overwrite, progress=progress
        )
    real = compressed.bytes_on_disk()
    typer.echo(
        f"{out}: {opened.shape[0]} frames in {compressed.n_measurements} measurements, "
        f"{human_bytes(opened.nbytes)} raw → {human_bytes(real['total'])} on disk (measurements "
        f"{human_bytes(real['measurements'])}, masks {human_bytes(real['masks'])}, metadata "
        f"{human_bytes(real['metadata'])}), {storage_ratios(compressed).sentence()}"
    )
    if settings.deviation == "judged":
        typer.echo(uncertainty_words(compressed.header.deviation))


@app.command()
def reconstruct(
    file: CompressedPath,
    out: Annotated[Path, typer.Option("--out", "-o", help="REC.tif, ImageJ float32")],
    decoder: Decoder = None,
    weights: Weights = None,
    device: Device = None,
    tile: DecodeTile = None,
    preset: Preset = None,
    skip_damaged: SkipDamaged = False,
    uncertainty: UncertaintyFile = None,
    consistency: ConsistencyFile = None,
    overwrite: Overwrite = False,
) -> None:
    """Reconstruct the frames of a .tcs.zarr file as a calibrated TIFF."""
    from .export import TiffOutputs, reconstruct_to_tiff
    from .io import open_compressed

    compressed = open_compressed(file)
    stored = Settings.from_file(compressed.header.settings)
    settings = settings_from(
        # Masks are those of the file; of a preset only what concerns decoding is taken.
        with_decoding_of(preset, stored) if preset else stored,
        decoder=decoder,
        weights=weights,
        device=device,
        decode_tile=tile,
    )
    outputs = TiffOutputs(out, uncertainty, consistency, overwrite)
    with frame_progress("reconstruct", compressed.frames_valid) as progress:
        damaged = reconstruct_to_tiff(
            compressed, outputs, settings, skip_damaged=skip_damaged, progress=progress
        )
    for sentence in damaged:
        typer.echo(f"Left out: {sentence}", err=True)
    typer.echo(f"{out}: {frames_kept(compressed)}, decoder {settings.decoder}")
    if uncertainty is not None:
        typer.echo(f"{uncertainty}: standard deviation of each frame, in the movie's own units")
    if consistency is not None:
        count = compressed.n_measurements
        typer.echo(f"{consistency}: (Y − ΦX̂) / σ_Y of {count} measurements")


app.command()(compare)
app.command()(validate)
app.command()(info)
app.command()(recommend)
app.command()(view)


@app.command()
def demo(
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder for the results without a display.")
    ] = None,
    headless: Annotated[
        bool, typer.Option("--headless", help="Do not open a window even if there is a display.")
    ] = False,
    overwrite: Overwrite = False,
) -> None:
    """Compress, reconstruct and compare the sample movie: in napari if there is a display."""
    from .io import open_movie
    from .simulate import sample_movie_path, sample_truth

    sample = sample_movie_path()
    reason = "asked for" if headless else why_no_window()
    if not reason:
        typer.echo(f"Opening napari with {sample.name} …")
        raise typer.Exit(start_window([str(sample), "--run", "--ratio", str(DEMO_RATIO)]))
    typer.echo(f"Running without a window ({reason}).")
    settings = Settings(compression_ratio=DEMO_RATIO, reference="truth")
    truth = Movie(sample_truth(), name="noise-free simulation")
    run_comparison(open_movie(sample), truth, out or unused_folder(), settings, overwrite)


app.command()(train)


def _print_version(value: bool) -> None:
    if value:
        typer.echo(f"napari-tcsdl {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Temporal compressive sensing for in situ TEM movies."""


def _warn(message: Warning | str, *where: object, **file: object) -> None:
    """Say a warning in one sentence, without the place in our code where it arose."""
    typer.echo(f"Warning: {message}", err=True)


def main() -> None:
    """Run the command line; every failure is one sentence on standard error."""
    # Damaged files make tifffile log lines of its own; our one sentence says what matters.
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)
    warnings.showwarning = _warn
    try:
        code = app(sys.argv[1:] or ["--help"], standalone_mode=False)
        if code == INTERRUPTED:
            raise Cancelled
        raise SystemExit(code or 0)
    except Cancelled:
        _fail("stopped by you; measurements already written stay valid", INTERRUPTED)
    except TcsdlError as error:
        _fail(str(error), 2)
    except OSError as error:
        where = f" {error.filename}" if error.filename else ""
        _fail(f"got '{error.strerror or error}' from the system for{where or ' a file'}, expected "
              "access to it; check path, permission and free space", 2)  # fmt: skip
    except MemoryError:
        _fail("got no more memory, expected room for one block of B frames; choose a smaller B, "
              "--tile or --mask-tile", 2)  # fmt: skip
    except Exception as error:
        if hasattr(error, "format_message"):  # what typer says of wrong options
            _fail(f"{error.format_message()} See napari-tcsdl --help", 2)
        if os.environ.get("NAPARI_TCSDL_DEBUG"):
            raise
        _fail(f"unexpected {type(error).__name__} ({error}): a bug in napari-tcsdl, please report "
              "it; NAPARI_TCSDL_DEBUG=1 shows the traceback", 1)  # fmt: skip


def _fail(sentence: str, code: int) -> None:
    print(f"Error: {' '.join(sentence.split())}", file=sys.stderr)
    raise SystemExit(code)
