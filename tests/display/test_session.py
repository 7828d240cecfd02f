"""One state for all widgets of a viewer, without Qt."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace

import pytest
from napari.components import ViewerModel
from napari.utils._proxies import PublicOnlyProxy

from napari_tcsdl.display import session as session_module
from napari_tcsdl.display.session import Session
from napari_tcsdl.display.turns import at_once
from napari_tcsdl.settings import Settings


@pytest.fixture
def told():
    """Collect what signals tell."""

    class Told(list):
        def to(self, signal, name):
            signal.connect(lambda: self.append(name))
            return self

    return Told()


# --- which session ----------------------------------------------------------------------------


def test_all_widgets_of_a_viewer_find_the_same_session(viewer):
    session = Session.of(viewer)
    assert Session.of(viewer) is session
    assert Session.of(PublicOnlyProxy(viewer)) is session, "napari hands plugins a proxy"
    assert session.viewer is viewer


def test_a_proxy_that_comes_first_gives_the_session_of_the_bare_viewer(viewer):
    session = Session.of(PublicOnlyProxy(viewer))
    assert session.viewer is viewer
    assert Session.of(viewer) is session


def test_two_viewers_have_two_sessions(viewer):
    one, other = Session.of(viewer), Session.of(ViewerModel())
    assert one is not other
    one.settings = Settings(compression_ratio=3)
    assert other.settings != one.settings


def test_it_begins_with_what_preferences_say(viewer, monkeypatch):
    monkeypatch.setattr(
        session_module, "default_settings", lambda: Settings(compression_ratio=7, device="cpu")
    )
    assert Session.of(viewer).settings == Settings(compression_ratio=7, device="cpu")


# --- what is told -----------------------------------------------------------------------------


def test_changes_are_told_once_and_only_changes(viewer, layer, told):
    session = Session.of(viewer)
    told.to(session.settings_changed, "settings").to(session.layer_changed, "layer")
    session.settings = replace(session.settings, seed=5)
    session.settings = replace(session.settings, seed=5)
    session.layer = layer
    session.layer = PublicOnlyProxy(layer)
    assert told == ["settings", "layer"]
    assert session.layer is layer


def test_one_job_at_a_time(viewer, told):
    session, one, other = Session.of(viewer), object(), object()
    told.to(session.busy_changed, "busy")
    session.begin_job(one)
    assert session.busy
    session.end_job(other)
    assert session.busy, "the job of somebody else goes on"
    session.end_job(one)
    session.end_job(one)
    assert not session.busy
    assert told == ["busy", "busy"]


def test_who_leaves_takes_his_job_along(viewer):
    session, one, other = Session.of(viewer), object(), object()
    session.join(one)
    session.join(other)
    session.begin_job(one)
    session.leave(other)
    assert session.busy
    session.join(other)
    session.leave(one)
    assert not session.busy
    session.leave(other)


# --- who is there -----------------------------------------------------------------------------


def test_the_last_to_leave_ends_it_and_the_next_begins_anew(viewer, layer):
    session, one, other = Session.of(viewer), object(), object()
    drags = len(viewer.mouse_drag_callbacks)
    session.join(one)
    session.join(other)
    session.settings = replace(session.settings, seed=5)
    session.roi.draw(layer)
    session.leave(one)
    assert not session.closed
    assert Session.of(viewer) is session
    session.leave(other)
    assert session.closed
    assert session.roi.square is None
    assert len(viewer.mouse_drag_callbacks) == drags - 1, "the region lets go of the mouse"
    again = Session.of(viewer)
    assert again is not session
    assert again.settings.seed == 0


def test_who_never_joined_or_left_before_cannot_end_it(viewer):
    session, one = Session.of(viewer), object()
    session.join(one)
    session.leave(object())
    assert not session.closed
    session.leave(one)
    session.leave(one)
    assert session.closed


def test_nothing_keeps_a_session_that_was_left(viewer, layer):
    session, one = Session.of(viewer), object()
    session.join(one)
    session.roi.draw(layer)
    session.leave(one)
    ref = weakref.ref(session)
    del session
    gc.collect()
    assert ref() is None


def test_layers_are_shown_in_steps_as_the_newest_owner_says(viewer):
    session = Session.of(viewer)
    users = [object() for _ in range(3)]

    def first(call):
        call()

    def second(call):
        call()

    session.join(users[0], first)
    session.join(users[1], second)
    session.join(users[2])
    assert session.controller.later is second
    session.leave(users[1])
    assert session.controller.later is first
    session.leave(users[0])
    assert session.controller.later is at_once
    session.leave(users[2])


class Turns:
    """A window that is alive only when it is told to be."""

    def __init__(self):
        self.waiting = []

    def later(self, call):
        self.waiting.append(call)

    def take(self):
        while self.waiting:
            self.waiting.pop(0)()


@pytest.fixture
def half_shown(viewer, layer, settings, tell):
    """Two owners; the boxes of a run are being filled in the turns of the second."""
    session, owners, turns = Session.of(viewer), (object(), object()), (Turns(), Turns())
    for owner, turn in zip(owners, turns, strict=True):
        session.join(owner, turn.later)
    prepared = tell.prepared(session.controller.start(layer, settings))
    session.controller.apply(prepared)
    turns[1].waiting.pop(0)()
    assert len(turns[1].waiting) == 1
    assert not prepared.shown.is_set()
    return session, owners, turns, prepared


def test_turns_that_a_closed_panel_has_not_taken_are_taken_by_another(half_shown, viewer):
    session, owners, turns, prepared = half_shown
    session.leave(owners[1])
    turns[0].take()
    assert prepared.shown.is_set()
    assert sum(shown.visible for shown in viewer.layers) == 4
    turns[1].take()  # too late, and harmless
    assert viewer.canvas.grid.enabled
    session.leave(owners[0])


def test_a_panel_that_joins_meanwhile_takes_no_step_twice(half_shown, viewer):
    session, owners, turns, prepared = half_shown
    newest = Turns()
    session.join(newest, newest.later)
    while turns[1].waiting or newest.waiting:
        turns[1].take()
        newest.take()
    assert prepared.shown.is_set()
    assert [shown.name for shown in viewer.layers] == ["lattice", "raw", *_RESULTS]
    for user in (*owners, newest):
        session.leave(user)


def test_turns_of_the_last_owner_are_not_taken_at_all(half_shown, viewer, layer):
    session, owners, turns, prepared = half_shown
    for owner in owners:
        session.leave(owner)
    assert prepared.shown.is_set(), "the job must not wait for ever"
    for turn in turns:
        turn.take()
    assert not viewer.canvas.grid.enabled
    assert [shown.name for shown in viewer.layers if shown.visible] == [layer.name]


def test_turns_of_a_run_that_was_cleared_are_not_taken(half_shown, viewer, layer):
    session, owners, turns, _ = half_shown
    session.controller.clear()
    turns[1].take()
    assert list(viewer.layers) == [layer]
    assert layer.visible
    for owner in owners:
        session.leave(owner)


_RESULTS = ["reconstruction", "JPEG", "measurement"]


@pytest.fixture
def run_shown(viewer, layer, settings, tell):
    """A finished run, an owner of it, and one who only looks on."""
    session, owner, looker = Session.of(viewer), object(), object()
    session.join(looker)
    session.join(owner, at_once)
    tell.everything(session.controller.start(layer, settings), session.controller.apply)
    assert viewer.canvas.grid.enabled
    return session, owner, looker


def test_when_the_last_owner_leaves_the_view_is_brought_back_and_scores_stay(
    run_shown, viewer, layer, told
):
    session, owner, looker = run_shown
    session.roi.draw(layer)
    told.to(session.controller.changed, "changed")
    session.leave(owner)
    assert not viewer.canvas.grid.enabled
    assert not viewer.canvas.overlays.scale_bar.visible
    assert [shown.name for shown in viewer.layers if shown.visible] == ["lattice"]
    assert told, "who looks on is told"
    assert session.controller.run.job.stop.is_set()
    assert session.controller.mean_scores()["unfolding"][0] == pytest.approx(25.0)
    assert session.roi.square is not None
    assert Session.of(viewer) is session, "who looks on keeps it"
    session.leave(looker)
    assert session.closed
    assert session.controller.run is None
    assert len(viewer.layers) == 5, "results stay in the list"


def test_while_an_owner_is_left_the_boxes_stay(run_shown, viewer):
    session, owner, looker = run_shown
    other = object()
    session.join(other, at_once)
    session.leave(owner)
    session.leave(looker)
    assert viewer.canvas.grid.enabled
    session.leave(other)
    assert not viewer.canvas.grid.enabled


def test_a_window_that_is_gone_is_not_touched(run_shown, viewer):
    session, owner, looker = run_shown
    session.leave(owner, restore=False)
    assert session.controller.run.job.stop.is_set()
    session.leave(looker, restore=False)
    assert session.closed
    assert viewer.canvas.grid.enabled
