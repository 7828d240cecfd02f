"""The step "Load" over a viewer without a canvas: built, wired, and its effect."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from panel_helpers import WAIT, controls_without_tooltip, offer_made_up_choices

from napari_tcsdl.display._qt import load_panel
from napari_tcsdl.display._qt.load_panel import LoadPanel
from napari_tcsdl.display.layers import KEY, calibration_of_layer
from napari_tcsdl.display.lazy import LazyStack
from napari_tcsdl.display.region import Region


@pytest.fixture
def panel(qtbot, viewer, layer, monkeypatch):
    """Over the calibrated movie of 9 frames of 48 × 40."""
    offer_made_up_choices(monkeypatch)
    panel = LoadPanel(viewer)
    qtbot.addWidget(panel)
    yield panel
    panel.shut_down()


@pytest.fixture
def take(panel, viewer, qtbot):
    """Press the button, and return the layer that comes."""

    def take():
        before = len(viewer.layers)
        panel.run_button.click()
        qtbot.waitUntil(lambda: len(viewer.layers) > before, timeout=WAIT)
        assert panel.error.isHidden(), panel.error.text()
        return viewer.layers[-1]

    return take


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


# --- built ------------------------------------------------------------------------------------


def test_every_control_has_a_tooltip_and_fits(panel):
    panel.show()
    assert controls_without_tooltip(panel) == []
    assert panel.form.parentWidget().minimumSizeHint().width() <= panel.minimumWidth() <= 450


def test_it_begins_with_the_whole_movie_and_its_calibration(panel):
    assert (panel.first.value(), panel.last.value(), panel.last.maximum()) == (0, 8, 8)
    assert (panel.top.value(), panel.bottom.value()) == (0, 47)
    assert (panel.left.value(), panel.right.value()) == (0, 39)
    assert panel.pixel_size.text() == "0.05000 nm/px"
    assert panel.frame_time.text() == "0.250000 s"
    assert panel.result.text() == "→ 9 frames of 48 × 40, uint8\n0.05 nm/px,  0.25 s per frame"
    assert panel.run_button.isEnabled()
    assert not panel.how.isEnabled(), "there is nothing to sum"


# --- wired ------------------------------------------------------------------------------------


def test_what_the_part_would_be_is_said_before_it_is_taken(panel):
    panel.first.setValue(2)
    panel.last.setValue(7)
    panel.every.setValue(3)
    panel.bottom.setValue(31)
    panel.right.setValue(15)
    panel.binning.setValue(2)
    assert panel.result.text() == "→ 2 frames of 16 × 8, uint16\n0.1 nm/px,  0.75 s per frame"
    assert panel.how.isEnabled()
    panel.how.setCurrentIndex(panel.how.findData(load_panel.MEAN))
    assert "2 frames of 16 × 8, float32" in panel.result.text()
    panel.whole.click()
    assert panel.result.text().startswith("→ 9 frames of 48 × 40, uint8")


def test_a_part_that_is_none_is_one_sentence(panel):
    panel.first.setValue(5)
    panel.last.setValue(2)
    assert panel.result.text().startswith("got frames 5 to 2, expected some of 0 to 8 of lattice")
    assert not panel.run_button.isEnabled()
    panel.start()
    assert panel.error.text().startswith("got frames 5 to 2")
    panel.last.setValue(5)
    assert "at least 2 frames" in panel.result.text()
    panel.last.setValue(6)
    assert panel.run_button.isEnabled()


@pytest.mark.parametrize(
    ("data", "kwargs", "sentence"),
    [
        (np.ones((8, 9)), {}, "one: got one image of 8 × 9, expected a movie"),
        (np.ones((3, 8, 9, 3)), {"rgb": True}, "one: got 3 × 8 × 9 × 3, an RGB colour layer"),
        (np.ones((2, 3, 8, 9)), {}, "one: got 4 axes (2 × 3 × 8 × 9), expected"),
    ],
)
def test_what_is_no_movie_is_one_sentence(panel, viewer, data, kwargs, sentence):
    panel.form.layer.choose(viewer.add_image(data, name="one", **kwargs))
    assert panel.result.text().startswith(sentence)
    assert not panel.run_button.isEnabled()
    panel.field.click()
    panel.roi.click()


def test_a_compressed_file_is_taken_as_a_whole(panel, compressed_layer):
    panel.form.layer.choose(compressed_layer)
    assert panel.result.text().startswith("A compressed file is taken as a whole")
    assert not panel.run_button.isEnabled()


def test_without_a_movie_nothing_is_offered(panel, viewer):
    viewer.layers.clear()
    assert panel.result.text() == ""
    assert not panel.run_button.isEnabled()
    assert panel.form.facts.text() == "Open a movie, or drop it into the window."


def test_another_movie_begins_anew(panel, viewer, layer, frames):
    panel.first.setValue(4)
    other = viewer.add_image(frames[:3, :20, :30], name="other")
    panel.form.layer.choose(other)
    assert (panel.first.value(), panel.last.value()) == (0, 2)
    assert (panel.bottom.value(), panel.right.value()) == (19, 29)
    assert panel.pixel_size.text() == panel.frame_time.text() == "unknown"
    panel.form.layer.choose(layer)
    assert (panel.first.value(), panel.last.value()) == (0, 8)


def test_the_field_of_view_and_the_region_are_taken(panel, viewer, layer, monkeypatch):
    monkeypatch.setattr(load_panel, "visible_region", lambda *_: Region(3, 5, 30, 20))
    panel.field.click()
    assert panel.selection().field == (3, 5, 30, 20)
    panel.whole.click()
    assert panel.selection().field is None
    panel.roi.click()
    assert panel.error.text().startswith("got no region in this movie, expected one; draw it")
    assert panel.selection().field is None
    panel.session.roi.draw(layer)
    panel.roi.click()
    region = panel.session.roi.region(layer)
    assert panel.selection().field == (region.top, region.left, region.bottom, region.right)
    assert panel.error.isHidden()


def test_a_view_that_shows_nothing_of_the_movie_changes_nothing(panel, monkeypatch):
    panel.top.setValue(7)
    monkeypatch.setattr(load_panel, "visible_region", lambda *_: Region(48, 0, 48, 40))
    panel.field.click()
    assert panel.error.text().startswith("got a view that shows nothing of this movie")
    assert panel.top.value() == 7


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
