"""The part that the step "Load" takes: a layer of its own, lazy, calibrated."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from panel_helpers import WAIT

from napari_tcsdl.display._qt import load_panel
from napari_tcsdl.display.layers import KEY, calibration_of_layer
from napari_tcsdl.display.lazy import LazyStack


class Counted:
    """Frames that remember which of them were read."""

    ndim = 3

    def __init__(self, frames):
        self.frames, self.read = frames, set()
        self.shape, self.dtype = frames.shape, frames.dtype

    def __getitem__(self, key):
        first = key[0] if isinstance(key, tuple) else key
        self.read |= set(np.atleast_1d(np.arange(len(self.frames))[first]).tolist())
        return self.frames[key]


# --- effect -----------------------------------------------------------------------------------


def test_the_part_is_a_layer_of_its_own_and_chosen(panel, viewer, layer, frames, take):
    layer.colormap = "inferno"
    panel.first.setValue(2)
    panel.last.setValue(6)
    panel.every.setValue(2)
    panel.top.setValue(8)
    panel.right.setValue(31)
    panel.binning.setValue(2)
    part = take()
    words = "frames 2 to 6, one frame in 2, rows 8 to 47, columns 0 to 31, sum of 2 × 2 px"
    assert part.name == f"lattice ({words})"
    expected = frames[2:7:2, 8:, :32].reshape(3, 20, 2, 16, 2).sum(axis=(2, 4))
    np.testing.assert_array_equal(part.data[:], expected)
    np.testing.assert_allclose(part.scale, (0.5, 0.1, 0.1))
    assert [str(unit) for unit in part.units] == ["second", "nanometer", "nanometer"]
    assert part.axis_labels == ("t", "y", "x")
    assert part.colormap.name == "inferno"
    assert panel.session.layer is part
    assert panel.form.layer.layer() is part
    assert not layer.visible, "it would lie under its part"
    assert panel.status.text() == f"took {part.name}"
    assert part.metadata[KEY]["path"] is None, "no file holds this movie"


def test_nothing_is_read_but_what_is_shown(panel, viewer, frames, take):
    data = Counted(np.tile(frames, (10, 1, 1)))
    lazy = viewer.add_image(data, name="lazy", contrast_limits=(0, 100))
    viewer.dims.set_current_step(0, 0)
    panel.form.layer.choose(lazy)
    data.read = set()
    panel.binning.setValue(2)
    assert data.read == set(), "what it would be is known without reading"
    part = take()
    assert isinstance(part.data, LazyStack)
    before = set(data.read)
    assert len(before) <= 2, "the frame that is shown, and one for the contrast"
    assert part.data[70].shape == (24, 20)
    assert data.read == before | {70}


def test_a_part_of_a_part(panel, frames, take):
    panel.first.setValue(2)
    panel.top.setValue(8)
    first = take()
    assert (panel.first.value(), panel.last.value()) == (0, 6), "counted from its own first frame"
    panel.last.setValue(3)
    panel.binning.setValue(4)
    panel.how.setCurrentIndex(panel.how.findData(load_panel.MEAN))
    part = take()
    expected = frames[2:6, 8:].reshape(4, 10, 4, 10, 4).mean(axis=(2, 4))
    np.testing.assert_allclose(part.data[:], expected, rtol=1e-6)
    np.testing.assert_allclose(part.scale, (0.25, 0.2, 0.2))
    assert part.name.startswith(f"{first.name} (frames 0 to 3")


def test_the_calibration_that_a_movie_lacks_is_asked_for(panel, viewer, frames, take):
    plain = viewer.add_image(frames, name="plain")
    panel.form.layer.choose(plain)
    assert panel.result.text().endswith("pixel size unknown,  frame time unknown")
    panel.pixel_size.setValue(0.02)
    panel.frame_time.setValue(0.5)
    panel.binning.setValue(2)
    assert panel.result.text().endswith("0.04 nm/px,  0.5 s per frame")
    part = take()
    calibration = calibration_of_layer(part)
    assert calibration.pixel_size == pytest.approx(0.4)
    assert calibration.frame_time == pytest.approx(0.5)
    assert part.dtype == np.uint16


def test_a_calibration_that_is_known_is_passed_on_exactly(panel, viewer, frames, take):
    """The boxes show five digits; the file had more."""
    size, step = 0.0123456789, 0.0333333333
    layer = viewer.add_image(
        frames, name="exact", scale=(step, size, size), units=("s", "nm", "nm")
    )
    panel.form.layer.choose(layer)
    panel.first.setValue(1)
    np.testing.assert_allclose(take().scale, (step, size, size), rtol=1e-9)


def test_it_is_read_in_a_thread(panel, viewer, qtbot, monkeypatch):
    go, where, make = threading.Event(), [], load_panel.layer_of_movie

    def slow(movie):
        where.append(threading.current_thread())
        assert go.wait(10)
        return make(movie)

    monkeypatch.setattr(load_panel, "layer_of_movie", slow)
    panel.last.setValue(3)
    panel.run_button.click()
    assert not panel.run_button.isEnabled(), "one at a time"
    assert panel.status.text().startswith("reading lattice (frames 0 to 3)")
    go.set()
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=WAIT)
    assert where != [threading.main_thread()]
    assert panel.run_button.isEnabled()


def test_frames_that_cannot_be_read_are_one_sentence(panel, viewer, frames, qtbot):
    class Broken(Counted):
        def __getitem__(self, key):
            if self.read is None:
                raise OSError("the disk has a scratch")
            return super().__getitem__(key)

    data = Broken(frames)
    panel.form.layer.choose(viewer.add_image(data, name="broken", contrast_limits=(0, 9)))
    data.read = None
    panel.last.setValue(3)
    panel.start()
    qtbot.waitUntil(lambda: not panel.error.isHidden(), timeout=WAIT)
    assert "the disk has a scratch" in panel.error.text()
    assert panel.run_button.isEnabled()
    assert panel.status.text() == ""
    data.read = set()


def test_nothing_is_taken_while_a_job_runs(panel):
    somebody = object()
    panel.session.begin_job(somebody)
    assert not panel.run_button.isEnabled()
    panel.last.setValue(3)
    assert not panel.run_button.isEnabled()
    panel.session.end_job(somebody)
    assert panel.run_button.isEnabled()


def test_a_part_that_the_slider_is_beyond_is_shown_at_its_nearest_frame(panel, viewer, qtbot):
    viewer.dims.set_point(0, 2.0)
    panel.last.setValue(4)
    panel.start()
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=WAIT)
    assert not viewer.layers[-1]._slice.empty
    assert viewer.dims.point[0] == pytest.approx(4 * viewer.layers[-1].scale[0])
