"""The window that ``display.py`` measures: our part of its time, and a run with made-up results."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import threading
import time
from collections import Counter, defaultdict
from functools import wraps

import numpy as np

CODECS = ("raw", "gap_tv", "binning", "jpeg_raw_over_B", "jpeg_same_bytes")
B = 4
WINDOW = (1800, 1100)
MS = 1e3
PARTS = {
    "scor": "scores dock",
    "spectra": "spectra",
    "fft": "spectra",
    "spot": "spectra",
    "profile": "spectra",
    "latest": "spectra",
    "lazy": "frames read for napari",
    "decoded": "frames read for napari",
}
BOXES, PAINT, NAPARI = "labels, table, panel", "pyqtgraph's painting", "frames read for napari"


class Meter:
    """CPU time that one thread spends in our code, by part; everything it calls counts with it.

    Each function of the package's window is wrapped, so that no callback is forgotten. Only where
    a call comes from another part the clock is read.
    """

    def __init__(self):
        self.thread = threading.get_ident()
        self.stack = []
        self.reset()

    def reset(self):
        """Begin anew."""
        self.cpu, self.calls, self.longest = defaultdict(float), Counter(), (0.0, "")

    @property
    def ours(self):
        """Seconds of all parts but the reading of frames, which napari asks for."""
        return sum(seconds for part, seconds in self.cpu.items() if part != NAPARI)

    def install(self):
        """Wrap everything; to be called before a window is made."""
        import pyqtgraph as pg

        import napari_tcsdl.display as display

        for info in pkgutil.walk_packages(display.__path__, display.__name__ + "."):
            if not info.name.endswith("__main__"):
                module = importlib.import_module(info.name)
                for kind in vars(module).values():
                    if inspect.isclass(kind) and kind.__module__ == info.name:
                        self._wrap_class(kind, info.name.rsplit(".", 1)[1])
        view = pg.GraphicsView
        view.paintEvent = self._wrap(view.paintEvent, PAINT, "paintEvent")

    def _wrap_class(self, kind, module):
        part = next((part for key, part in PARTS.items() if key in module), BOXES)
        for name, value in list(vars(kind).items()):
            if inspect.isfunction(value) and not name.startswith("__"):
                setattr(kind, name, self._wrap(value, part, f"{kind.__name__}.{name}"))

    def _wrap(self, function, part, name):
        parameters = inspect.signature(function).parameters.values()
        kinds = [parameter.kind for parameter in parameters]
        most = None if inspect.Parameter.VAR_POSITIONAL in kinds else len(kinds)

        @wraps(function)
        def timed(*args, **kwargs):
            args = args[:most]  # Qt gives a slot as many as it takes, and asks its signature
            if threading.get_ident() != self.thread:
                return function(*args, **kwargs)
            self.calls[name] += 1
            if self.stack and self.stack[-1][0] == part:
                return function(*args, **kwargs)
            return self._timed(function, part, name, args, kwargs)

        return timed

    def _timed(self, function, part, name, args, kwargs):
        self.stack.append([part, 0.0])
        start = time.thread_time()
        try:
            return function(*args, **kwargs)
        finally:
            spent = time.thread_time() - start
            self.cpu[part] += spent - self.stack.pop()[1]
            if self.stack:
                self.stack[-1][1] += spent
            elif part != NAPARI:
                self.longest = max(self.longest, (spent, name))


def spin(application, seconds):
    """Let the window live."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        application.processEvents()
        time.sleep(0.001)


def spin_until(application, met, seconds=600.0):
    """Let the window live until ``met()``; returns the seconds it took."""
    start = time.perf_counter()
    while not met():
        application.processEvents()
        if time.perf_counter() - start > seconds:
            raise TimeoutError(f"got no {met} within {seconds:.0f} s, expected it; look why")
        time.sleep(0.001)
    return time.perf_counter() - start


def lattice_movie(n_frames, side):
    """(T, H, W) uint8: two sets of fringes with shot noise, shifted from frame to frame."""
    rng = np.random.default_rng(2026)
    y, x = np.mgrid[:1024, :1024].astype(np.float32)
    tile = 20 + 6 * np.cos(2 * np.pi * x / 8.5) + 6 * np.cos(2 * np.pi * (0.6 * x + y) / 13)
    noisy = rng.poisson(tile).astype(np.uint8)
    repeats = -(-side // 1024)
    wide = np.tile(noisy, (repeats, repeats))[:side, :side]
    return np.stack([np.roll(wide, 37 * t, axis=(0, 1)) for t in range(n_frames)])


def new_viewer():
    """Return a window of one size, and its application."""
    import napari
    from qtpy.QtWidgets import QApplication

    viewer = napari.Viewer(show=True)
    viewer.window.set_geometry(0, 0, *WINDOW)
    return viewer, QApplication.instance()


def add_movie(viewer, frames, name="movie"):
    """Add ``frames`` with a calibration."""
    return viewer.add_image(
        frames,
        name=name,
        scale=(0.1, 0.02, 0.02),
        units=("s", "nm", "nm"),
        contrast_limits=(0, 60),
    )


class Stage:
    """Workbench, FFT and Scores over a run that has finished, with made-up results."""

    def __init__(self, n_frames, side):
        from napari_tcsdl.display._qt.docks import FFT, SCORES, open_all, open_dock
        from napari_tcsdl.display._qt.workbench import Workbench

        self.viewer, self.application = new_viewer()
        self.frames = lattice_movie(n_frames, side)
        self.layer = add_movie(self.viewer, self.frames)
        self.workbench = Workbench(self.viewer)
        self.viewer.window.add_dock_widget(self.workbench, name="Workbench", area="right")
        open_all(self.viewer, self.workbench.window())
        self.fft, self.scores = (open_dock(self.viewer, name) for name in (FFT, SCORES))
        self.tell_everything()
        spin_until(self.application, lambda: self.fft.controller.spots)
        spin(self.application, 5)  # glyphs, estimate and choices come in threads and by timers
        self.settle()

    def tell_everything(self):
        """Report a whole run, as a job would."""
        from napari_tcsdl.comparison import FrameScores
        from napari_tcsdl.display.job import BlockReady, Finished, Prepared
        from napari_tcsdl.display.roles import JPEG, MEASUREMENT, RECONSTRUCTION
        from napari_tcsdl.display.store import ResultStore
        from napari_tcsdl.settings import Settings

        controller = self.workbench.compare.controller
        settings = Settings(compression_ratio=B, reference="raw", decoder="gap_tv")
        job = controller.start(self.layer, settings)
        real, raw = np.dtype(np.float32), self.frames
        dtypes = {RECONSTRUCTION: real, JPEG: raw.dtype, MEASUREMENT: real}
        prepared = Prepared(job.generation, ResultStore(raw.shape, B, dtypes), (0.0, 60.0))
        controller.apply(prepared)
        spin_until(self.application, prepared.shown.is_set)
        for block, first in enumerate(range(0, len(raw), B)):
            part = raw[first : first + B]
            prepared.store.write(RECONSTRUCTION, first, 0.9 * part.astype(np.float32))
            prepared.store.write(JPEG, first, part // 3 * 3)
            prepared.store.write(MEASUREMENT, block, part.mean(0, dtype=np.float32)[None])
            scores = tuple(
                FrameScores(codec, frame, 20.0 + frame % 7 + k, 0.5, 100)
                for k, codec in enumerate(CODECS)
                for frame in range(first, first + len(part))
            )
            texts = dict.fromkeys(CODECS, "made up")
            controller.apply(
                BlockReady(job.generation, block, first, len(part), scores, texts, None, {JPEG: 42})
            )
        real_bytes = {"measurements": 700, "masks": 200, "metadata": 100, "total": 1000}
        path = prepared.store.compressed_path
        controller.apply(Finished(job.generation, raw.nbytes, real_bytes, path))

    @property
    def answered(self):
        """Whether the spectra are those of what is shown now."""
        controller = self.fft.controller
        shown = controller.shown.generation if controller.shown is not None else -1
        return shown == controller.generation and not self.fft._throttle.isActive()

    def settle(self, seconds=0.15):
        """Wait until all is drawn."""
        spin_until(self.application, lambda: self.answered)
        spin(self.application, seconds)

    def close(self):
        """Close the window with its docks."""
        self.viewer.close()
        spin(self.application, 0.3)


def row(text, value, unit="", limit=None):
    """One line of the table; a limit makes it PASS or FAIL."""
    return {"text": text, "value": value, "unit": unit, "limit": limit}
