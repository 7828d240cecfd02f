"""While the slider moves spectra are drafts; what is exact follows, and nobody sees old numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from planted_fringes import PIXEL, click_spectrum, place_of, planted

from napari_tcsdl.display._qt import fft_dock, latest
from napari_tcsdl.display._qt.fft_dock import FftDock
from napari_tcsdl.display._qt.latest import Latest
from napari_tcsdl.display.region import Region, Roi
from napari_tcsdl.display.spectra import SpectraController
from napari_tcsdl.display.spectra_compute import PanelRequest, Request, compute, draft

SIDE = 512
WAIT = 60_000


@pytest.fixture(scope="module")
def movie():
    return planted(SIDE, 6)


def request_of(frame, **wanted):
    panel = PanelRequest("raw", read=frame.copy, region=Region(0, 0, *frame.shape), pixel_size=0.5)
    return Request(1, (panel,), **wanted)


# --- what a draft is ----------------------------------------------------------------------------


def test_a_draft_is_every_second_fourier_pixel_of_what_follows(movie):
    rough, exact = draft(request_of(movie[0])).panels[0], compute(request_of(movie[0])).panels[0]
    np.testing.assert_allclose(
        rough.spectrum.power, exact.spectrum.power[::2, ::2], rtol=2e-3, atol=1e-6
    )
    np.testing.assert_array_equal(rough.spectrum.fx, exact.spectrum.fx[::2])
    assert rough.signals == (), "it measures nothing"


@pytest.mark.parametrize("wanted", ["exact", "find", "profiles"])
def test_there_is_no_draft_where_more_is_asked_for(movie, wanted):
    assert draft(request_of(movie[0])) is not None
    assert draft(request_of(movie[0], **{wanted: True})) is None


@pytest.mark.parametrize("shape", [(256, 256), (514, 514)])
def test_there_is_no_draft_of_a_small_field_nor_of_one_that_cannot_be_folded(shape):
    assert draft(request_of(np.ones(shape, np.float32))) is None


# --- the thread ---------------------------------------------------------------------------------


def test_a_draft_is_made_only_where_the_work_takes_long(qtbot, monkeypatch):
    told = []
    thread = Latest(lambda request: ("work", request), None, lambda request: ("draft", request))
    thread.answered.connect(told.append)
    thread.drafted.connect(told.append)
    for limit in ("QUICK", "LONE"):
        monkeypatch.setattr(latest, limit, 60.0)
    for k in range(2):
        thread.post(k)
        qtbot.waitUntil(lambda k=k: len(told) == k + 1, timeout=WAIT)
    for limit in ("QUICK", "LONE"):
        monkeypatch.setattr(latest, limit, -1.0)
    thread.post(2)
    qtbot.waitUntil(lambda: len(told) == 3, timeout=WAIT)
    thread.stop()
    assert thread.wait(10)
    assert told == [("work", 0), ("work", 1), ("draft", 2)]


def test_a_lone_request_waits_for_the_work_if_that_takes_no_longer_than_a_glance(
    qtbot, monkeypatch
):
    told = []
    thread = Latest(lambda request: ("work", request), None, lambda request: ("draft", request))
    thread.answered.connect(told.append)
    thread.drafted.connect(told.append)
    monkeypatch.setattr(latest, "QUICK", -1.0)

    def post(request, pause, lone):
        monkeypatch.setattr(latest, "PAUSE", pause)
        monkeypatch.setattr(latest, "LONE", lone)
        count = len(told)
        thread.post(request)
        qtbot.waitUntil(lambda: len(told) == count + 1, timeout=WAIT)

    post("first", 0.0, 60.0)
    post("one of a drag", 60.0, 60.0)
    post("after a pause", 0.0, 60.0)
    post("after a pause, but slow", 0.0, -1.0)
    thread.stop()
    assert thread.wait(10)
    assert [kind for kind, _ in told] == ["work", "draft", "work", "draft"]


def test_without_a_draft_the_work_is_done(qtbot, monkeypatch):
    for limit in ("QUICK", "LONE"):
        monkeypatch.setattr(latest, limit, -1.0)
    told = []
    thread = Latest(lambda request: request, None, lambda request: None)
    thread.answered.connect(told.append)
    thread.post(7)
    qtbot.waitUntil(lambda: told == [7], timeout=WAIT)
    thread.stop()
    assert thread.wait(10)


# --- the controller -----------------------------------------------------------------------------


@pytest.fixture
def spectra(viewer, movie):
    """Spectra of one movie, answered when the test says so; two spots are known."""
    viewer.add_image(movie, scale=(1, PIXEL, PIXEL), units=("s", "nm", "nm"), name="raw")
    viewer.dims.set_point(0, 0.0)
    roi, asked = Roi(viewer), []
    controller = SpectraController(viewer, roi, asked.append)
    controller.asked = asked
    controller.stale.connect(controller.refresh)
    controller.enabled = True
    controller.answer(compute(asked[-1]))
    controller.refresh()
    controller.answer(compute(asked[-1]))
    assert len(controller.spots) == 2
    yield controller
    controller.close()
    roi.close()


def test_numbers_of_another_frame_are_taken_out_until_the_exact_ones_come(spectra, viewer):
    before = [row.signals["raw"].snr for row in spectra.rows()]
    viewer.dims.set_point(0, 1.0)
    assert spectra.draw(draft(spectra.asked[-1]))
    assert [row.signals["raw"].text for row in spectra.rows()] == ["…", "…"]
    spectra.settle()
    assert spectra.asked[-1].exact
    assert draft(spectra.asked[-1]) is None
    exact = compute(spectra.asked[-1])
    assert spectra.answer(exact)
    after = [row.signals["raw"].snr for row in spectra.rows()]
    assert after == list(exact.panels[0].signals)
    assert after != before


def test_a_draft_that_is_late_is_dropped(spectra, viewer):
    viewer.dims.set_point(0, 1.0)
    late = draft(spectra.asked[-1])
    viewer.dims.set_point(0, 2.0)
    assert not spectra.draw(late)
    spectra.enabled = False
    assert not spectra.draw(replace(late, generation=spectra.generation))
    assert spectra.draft is None


def test_a_draft_of_other_panels_is_left_out_for_what_is_exact(spectra, viewer):
    viewer.layers["raw"].name = "renamed"
    rough = draft(spectra.asked[-1])
    assert not spectra.draw(rough)
    assert spectra.asked[-1].exact


def test_a_click_into_a_draft_waits_for_the_spectrum(spectra, viewer):
    spectra.clear_spots()
    spectra.answer(compute(spectra.asked[-1]))
    viewer.dims.set_point(0, 1.0)
    spectra.draw(draft(spectra.asked[-1]))
    qx, qy = place_of("111")
    assert spectra.pick("raw", qy, qx) is None
    assert spectra.spots == ()
    spectra.settle()
    spectra.answer(compute(spectra.asked[-1]))
    assert len(spectra.spots) == 1
    assert spectra.selected == 0


# --- the dock -----------------------------------------------------------------------------------


@pytest.fixture
def dock(viewer, movie, qtbot, monkeypatch):
    """A dock whose machine is slow: every request gets a draft."""
    calls = []
    for limit in ("QUICK", "LONE"):
        monkeypatch.setattr(latest, limit, -1.0)
    for name, work in (("compute", compute), ("draft", draft)):

        def counted(request, name=name, work=work):
            made = work(request)
            calls.extend([name] * (made is not None))
            return made

        monkeypatch.setattr(fft_dock, name, counted)
    for name in ("raw", "rival"):
        viewer.add_image(movie, scale=(1, PIXEL, PIXEL), units=("s", "nm", "nm"), name=name)
    viewer.dims.set_point(0, 0.0)
    dock = FftDock(viewer)
    dock.calls = calls
    qtbot.addWidget(dock)
    dock.resize(1200, 420)
    dock.show()
    qtbot.waitUntil(lambda: len(dock.controller.spots) == 2, timeout=WAIT)
    qtbot.waitUntil(lambda: is_exact(dock), timeout=WAIT)
    calls.clear()
    yield dock
    dock.shut_down()


def is_exact(dock) -> bool:
    controller = dock.controller
    up_to_date = controller.shown.generation == controller.generation
    return up_to_date and controller.draft is None and not dock._throttle.isActive()


def test_one_step_is_drawn_once_and_computed_once(dock, viewer, qtbot):
    viewer.dims.set_point(0, 1.0)
    qtbot.waitUntil(lambda: dock.controller.draft is not None, timeout=WAIT)
    assert [panel.shown.signals for panel in dock.view.panels] == [(), ()]
    qtbot.waitUntil(lambda: is_exact(dock), timeout=WAIT)
    assert dock.calls == ["draft", "compute"]
    assert all(len(panel.shown.signals) == 2 for panel in dock.view.panels)
    assert dock.table.item(0, 4).text() == dock.controller.rows()[0].signals["raw"].text


def test_while_the_slider_moves_nothing_is_measured_and_the_table_says_so(dock, viewer, qtbot):
    dock._rest.timeout.disconnect()  # a slider that never rests
    dock._pending.timeout.connect(lambda: dock.calls.append("pending"))
    viewer.dims.set_point(0, 1.0)
    qtbot.waitUntil(lambda: "pending" in dock.calls, timeout=WAIT)
    assert "compute" not in dock.calls
    assert dock.table.item(0, 4).text() == "…"
    assert [len(panel.spots.data) for panel in dock.view.panels] == [2, 2], "marks stay"
    dock.controller.settle()
    qtbot.waitUntil(lambda: is_exact(dock), timeout=WAIT)
    assert dock.table.item(0, 4).text() != "…"


def test_a_click_into_a_draft_adds_its_spot(dock, viewer, qtbot):
    dock.spots.clear_button.click()
    qtbot.waitUntil(lambda: is_exact(dock), timeout=WAIT)
    viewer.dims.set_point(0, 1.0)
    qtbot.waitUntil(lambda: dock.controller.draft is not None, timeout=WAIT)
    click_spectrum(dock.view, 0, *place_of("111"))
    qtbot.waitUntil(lambda: dock.table.rowCount() == 1, timeout=WAIT)


def test_hidden_it_neither_draws_nor_computes(dock, viewer, qtbot):
    dock.hide()
    for frame in range(4):
        viewer.dims.set_point(0, float(frame))
        qtbot.wait(40)
    qtbot.wait(150)
    assert dock.calls == []
