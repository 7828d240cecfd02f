"""Command line: compress, reconstruct, compare, validate, info, demo, view.

Results go to standard output, progress and errors to standard error. An error is one sentence
and exit code 2; ``validate`` exits with 1 if it finds a violation.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from . import __version__
from ._validation import InputError, TcsdlError, check_compression_ratio
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


# --- what every command shares ----------------------------------------------------------------


class FrameRate(ProgressColumn):
    """Frames per second, as measured so far."""

    def render(self, task: Task) -> Text:
        """Show the rate, once there is one."""
        return Text(f"{task.speed:.2f} frames/s" if task.speed else "")


@contextmanager
def frame_progress(title: str, n_frames: int) -> Iterator[Any]:
    """Show a bar on standard error; yields a callback that takes a fraction 0 … 1."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:3.0f} %"),
        FrameRate(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(title, total=n_frames)
        yield lambda fraction: bar.update(task, completed=fraction * n_frames)


def human_bytes(count: float) -> str:
    """``count`` bytes in the unit that reads best, for example ``3.9 MB`` (decimal units)."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}" if unit != "B" else f"{count:.0f} B"
        count /= 1000
    return f"{count:.3g} TB"


def settings_from(preset: Path | Settings | None, **given: Any) -> Settings:
    """Take settings of a preset, with what was given on the command line put over them."""
    base = preset if isinstance(preset, Settings) else Settings()
    if isinstance(preset, Path):
        try:
            base = Settings.from_json(json.loads(preset.read_text(encoding="utf-8")))
        except (json.JSONDecodeError, UnicodeDecodeError, TypeError) as error:
            raise InputError(
                f"got preset {preset}, which is not a JSON object of settings ({error}), expected "
                "a settings file as compare writes it; check the file"
            ) from error
    if given.get("compression_ratio") is not None:
        given["compression_ratio"] = check_compression_ratio(given["compression_ratio"])
    return replace(base, **{key: value for key, value in given.items() if value is not None})


def open_calibrated(path: Path, pixel_size: float | None, frame_time: float | None) -> Movie:
    """Open a movie; calibration that was given wins over the file's."""
    from .io import open_movie

    given = {"pixel size": pixel_size, "frame time": frame_time}
    for what, value in given.items():
        if value is not None and not 0 < value < float("inf"):
            raise InputError(
                f"got {what} = {value:g}, expected a finite number above 0; leave it out if it is "
                "unknown"
            )
    movie = open_movie(path)
    return replace(
        movie,
        pixel_size=pixel_size or movie.pixel_size,
        frame_time=frame_time or movie.frame_time,
    )


Ratio = Annotated[
    str | None,
    typer.Option("--ratio", "-B", help="B, frames per measurement. Not the ratio of bytes."),
]
MasksKind = Annotated[str | None, typer.Option("--masks", help="balanced or bernoulli.")]
Exposures = Annotated[
    int | None, typer.Option(help="Exposures n of each pixel in a block (balanced masks).")
]
Seed = Annotated[int | None, typer.Option(help="Seed of the masks.")]
Tile = Annotated[
    int | None, typer.Option("--mask-tile", help="Side of the mask tile [px]; 0 = whole frame.")
]
Decoder = Annotated[str | None, typer.Option(help="Decoder, for example gap_tv.")]
Device = Annotated[str | None, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")]
DecodeTile = Annotated[
    int | None, typer.Option("--tile", help="Side of the tiles that are decoded at a time [px].")
]
Preset = Annotated[
    Path | None, typer.Option(help="JSON file of settings; options given here win over it.")
]
PixelSize = Annotated[
    float | None, typer.Option(help="Pixel size [Å/px], where the file lacks it or is wrong.")
]
FrameTime = Annotated[
    float | None, typer.Option(help="Frame time [s], where the file lacks it or is wrong.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what is there already.")]


# --- commands ---------------------------------------------------------------------------------


@app.command()
def compress(
    movie: Annotated[Path, typer.Argument(help="TIFF stack, folder of TIFFs, or MRC.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="OUT.tcs.zarr")],
    ratio: Ratio = None,
    masks: MasksKind = None,
    exposures: Exposures = None,
    seed: Seed = None,
    mask_tile: Tile = None,
    pixel_size: PixelSize = None,
    frame_time: FrameTime = None,
    preset: Preset = None,
    overwrite: Overwrite = False,
) -> None:
    """Compress a movie into a .tcs.zarr file."""
    from . import pipeline

    settings = settings_from(
        preset,
        compression_ratio=ratio,
        masks=masks,
        exposures=exposures,
        seed=seed,
        mask_tile=mask_tile,
    )
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
        f"{human_bytes(real['metadata'])}), storage ratio {opened.nbytes / real['total']:.2f}"
    )


@app.command()
def reconstruct(
    file: Annotated[Path, typer.Argument(help="A .tcs.zarr file.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="REC.tif, ImageJ float32")],
    decoder: Decoder = None,
    device: Device = None,
    tile: DecodeTile = None,
    overwrite: Overwrite = False,
) -> None:
    """Reconstruct the frames of a .tcs.zarr file as a calibrated TIFF."""
    from .io import open_compressed
    from .report import reconstruct_to_tiff

    compressed = open_compressed(file)
    stored = Settings.from_json(compressed.header.settings)
    settings = settings_from(stored, decoder=decoder, device=device, decode_tile=tile)
    with frame_progress("reconstruct", compressed.frames_valid) as progress:
        reconstruct_to_tiff(compressed, out, settings, overwrite=overwrite, progress=progress)
    typer.echo(f"{out}: {compressed.frames_valid} frames, decoder {settings.decoder}")


@app.command()
def compare(
    movie: Annotated[Path, typer.Argument(help="TIFF stack, folder of TIFFs, or MRC.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for table, figure and file.")],
    ratio: Ratio = None,
    reference: Annotated[
        str | None,
        typer.Option(help="What scores are taken against: denoised, raw, or a truth movie's file."),
    ] = None,
    masks: MasksKind = None,
    exposures: Exposures = None,
    seed: Seed = None,
    mask_tile: Tile = None,
    decoder: Decoder = None,
    device: Device = None,
    tile: DecodeTile = None,
    pixel_size: PixelSize = None,
    frame_time: FrameTime = None,
    preset: Preset = None,
    overwrite: Overwrite = False,
) -> None:
    """Compare reconstruction and rivals at real bytes: scores.csv, summary.json, a figure."""
    from .io import open_movie

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
        decoder=decoder,
        device=device,
        decode_tile=tile,
    )
    opened = open_calibrated(movie, pixel_size, frame_time)
    run_comparison(opened, truth, out, settings, overwrite)


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


@app.command()
def validate(file: Annotated[Path, typer.Argument(help="A .tcs.zarr file.")]) -> None:
    """List every violation of a .tcs.zarr file, one a line; exit 0 if there is none, else 1."""
    from .io import open_compressed
    from .io import validate as find_violations

    violations = find_violations(file)
    for violation in violations:
        typer.echo(violation)
    if violations:
        raise typer.Exit(1)
    compressed = open_compressed(file)
    typer.echo(
        f"{file}: valid, {compressed.frames_valid} frames in {compressed.n_measurements} "
        "measurements, every checksum read"
    )


@app.command()
def info(
    file: Annotated[Path, typer.Argument(help="A movie or a .tcs.zarr file.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what a movie or a .tcs.zarr file holds."""
    from .report import describe

    facts = describe(file)
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
        return
    width = max(map(len, facts))
    for key, value in facts.items():
        typer.echo(f"{key:<{width}}  {'unknown' if value is None else value}")


@app.command()
def view(file: Annotated[Path, typer.Argument(help="A movie or a .tcs.zarr file.")]) -> None:
    """Open napari with the file loaded and our dock beside it."""
    if not file.exists():
        raise InputError(f"got {file}, which does not exist, expected a movie or a .tcs.zarr file")
    raise typer.Exit(start_window([str(file)]))


@app.command()
def demo(
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for the results without a display.")
    ] = Path("napari-tcsdl-demo"),
    headless: Annotated[
        bool, typer.Option("--headless", help="Do not open a window even if there is a display.")
    ] = False,
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
    run_comparison(open_movie(sample), truth, out, settings, overwrite=True)


def why_no_window() -> str:
    """Why napari cannot be opened here, or an empty string if it can."""
    from importlib.util import find_spec

    if find_spec("napari") is None:
        return "napari is not installed: pip install 'napari-tcsdl[all]'"
    wants_display = sys.platform not in ("win32", "darwin")
    if wants_display and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return "no display"
    return ""


def start_window(arguments: list[str]) -> int:
    """Start napari as a process of its own, so that the command line never imports it."""
    reason = why_no_window()
    if reason:
        raise InputError(
            f"got a request for a window, but {reason}, expected a desktop with napari; "
            "use compare or reconstruct instead"
        )
    return subprocess.call([sys.executable, "-m", "napari_tcsdl.display", *arguments])


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


def main() -> None:
    """Run the command line; every failure is one sentence on standard error."""
    # Damaged files make tifffile log lines of its own; our one sentence says what matters.
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)
    try:
        app()
    except TcsdlError as error:
        _fail(str(error), 2)
    except OSError as error:
        where = f" {error.filename}" if error.filename else ""
        _fail(f"got '{error.strerror or error}' from the system for{where or ' a file'}, expected "
              "access to it; check path, permission and free space", 2)  # fmt: skip
    except MemoryError:
        _fail("got no more memory, expected room for one block of B frames; choose a smaller B "
              "or a smaller --tile", 2)  # fmt: skip
    except KeyboardInterrupt:
        _fail("stopped by you; measurements already written stay valid", 130)
    except Exception as error:
        if os.environ.get("NAPARI_TCSDL_DEBUG"):
            raise
        _fail(f"unexpected {type(error).__name__} ({error}): a bug in napari-tcsdl, please report "
              "it; NAPARI_TCSDL_DEBUG=1 shows the traceback", 1)  # fmt: skip


def _fail(sentence: str, code: int) -> None:
    print(f"Error: {' '.join(sentence.split())}", file=sys.stderr)
    raise SystemExit(code)
