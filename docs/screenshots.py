"""Write the pictures of the window that the documentation shows: ``python docs/screenshots.py``.

Without a screen: ``xvfb-run -a -s "-screen 0 1920x1200x24" python docs/screenshots.py``.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import napari
from napari.layers import Layer
from qtpy.QtCore import QEventLoop
from qtpy.QtWidgets import QApplication

from napari_tcsdl.display._qt.dock import CompressDock
from napari_tcsdl.display._qt.window import fill_screen
from napari_tcsdl.display.contributions import read_layers, sample_grains

SETTLE_SECONDS = 1.0
"""Time for napari to paint what has changed last."""


class Studio:
    """One window, and pictures of it."""

    def __init__(self, folder: Path, movie: Path | None) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.viewer = napari.Viewer(title="napari-tcsdl", show_welcome_screen=False)
        fill_screen(self.viewer)
        self.add(movie)
        _, self.dock = self.viewer.window.add_plugin_dock_widget(
            "napari-tcsdl", "Compress and reconstruct"
        )
        assert isinstance(self.dock, CompressDock)
        self.wait(lambda: self.dock.form.device.count() > 1)

    def add(self, movie: Path | None) -> None:
        """Open a file, or the sample."""
        for data, kwargs, kind in read_layers(movie) if movie else sample_grains():
            self.viewer.add_layer(Layer.create(data, kwargs, kind))
        self.viewer.reset_view()

    def wait(self, until: Callable[[], bool], seconds: float = 3600) -> None:
        """Let the window live until something has happened."""
        end = time.monotonic() + seconds
        while not until() and time.monotonic() < end:
            QApplication.processEvents(QEventLoop.ProcessEventsFlag.AllEvents, 50)
            time.sleep(0.01)

    def shoot(self, name: str) -> None:
        """Save a picture of the whole window."""
        self.wait(lambda: False, SETTLE_SECONDS)
        path = self.folder / f"{name}.png"
        self.viewer.screenshot(str(path), canvas_only=False, flash=False)
        print(path)

    def run(self, ratio: int, frame: int) -> None:
        """Compare the movie and show ``frame``; a picture on the way."""
        self.dock.form.ratio.setValue(ratio)
        self.shoot("window_ready")
        self.dock.start()
        self.wait(lambda: self.dock.worker is None or self.frames_done() > 0)
        self.viewer.dims.set_current_step(0, 0)
        self.shoot("window_running")
        self.wait(lambda: self.dock.worker is None)
        self.viewer.dims.set_current_step(0, frame)
        self.shoot("window_compared")

    def frames_done(self) -> int:
        """Frames whose results are shown."""
        run = self.dock.controller.run
        return run.frames_done if run is not None else 0

    def fail(self) -> None:
        """Ask for something impossible."""
        self.dock.form.ratio.setValue(999)
        self.dock.start()
        self.shoot("window_error")

    def reconstruct(self) -> None:
        """Save the compressed file, open it alone, and reconstruct it."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "sample.tcs.zarr"
            self.dock.save(path)
            self.wait(lambda: self.dock.status.text().startswith("saved"), 60)
            self.viewer.layers.clear()
            self.wait(lambda: False, SETTLE_SECONDS)
            self.add(path)
            self.dock.start()
            self.wait(lambda: self.dock.worker is None)
            self.shoot("window_reconstructed")


def main() -> None:
    """Take all pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("movie", nargs="?", type=Path, help="the sample movie by default")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "images")
    parser.add_argument("--ratio", type=int, default=8)
    parser.add_argument("--frame", type=int, default=12)
    options = parser.parse_args()
    studio = Studio(options.out, options.movie)
    studio.run(options.ratio, options.frame)
    studio.fail()
    studio.dock.form.ratio.setValue(options.ratio)
    studio.reconstruct()
    studio.viewer.close()


if __name__ == "__main__":
    main()
