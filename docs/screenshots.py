"""Write the pictures of the window that the documentation shows: ``python docs/screenshots.py``.

With the path of ``ti_dislocation_17x512x660_u8.tif``, which is not part of the repository, it
writes ``window_ti_dislocation.png`` too.

Without a screen: ``xvfb-run -a -s "-screen 0 1920x1200x24" python docs/screenshots.py``.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import napari
from napari.layers import Layer
from PIL import Image
from qtpy.QtCore import QEventLoop
from qtpy.QtWidgets import QApplication

from napari_tcsdl.display._qt.dock import CompressDock
from napari_tcsdl.display._qt.window import fill_screen
from napari_tcsdl.display.contributions import read_layers, sample_sinter
from napari_tcsdl.display.layers import LayerTuple

RATIO = 8
LARGEST = 700_000
"""Bytes of a picture; noise does not compress, so that a large window is scaled down."""
WIDTHS, COLOURS = (1920, 1600, 1440, 1280, 1024), 128
SETTLE_SECONDS = 1.0
"""Time for napari to paint what has changed last."""


class Studio:
    """One window, and pictures of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.viewer = napari.Viewer(title="napari-tcsdl", show_welcome_screen=False)
        fill_screen(self.viewer)
        _, self.dock = self.viewer.window.add_plugin_dock_widget(
            "napari-tcsdl", "Compress and reconstruct"
        )
        assert isinstance(self.dock, CompressDock)
        self.wait(lambda: self.dock.form.device.count() > 1)

    def add(self, tuples: list[LayerTuple]) -> None:
        """Show these layers."""
        for data, kwargs, kind in tuples:
            self.viewer.add_layer(Layer.create(data, kwargs, kind))

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
        pixels = self.viewer.screenshot(canvas_only=False, flash=False)
        window = Image.fromarray(pixels[..., :3])
        for width in WIDTHS:
            height = round(window.height * width / window.width)
            window.resize((width, height)).quantize(COLOURS).save(path, optimize=True)
            if path.stat().st_size <= LARGEST:
                break
        print(path)

    def compare(self, frame: int, name: str, running: str = "") -> None:
        """Compare the movie and take a picture of ``frame``; another while it runs."""
        self.dock.start()
        if running:
            self.wait(lambda: self.dock.worker is None or self.frames_done() > 0)
            self.viewer.dims.set_current_step(0, 0)
            self.shoot(running)
        self.wait(lambda: self.dock.worker is None)
        self.viewer.dims.set_current_step(0, frame)
        self.shoot(name)

    def frames_done(self) -> int:
        """Frames whose results are shown."""
        run = self.dock.controller.run
        return run.frames_done if run is not None else 0

    def fail(self) -> None:
        """Ask for something impossible."""
        self.dock.form.ratio.setValue(999)
        self.dock.start()
        self.shoot("window_error")

    def save(self, path: Path) -> None:
        """Save the compressed file of the run."""
        self.dock.save(path)
        self.wait(lambda: self.dock.status.text().startswith("saved"), 60)


@contextmanager
def studio(folder: Path, tuples: list[LayerTuple]) -> Iterator[Studio]:
    """Open a fresh window: napari leaves traces of a slider whose layers have gone."""
    made = Studio(folder)
    made.add(tuples)
    made.dock.form.ratio.setValue(RATIO)
    yield made
    made.viewer.close()


def main() -> None:
    """Take all pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ti_movie", nargs="?", type=Path, help="ti_dislocation_17x512x660_u8.tif")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "images")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sample.tcs.zarr"
        with studio(options.out, sample_sinter()) as window:
            window.shoot("window_ready")
            window.compare(12, "window_compared", running="window_running")
            window.save(path)
            window.fail()
        with studio(options.out, read_layers(path)) as window:
            window.compare(12, "window_reconstructed")
    if options.ti_movie:
        with studio(options.out, read_layers(options.ti_movie)) as window:
            window.compare(4, "window_ti_dislocation")


if __name__ == "__main__":
    main()
