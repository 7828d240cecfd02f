"""``python -m napari_tcsdl.display FILE``: napari with a movie loaded and our docks around it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

import napari
from napari.qt import get_qapp
from npe2 import PluginManager

from .._validation import TcsdlError
from ._qt.arranging import share_room
from ._qt.docks import dock_title
from ._qt.window import fill_screen, save_and_quit
from .contributions import read_layers
from .preferences import PLUGIN, open_without_asking

MAIN = "Workbench"
"""On the right."""
BELOW = ("FFT", "Scores")
"""At the bottom, side by side, as far as the manifest has them."""


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


def areas(offered: Sequence[str]) -> dict[str, str]:
    """Say which of the widgets ``offered`` are opened, and where."""
    return {MAIN: "right"} | {name: "bottom" for name in BELOW if name in offered}


def arrange(viewer: napari.Viewer) -> dict[str, Any]:
    """Open our docks around the viewer; returns their widgets by name."""
    offered, opened = _offered(), {}
    for name, area in areas(list(offered)).items():
        opened[name] = offered[name].get_callable()(viewer)
        viewer.window.add_dock_widget(opened[name], name=dock_title(name), area=area)
    share_room(viewer, [opened[name] for name in BELOW if name in opened])
    return opened


def _offered() -> dict[str, Any]:
    """Widgets of the manifest by their names."""
    manifest = PluginManager.instance().get_manifest(PLUGIN)
    return {widget.display_name: widget for widget in manifest.contributions.widgets or ()}


def main(arguments: Sequence[str] | None = None) -> int:
    """Open the window; returns the exit code."""
    options = parse(arguments)
    get_qapp()  # before the layers: those that decode as they are shown belong to a window
    try:
        tuples = read_layers(options.file, decoded=True) if options.file else []
    except TcsdlError as error:
        print(error, file=sys.stderr)
        return 2
    open_without_asking()
    viewer = napari.Viewer(title="napari-tcsdl", show_welcome_screen=not tuples)
    fill_screen(viewer)
    for data, kwargs, kind in tuples:
        viewer.add_layer(napari.layers.Layer.create(data, kwargs, kind))
    panel = arrange(viewer)[MAIN].compare
    if options.ratio is not None:
        panel.form.ratio.setValue(options.ratio)
    if options.run:
        panel.start()
    if options.screenshot:
        save_and_quit(viewer, panel, options.screenshot)
    napari.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
