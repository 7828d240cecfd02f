"""What the commands need: options, progress, settings, calibration, and a window to start."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from ._validation import Cancelled, InputError, check_compression_ratio
from .movie import Movie
from .presets import load_preset
from .reconstruction import RECONSTRUCTORS
from .settings import ENTROPY_CODINGS, Settings

if TYPE_CHECKING:  # zarr takes a second to load; --help needs none of it
    from .io import CompressedMovie


class FrameRate(ProgressColumn):
    """Frames per second, as measured so far."""

    def render(self, task: Task) -> Text:
        """Show the rate, once there is one."""
        return Text(f"{task.speed:.2f} frames/s" if task.speed else "")


@contextmanager
def frame_progress(title: str, n_frames: int) -> Iterator[Callable[[float], None]]:
    """Show a bar on standard error; yields a callback that takes a fraction 0 … 1.

    Ctrl-C stops the work where it next reports progress, which is between two writes, and not
    in the middle of one; a second Ctrl-C does not wait.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:3.0f} %"),
        FrameRate(),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    # A script that reads standard error gets our sentences only.
    hidden = not console.is_terminal
    with (
        interruptible() as stopped,
        Progress(*columns, console=console, transient=True, disable=hidden) as bar,
    ):
        task = bar.add_task(title, total=n_frames)

        def tell(fraction: float) -> None:
            if stopped.is_set():
                raise Cancelled
            bar.update(task, completed=fraction * n_frames)

        yield tell


@contextmanager
def interruptible() -> Iterator[Event]:
    """Turn the first Ctrl-C into an event; the second one interrupts as ever."""
    stopped = Event()

    def on_interrupt(_signal: int, _frame: object) -> None:
        if stopped.is_set():
            raise KeyboardInterrupt
        stopped.set()

    previous = signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield stopped
    finally:
        signal.signal(signal.SIGINT, previous)


def frames_kept(compressed: CompressedMovie) -> str:
    """Say how many frames a file holds, and whether that is all of them."""
    kept, whole = compressed.frames_valid, compressed.header.shape[0]
    if compressed.complete:
        return f"{kept} frames"
    return f"{kept} of {whole or 'an unknown number of'} frames (its run was interrupted)"


def settings_from(preset: Path | Settings | None, **given: Any) -> Settings:
    """Take settings of a preset, with what was given on the command line put over them."""
    base = load_preset(preset) if isinstance(preset, Path) else preset or Settings()
    if given.get("compression_ratio") is not None:
        given["compression_ratio"] = check_compression_ratio(given["compression_ratio"])
    return replace(base, **{key: value for key, value in given.items() if value is not None})


def with_decoding_of(preset: Path, stored: Settings) -> Settings:
    """Return the settings of a compressed file, decoded as the preset says."""
    chosen = load_preset(preset)
    return replace(
        stored,
        decoder=chosen.decoder,
        weights=chosen.weights,
        device=chosen.device,
        decode_tile=chosen.decode_tile,
    )


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


# readable=False: an unreadable path gets our sentence, not typer's.
MoviePath = Annotated[
    Path, typer.Argument(readable=False, help="TIFF stack, folder of TIFFs, or MRC.")
]
CompressedPath = Annotated[Path, typer.Argument(readable=False, help="A .tcs.zarr file.")]
AnyPath = Annotated[Path, typer.Argument(readable=False, help="A movie or a .tcs.zarr file.")]
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
Companding = Annotated[
    float | None,
    typer.Option(
        help="Step to which measurements are rounded, in standard deviations of their noise; "
        f"0 = lossless; by default {Settings.companding:g}."
    ),
]
Entropy = Annotated[
    str | None,
    typer.Option(
        help=f"Coding of the numbers: {', '.join(ENTROPY_CODINGS)}; every zarr reader knows zstd."
    ),
]
Deviation = Annotated[
    str | None,
    typer.Option(
        help="stated: the uncertainty as the decoder gives it. judged: corrected for this movie by "
        "raw pixels that no mask opened; decodes a sample while compressing."
    ),
]
DECODERS = "; ".join(f"{name}: {row.line}" for name, row in RECONSTRUCTORS.items())
Decoder = Annotated[
    str | None,
    typer.Option(help=f"How frames are recovered, by default {Settings.decoder}. {DECODERS}."),
]
Weights = Annotated[
    str | None,
    typer.Option(help="NAME.safetensors for a learned decoder, for example from train --finetune."),
]
Device = Annotated[str | None, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")]
DecodeTile = Annotated[
    int | None, typer.Option("--tile", help="Side of the tiles that are decoded at a time [px].")
]
Preset = Annotated[
    Path | None,
    typer.Option(readable=False, help="JSON or YAML file of settings; options given win over it."),
]
PixelSize = Annotated[
    float | None, typer.Option(help="Pixel size [Å/px], where the file lacks it or is wrong.")
]
FrameTime = Annotated[
    float | None, typer.Option(help="Frame time [s], where the file lacks it or is wrong.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what is there already.")]


DEMO_FOLDER = "napari-tcsdl-demo"


def unused_folder() -> Path:
    """Return ``napari-tcsdl-demo``, with a number if there is one already."""
    folder, number = Path(DEMO_FOLDER), 1
    while folder.exists():
        number += 1
        folder = Path(f"{DEMO_FOLDER}-{number}")
    return folder


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
