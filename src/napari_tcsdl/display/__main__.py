"""``python -m napari_tcsdl.display FILE``: napari with a movie loaded and the dock open."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import napari

from .._validation import TcsdlError
from ._qt.window import fill_screen, save_and_quit
from .contributions import read_layers

PLUGIN, WIDGET = "napari-tcsdl", "Compress and reconstruct"


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m napari_tcsdl.display", description=__doc__)
    parser.add_argument("file", nargs="?", help="a movie or a .tcs.zarr file")
    parser.add_argument("--run", action="store_true", help="start at once")
    parser.add_argument("--ratio", type=int, help="B, frames per measurement")
    parser.add_argument(
        "--screenshot", metavar="PNG", help="save a picture of the window after the run, and quit"
    )
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Open the window; returns the exit code."""
    options = parse(arguments)
    try:
        tuples = read_layers(options.file) if options.file else []
    except TcsdlError as error:
        print(error, file=sys.stderr)
        return 2
    viewer = napari.Viewer(title="napari-tcsdl", show_welcome_screen=not tuples)
    fill_screen(viewer)
    for data, kwargs, kind in tuples:
        viewer.add_layer(napari.layers.Layer.create(data, kwargs, kind))
    _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, WIDGET)
    if options.ratio is not None:
        dock.form.ratio.setValue(options.ratio)
    if options.run:
        dock.start()
    if options.screenshot:
        save_and_quit(viewer, dock, options.screenshot)
    napari.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
