"""The step "Load" over a viewer without a canvas: built, and wired."""

from __future__ import annotations

import numpy as np
import pytest
from panel_helpers import controls_without_tooltip

from napari_tcsdl.display._qt import load_panel
from napari_tcsdl.display.region import Region

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
