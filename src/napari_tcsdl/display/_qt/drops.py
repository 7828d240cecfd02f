"""Folders that are dropped into the window while a workbench is open."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import QWidget

from ..contributions import holds_movie


class FolderDrops(QObject):
    """Opens dropped folders that are movies: ``.tcs.zarr`` files, and folders of TIFF frames.

    napari asks which reader to take wherever several plugins read any folder at all, whatever
    these folders hold, and it reads in the thread of the window. A manifest cannot change that:
    for a folder npe2 compares no pattern, and the readers that napari remembers go by the folder's
    name. A rule for every name would take the folders of all other plugins. Files, folders of
    other kinds, and drops with Alt, which means "let me choose", are left to napari.

    Parameters
    ----------
    widget
        Any widget in napari's window.
    open_path
        Called with the path of each folder.
    """

    def __init__(self, widget: QWidget, open_path: Callable[[str], Any]) -> None:
        super().__init__(widget)
        self._open = open_path
        self._targets = _drop_targets(widget.window())
        for target in self._targets:
            target.installEventFilter(self)

    def close(self) -> None:
        """Leave all drops to napari again."""
        targets, self._targets = self._targets, []
        for target in targets:
            with suppress(RuntimeError):  # Qt may have deleted it with the window
                target.removeEventFilter(self)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802 - Qt's name
        """Take a drop of folders that are movies; everything else goes its way."""
        if event is None or event.type() != QEvent.Type.Drop or not self._targets:
            return False
        folders = _movie_folders(event)
        for folder in folders:
            self._open(folder)
        if folders:
            event.accept()
        return bool(folders)


def _movie_folders(event: Any) -> list[str]:
    """Paths of a drop that consists of such folders only."""
    urls = event.mimeData().urls()
    if event.modifiers() & Qt.KeyboardModifier.AltModifier:
        return []
    paths = [url.toLocalFile() for url in urls if url.isLocalFile()]
    whole = len(paths) == len(urls) and all(holds_movie(Path(path)) for path in paths)
    return [str(Path(path)) for path in paths] if whole else []


def _drop_targets(window: QWidget | None) -> list[QWidget]:
    """Widgets that napari takes drops with: its viewer, and what welcomes in an empty one."""
    # Through Qt, as napari hands plugins a viewer without private attributes.
    viewer = getattr(window, "_qt_viewer", None)
    if not isinstance(viewer, QWidget):
        return []
    return [viewer, *(w for w in viewer.findChildren(QWidget) if hasattr(w, "urls_dropped"))]
