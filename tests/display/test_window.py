"""A real window: what a microscopist does, from the sample to four boxes."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from napari.layers import Layer
from qtpy.QtCore import Qt

from napari_tcsdl.display._qt.compare_panel import ComparePanel
from napari_tcsdl.display._qt.overlay import GLYPHS
from napari_tcsdl.display._qt.worker import THREAD_NAME
from napari_tcsdl.display.arrangement import Arrangement
from napari_tcsdl.display.contributions import read_layers, sample_sinter

WAIT = 120_000


@pytest.fixture
def open_dock(window, qtbot):
    def open_dock(tuples):
        viewer = window(show=True)
        for entry in tuples:
            viewer.add_layer(Layer.create(*entry))
        dock = ComparePanel(viewer)
        viewer.window.add_dock_widget(dock, name="Compress and reconstruct", area="right")
        dock.form.reference.setCurrentIndex(dock.form.reference.findData("raw"))
        return viewer, dock

    return open_dock


@pytest.fixture
def small_sample():
    """The first 20 frames of the sample, a quarter of each."""
    ((data, kwargs, kind),) = sample_sinter()
    return [(np.ascontiguousarray(data[:20][:, :128, :128]), kwargs, kind)]


def test_from_the_sample_to_four_calibrated_boxes(open_dock, small_sample, qtbot):
    viewer, dock = open_dock(small_sample)
    qtbot.mouseClick(dock.run_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: dock.worker is None, timeout=WAIT)
    assert dock.error.isHidden(), dock.error.text()
    assert dock.status.text() == "finished: 20 of 20 frames are done"
    assert dock.bar.value() == dock.bar.maximum()
    boxes = ["raw", "reconstruction", "JPEG", "measurement"]  # they appear one by one

    def all_shown() -> bool:
        return [layer.name for layer in viewer.layers if layer.visible] == boxes

    qtbot.waitUntil(all_shown, timeout=WAIT)
    assert viewer.canvas.grid.enabled
    source = small_sample[0][1]
    for layer in viewer.layers:
        np.testing.assert_allclose(layer.scale[1:], source["scale"][1:])
    assert str(viewer.layers.units[-1]) == "nanometer"
    assert viewer.canvas.overlays.scale_bar.visible
    font = viewer.window._qt_viewer.canvas.font_info()
    loaded = font.font_manager.get_font(font.face)._glyphs
    assert set(GLYPHS) <= set(loaded), "the glyphs of the labels were loaded ahead"
    viewer.dims.set_current_step(0, 15)
    label = viewer.layers["JPEG"].name_overlay
    canvas = viewer.window._qt_viewer.canvas
    visual = canvas._layer_overlay_to_visual[viewer.layers["JPEG"]][label]
    assert "dB   SSIM" in visual.node.text, "the scores are drawn into the box"
    assert viewer.screenshot(canvas_only=True, flash=False).std() > 10


def test_cancel_within_a_second(open_dock, small_sample, qtbot):
    viewer, dock = open_dock(small_sample)
    dock.form.ratio.setValue(2)
    dock.start()
    qtbot.waitUntil(lambda: len(viewer.layers) == 5, timeout=WAIT)
    qtbot.mouseClick(dock.cancel_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: dock.worker is None, timeout=2000)
    assert dock.status.text().startswith("cancelled")
    assert dock.run_button.isEnabled()


def test_closing_the_dock_stops_the_run_and_restores_the_view(open_dock, small_sample, qtbot):
    viewer, dock = open_dock(small_sample)
    dock.form.ratio.setValue(2)
    dock.start()
    qtbot.waitUntil(lambda: len(viewer.layers) == 5, timeout=WAIT)
    viewer.window.remove_dock_widget(dock)
    assert not viewer.canvas.grid.enabled
    for thread in [t for t in threading.enumerate() if t.name == THREAD_NAME]:
        thread.join(10)
        assert not thread.is_alive()
    dock.deleteLater()


def test_closing_the_window_while_a_run_goes_on(open_dock, small_sample, qtbot):
    viewer, dock = open_dock(small_sample)
    dock.form.ratio.setValue(2)
    dock.start()
    qtbot.waitUntil(lambda: len(viewer.layers) == 5, timeout=WAIT)
    viewer.close()
    job_threads = [t for t in threading.enumerate() if t.name == THREAD_NAME]
    for thread in job_threads:
        thread.join(10)
    assert not [t for t in job_threads if t.is_alive()]


def test_a_compressed_file_opens_and_is_reconstructed(open_dock, compressed_path, qtbot):
    viewer, dock = open_dock(read_layers(compressed_path))
    assert dock.run_button.text() == "Reconstruct"
    dock.start()
    qtbot.waitUntil(lambda: dock.worker is None, timeout=WAIT)
    assert [layer.name for layer in viewer.layers if layer.visible] == ["movie", "reconstruction"]
    viewer.dims.set_current_step(0, 8)
    assert viewer.layers["reconstruction"]._slice.image.view.any()


def test_the_plugin_menu_opens_the_dock(window):
    viewer = window()
    _, dock = viewer.window.add_plugin_dock_widget("napari-tcsdl", "Compare")
    assert isinstance(dock, ComparePanel)


def test_each_box_has_its_scale_bar_however_many_boxes_there_were_before(window, qtbot):
    viewer = window(show=True)
    layers = [viewer.add_image(np.ones((3, 20, 30))) for _ in range(4)]
    for count in (4, 2, 4):
        arrangement = Arrangement(viewer, layers[:count])
        for layer in layers:
            layer.visible = False
        for _ in arrangement.steps():
            qtbot.wait(20)
        canvas = viewer.window._qt_viewer.canvas
        bars = canvas._viewer_overlay_to_visual[viewer.canvas.overlays.scale_bar]
        assert len(bars) == count
        arrangement.restore()
        qtbot.wait(20)
