"""What tests look at: folders, layers, threads."""

from __future__ import annotations

import threading
from pathlib import Path

from napari.components import ViewerModel

from napari_tcsdl.display._qt.worker import THREAD_NAME


def names_in(folder: Path) -> list[str]:
    """Everything in ``folder``."""
    return sorted(entry.name for entry in folder.iterdir())


def shown_in(viewer: ViewerModel) -> list[str]:
    """Names of the layers that are visible."""
    return [layer.name for layer in viewer.layers if layer.visible]


def no_thread_lives() -> bool:
    """Whether all threads of ours have ended."""
    return not [thread for thread in threading.enumerate() if thread.name == THREAD_NAME]
