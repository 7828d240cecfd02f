"""The marker on the frame that is shown, and the value under the pointer, by real mouse events."""

from __future__ import annotations

from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtTest import QTest
from scores_helpers import WAIT, mouse_place

from napari_tcsdl.display._qt.score_controls import PSNR, SSIM

# --- the marker -------------------------------------------------------------------------------


def test_the_slider_moves_the_marker(filled, viewer):
    for frame in (7, 0, 3):
        viewer.dims.set_current_step(0, frame)
        assert filled.view.plots[PSNR].marker.value() == frame
        assert filled.view.plots[SSIM].marker.value() == frame


def test_dragging_the_marker_moves_the_slider_and_nothing_comes_back(filled, viewer, qtbot):
    plot = filled.view.plots[PSNR]
    port = plot.viewport()
    qtbot.waitUntil(lambda: plot.marker.value() == 2, timeout=WAIT)
    seen = []
    viewer.dims.events.point.connect(lambda: seen.append(filled.scorer.frame))
    start = mouse_place(plot, 2)
    QTest.mouseMove(port, start)
    QTest.mousePress(port, Qt.MouseButton.LeftButton, pos=start)
    for frame in (3, 4, 6):
        # In two steps: a drag begins only some pixels away.
        for place in (mouse_place(plot, frame - 0.4), mouse_place(plot, frame)):
            QTest.mouseMove(port, place)
            qtbot.wait(30)
        assert plot.marker.value() == frame, "the marker does not wait for the slider"
    qtbot.waitUntil(lambda: filled.scorer.frame == 6, timeout=WAIT)
    QTest.mouseRelease(port, Qt.MouseButton.LeftButton, pos=mouse_place(plot, 6))
    qtbot.wait(100)
    assert filled.scorer.frame == 6
    assert viewer.dims.current_step[0] == 6
    assert seen == sorted(seen), "never back"
    assert filled.view.plots[SSIM].marker.value() == 6
    viewer.dims.set_current_step(0, 1)
    assert plot.marker.value() == 1


def test_a_drag_ends_at_the_ends_of_the_movie(filled, qtbot):
    plot = filled.view.plots[PSNR]
    plot.marker.moving = True
    plot.marker.setValue(50)
    plot.marker.sigDragged.emit(plot.marker)
    plot.marker.moving = False
    qtbot.waitUntil(lambda: filled.scorer.frame == 8, timeout=WAIT)


def test_a_click_moves_the_slider(filled, qtbot):
    plot = filled.view.plots[PSNR]
    qtbot.mouseClick(plot.viewport(), Qt.MouseButton.LeftButton, pos=mouse_place(plot, 5, 0.15))
    qtbot.waitUntil(lambda: filled.scorer.frame == 5, timeout=WAIT)
    assert plot.marker.value() == 5


def test_the_value_under_the_pointer_is_shown(filled):
    plot = filled.view.plots[PSNR]
    curve = plot.getViewBox().mapViewToScene(QPointF(6, 27.0))
    plot.point_at(curve)
    assert plot.readout.isVisible()
    assert plot.readout.toPlainText() == "unfolding network  27.00   frame 6, 1.5 s"
    plot.point_at(curve + QPointF(0, 4000))
    assert not plot.readout.isVisible()


def test_a_pointer_far_from_any_curve_shows_nothing(filled):
    plot = filled.view.plots[PSNR]
    QTest.mouseMove(plot.viewport(), QPoint(2, 2))
    assert not plot.readout.isVisible()
