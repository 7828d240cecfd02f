"""The step "Rivals": built, wired, its effect, and once in a real window."""

from __future__ import annotations

import gc
import os
import subprocess
import threading
import time
import weakref
from dataclasses import replace

import numpy as np
import pytest
from napari.layers import Layer
from panel_helpers import WAIT, controls_without_tooltip, destroy, offer_made_up_choices
from qtpy.QtCore import QPointF, Qt
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QApplication, QScrollArea

from napari_tcsdl._validation import Cancelled, InputError
from napari_tcsdl.display._qt import rivals_panel
from napari_tcsdl.display._qt.rivals_panel import ABANDONED, RivalsPanel
from napari_tcsdl.display._qt.rivals_plot import RivalsPlot
from napari_tcsdl.display._qt.rivals_results import UNCHOSEN
from napari_tcsdl.display._qt.rivals_style import is_dark, shade
from napari_tcsdl.display._qt.worker import THREAD_NAME
from napari_tcsdl.display.arrangement import label_of
from napari_tcsdl.display.contributions import sample_sinter
from napari_tcsdl.display.rivals_job import (
    ALL,
    LinedUp,
    Look,
    Offer,
    RivalMeasured,
    RivalsJob,
    Studied,
)
from napari_tcsdl.display.session import Session
from napari_tcsdl.rivals import (
    BEST_BELOW,
    LADDER,
    OURS,
    RAW_OVER_B,
    SAME_BYTES,
    RatePoint,
    Rival,
    Study,
)
from napari_tcsdl.settings import Settings

LEFT = Qt.MouseButton.LeftButton
MINE = Settings(compression_ratio=4, mask_tile=16, reference="raw", decoder="gap_tv", device="cpu")
OFFERS = (
    Offer("jpeg", "JPEG", "frame by frame", None),
    Offer(
        "av1_mp4", "AV1 MP4", "video", "PyAV is not installed: pip install 'napari-tcsdl[video]'"
    ),
    Offer("h264_mp4", "H.264 MP4", "video", None),
    Offer("frame_binning", "Frame binning", "as cheap as ours", None),
)


def made_up_point(codec, quality, n_bytes, psnr, *purposes):
    return RatePoint(codec, quality, "made up", n_bytes, psnr, 0.1, psnr / 50, 0.5, 0.1, purposes)


OWN = Rival(
    "gap_tv", "coded exposure, gap_tv", OURS,
    points=(
        made_up_point("gap_tv", 8.0, 1000, 21.0, LADDER),
        made_up_point("gap_tv", 4.0, 2000, 25.0, LADDER, RAW_OVER_B, SAME_BYTES, BEST_BELOW),
    ),
)  # fmt: skip
JPEG = Rival(
    "jpeg", "JPEG", "image",
    points=(
        made_up_point("jpeg", 10.0, 900, 20.0, LADDER),
        made_up_point("jpeg", 40.0, 3000, 27.0, LADDER, RAW_OVER_B, BEST_BELOW),
    ),
)  # fmt: skip
LOST = Rival("av1_mp4", "AV1 MP4", "video", missing="PyAV is not installed")
LOOKS = (
    Look("gap_tv", "gap_tv", "#ff7f0e", "diamond", (), True),
    Look("jpeg", "JPEG", "#1f77b4", "circle", (), False),
    Look("av1_mp4", "AV1 MP4", "#843c39", "square", (6.0, 3.0), False),
)


def made_up_study(job) -> Study:
    return Study(
        movie={"name": "lattice"},
        settings=job.settings.to_json(),
        reference="raw",
        data_range=100.0,
        raw_bytes=job.movie.nbytes,
        file_bytes={"total": 2000},
        budgets={RAW_OVER_B: 4320, SAME_BYTES: 2000, BEST_BELOW: 4320},
        storage_ratios={},
        rivals=(OWN, JPEG, LOST),
        verdict=("At raw/B JPEG beats us.", "Our encoder is cheap."),
        seconds=61.0,
    )


@pytest.fixture(autouse=True)
def made_up_choices(request, monkeypatch):
    if "window" not in request.fixturenames:
        offer_made_up_choices(monkeypatch)
        monkeypatch.setattr(rivals_panel, "find_rivals", lambda: OFFERS)


@pytest.fixture
def gate(monkeypatch):
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
def panel(qtbot, viewer, layer):
    Session.of(viewer).settings = MINE
    panel = RivalsPanel(viewer)
    panel.session.settings = MINE
    qtbot.addWidget(panel)
    panel.resize(430, 900)
    panel.show()
    qtbot.waitUntil(lambda: bool(panel.options.picker.offers), timeout=WAIT)
    yield panel
    panel.shut_down()


def finish(panel, qtbot):
    qtbot.waitUntil(lambda: not panel.running, timeout=WAIT)


@pytest.fixture
def studied(panel, gate, qtbot):
    gate.set()
    qtbot.mouseClick(panel.run_button, LEFT)
    finish(panel, qtbot)
    return panel


# --- built ------------------------------------------------------------------------------------


def test_every_control_has_a_tooltip_and_fits_the_dock(studied):
    studied.fold.head.setChecked(True)
    QApplication.processEvents()
    assert controls_without_tooltip(studied) == []
    assert studied.width() <= 450
    (area,) = studied.findChildren(QScrollArea)
    assert area.widget().minimumSizeHint().width() <= area.viewport().width()
    table = studied.results.table
    shown = sum(table.columnWidth(k) for k in range(table.columnCount()))
    assert shown <= table.viewport().width() + 1, "no column is cut off"
    needed = table.horizontalHeader().height() + table.verticalHeader().length()
    assert table.height() >= needed + 2 * table.frameWidth(), "no row is cut off"
    assert table.columnWidth(0) >= table.fontMetrics().horizontalAdvance("zstd + bitshuffle")


def test_colours_are_legible_on_both_grounds():
    for look in LOOKS:
        assert shade(look, dark=True).lightnessF() >= 0.65
        assert shade(look, dark=False).lightnessF() <= 0.47
        hue = shade(look, dark=True).hueF()
        assert hue == pytest.approx(QColor(look.colour).hueF(), abs=0.02)


def test_missing_rivals_are_greyed_with_their_reason(panel):
    picker = panel.options.picker
    assert picker.rows["av1_mp4"].flags() == Qt.ItemFlag.NoItemFlags
    assert picker.rows["av1_mp4"].toolTip(0) == OFFERS[1].missing
    assert panel.options.missing.text() == f"AV1 MP4: {OFFERS[1].missing}"
    assert panel.fold.head.text() == "rivals: all 3, 1 missing"
    assert panel.options.wish().rivals == ALL


# --- wired ------------------------------------------------------------------------------------


def test_rivals_are_ticked_singly_by_kind_or_all(panel):
    picker = panel.options.picker
    root = picker.topLevelItem(0)
    assert root.checkState(0) == Qt.CheckState.Checked
    video = picker.rows["h264_mp4"].parent()
    video.setCheckState(0, Qt.CheckState.Unchecked)
    assert picker.names() == ("jpeg", "frame_binning")
    assert root.checkState(0) == Qt.CheckState.PartiallyChecked
    assert panel.fold.head.text() == "rivals: 2 of 3, 1 missing"
    root.setCheckState(0, Qt.CheckState.Unchecked)
    assert picker.names() == ()
    root.setCheckState(0, Qt.CheckState.Checked)
    assert picker.names() == ALL
    picker.choose(["jpeg"])
    assert picker.names() == ("jpeg",)


def test_bad_choices_get_a_sentence_in_place(panel, viewer, layer, qtbot):
    panel.options.picker.choose([])
    panel.start()
    assert "got no rival to compare with" in panel.error.text()
    panel.options.picker.choose(["jpeg"])
    assert panel.error.isHidden()
    panel.options.ratios.setText("4, many")
    panel.start()
    assert "expected whole numbers of at least 2" in panel.error.text()
    panel.options.ratios.setText("")
    panel.session.settings = replace(MINE, compression_ratio=40)
    panel.start()
    assert "40" in panel.error.text()
    assert not panel.running
    viewer.layers.remove(layer)
    assert not panel.run_button.isEnabled()
    assert panel.form.facts.text() == "Open a movie, or drop it into the window."


def test_the_wish_and_the_settings_reach_the_job(panel, gate, qtbot):
    panel.options.picker.choose(["jpeg"])
    panel.options.cost.setChecked(False)
    panel.options.ratios.setText("2, 8")
    panel.start()
    job = panel.rivals.job
    assert (job.wish.rivals, job.wish.ratios, job.wish.cost) == (("jpeg",), (2, 8), False)
    assert job.settings == MINE
    assert panel.session.busy
    gate.set()
    finish(panel, qtbot)
    assert not panel.session.busy


def test_it_says_what_is_measured_and_cancel_keeps_what_is_done(panel, gate, qtbot):
    panel.start()
    qtbot.waitUntil(lambda: "measuring JPEG" in panel.status.text(), timeout=WAIT)
    assert panel.status.text().startswith("1 of 3 are done")
    assert not panel.options.isEnabled()
    begun = time.monotonic()
    qtbot.mouseClick(panel.cancel_button, LEFT)
    finish(panel, qtbot)
    assert time.monotonic() - begun < 2
    assert panel.status.text() == "cancelled: 1 of 3 are measured"
    assert list(panel.results.plot.curves) == ["gap_tv"]
    assert not panel.results.save_button.isEnabled()


def test_a_layer_deleted_while_it_is_studied(panel, gate, viewer, layer, qtbot):
    panel.start()
    viewer.layers.remove(layer)
    assert panel.error.text() == ABANDONED
    finish(panel, qtbot)


def test_a_failure_is_one_sentence(panel, monkeypatch, qtbot):
    def run(job, report, progress):
        raise InputError("got a made-up error, expected none; carry on")

    monkeypatch.setattr(RivalsJob, "run", run)
    panel.start()
    finish(panel, qtbot)
    assert panel.error.text() == "got a made-up error, expected none; carry on"
    assert not panel.rivals.running


# --- effect -----------------------------------------------------------------------------------


def test_curves_verdict_and_table_are_shown(studied):
    results = studied.results
    assert studied.status.text() == "finished in 61 s"
    assert set(results.plot.curves) == {"gap_tv", "jpeg"}
    x, y = results.plot.curves["jpeg"].getData()
    np.testing.assert_allclose(x, np.log10([900, 3000]))
    np.testing.assert_allclose(y, [20, 27])
    assert results.verdict.text() == "• At raw/B JPEG beats us.\n• Our encoder is cheap."
    assert [row.name for row in results.table.rows] == ["jpeg", "gap_tv", "av1_mp4"]
    assert results.table.item(0, 3).text() == "27.00"
    assert results.table.item(2, 1).text() == "missing"
    assert results.detail.text() == UNCHOSEN
    words = [line.label.format for line in results.plot.lines]
    assert words == ["raw/4", "our bytes"]
    places = [10 ** line.value() for line in results.plot.lines]
    assert places == pytest.approx([studied.rivals.raw_bytes // 4, 2000])


def test_ssim_instead_of_psnr(studied):
    results = studied.results
    results.score.setCurrentIndex(results.score.findData("ssim"))
    np.testing.assert_allclose(results.plot.curves["jpeg"].getData()[1], [0.4, 0.54])
    assert results.plot.getPlotItem().getAxis("left").labelText == "SSIM"


def test_the_ring_marks_the_current_choice_and_follows_b(studied):
    plot = studied.results.plot
    assert plot.ring.isVisible()
    assert plot.ring_label.toPlainText() == "current choice, B = 4"
    assert plot.ring.getData()[1] == pytest.approx([25.0])
    studied.form.ratio.setValue(8)  # as in any other panel of the session
    assert plot.ring.getData()[1] == pytest.approx([21.0])
    studied.session.settings = replace(MINE, compression_ratio=16)
    assert not plot.ring.isVisible()
    assert plot.lines[-1].label.format == "B = 16, not measured yet"
    assert 10 ** plot.lines[-1].value() == pytest.approx(500)


def test_the_axis_says_bytes_and_their_ratio(studied):
    axis = studied.results.plot.axis
    assert axis.tickStrings([3.0], 1, 1) == [f"1 kB\n{studied.rivals.raw_bytes / 1000:.3g} ×"]
    ((_, values),) = axis.tickValues(2.9, 3.6, 400)
    np.testing.assert_allclose(values, np.log10([1000, 2000]), atol=1e-9)


def place_of(plot, point) -> QPointF:
    spot = next(spot for spot in plot.spots if spot.point == point)
    return plot.getViewBox().mapViewToScene(QPointF(spot.x, spot.y))


def test_a_point_under_the_pointer_tells_its_numbers(studied, qtbot):
    plot = studied.results.plot
    qtbot.mouseMove(plot.viewport(), plot.mapFromScene(place_of(plot, JPEG.points[1])))
    qtbot.waitUntil(plot.readout.isVisible, timeout=WAIT)
    text, ground = plot.readout.toPlainText(), plot.getViewBox().sceneBoundingRect()
    assert ground.contains(plot.readout.textItem.sceneBoundingRect()), "it is cut off"
    assert text.startswith("JPEG, quality 40\n3 kB (")
    assert "27.00 dB,  SSIM 0.540" in text
    assert "encoding: 0.5 CPU s" in text
    assert plot.spot_at(QPointF(-500, -500)) is None


def test_a_click_on_a_point_or_a_row_chooses_it(studied, qtbot):
    plot, table = studied.results.plot, studied.results.table
    assert not studied.results.show_button.isEnabled()
    studied.findChild(QScrollArea).ensureWidgetVisible(plot)
    place = plot.mapFromScene(place_of(plot, JPEG.points[0]))
    qtbot.mouseClick(plot.viewport(), LEFT, pos=place)
    assert studied.rivals.chosen == ("jpeg", JPEG.points[0])
    assert studied.results.detail.text().startswith("JPEG, quality 10\n")
    assert table.selectedItems()[0].text() == "JPEG"
    assert plot.halo.getData()[1] == pytest.approx([20.0])
    assert studied.results.show_button.isEnabled()
    faint = plot.curves["gap_tv"].opts["pen"].color().alphaF()
    assert plot.curves["jpeg"].opts["pen"].color().alphaF() == 1.0
    assert faint < 0.5
    table.cellClicked.emit(1, 0)
    assert studied.rivals.chosen == ("gap_tv", OWN.points[1])
    table.cellClicked.emit(2, 0)
    assert studied.results.detail.text() == "AV1 MP4: PyAV is not installed"
    assert not studied.results.show_button.isEnabled()


def test_the_plot_follows_the_theme(qtbot):
    from napari.utils.theme import get_theme

    plot = RivalsPlot("dark")
    qtbot.addWidget(plot)
    dark = plot.backgroundBrush().color().lightnessF()
    plot.set_theme("light")
    assert plot.backgroundBrush().color().lightnessF() > dark + 0.3
    assert is_dark(get_theme("dark"))
    assert not is_dark(get_theme("light"))


# --- close ------------------------------------------------------------------------------------


def test_closing_cancels(panel, gate, qtbot):
    panel.start()
    job = panel.rivals.job
    panel.close()
    assert job.stop.is_set()
    assert panel.session.closed


def test_destroyed_without_a_close_event(qtbot, viewer, layer, gate):
    panel = RivalsPanel(viewer)
    panel.session.settings = MINE
    panel.start()
    job, session, gone = panel.rivals.job, panel.session, weakref.ref(panel)
    destroy(panel)
    assert job.stop.is_set()
    assert session.closed
    qtbot.wait(50)
    del panel
    gc.collect()
    assert gone() is None


# --- a real window ----------------------------------------------------------------------------


def processes_of_studies() -> list[int]:
    """Processes that a study of this one has begun."""
    text = subprocess.run(["ps", "-eo", "ppid,pid,args"], capture_output=True, text=True).stdout
    rows = [line.split(None, 2) for line in text.splitlines()[1:]]
    mine = [row for row in rows if row[0] == str(os.getpid()) and "_job_server" in row[-1]]
    return [int(row[1]) for row in mine]


def study_small_movie(panel, qtbot) -> None:
    """Cancel a study while a process is at work, then let one come to its end."""
    panel.options.picker.choose(["jpeg", "frame_binning", "spatial_binning"])
    panel.options.cost.setChecked(False)
    qtbot.mouseClick(panel.run_button, LEFT)
    qtbot.waitUntil(lambda: bool(processes_of_studies()), timeout=WAIT)
    begun = time.monotonic()
    qtbot.mouseClick(panel.cancel_button, LEFT)
    finish(panel, qtbot)
    assert time.monotonic() - begun < 2
    qtbot.waitUntil(lambda: not processes_of_studies(), timeout=WAIT)
    qtbot.mouseClick(panel.run_button, LEFT)
    finish(panel, qtbot)
    assert panel.error.isHidden(), panel.error.text()
    assert panel.status.text().startswith("finished in")
    curves = set(panel.results.plot.curves)
    assert curves == {"gap_tv", "jpeg", "frame_binning", "spatial_binning"}
    assert panel.results.verdict.text()


def click_and_show(panel, qtbot) -> RatePoint:
    """Click the largest point of JPEG, which nothing lies beside, and show its frames."""
    results, area = panel.results, panel.findChild(QScrollArea)
    point = panel.rivals.rivals["jpeg"].points[-1]
    area.ensureWidgetVisible(results.plot)
    qtbot.wait(50)
    place = results.plot.mapFromScene(place_of(results.plot, point))
    qtbot.mouseClick(results.plot.viewport(), LEFT, pos=place)
    assert panel.rivals.chosen == ("jpeg", point)
    area.ensureWidgetVisible(results.show_button)
    qtbot.mouseClick(results.show_button, LEFT)
    qtbot.waitUntil(lambda: len(panel.rivals.boxes.layers) == 2, timeout=WAIT)
    return point


def look_at_box(viewer, source, point, qtbot) -> None:
    box = viewer.layers[-1]
    qtbot.waitUntil(lambda: box.visible and box.data.shows_decoded, timeout=WAIT)
    qtbot.waitUntil(lambda: label_of(box).text.startswith(box.name), timeout=WAIT)
    assert label_of(box).visible
    assert box.name == f"JPEG, quality {point.quality:g}"
    assert viewer.canvas.grid.enabled
    assert tuple(box.contrast_limits) == tuple(source.contrast_limits)
    frame = int(viewer.dims.current_step[0])
    error = box.data.decoded(frame).astype(float) - source.data[frame]
    assert 0 < np.sqrt((error**2).mean()) < source.data.std()
    assert viewer.screenshot(canvas_only=True, flash=False).std() > 5


def use(viewer, source, qtbot) -> weakref.ref:
    """Do what a user does, and close the dock; returns who must be gone."""
    panel = RivalsPanel(viewer)
    viewer.window.add_dock_widget(panel, name="Rivals", area="right")
    panel.session.settings = replace(MINE, mask_tile=64)
    qtbot.waitUntil(lambda: bool(panel.options.picker.offers), timeout=WAIT)
    study_small_movie(panel, qtbot)
    look_at_box(viewer, source, click_and_show(panel, qtbot), qtbot)
    viewer.window.remove_dock_widget(panel)
    assert not viewer.canvas.grid.enabled
    assert [layer.name for layer in viewer.layers if layer.visible] == ["sample"]
    viewer.layers.select_all()
    viewer.layers.remove_selected()
    qtbot.waitUntil(no_thread_lives, timeout=WAIT)
    gone = weakref.ref(panel)
    qtbot.wait(50)  # what threads have told last is delivered
    destroy(panel)
    return gone


def no_thread_lives() -> bool:
    return not [thread for thread in threading.enumerate() if thread.name == THREAD_NAME]


def test_a_study_in_a_real_window(window, qtbot):
    viewer = window(show=True)
    ((data, kwargs, kind),) = sample_sinter()
    part = np.ascontiguousarray(data[:8][:, 64:128, 64:128])
    source = viewer.add_layer(Layer.create(part, kwargs | {"name": "sample"}, kind))
    gone = use(viewer, source, qtbot)
    qtbot.wait(50)
    gc.collect()
    assert gone() is None
