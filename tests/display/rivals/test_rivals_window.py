"""The step "Rivals" once in a real window, with processes of its own."""

from __future__ import annotations

import gc
import os
import subprocess
import time
import weakref
from dataclasses import replace

import numpy as np
from look_helpers import no_thread_lives
from napari.layers import Layer
from panel_helpers import WAIT, destroy
from qtpy.QtWidgets import QScrollArea
from rivals_helpers import LEFT, MINE, finish, place_of

from napari_tcsdl.display._qt.rivals_panel import RivalsPanel
from napari_tcsdl.display.arrangement import label_of
from napari_tcsdl.display.contributions import sample_sinter
from napari_tcsdl.rivals import (
    RatePoint,
)

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


def test_a_study_in_a_real_window(window, qtbot):
    viewer = window(show=True)
    ((data, kwargs, kind),) = sample_sinter()
    part = np.ascontiguousarray(data[:8][:, 64:128, 64:128])
    source = viewer.add_layer(Layer.create(part, kwargs | {"name": "sample"}, kind))
    gone = use(viewer, source, qtbot)
    qtbot.wait(50)
    gc.collect()
    assert gone() is None
