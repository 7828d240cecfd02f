"""Run, Cancel, progress, and what went wrong."""

from __future__ import annotations

import pytest
from panel_helpers import controls_without_tooltip

from napari_tcsdl.display._qt.run_box import BAR_STEPS, RunBox, progress_text


@pytest.fixture
def box(qtbot):
    box = RunBox("Begin", "Begins it.")
    qtbot.addWidget(box)
    box.show()
    return box


def test_it_begins_quiet(box):
    assert box.run_button.text() == "Begin"
    assert box.run_button.toolTip() == "Begins it."
    assert controls_without_tooltip(box) == []
    assert not box.error.isVisible()
    assert not box.remedy.isVisible()


def test_busy_until_the_progress_is_known(box):
    box.show_busy("reading…")
    assert (box.bar.minimum(), box.bar.maximum()) == (0, 0), "a bar without an end"
    assert box.cancel_button.isEnabled()
    box.show_progress(0.25, "a quarter")
    assert box.bar.value() / box.bar.maximum() == 0.25
    assert box.status.text() == "a quarter"
    assert box.cancel_button.isEnabled()
    box.show_idle(1.0, "done")
    assert box.bar.value() == BAR_STEPS
    assert not box.cancel_button.isEnabled()


def test_an_error_and_its_way_out(box):
    taken = []
    box.show_error("got nothing, expected something; do it")
    box.offer("Do it", "Does it.", lambda: taken.append(True))
    assert box.error.isVisible()
    assert box.remedy.isVisible()
    assert controls_without_tooltip(box) == []
    box.remedy.click()
    assert taken == [True]
    assert not box.error.isVisible()
    assert not box.remedy.isVisible()


def test_the_way_out_of_one_error_is_not_offered_for_another(box):
    taken = []
    box.show_error("first")
    box.offer("Do it", "Does it.", lambda: taken.append(True))
    box.show_error("second")
    assert box.error.text() == "second"
    assert not box.remedy.isVisible()
    box.remedy.click()
    assert taken == []


def test_what_a_remedy_shows_stays(box):
    box.show_error("first")
    box.offer("Do it", "Does it.", lambda: box.show_error("that failed, too"))
    box.remedy.click()
    assert box.error.isVisible()
    assert box.error.text() == "that failed, too"


def test_progress_at_the_very_beginning_and_end():
    assert progress_text(0.001, 1000, 0.5) == "1 of 1000 frames,  2 frames/s,  8.33 min left"
    assert "  1234 frames/s," in progress_text(0.5, 2468, 1.0)
    assert progress_text(1.0, 48, 6.0) == "48 of 48 frames,  8 frames/s,  1 s left"
