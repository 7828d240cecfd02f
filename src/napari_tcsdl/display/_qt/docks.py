"""The docks below the images: spectra and scores, opened beside each other."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import napari
from napari.plugins import menu_item_template
from npe2 import PluginManager
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDockWidget, QMainWindow, QWidget

from ..preferences import PLUGIN
from ..turns import Later, at_once

FFT, SCORES = "FFT", "Scores"
LEAST_WINDOW = 800
"""[px] Height of a window from which on the docks open by themselves at the first run."""
SHARE = 0.34
"""Of the window's height, for the docks."""


def _fft(viewer: napari.viewer.Viewer) -> QWidget:
    from .fft_dock import FftDock

    return FftDock(viewer)


def _scores(viewer: napari.viewer.Viewer) -> QWidget:
    from .scores_dock import ScoresDock

    return ScoresDock(viewer)


DOCKS: dict[str, tuple[Callable[[napari.viewer.Viewer], QWidget], str]] = {
    FFT: (_fft, "Spectra of what is shown: rings of known d-spacings, Bragg spots, FRC."),
    SCORES: (_scores, "PSNR and SSIM of each rival over the frames, with the frame that is shown."),
}
"""Maker and tooltip of each dock, by its name, from left to right."""


def plugin_title() -> str:
    """Return what napari's menus call this plugin.

    ``napari -w`` calls docks by the plugin's name instead: whoever opens one there and one in the
    menu gets two, unless the manifest gives the plugin no other name.
    """
    return str(PluginManager.instance().get_manifest(PLUGIN).display_name)


def dock_title(name: str) -> str:
    """Name the dock of the widget ``name`` as the menu Plugins does, which then opens no second."""
    return str(menu_item_template.format(plugin_title(), name))


def open_dock(viewer: napari.viewer.Viewer, name: str) -> QWidget:
    """Open the dock ``name`` below the images; one that is open already comes to the front."""
    window = viewer.window
    for title, widget in window.dock_widgets.items():
        if title.split(" (")[0] == name:
            dock = widget.parent()
            for each in (dock, widget):
                if isinstance(each, QWidget):
                    each.show()
                    each.raise_()
            return widget
    widget = DOCKS[name][0](viewer)
    window.add_dock_widget(widget, name=dock_title(name), area="bottom")
    return widget


def open_all(viewer: napari.viewer.Viewer, main: QWidget | None, later: Later = at_once) -> None:
    """Open all docks, and give them their share of the window ``main``.

    Each is made and shown in a turn of its own, which ``later`` gives: together they take the
    window longer than a user waits.
    """
    before = {title.split(" (")[0] for title in viewer.window.dock_widgets}
    opened: list[QWidget] = []

    def open_one(name: str) -> None:
        opened.append(open_dock(viewer, name))
        if isinstance(main, QMainWindow) and not before >= set(DOCKS):
            # With the first already: the images would be fitted to two heights, one by one.
            around = [widget.parent() for widget in opened]
            docks = [dock for dock in around if isinstance(dock, QDockWidget)]
            heights = [round(SHARE * main.height())] * len(docks)
            main.resizeDocks(docks, heights, Qt.Orientation.Vertical)

    for name in DOCKS:
        later(partial(open_one, name))


def load_ahead() -> None:
    """Import what the docks are made of; called in a thread, before the first of them opens."""
    from . import fft_dock, scores_dock  # noqa: F401


def has_room(main: QWidget | None) -> bool:
    """Whether a window is tall enough for images and docks."""
    return isinstance(main, QMainWindow) and main.height() >= LEAST_WINDOW
