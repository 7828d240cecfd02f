"""How the results are looked at, over a viewer without a canvas: built, wired, and its effect."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest
from panel_helpers import controls_without_tooltip, destroy
from qtpy.QtWidgets import QMainWindow, QWidget

from napari_tcsdl.display._qt import docks, view_box
from napari_tcsdl.display._qt.docks import DOCKS, FFT, LEAST_WINDOW, SCORES, has_room
from napari_tcsdl.display._qt.lifetime import Links
from napari_tcsdl.display._qt.mode_bar import GRID
from napari_tcsdl.display._qt.view_box import ViewBox
from napari_tcsdl.display.duo import BLINK, SWIPE
from napari_tcsdl.display.keys import action_of
from napari_tcsdl.display.roles import DEFAULT_ROLES, JPEG, ROLES, UNCERTAINTY
from napari_tcsdl.display.session import Session


@pytest.fixture
def links():
    return Links()


@pytest.fixture
def box(qtbot, viewer, layer, links):
    box = ViewBox(viewer, Session.of(viewer), links)
    qtbot.addWidget(box)
    box.session.join(box.session)
    box.controller.changed.connect(box.follow)
    yield box
    box.let_go()
    links.cut()
    box.session.leave(box.session)


@pytest.fixture
def run(box, layer, settings, tell):
    """A finished run of made-up results."""
    job = box.controller.start(layer, settings)
    tell.everything(job, box.controller.apply)
    return box.controller.run


# --- built ------------------------------------------------------------------------------------


def test_every_control_has_a_tooltip_and_fits(box):
    box.show()
    assert controls_without_tooltip(box) == []
    assert {a.toolTip() for a in box.actions_by_role.values()} == {r.tip for r in ROLES.values()}
    assert box.menu.toolTipsVisible()
    assert box.minimumSizeHint().width() <= 430


def test_before_a_run_there_are_no_boxes_to_choose(box):
    assert not box.boxes.isEnabled()
    box.menu.aboutToShow.emit()
    assert not any(action.isEnabled() for action in box.actions_by_role.values())


# --- boxes ------------------------------------------------------------------------------------


def test_the_menu_shows_which_boxes_there_are(box, run):
    assert box.boxes.isEnabled()
    box.menu.aboutToShow.emit()
    checked = {name for name, action in box.actions_by_role.items() if action.isChecked()}
    enabled = {name for name, action in box.actions_by_role.items() if action.isEnabled()}
    assert checked == enabled == set(DEFAULT_ROLES)


def test_a_box_is_taken_away_and_brought_back(box, run, viewer):
    box.menu.aboutToShow.emit()
    action = box.actions_by_role[JPEG]
    action.trigger()
    assert not viewer.layers["JPEG"].visible
    assert JPEG not in box.controller.wanted, "the next run begins without it"
    box.menu.aboutToShow.emit()
    assert not action.isChecked()
    action.trigger()
    assert viewer.layers["JPEG"].visible
    assert viewer.canvas.grid.shape[0] * viewer.canvas.grid.shape[1] == 4
    assert UNCERTAINTY not in box.controller.shown_roles()


# --- modes and contrast -----------------------------------------------------------------------


def test_only_the_images_of_a_run_are_compared(box, layer, run, viewer):
    names = [box.modes.first.itemText(k) for k in range(box.modes.first.count())]
    assert names == ["raw", "reconstruction", "JPEG", "measurement"]
    assert set(box.modes.contrast.layers) == set(run.layers.values())
    viewer.layers.remove("JPEG")
    assert "JPEG" not in [box.modes.second.itemText(k) for k in range(box.modes.second.count())]


def test_keys_work_while_it_is_there(box, run, press, links, without_canvas):
    press("U")
    assert box.modes.mode == SWIPE
    press("U")
    assert box.modes.mode == GRID
    press("K")
    assert box.modes.mode == BLINK
    press("K")
    assert box.modes.duo.swapped, "the other one"
    linked = box.modes.link.isChecked()
    press("J")
    assert box.modes.link.isChecked() is not linked
    box.modes.set_mode(GRID)
    links.cut()
    press("U")
    assert box.modes.mode == GRID


def test_keys_and_events_are_let_go_of_when_qt_destroys_it(viewer, layer, links, frames, press):
    box = ViewBox(viewer, Session.of(viewer), links)
    assert action_of(viewer, "swipe") is not None
    destroy(box)
    links.cut()
    assert action_of(viewer, "swipe") is None
    press("U")
    viewer.add_image(frames)


def test_what_cannot_be_shown_is_told(box, run, qtbot):
    with qtbot.waitSignal(box.failed) as failed:  # there is no canvas to draw on
        box.modes.set_mode(SWIPE)
    assert str(failed.args[0]).startswith("got ")
    assert box.modes.mode == GRID


def test_letting_go_brings_the_grid_back(box, run, viewer, without_canvas):
    box.modes.set_mode(SWIPE)
    assert not viewer.canvas.grid.enabled
    box.let_go()
    assert viewer.canvas.grid.enabled, "the run's boxes; the session takes them away"


# --- docks ------------------------------------------------------------------------------------


@pytest.fixture
def opened(monkeypatch):
    calls = []
    monkeypatch.setattr(view_box, "open_dock", lambda viewer, name: calls.append((viewer, name)))
    monkeypatch.setattr(
        view_box, "open_all", lambda viewer, main, later: calls.append((viewer, "all"))
    )
    return calls


def test_each_dock_has_its_button(box, opened, viewer):
    assert set(box.docks) == set(DOCKS) == {FFT, SCORES}
    for name, button in box.docks.items():
        button.click()
        assert opened[-1] == (viewer, name)


def test_docks_open_by_themselves_once_and_only_where_there_is_room(box, opened, viewer, qtbot):
    box.begin()
    assert opened == [], "no main window"
    window = QMainWindow()
    qtbot.addWidget(window)
    window.setCentralWidget(box)
    window.resize(900, LEAST_WINDOW - 1)
    assert not has_room(window)
    box.begin()
    assert opened == []
    window.resize(900, LEAST_WINDOW)
    box.begin()
    box.begin()
    assert opened == [(viewer, "all")]
    box.setParent(None)


@pytest.fixture
def made(monkeypatch):
    """Names of the docks that were made."""
    names = []

    def open_one(viewer, name):
        names.append(name)
        return QWidget()

    monkeypatch.setattr(docks, "open_dock", open_one)
    return names


def test_docks_are_made_one_in_each_turn_of_the_window(made, qtbot):
    viewer = SimpleNamespace(window=SimpleNamespace(dock_widgets={}))
    waiting, seen = [], []
    docks.open_all(viewer, None, waiting.append)
    assert made == [], "the click returns at once"
    while waiting:
        waiting.pop(0)()
        seen.append(list(made))
    assert seen == [[FFT], [FFT, SCORES]]


def test_a_workbench_that_closes_meanwhile_opens_no_dock(box, made, qtbot):
    window = QMainWindow()
    qtbot.addWidget(window)
    window.setCentralWidget(box)
    window.resize(900, LEAST_WINDOW)
    box.viewer = SimpleNamespace(window=SimpleNamespace(dock_widgets={}))
    waiting = []
    box.controller.later = waiting.append
    box.begin()
    waiting.pop(0)()
    assert made == [FFT]
    box.let_go()
    waiting.pop(0)()
    assert made == [FFT]
    assert not waiting
    box.setParent(None)


def test_what_docks_are_made_of_is_loaded_ahead():
    code = (
        "import sys; from napari_tcsdl.display._qt.docks import load_ahead; load_ahead(); "
        "names = ['napari_tcsdl.display._qt.' + end for end in ('fft_dock', 'scores_dock')]; "
        "sys.exit(not all(name in sys.modules for name in names))"
    )
    assert subprocess.run([sys.executable, "-W", "ignore", "-c", code], timeout=120).returncode == 0
