"""Habits that keep the window quick, without a clock: nobody works for what nobody sees."""

from __future__ import annotations

import threading
from collections import Counter

import numpy as np
import pytest

from napari_tcsdl.display._qt import fft_dock
from napari_tcsdl.display._qt.compare_panel import ComparePanel
from napari_tcsdl.display._qt.fft_dock import FftDock
from napari_tcsdl.display._qt.fft_panels import SpectraView
from napari_tcsdl.display._qt.profile_tab import ProfileTab
from napari_tcsdl.display._qt.results import ScoreTable
from napari_tcsdl.display._qt.score_controls import PSNR
from napari_tcsdl.display._qt.score_plot import ScorePlot
from napari_tcsdl.display._qt.scores_dock import ScoresDock
from napari_tcsdl.display._qt.spot_table import SpotTable
from napari_tcsdl.display.spectra_compute import compute

WAIT = 60_000
LONG_ENOUGH = 150
"""[ms] Any throttle of ours is over by then."""


@pytest.fixture
def count(monkeypatch):
    """``count(Class, "method", …)`` counts the calls of methods from now on."""
    calls: Counter[str] = Counter()

    def watch(kind, *names):
        for name in names:
            original = getattr(kind, name)

            def counted(self, *args, _original=original, _name=name, **kwargs):
                calls[_name] += 1
                return _original(self, *args, **kwargs)

            monkeypatch.setattr(kind, name, counted)
        return calls

    return watch


class Gate:
    """The computation of spectra, which waits until it is let through."""

    def __init__(self):
        self.requests = []
        self.open = threading.Event()
        self.open.set()

    def __call__(self, request):
        self.requests.append(request)
        self.open.wait(30)
        return compute(request)


@pytest.fixture
def gate(monkeypatch):
    gate = Gate()
    monkeypatch.setattr(fft_dock, "compute", gate)
    yield gate
    gate.open.set()


@pytest.fixture
def spectra(shown, viewer, two, gate, qtbot):
    dock = shown(FftDock(viewer))
    qtbot.waitUntil(lambda: len(dock.controller.spots) == 2, timeout=WAIT)
    qtbot.wait(LONG_ENOUGH)
    return dock


def is_up_to_date(dock) -> bool:
    """Whether the spectra are those of what is shown now."""
    controller = dock.controller
    return (
        controller.shown is not None
        and controller.shown.generation == controller.generation
        and not dock._throttle.isActive()
    )


# --- what is hidden ---------------------------------------------------------------------------


def test_hidden_spectra_are_neither_asked_for_nor_computed(spectra, viewer, gate, qtbot):
    spectra.hide()
    asked, computed = spectra.controller.generation, len(gate.requests)
    for frame in range(5):
        viewer.dims.set_point(0, 0.5 * frame)
        viewer.scene.camera.zoom *= 1.1
        qtbot.wait(40)
    viewer.layers["rival"].visible = False
    qtbot.wait(LONG_ENOUGH)
    assert (spectra.controller.generation, len(gate.requests)) == (asked, computed)
    spectra.show()
    qtbot.waitUntil(lambda: len(gate.requests) > computed, timeout=WAIT)
    qtbot.waitUntil(lambda: is_up_to_date(spectra), timeout=WAIT)
    assert [panel.name for panel in spectra.controller.shown.panels] == ["raw"]


def test_the_tab_behind_is_not_filled(spectra, viewer, count, qtbot):
    spectra.controls.tabs.setCurrentIndex(1)
    qtbot.waitUntil(lambda: spectra.controller.panel().profile is not None, timeout=WAIT)
    calls = count(SpectraView, "show_panels", "set_rows")
    count(SpotTable, "show_rows")
    count(ProfileTab, "show_answer")
    viewer.dims.set_point(0, 1.5)
    qtbot.waitUntil(lambda: calls["show_answer"] > 0, timeout=WAIT)
    assert set(calls) == {"show_answer"}
    spectra.controls.tabs.setCurrentIndex(0)
    assert calls["show_panels"] == calls["show_rows"] == 1
    done = calls["show_answer"]
    viewer.dims.set_point(0, 0.0)
    qtbot.waitUntil(lambda: calls["show_panels"] > 1, timeout=WAIT)
    assert calls["show_answer"] == done


def test_no_profile_is_computed_while_its_tab_is_behind(spectra):
    assert all(panel.profile is None for panel in spectra.controller.shown.panels)
    assert spectra.controller.shown.curves == {}


def test_hidden_scores_are_not_drawn(shown, viewer, layer, settings, tell, count, qtbot):
    dock = shown(ScoresDock(viewer))
    controller = dock.session.controller
    dock.hide()
    calls = count(ScorePlot, "show_curves", "show_frame", "show_extent")
    job = controller.start(layer, settings)
    tell.everything(job, controller.apply)
    controller.show_frame(7)
    qtbot.wait(LONG_ENOUGH)
    assert calls == {}
    dock.show()
    plot = dock.view.plots[PSNR]
    assert plot.marker.value() == 7
    np.testing.assert_allclose(plot.curves["raw"].yData, 20.0 + np.arange(9))
    controller.clear()


def test_a_hidden_table_is_not_filled(shown, viewer, layer, settings, tell, count):
    panel = shown(ComparePanel(viewer))
    panel.hide()
    calls = count(ScoreTable, "show_scores")
    job = panel.controller.start(layer, settings)
    tell.everything(job, panel.controller.apply)
    panel.controller.show_frame(7)
    assert calls == {}
    panel.show()
    table = panel.results.table
    assert table.item(0, 1).text() == "27.00", "PSNR of raw in frame 7"
    assert panel.results.caption.text().startswith("frame 7 of ")
    panel.controller.clear()


def test_means_are_taken_once_for_all_steps_of_the_slider(
    viewer, layer, settings, tell, monkeypatch
):
    from napari_tcsdl.display import scoreboard
    from napari_tcsdl.display.controller import Controller

    controller = Controller(viewer)
    job = controller.start(layer, settings)
    tell.everything(job, controller.apply)
    taken = []
    summary = scoreboard._summary
    monkeypatch.setattr(scoreboard, "_summary", lambda *a: taken.append(a) or summary(*a))
    for frame in range(9):
        controller.show_frame(frame)
        controller.mean_scores()
    assert len(taken) <= len(controller.run.board.codecs)
    before = controller.mean_scores()["raw"]
    row = controller.run.board.score("raw", 0)
    controller.run.board.add([type(row)("raw", 0, row.psnr + 9.0, row.ssim, row.bytes)])
    assert controller.mean_scores()["raw"][0] == pytest.approx(before[0] + 1.0), "9 dB in 9 frames"
    controller.close()


# --- throttled, and late answers dropped --------------------------------------------------------


def test_many_changes_in_one_turn_make_one_request(spectra, viewer, gate, qtbot):
    asked, computed = spectra.controller.generation, len(gate.requests)
    for frame in (1, 2, 3, 4, 5):
        viewer.dims.set_point(0, 0.5 * frame)
    assert spectra.controller.generation == asked, "nothing is asked for at once"
    qtbot.waitUntil(lambda: spectra.controller.generation > asked, timeout=WAIT)
    qtbot.waitUntil(lambda: is_up_to_date(spectra), timeout=WAIT)
    assert spectra.controller.generation == asked + 1
    assert len(gate.requests) == computed + 1


def test_requests_that_pile_up_are_not_computed(spectra, viewer, gate, qtbot):
    gate.open.clear()
    computed = len(gate.requests)
    for frame in (1, 2, 3, 4, 5):
        viewer.dims.set_point(0, 0.5 * frame)
        spectra.controller.refresh()
        qtbot.waitUntil(lambda: len(gate.requests) > computed, timeout=WAIT)
    gate.open.set()
    qtbot.waitUntil(lambda: is_up_to_date(spectra), timeout=WAIT)
    seen = gate.requests[computed:]
    assert len(seen) <= 3, "the first, the last, and what the throttle asks for after it"
    last = spectra.controller.shown.panels[0].request.read()
    np.testing.assert_array_equal(last, viewer.layers["raw"].data[5])


def test_an_answer_that_comes_after_a_newer_one_is_dropped(spectra, viewer, gate):
    controller = spectra.controller
    old = gate.requests[-1]
    controller.refresh()
    newest = gate_answer(controller)
    assert controller.answer(newest)
    assert not controller.answer(compute(old))
    assert controller.shown is newest


def gate_answer(controller):
    """Answer to the request that was made last, computed here and now."""
    from napari_tcsdl.display.spectra_compute import Request
    from napari_tcsdl.display.spectra_request import images_shown, panel_of

    images = images_shown(controller.viewer)
    panels = tuple(panel_of(controller.viewer, controller.roi, image) for image in images)
    return compute(Request(controller.generation, panels, 0, controller.spots))


def test_nothing_that_is_under_way_is_shown_by_a_dock_that_is_hidden(spectra, viewer, gate, qtbot):
    gate.open.clear()
    computed = len(gate.requests)
    viewer.dims.set_point(0, 1.0)
    qtbot.waitUntil(lambda: len(gate.requests) > computed, timeout=WAIT)
    before = spectra.controller.shown
    spectra.hide()
    gate.open.set()
    qtbot.wait(LONG_ENOUGH)
    assert spectra.controller.shown is before
