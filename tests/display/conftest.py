"""Viewers without a canvas, results without a decoder, and one real window."""

from __future__ import annotations

import os
import sys
import threading
from types import SimpleNamespace

import numpy as np
import pytest
from decoding_helpers import GAP_TV, WAIT
from napari.components import ViewerModel
from panel_helpers import SPAN

from napari_tcsdl.comparison import FrameScores
from napari_tcsdl.display._qt.worker import THREAD_NAME
from napari_tcsdl.display.job import BlockReady, Finished, Prepared
from napari_tcsdl.display.roles import JPEG, MEASUREMENT, RECONSTRUCTION
from napari_tcsdl.display.store import ResultStore
from napari_tcsdl.settings import Settings

CODECS = ("raw", "unfolding", "binning", "jpeg_raw_over_B", "jpeg_same_bytes")
REAL_BYTES = {"measurements": 700, "masks": 200, "metadata": 100, "total": 1000}


def has_display() -> bool:
    # Asked late: pytest-xvfb starts its display after the first conftest files are read.
    return not sys.platform.startswith("linux") or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")
    )


@pytest.fixture(autouse=True, scope="session")
def widgets_work_without_a_display():
    """Widgets without a canvas work offscreen; a viewer with one does not."""
    if not has_display():
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")


@pytest.fixture
def viewer() -> ViewerModel:
    return ViewerModel()


@pytest.fixture
def layer(viewer, frames):
    """A calibrated movie of 9 frames, 0.25 s and 0.05 nm apart."""
    return viewer.add_image(
        frames, name="lattice", scale=(0.25, 0.05, 0.05), units=("s", "nm", "nm")
    )


@pytest.fixture
def settings() -> Settings:
    """B = 4 on 9 frames: two whole blocks and a last one of a single frame."""
    return Settings(compression_ratio=4, reference="raw")


@pytest.fixture
def tell(monkeypatch):
    """Report made-up results for a job, as the job itself would."""

    def prepared(job) -> Prepared:
        store = ResultStore(
            job.movie.shape,
            job.settings.compression_ratio,
            {
                RECONSTRUCTION: np.dtype(np.float32),
                JPEG: job.movie.dtype,
                MEASUREMENT: np.dtype(np.float32),
            },
        )
        return Prepared(job.generation, store, (0.0, 100.0))

    def block(job, store, index) -> BlockReady:
        ratio = job.settings.compression_ratio
        first = index * ratio
        count = min(ratio, job.n_frames - first)
        height, width = job.movie.shape[1:]
        store.write(RECONSTRUCTION, first, np.full((count, height, width), 1.0 + index))
        store.write(JPEG, first, np.full((count, height, width), 10.0 + index))
        store.write(MEASUREMENT, index, np.full((1, height, width), 50.0 + index))
        scores = tuple(
            FrameScores(codec, frame, psnr=20.0 + frame + number, ssim=0.1 * number, bytes=100)
            for number, codec in enumerate(CODECS)
            for frame in range(first, first + count)
        )
        descriptions = dict.fromkeys(CODECS, "made up")
        return BlockReady(
            job.generation, index, first, count, scores, descriptions, (5.0, 95.0), {JPEG: 42}, SPAN
        )

    class Tell:
        @staticmethod
        def prepared(job):
            return prepared(job)

        @staticmethod
        def block(job, store, index):
            return block(job, store, index)

        @staticmethod
        def finished(job, store):
            return Finished(job.generation, 900, dict(REAL_BYTES), store.compressed_path)

        @staticmethod
        def everything(job, report) -> ResultStore:
            first = prepared(job)
            report(first)
            for index in range(-(-job.n_frames // job.settings.compression_ratio)):
                report(block(job, first.store, index))
            report(Tell.finished(job, first.store))
            return first.store

    return Tell


@pytest.fixture(autouse=True)
def no_thread_is_left():
    """Whatever a test starts must have ended with it."""
    yield
    left = [t for t in threading.enumerate() if t.name == THREAD_NAME]
    for thread in left:
        thread.join(30)  # torch takes long to load on a busy machine
    assert not [t for t in left if t.is_alive()], "a worker thread is left"


@pytest.fixture
def window(request):
    """``make_napari_viewer`` where there is a display; under CI its absence is a failure."""
    if not has_display():
        if os.environ.get("CI"):
            pytest.fail("got no display, expected one under CI; install xvfb and pytest-xvfb")
        pytest.skip("needs a display: install xvfb and pytest-xvfb")
    return request.getfixturevalue("make_napari_viewer")


@pytest.fixture
def compressed_path(tmp_path, movie):
    """The movie as ``movie.tcs.zarr``, B = 4, its measurements kept exactly."""
    from napari_tcsdl.pipeline import compress

    path = tmp_path / "movie.tcs.zarr"
    compress(movie, path, Settings(compression_ratio=4, mask_tile=16, companding=0))
    return path


@pytest.fixture
def compressed_layer(viewer, compressed_path):
    """Its measurements, opened in the viewer."""
    from napari.layers import Layer

    from napari_tcsdl.display.contributions import read_layers

    (entry,) = read_layers(compressed_path)
    return viewer.add_layer(Layer.create(*entry))


@pytest.fixture
def without_canvas(monkeypatch):
    """Swipe and blink are drawn by nobody."""

    class Nobody:
        def __init__(self, home, duo):
            pass

        def close(self):
            pass

    from napari_tcsdl.display._qt import mode_bar

    monkeypatch.setattr(mode_bar, "SwipeView", Nobody)


@pytest.fixture
def compressed(compressed_path):
    from napari_tcsdl.io import open_compressed

    return open_compressed(compressed_path)


@pytest.fixture
def make_stack(compressed):
    """Frames of a file, decoded as they are looked at; block n has the stand-in −1 − n."""
    from napari_tcsdl.display.decoded import DecodedStack
    from napari_tcsdl.display.lazy import LazyStack

    made = []

    def make(settings=GAP_TV, file=compressed):
        shape = (file.n_measurements, *file.frame_shape)
        measurements = LazyStack(
            shape, np.dtype(np.float32), lambda index: np.full(file.frame_shape, -1.0 - index)
        )
        made.append(DecodedStack(file, settings, measurements))
        return made[-1]

    yield make
    for stack in made:
        stack.close()


@pytest.fixture
def gate(monkeypatch):
    """Let files be decoded only while the gate is open; lists their blocks in order."""
    from napari_tcsdl.display.background import Background

    order, opened = [], threading.Event()
    decode = Background._decode

    def wait(self, decoder, block):
        order.append(block)
        assert opened.wait(WAIT)
        decode(self, decoder, block)

    monkeypatch.setattr(Background, "_decode", wait)

    return SimpleNamespace(order=order, opened=opened)


@pytest.fixture
def shown(qtbot):
    """Show a dock, and close it in the end."""
    docks = []

    def show(dock):
        qtbot.addWidget(dock)
        docks.append(dock)
        dock.resize(1200, 420)
        with qtbot.waitExposed(dock):
            dock.show()
        return dock

    yield show
    for dock in docks:
        dock.shut_down()
