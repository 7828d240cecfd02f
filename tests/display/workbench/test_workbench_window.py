"""The workbench in napari's hands: a proxy, two viewers, and once a real window."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace

import numpy as np
import pytest
from look_helpers import no_thread_lives, shown_in
from napari.layers import Layer
from napari.utils._proxies import PublicOnlyProxy
from panel_helpers import (
    WAIT,
    destroy,
)
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication, QScrollArea
from workbench_helpers import MINE

from napari_tcsdl.display._qt.docks import FFT, SCORES
from napari_tcsdl.display._qt.mode_bar import GRID
from napari_tcsdl.display._qt.workbench import FIRST, STEPS, Workbench
from napari_tcsdl.display.contributions import sample_sinter
from napari_tcsdl.display.duo import SWIPE
from napari_tcsdl.display.session import Session


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


@pytest.fixture
def small_sample():
    """The first 12 frames of the sample, a small part of each."""
    ((data, kwargs, kind),) = sample_sinter()
    return np.ascontiguousarray(data[:12][:, 64:160, 64:160]), kwargs | {"name": "sample"}, kind


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
    boxes = ["raw", "reconstruction", "JPEG", "measurement"]  # they appear one by one
    qtbot.waitUntil(lambda: shown_in(viewer) == boxes, timeout=WAIT)
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
