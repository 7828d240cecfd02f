"""Write the pictures of the window that the documentation shows: ``python docs/screenshots.py``.

Each state of the window is one method. With the path of ``ti_dislocation_17x512x660_u8.tif``, which
is not part of the repository, it writes ``window_ti_dislocation.png`` too.

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
from qtpy.QtWidgets import QApplication, QWidget

from napari_tcsdl.display._qt.docks import FFT, SCORES
from napari_tcsdl.display._qt.window import fill_screen
from napari_tcsdl.display._qt.workbench import STEPS, Workbench
from napari_tcsdl.display.contributions import read_layers, sample_sinter
from napari_tcsdl.display.layers import LayerTuple
from napari_tcsdl.display.roles import CONSISTENCY, DEFAULT_ROLES, REFERENCE, ROLES, UNCERTAINTY

RATIO = 10
FRAME = 52
LARGEST = 700_000
"""Bytes of a picture; noise does not compress, so that a large window is scaled down."""
WIDTHS, COLOURS = (1920, 1600, 1440, 1280, 1024), 128
SETTLE_SECONDS = 1.5
"""Time for napari to paint what has changed last, and for spectra to be computed."""
TRAIN_SECONDS = 75.0


class Studio:
    """One window, and pictures of it."""

    def __init__(self, folder: Path, decoder: str) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.viewer = napari.Viewer(title="napari-tcsdl", show_welcome_screen=False)
        fill_screen(self.viewer)
        _, self.bench = self.viewer.window.add_plugin_dock_widget("napari-tcsdl", "Workbench")
        assert isinstance(self.bench, Workbench)
        self.panel = self.bench.compare
        self.wait(lambda: self.panel.form.device.count() > 1)
        form = self.panel.form
        form.decoder.setCurrentIndex(form.decoder.findData(decoder))
        form.ratio.setValue(RATIO)

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

    def shoot(self, name: str, only: QWidget | None = None) -> None:
        """Save a picture of the whole window, or of one of its widgets."""
        self.wait(lambda: False, SETTLE_SECONDS)
        path = self.folder / f"{name}.png"
        if only is not None:
            only.grab().save(str(path))
            print(path)
            return
        pixels = self.viewer.screenshot(canvas_only=False, flash=False)
        window = Image.fromarray(pixels[..., :3])
        for width in WIDTHS:
            height = round(window.height * width / window.width)
            window.resize((width, height)).quantize(COLOURS).save(path, optimize=True)
            if path.stat().st_size <= LARGEST:
                break
        print(path)

    def dock(self, name: str) -> QWidget:
        """Return the dock at the bottom that is called ``name``."""
        docks = self.viewer.window.dock_widgets
        return next(widget for title, widget in docks.items() if title.split(" (")[0] == name)

    # --- states -------------------------------------------------------------------------------

    def steps(self) -> None:
        """Take a picture of each tab before anything runs."""
        for name in STEPS:
            self.bench.show_step(name)
            self.shoot(f"step_{name.lower()}", self.bench)
        self.bench.show_step("Compare")

    def compare(self, name: str, running: str = "") -> None:
        """Compare the movie and take a picture; another while it runs."""
        self.panel.start()
        if running:
            self.wait(lambda: self.panel.worker is None or self.frames_done() > 0)
            self.viewer.dims.set_current_step(0, 0)
            self.shoot(running)
        self.wait(lambda: self.panel.worker is None)
        frames = int(self.viewer.dims.nsteps[0])
        self.viewer.dims.set_current_step(0, min(FRAME, frames // 2 if frames < FRAME else FRAME))
        self.shoot(name)

    def frames_done(self) -> int:
        """Frames whose results are shown."""
        run = self.panel.controller.run
        return run.frames_done if run is not None else 0

    def spectra(self) -> None:
        """Rings of gold and the spots on them; profiles and FRC; a region of interest."""
        fft = self.dock(FFT)
        fft.controls.lattice.preset.setCurrentText("Au")
        fft.controls.find_button.click()
        self.shoot("window_spectra")
        self.shoot("dock_spectra", fft)
        fft.controls.tabs.setCurrentIndex(1)
        self.shoot("dock_profile", fft)
        fft.controls.tabs.setCurrentIndex(0)
        fft.controls.roi.click()
        scores = self.dock(SCORES)
        self.wait(lambda: self.panel.controller.run.board.basis.region is not None, 60)
        self.wait(lambda: False, 20)
        self.shoot("window_region")
        self.shoot("dock_scores", scores)
        fft.controls.roi.click()

    def boxes(self) -> None:
        """Show reference, uncertainty and consistency map as well; then swipe."""
        for role in (REFERENCE, UNCERTAINTY, CONSISTENCY):
            self.panel.controller.show_role(role)
        self.shoot("window_boxes")
        for role in ROLES:
            self.panel.controller.show_role(role, role in DEFAULT_ROLES)
        self.panel.view.modes.set_mode("swipe")
        self.shoot("window_swipe")
        self.panel.view.modes.set_mode("grid")

    def rivals(self) -> None:
        """Study every rival there is."""
        panel = self.bench.show_step("Rivals")
        panel.start()
        self.wait(lambda: panel.worker is None)
        self.shoot("step_rivals", self.bench)
        self.bench.show_step("Compare")

    def train(self) -> None:
        """Fine-tune for a while, and stop."""
        panel = self.bench.show_step("Train")
        panel.start()
        self.wait(lambda: panel.worker is None, TRAIN_SECONDS)
        self.shoot("step_train_running", self.bench)
        panel.stop()
        self.wait(lambda: panel.worker is None, 120)
        self.bench.show_step("Compare")

    def fail(self) -> None:
        """Ask for something impossible."""
        self.panel.form.ratio.setValue(999)
        self.panel.start()
        self.shoot("step_error", self.bench)
        self.panel.form.ratio.setValue(RATIO)

    def save(self, path: Path) -> None:
        """Save the compressed file of the run."""
        self.panel.save(path)
        self.wait(lambda: self.panel.status.text().startswith("saved"), 60)


@contextmanager
def studio(folder: Path, decoder: str, tuples: list[LayerTuple]) -> Iterator[Studio]:
    """Open a fresh window: napari leaves traces of a slider whose layers have gone."""
    made = Studio(folder, decoder)
    made.add(tuples)
    yield made
    made.viewer.close()


def main() -> None:
    """Take all pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ti_movie", nargs="?", type=Path, help="ti_dislocation_17x512x660_u8.tif")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "images")
    parser.add_argument("--decoder", default="unfolding")
    parser.add_argument("--train", action="store_true", help="fine-tune for a minute as well")
    parser.add_argument("--rivals", action="store_true", help="study all rivals as well: minutes")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sample.tcs.zarr"
        with studio(options.out, options.decoder, sample_sinter()) as window:
            window.steps()
            window.compare("window_compared", running="window_running")
            window.save(path)
            window.spectra()
            window.boxes()
            if options.rivals:
                window.rivals()
            if options.train:
                window.train()
            window.fail()
        with studio(options.out, options.decoder, read_layers(path, decoded=True)) as window:
            window.wait(lambda: False, 20)
            window.shoot("window_dropped_file")
    if options.ti_movie:
        with studio(options.out, options.decoder, read_layers(options.ti_movie)) as window:
            window.compare("window_ti_dislocation")


if __name__ == "__main__":
    main()
