"""The panel "Rivals" over studies that nobody made, and one real study of a small movie."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest
from panel_helpers import WAIT, offer_made_up_choices
from rivals_helpers import CHEAP, JPEG, LEFT, LOOKS, LOST, MINE, OFFERS, OWN, finish, made_up_study

from napari_tcsdl._validation import Cancelled
from napari_tcsdl.display._qt import rivals_panel
from napari_tcsdl.display._qt.rivals_panel import RivalsPanel
from napari_tcsdl.display.rivals_controller import RivalsController
from napari_tcsdl.display.rivals_job import (
    LinedUp,
    RivalMeasured,
    RivalsJob,
    Studied,
)
from napari_tcsdl.display.session import Session


@pytest.fixture
def made_up_choices(monkeypatch):
    """Panels need load neither torch nor codecs to know what there is."""
    offer_made_up_choices(monkeypatch)
    monkeypatch.setattr(rivals_panel, "find_rivals", lambda: OFFERS)


@pytest.fixture
def gate(monkeypatch, made_up_choices):
    """Studies are made up; ``gate`` holds them after the first rival."""
    gate = threading.Event()

    def run(job, report, progress):
        report(LinedUp(job.generation, LOOKS))
        report(RivalMeasured(job.generation, OWN))
        progress(0.3)
        while not gate.wait(0.01):
            progress(0.4)
            if job.stop.is_set():
                raise Cancelled
        for rival in (JPEG, LOST):
            report(RivalMeasured(job.generation, rival))
        report(Studied(job.generation, made_up_study(job)))

    monkeypatch.setattr(RivalsJob, "run", run)
    yield gate
    gate.set()


@pytest.fixture
def study_panel(step_panel, viewer, qtbot):
    """Make the panel with these settings; it knows what there is."""

    def make(settings) -> RivalsPanel:
        Session.of(viewer).settings = settings
        panel = step_panel(RivalsPanel)
        panel.session.settings = settings
        panel.resize(430, 900)
        panel.show()
        qtbot.waitUntil(lambda: bool(panel.options.picker.offers), timeout=WAIT)
        return panel

    return make


@pytest.fixture
def panel(layer, made_up_choices, study_panel):
    return study_panel(MINE)


@pytest.fixture
def studied(panel, gate, qtbot):
    gate.set()
    qtbot.mouseClick(panel.run_button, LEFT)
    finish(panel, qtbot)
    return panel


# --- a real study -----------------------------------------------------------------------------


@pytest.fixture(scope="session")
def lattice():
    """9 frames of counts, calibrated."""
    y, x = np.mgrid[:48, :40]
    t = np.arange(9)[:, None, None]
    truth = 60 + 40 * np.sin(2 * np.pi * (x + 0.3 * t) / 8) * np.cos(2 * np.pi * y / 10)
    return np.random.default_rng(7).poisson(truth).clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def done(lattice, tmp_path_factory):
    """A job that has run in this process, and its reports."""
    from napari.components import ViewerModel

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        controller = RivalsController(ViewerModel())
        layer = controller.viewer.add_image(lattice, name="lattice")
        job = replace(controller.start(layer, MINE, CHEAP), processes=0)
        reports = []
        job.run(reports.append, lambda fraction: None)
    controller.close()
    return job, reports


@pytest.fixture
def controller(viewer):
    made = RivalsController(viewer)
    yield made
    made.close()


@pytest.fixture
def heard(controller, layer, done):
    """A controller that has heard everything."""
    job, reports = done
    controller.start(layer, MINE, CHEAP)
    controller.job = replace(job, stop=threading.Event())
    for report in reports:
        assert controller.apply(report)
    return controller
