"""All steps over one session: without a canvas, and once in a real window."""

from __future__ import annotations

import gc
import json
import threading
import weakref
from dataclasses import replace

import numpy as np
import pytest
from napari.layers import Layer
from napari.utils._proxies import PublicOnlyProxy
from panel_helpers import (
    WAIT,
    controls_without_tooltip,
    destroy,
    held_run,
    offer_made_up_choices,
)
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication, QMenu, QScrollArea, QWidget

from napari_tcsdl._validation import DeviceError
from napari_tcsdl.display._qt import estimate
from napari_tcsdl.display._qt.compare_panel import ComparePanel
from napari_tcsdl.display._qt.compress_panel import CompressPanel
from napari_tcsdl.display._qt.docks import FFT, SCORES
from napari_tcsdl.display._qt.mode_bar import GRID
from napari_tcsdl.display._qt.scores_dock import ScoresDock
from napari_tcsdl.display._qt.workbench import FIRST, STEPS, Workbench
from napari_tcsdl.display._qt.worker import THREAD_NAME
from napari_tcsdl.display.contributions import sample_sinter
from napari_tcsdl.display.duo import SWIPE
from napari_tcsdl.display.job import ComparisonJob
from napari_tcsdl.display.keys import KEYS, action_of
from napari_tcsdl.display.session import Session
from napari_tcsdl.settings import Settings

FORMS = ("Load", "Compress", "Reconstruct", "Compare")
MINE = Settings(compression_ratio=4, mask_tile=16, reference="raw", decoder="gap_tv", device="cpu")


@pytest.fixture(autouse=True)
def no_torch(request, monkeypatch):
    """Nothing here depends on what this machine has; the real window does."""
    if "window" not in request.fixturenames:
        offer_made_up_choices(monkeypatch)
        made_up = {"unfolding": "unfolding network"}
        monkeypatch.setattr("napari_tcsdl.display._qt.train_panel.find_trainable", lambda: made_up)
        monkeypatch.setattr(estimate, "PATIENCE_MS", 10**6)


@pytest.fixture
def bench_of(qtbot):
    made = []

    def make(viewer) -> Workbench:
        bench = Workbench(viewer)
        qtbot.addWidget(bench)
        made.append(bench)
        return bench

    yield make
    for bench in made:
        bench.shut_down()


@pytest.fixture
def bench(bench_of, viewer, layer):
    """All steps over the calibrated movie of 9 frames, B = 4."""
    bench = bench_of(viewer)
    for name in STEPS:
        bench.panel(name)
    bench.compare.session.settings = MINE
    return bench


@pytest.fixture
def made_up(monkeypatch, tell):
    """Runs of Compare report made-up results; ``gate`` holds them after the first block."""
    gate = threading.Event()
    monkeypatch.setattr(ComparisonJob, "run", held_run(tell, gate))
    yield gate
    gate.set()


def run_buttons(bench) -> dict:
    buttons = {name: bench.panel(name).run_button for name in FORMS}
    return buttons | {"Train": bench.panel("Train").start_button}


# --- built ------------------------------------------------------------------------------------


def test_one_tab_for_each_step_made_when_it_is_asked_for(bench_of, viewer):
    bench = bench_of(viewer)
    assert [bench.tabs.tabText(k) for k in range(bench.tabs.count())] == list(STEPS)
    assert all(bench.tabs.tabToolTip(k) for k in range(bench.tabs.count()))
    assert bench.tabs.tabText(bench.tabs.currentIndex()) == FIRST
    assert set(bench.panels) == {FIRST}
    assert isinstance(bench.compare, ComparePanel)
    bench.tabs.setCurrentIndex(1)
    assert isinstance(bench.panels["Compress"], CompressPanel)
    assert bench.show_step("Load") is bench.panels["Load"]
    assert bench.tabs.currentWidget() is bench.panels["Load"].parentWidget()


def test_every_control_of_every_step_has_a_tooltip_and_fits(bench):
    assert bench.minimumSizeHint().width() <= 450
    assert bench.sizeHint().width() <= 450
    bench.resize(bench.sizeHint().width(), 800)
    bench.show()
    for name in STEPS:
        panel = bench.show_step(name)
        QApplication.processEvents()
        assert controls_without_tooltip(panel) == [], name
        assert panel.width() <= 450, name
        (area,) = panel.findChildren(QScrollArea)
        assert area.widget().minimumSizeHint().width() <= area.viewport().width(), name


def test_no_control_is_a_window_of_its_own(bench_of, viewer):
    before = set(QApplication.topLevelWidgets())
    bench = bench_of(viewer)
    for name in FORMS:
        bench.panel(name)
    ours = [w for w in set(QApplication.topLevelWidgets()) - before if not w.isHidden()]
    assert ours == []
    orphans = [
        w for w in set(QApplication.topLevelWidgets()) - before - {bench}
        if not isinstance(w, QMenu) and type(w).__name__ != "QFrame"  # lists of combo boxes
        and w.parentWidget() is None
    ]  # fmt: skip
    assert orphans == []


# --- one state --------------------------------------------------------------------------------


def test_what_is_set_in_one_step_shows_in_the_others(bench):
    bench.panel("Compress").form.ratio.setValue(3)
    bench.panel("Reconstruct").form.decode_tile.setValue(192)
    bench.compare.form.masks.setCurrentIndex(bench.compare.form.masks.findData("bernoulli"))
    bench.compare.form.weights.setText("/mine.safetensors")
    bench.compare.form.weights.editingFinished.emit()
    expected = replace(
        MINE,
        compression_ratio=3,
        decode_tile=192,
        masks="bernoulli",
        weights="/mine.safetensors",
    )
    assert bench.compare.session.settings == expected
    for name in FORMS:
        assert bench.panel(name).form.settings() == expected, name
    assert bench.panel("Train").form.ratio.value() == 3


def test_the_layer_that_is_chosen_in_one_step_is_chosen_in_the_others(bench, viewer, frames):
    other = viewer.add_image(frames, name="other")
    for name in FORMS:
        assert bench.panel(name).form.layer.layer().name == "lattice", "the choice stays"
    bench.panel("Compress").form.layer.choose(other)
    for name in STEPS:
        assert bench.panel(name).form.layer.layer() is other, name
    viewer.layers.remove(other)
    for name in STEPS:
        assert bench.panel(name).form.layer.layer().name == "lattice", name


def test_a_step_that_is_opened_later_begins_with_the_same(bench_of, viewer, layer, frames):
    bench = bench_of(viewer)
    other = viewer.add_image(frames, name="other")
    bench.compare.form.layer.choose(other)
    bench.compare.form.ratio.setValue(5)
    panel = bench.panel("Compress")
    assert panel.form.layer.layer() is other
    assert panel.form.ratio.value() == 5


def test_a_compressed_file_shows_its_b_and_does_not_change_the_users(
    bench, layer, compressed_layer
):
    bench.compare.form.ratio.setValue(7)
    bench.compare.form.layer.choose(compressed_layer)
    assert bench.compare.form.ratio.value() == 4
    assert bench.panel("Compress").form.ratio.value() == 4
    assert bench.compare.session.settings.compression_ratio == 7
    bench.compare.form.layer.choose(layer)
    for name in FORMS:
        assert bench.panel(name).form.ratio.value() == 7, name
    assert bench.compare.session.settings.compression_ratio == 7


def test_settings_of_a_preset_show_everywhere_and_a_bad_one_is_a_sentence(bench, tmp_path):
    bad, good = tmp_path / "bad.json", tmp_path / "good.json"
    bad.write_text("{")
    good.write_text(json.dumps(replace(MINE, compression_ratio=6, device="cuda:7").to_json()))
    bench.compare.presets.load(bad)
    assert "which is no JSON or YAML object of settings" in bench.compare.error.text()
    assert not bench.compare.error.isHidden()
    bench.compare.presets.load(good)
    assert bench.compare.error.isHidden()
    assert bench.compare.status.text() == "loaded good.json"
    assert bench.panel("Compress").form.ratio.value() == 6
    assert bench.panel("Reconstruct").form.device.currentData() == "cuda:7", "a run will refuse it"


# --- one job at a time ------------------------------------------------------------------------


def test_while_one_step_is_at_work_no_other_can_begin(bench, qtbot, made_up, tmp_path):
    bench.compare.start()
    qtbot.waitUntil(lambda: bench.compare.controller.run.frames_done == 4, timeout=WAIT)
    assert not any(button.isEnabled() for button in run_buttons(bench).values())
    cancels = {name for name in FORMS if bench.panel(name).cancel_button.isEnabled()}
    assert cancels == {"Compare"}
    for name in ("Compress", "Load"):
        assert not bench.panel(name).form.layer.isEnabled(), name
    assert not bench.compare.presets.ask_load.isEnabled()
    bench.panel("Compress").compress(tmp_path / "mine.tcs.zarr")
    bench.panel("Reconstruct").start()
    assert not bench.panel("Compress").running
    made_up.set()
    qtbot.waitUntil(lambda: not bench.compare.running, timeout=WAIT)
    enabled = {name for name, button in run_buttons(bench).items() if button.isEnabled()}
    assert enabled >= {"Load", "Compress", "Compare"}
    assert "Reconstruct" not in enabled, "it needs a file"


def test_a_step_that_was_closed_does_not_end_the_job_of_another(
    bench, viewer, qtbot, monkeypatch, tell
):
    """What a thread tells late must not set the next one free."""
    go = threading.Event()

    def stubborn(job, report, progress):
        assert go.wait(10)

    monkeypatch.setattr(ComparisonJob, "run", stubborn)
    other = ComparePanel(viewer)
    qtbot.addWidget(other)
    other.start()
    monkeypatch.setattr("napari_tcsdl.display._qt.panel.JOIN_SECONDS", 0.0)
    other.shut_down()
    assert not bench.compare.session.busy
    gate = threading.Event()
    monkeypatch.setattr(ComparisonJob, "run", held_run(tell, gate))
    bench.compare.start()
    go.set()
    qtbot.waitUntil(lambda: bench.compare.controller.run.frames_done == 4, timeout=WAIT)
    qtbot.wait(50)
    assert bench.compare.session.busy
    gate.set()
    qtbot.waitUntil(lambda: not bench.compare.running, timeout=WAIT)


def test_from_compress_to_reconstruct(bench, viewer, qtbot, tmp_path):
    compress, reconstruct = bench.panel("Compress"), bench.panel("Reconstruct")
    assert not reconstruct.run_button.isEnabled()
    compress.compress(tmp_path / "mine.tcs.zarr")
    qtbot.waitUntil(lambda: not compress.running and len(viewer.layers) == 2, timeout=WAIT)
    assert reconstruct.run_button.isEnabled()
    assert reconstruct.form.layer.layer().name == "mine"
    reconstruct.start()
    qtbot.waitUntil(lambda: not reconstruct.running, timeout=WAIT)
    assert reconstruct.error.isHidden(), reconstruct.error.text()
    assert viewer.layers["reconstruction"].data[8].any()
    assert not bench.compare.results.table.isVisibleTo(bench.compare)


def test_from_a_part_to_a_comparison(bench, viewer, qtbot, made_up):
    load = bench.panel("Load")
    load.last.setValue(5)
    load.start()
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=WAIT)
    made_up.set()
    bench.compare.form.ratio.setValue(2)
    bench.compare.start()
    assert bench.compare.worker.job.movie.shape == (6, 48, 40)
    qtbot.waitUntil(lambda: not bench.compare.running, timeout=WAIT)
    assert bench.compare.status.text() == "finished: 6 of 6 frames are done"


def test_where_a_gpu_is_the_trouble_compare_offers_the_cpu(bench, qtbot, monkeypatch, tell):
    bench.compare.session.settings = replace(MINE, device="cuda:0")
    gate = threading.Event()
    gate.set()
    good = held_run(tell, gate)

    def run(job, report, progress):
        if job.settings.device != "cpu":
            raise DeviceError("got out of memory while decoding, expected room for one tile")
        good(job, report, progress)

    monkeypatch.setattr(ComparisonJob, "run", run)
    bench.compare.start()
    qtbot.waitUntil(lambda: not bench.compare.running, timeout=WAIT)
    assert not bench.compare.box.remedy.isHidden()
    bench.compare.box.remedy.click()
    qtbot.waitUntil(lambda: not bench.compare.running, timeout=WAIT)
    assert bench.compare.status.text() == "finished: 9 of 9 frames are done"
    assert bench.panel("Reconstruct").form.device.currentData() == "cpu"


# --- close ------------------------------------------------------------------------------------


@pytest.fixture
def at_work(bench, viewer, qtbot, made_up):
    """A bench whose run has shown its boxes."""
    bench.compare.start()
    qtbot.waitUntil(lambda: bench.compare.controller.run.frames_done == 4, timeout=WAIT)
    qtbot.waitUntil(lambda: viewer.canvas.grid.enabled, timeout=WAIT)
    return bench


def no_thread_lives() -> bool:
    return not [t for t in threading.enumerate() if t.name == THREAD_NAME]


def test_closing_brings_everything_back_and_the_next_begins_anew(
    at_work, bench_of, viewer, layer, qtbot
):
    session = at_work.compare.session
    at_work.close()
    qtbot.waitUntil(no_thread_lives, timeout=WAIT)
    assert session.closed
    assert Session.find(viewer) is None
    assert not viewer.canvas.grid.enabled
    assert not viewer.canvas.overlays.scale_bar.visible
    assert [shown.name for shown in viewer.layers if shown.visible] == ["lattice"]
    assert action_of(viewer, "swipe") is None
    fresh = bench_of(viewer)
    assert fresh.compare.session is not session
    assert fresh.compare.session.settings.compression_ratio == Settings().compression_ratio
    assert fresh.compare.run_button.isEnabled()
    assert not fresh.compare.save_button.isEnabled()


def test_napari_takes_a_dock_away_without_a_close_event(at_work, viewer, qtbot):
    parent = QWidget()
    qtbot.addWidget(parent)
    at_work.setParent(parent)
    assert not at_work.compare.session.closed
    at_work.setParent(None)
    assert at_work.compare.session.closed
    assert not viewer.canvas.grid.enabled
    at_work.tabs.setCurrentIndex(0)
    assert Session.find(viewer) is None, "nothing of it comes to life again"


def test_qt_may_destroy_it_without_a_word(viewer, layer, frames, qtbot, made_up):
    parent = QWidget()
    bench = Workbench(viewer)
    bench.setParent(parent)
    for name in FORMS:
        bench.panel(name)
    session, compress = bench.compare.session, bench.panel("Compress")
    session.settings = MINE
    bench.compare.start()
    qtbot.waitUntil(lambda: session.controller.run.frames_done == 4, timeout=WAIT)
    destroy(parent)
    qtbot.waitUntil(no_thread_lives, timeout=WAIT)
    assert session.closed
    assert not session.busy
    assert Session.find(viewer) is None
    assert action_of(viewer, "swipe") is None
    # Python still holds what Qt has deleted: nothing may reach it any more.
    viewer.add_image(frames, name="later")
    layer.name = "renamed"
    session.settings = replace(MINE, seed=9)
    session.layer = layer
    session.begin_job(self := object())
    session.end_job(self)
    viewer.dims.set_point(0, 0.5)
    assert compress.session is session


def test_one_of_two_panels_is_destroyed_while_it_is_at_work(viewer, layer, qtbot, made_up):
    parent = QWidget()
    doomed = ComparePanel(viewer)
    doomed.setParent(parent)
    other = CompressPanel(viewer)
    qtbot.addWidget(other)
    session = other.session
    session.settings = MINE
    doomed.start()
    qtbot.waitUntil(lambda: session.controller.run.frames_done == 4, timeout=WAIT)
    assert not other.run_button.isEnabled()
    destroy(parent)
    assert not session.closed
    assert not session.busy
    assert other.run_button.isEnabled()
    other.shut_down()
    assert session.closed
    qtbot.waitUntil(no_thread_lives, timeout=WAIT)


def test_scores_stay_when_the_last_panel_is_closed(at_work, viewer, layer, qtbot, made_up):
    session = at_work.compare.session
    dock = ScoresDock(viewer)
    qtbot.addWidget(dock)
    made_up.set()
    qtbot.waitUntil(lambda: not at_work.compare.running, timeout=WAIT)
    at_work.close()
    assert not session.closed
    assert not viewer.canvas.grid.enabled
    assert [shown.name for shown in viewer.layers if shown.visible] == ["lattice"]
    assert dock.scorer.board.n_frames == 9
    session.controller.show_frame(6)
    assert dock.scorer.frame == 6
    again = CompressPanel(viewer)
    qtbot.addWidget(again)
    assert again.session is session, "who comes now shares it"
    again.shut_down()
    dock.shut_down()
    assert session.closed


# --- viewers ----------------------------------------------------------------------------------


def test_napari_hands_plugins_a_proxy_of_the_viewer(
    bench_of, viewer, layer, frames, qtbot, made_up
):
    bench = bench_of(PublicOnlyProxy(viewer))
    for name in STEPS:
        bench.panel(name)
    assert bench.compare.session is Session.of(viewer)
    assert bench.compare.session.layer is layer
    viewer.add_image(frames, name="other")
    bench.compare.form.layer.choose(PublicOnlyProxy(viewer).layers["other"])
    assert bench.panel("Load").form.layer.layer() is viewer.layers["other"]
    bench.compare.session.settings = MINE
    made_up.set()
    bench.compare.start()
    qtbot.waitUntil(lambda: not bench.compare.running, timeout=WAIT)
    assert bench.compare.error.isHidden(), bench.compare.error.text()
    assert viewer.canvas.grid.enabled


def test_two_viewers_do_not_share(bench, bench_of, frames):
    from napari.components import ViewerModel

    second = ViewerModel()
    second.add_image(frames, name="second")
    other = bench_of(second)
    other.compare.form.ratio.setValue(3)
    other.compare.session.begin_job(other)
    assert bench.compare.form.ratio.value() == 4
    assert bench.compare.form.layer.layer().name == "lattice"
    assert bench.compare.run_button.isEnabled()
    other.compare.session.end_job(other)


# --- a real window ----------------------------------------------------------------------------


@pytest.fixture
def small_sample():
    """The first 12 frames of the sample, a small part of each."""
    ((data, kwargs, kind),) = sample_sinter()
    return np.ascontiguousarray(data[:12][:, 64:160, 64:160]), kwargs | {"name": "sample"}, kind


def shown_in(viewer) -> list[str]:
    return [layer.name for layer in viewer.layers if layer.visible]


def click_through(bench, qtbot) -> None:
    """Open each tab with the mouse, and come back to the first that was shown."""
    bar = bench.tabs.tabBar()
    for name in (*STEPS, FIRST):
        place = bar.tabRect(list(STEPS).index(name)).center()
        qtbot.mouseClick(bar, Qt.MouseButton.LeftButton, pos=place)
        assert bench.tabs.tabText(bench.tabs.currentIndex()) == name
        qtbot.waitUntil(bench.panels[name].isVisible, timeout=WAIT)
        assert bench.width() <= 450


def run_and_look(viewer, bench, qtbot) -> None:
    """Compare, take a box away, open the docks, swipe, and come back to the grid."""
    left, panel = Qt.MouseButton.LeftButton, bench.compare
    panel.session.settings = replace(MINE, mask_tile=256)
    qtbot.mouseClick(panel.run_button, left)
    qtbot.waitUntil(lambda: not panel.running, timeout=2 * WAIT)
    assert panel.error.isHidden(), panel.error.text()
    assert panel.status.text() == "finished: 12 of 12 frames are done"
    assert shown_in(viewer) == ["raw", "reconstruction", "JPEG", "measurement"]
    panel.view.menu.aboutToShow.emit()
    panel.view.actions_by_role["JPEG"].trigger()
    assert shown_in(viewer) == ["raw", "reconstruction", "measurement"]

    def click(button) -> None:
        panel.findChild(QScrollArea).ensureWidgetVisible(button)
        qtbot.mouseClick(button, left)

    for name in (FFT, SCORES):
        click(panel.view.docks[name])
    for mode in (SWIPE, GRID):
        click(panel.view.modes.buttons[mode])
        assert panel.view.modes.mode == mode
        assert viewer.canvas.grid.enabled is (mode == GRID)
    assert viewer.screenshot(canvas_only=True, flash=False).std() > 5


def use(viewer, qtbot) -> list[weakref.ref]:
    """Open the workbench from the menu, use it, close everything; return who must be gone."""
    bench = viewer.window.add_plugin_dock_widget("napari-tcsdl", "Workbench")[1]
    assert isinstance(bench, Workbench)
    session = bench.compare.session
    assert session is Session.of(viewer)
    qtbot.waitUntil(lambda: bench.compare.form.device.count() > 1, timeout=2 * WAIT)
    click_through(bench, qtbot)
    run_and_look(viewer, bench, qtbot)
    docks = dict(viewer.window.dock_widgets)
    below = [docks[title] for title in docks if title.split(" (")[0] in (FFT, SCORES)]
    assert len(below) == 2
    for dock in below:
        viewer.window.remove_dock_widget(dock)
    viewer.window.remove_dock_widget(bench)
    assert session.closed
    assert shown_in(viewer) == ["sample"]
    assert not viewer.canvas.grid.enabled
    qtbot.waitUntil(no_thread_lives, timeout=WAIT)
    gone = [weakref.ref(widget) for widget in (bench, *bench.panels.values(), *below)]
    qtbot.wait(50)  # what threads have told last is delivered
    for widget in (bench, *below):
        destroy(widget)
    return gone


def test_all_steps_in_a_real_window(window, qtbot, small_sample):
    viewer = window(show=True)
    viewer.add_layer(Layer.create(*small_sample))
    before = set(QApplication.topLevelWidgets())
    gone = use(viewer, qtbot)
    qtbot.wait(50)
    gc.collect()
    assert [ref() for ref in gone if ref() is not None] == []
    new = set(QApplication.topLevelWidgets()) - before
    assert [w for w in new if type(w).__module__.startswith("napari_tcsdl")] == []


def test_the_help_lists_every_key(viewer, qtbot):
    bench = Workbench(viewer)
    qtbot.addWidget(bench)
    text = bench.help.toolTip()
    for key, row in KEYS.items():
        assert f"<b>{key}</b>" in text
        assert row.text in text
    assert bench.tabs.cornerWidget() is bench.help
    bench.shut_down()
