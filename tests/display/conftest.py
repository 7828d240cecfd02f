"""Viewers without a canvas, results without a decoder, and one real window."""

from __future__ import annotations

import os
import re
import sys
import threading
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from decoding_helpers import GAP_TV, WAIT
from made_up_runs import Tell
from napari.components import ViewerModel
from napari.utils.key_bindings import KeymapHandler
from panel_helpers import held_run, offer_made_up_choices
from planted_fringes import PIXEL, planted

from napari_tcsdl.display._qt.worker import THREAD_NAME
from napari_tcsdl.display.controller import Controller
from napari_tcsdl.display.job import ComparisonJob
from napari_tcsdl.settings import Settings

QT_WORDS = ("_qt", "qtpy", "pyqtgraph")
QT_FIXTURES = {"qtbot", "qapp", "window", "make_napari_viewer", "without_canvas"}


def pytest_collection_modifyitems(items):
    """Give tests that touch no Qt the keyword ``any_binding``: to run them with one suffices.

    ``-k "not any_binding"`` is the second pass, with the other binding. Those left out use neither
    a fixture of Qt nor anything from a file that names Qt; that what they test imports none is
    a contract of the package (``display`` without ``_qt``), checked by lint-imports.
    """
    for item in items:
        if Path(__file__).parent in item.path.parents and not _needs_qt(item):
            item.extra_keyword_matches.add("any_binding")


def _needs_qt(item) -> bool:
    if QT_FIXTURES & set(item.fixturenames) or _names_qt(item.path):
        return True
    found = [
        each
        for name in item.fixturenames
        for each in item._fixtureinfo.name2fixturedefs.get(name, ())
    ]
    files = {Path(each.func.__code__.co_filename) for each in found if hasattr(each, "func")}
    # This file is the one that names Qt and whose fixtures are known by name.
    return any(_names_qt(file) for file in files - {Path(__file__)} if file.name == "conftest.py")


@lru_cache
def _names_qt(file: Path) -> bool:
    """Whether a file of tests names Qt, or takes something from a helper here that does."""
    text = file.read_text("utf-8")
    helpers = [
        Path(__file__).parent / f"{name}.py"
        for name in re.findall(r"^from (\w+) import", text, re.M)
    ]
    return any(word in text for word in QT_WORDS) or any(
        _names_qt(helper) for helper in helpers if helper.exists()
    )


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
def tell():
    """Report made-up results for a job, as the job itself would."""
    return Tell


@pytest.fixture(autouse=True)
def no_thread_is_left():
    """Whatever a test starts must have ended with it."""
    yield
    left = [t for t in threading.enumerate() if t.name == THREAD_NAME]
    for thread in left:
        thread.join(120)  # torch takes long to load on a busy machine
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


@pytest.fixture
def two(viewer):
    """Two calibrated movies of 6 frames of 256²."""
    frames = planted()
    calibrated = {"scale": (0.5, PIXEL, PIXEL), "units": ("s", "nm", "nm")}
    viewer.add_image(frames, name="raw", **calibrated)
    viewer.add_image(frames[::-1].copy(), name="rival", **calibrated)
    viewer.dims.set_point(0, 0.0)
    return viewer.layers


@pytest.fixture
def press(viewer):
    """Press a key as the canvas does."""
    handler = KeymapHandler()
    handler.keymap_providers = [viewer]
    return handler.press_key


@pytest.fixture
def controller(viewer, layer, settings, tell):
    """A comparison that is done: 9 frames, B = 4."""
    controller = Controller(viewer)
    tell.everything(controller.start(layer, settings), controller.apply)
    yield controller
    controller.close()


@pytest.fixture
def made_up(monkeypatch, tell):
    """Runs of Compare report made-up results; ``gate`` holds them after the first block."""
    gate = threading.Event()
    monkeypatch.setattr(ComparisonJob, "run", held_run(tell, gate))
    yield gate
    gate.set()


@pytest.fixture
def step_panel(qtbot, viewer, monkeypatch):
    """Make the panel of a step, which is told what there is without loading torch."""
    offer_made_up_choices(monkeypatch)
    made = []

    def make(kind):
        made.append(kind(viewer))
        qtbot.addWidget(made[-1])
        return made[-1]

    yield make
    for panel in made:
        panel.shut_down()


@pytest.fixture
def one_thread():
    """Small networks are fastest on one thread."""
    import torch  # late: most tests here need none

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
