"""Commands of the palette: what they do, and the sentence where they cannot."""

from __future__ import annotations

import inspect
from dataclasses import replace

import numpy as np
import pytest
from napari.layers import Layer
from napari.utils._proxies import PublicOnlyProxy
from napari.utils.notifications import notification_manager

from napari_tcsdl.display import commands
from napari_tcsdl.display.contributions import read_layers
from napari_tcsdl.display.keys import KEYS, bind
from napari_tcsdl.display.session import Session


@pytest.fixture
def said():
    """Return the last notification."""
    notification_manager.records.clear()
    return lambda: notification_manager.records[-1].message


@pytest.fixture
def session(viewer):
    session = Session.of(viewer)
    session.join(session)
    yield session
    session.leave(session)


@pytest.fixture
def run(session, layer, settings, tell):
    """A finished run, B = 4 on 9 frames; PSNR grows with the frame."""
    job = session.controller.start(layer, settings)
    tell.everything(job, session.controller.apply)
    session.controller.show_frame(0)
    return session.controller.run


def shown(viewer) -> int:
    return round(viewer.dims.point[0] / 0.25)


# --- along the movie --------------------------------------------------------------------------


def test_blocks_of_a_run(run, viewer, session):
    commands.next_block(viewer)
    assert session.controller.frame == 4
    commands.next_block(viewer)
    commands.next_block(viewer)
    assert session.controller.frame == 8, "the last frame, not beyond"
    commands.previous_block(viewer)
    assert session.controller.frame == 4


def test_blocks_of_a_file_and_its_frames(viewer, compressed_path):
    entries = read_layers(compressed_path, decoded=True)
    for entry in entries:
        viewer.add_layer(Layer.create(*entry))
    viewer.dims.set_point(0, 0.25)
    commands.next_block(viewer)
    assert shown(viewer) == 5
    commands.next_block(viewer)
    assert shown(viewer) == 8
    for _ in range(3):
        commands.previous_block(viewer)
    assert shown(viewer) == 0
    entries[1][0].close()


def test_blocks_of_a_file_alone(viewer, compressed_layer):
    places = []
    viewer.dims.set_current_step(0, 0)
    for _ in range(3):
        commands.next_block(viewer)
        places.append(viewer.dims.current_step[0])
    assert places == [1, 2, 2]


def test_blocks_in_a_viewer_with_other_units(viewer, compressed_layer):
    viewer.add_image(np.ones((9, 8, 8)), scale=(250, 1, 1), units=("ms", "nm", "nm"))
    viewer.dims.set_point(0, 0)
    unit = viewer.dims.units[0]
    commands.next_block(viewer)
    assert (viewer.dims.point[0] * unit).to("s").magnitude == pytest.approx(1.0)


def test_a_file_that_is_seen_and_not_a_run_that_is_hidden(
    viewer, layer, settings, tell, session, compressed_path
):
    """Opened after a run, whose boxes have made room for it."""
    tell.everything(
        session.controller.start(layer, replace(settings, compression_ratio=2)),
        session.controller.apply,
    )
    session.controller.leave_boxes()
    for entry in read_layers(compressed_path):  # B = 4
        viewer.add_layer(Layer.create(*entry))
    viewer.dims.set_point(0, 0.0)
    commands.next_block(viewer)
    assert shown(viewer) == 4
    viewer.layers[-1].visible = False
    commands.next_block(PublicOnlyProxy(viewer))
    assert shown(viewer) == 6, "the movie of the run is seen: its blocks"


def test_without_anything_of_a_run_in_sight_the_slider_stays(run, viewer, session, said):
    session.controller.leave_boxes()
    session.controller.run.source.visible = False
    viewer.add_image(np.ones((9, 48, 40)), scale=(0.25, 0.05, 0.05), units=("s", "nm", "nm"))
    before = viewer.dims.point
    commands.next_block(viewer)
    assert "that is shown, expected blocks of B frames to step through; show one" in said()
    assert viewer.dims.point == before


def test_without_blocks_there_is_a_sentence(viewer, layer, said):
    before = viewer.dims.point
    commands.next_block(viewer)
    assert said().startswith("got no run and no compressed file that is shown, expected blocks")
    assert viewer.dims.point == before


def test_best_and_worst_frame(run, viewer, session, said):
    commands.best_frame(viewer)
    assert session.controller.frame == 8
    assert said() == "frame 8: 29.00 dB, the highest of 9 frames"
    commands.worst_frame(viewer)
    assert session.controller.frame == 0
    assert said() == "frame 0: 21.00 dB, the lowest of 9 frames"


@pytest.mark.parametrize("name", ["best_frame", "worst_frame", "copy_scores"])
def test_without_scores_there_is_a_sentence(viewer, session, said, name):
    getattr(commands, name)(viewer)
    assert said().startswith("got no scores of a reconstruction, expected a run that has some")


def test_scores_are_copied_as_a_table(run, viewer, said, monkeypatch):
    copied = []
    monkeypatch.setattr("napari_tcsdl.display._qt.clipboard.copy", copied.append)
    commands.copy_scores(viewer)
    header, *rows = copied[0].splitlines()
    assert header.startswith("codec\tPSNR [dB]")
    assert [row.split("\t")[0] for row in rows][:2] == ["raw", "unfolding"]
    assert said() == f"copied the means of {len(rows)} codecs"


def test_the_clipboard_holds_them(qtbot, run, viewer):
    from qtpy.QtGui import QGuiApplication

    commands.copy_scores(viewer)
    assert QGuiApplication.clipboard().text().startswith("codec\tPSNR [dB]")


# --- region and view --------------------------------------------------------------------------


def test_a_region_is_drawn_and_taken_away(viewer, session, layer):
    commands.roi(viewer)
    assert session.roi.square is not None
    commands.roi(viewer)
    assert session.roi.square is None


def test_without_a_workbench_nothing_is_drawn(viewer, layer, said):
    commands.roi(viewer)
    assert said().startswith("got no open workbench with a region of interest, expected one")
    assert Session.find(viewer) is None, "no session is made by asking"


@pytest.mark.parametrize("name", ["swipe", "blink", "link_contrast", "auto_contrast"])
def test_what_the_workbench_does_is_asked_of_it(viewer, said, name):
    command, done = getattr(commands, name), []
    command(viewer)
    assert said().startswith("got no open workbench with")
    unbind = bind(viewer, {name: done.append})
    command(viewer)
    assert done == [viewer]
    unbind()


def test_every_key_has_a_command():
    for action, _ in KEYS.values():
        assert list(inspect.signature(getattr(commands, action)).parameters) == ["viewer"]
    assert all(getattr(commands, name) is call for name, call in commands.ACTIONS.items())
