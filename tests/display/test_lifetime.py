"""What outlives a widget is let go of in time."""

from __future__ import annotations

import gc
import weakref

from napari.utils.events import EventEmitter
from panel_helpers import destroy
from psygnal import Signal
from qtpy.QtWidgets import QWidget

from napari_tcsdl.display._qt.lifetime import Links, when_destroyed


class Source:
    told = Signal()

    def __init__(self):
        self.event = EventEmitter(source=self, type_name="event")


class Listener:
    def __init__(self):
        self.heard = 0

    def hear(self):
        self.heard += 1


def test_a_call_at_the_end_of_a_widget(qtbot):
    calls, parent = [], QWidget()
    child = QWidget(parent)
    when_destroyed(child, lambda: calls.append("child"))
    when_destroyed(parent, lambda: calls.append("parent"))
    del child
    gc.collect()
    assert calls == []
    destroy(parent)
    assert sorted(calls) == ["child", "parent"]


def test_an_error_at_the_end_is_logged_and_ends_nothing(qtbot, caplog):
    calls, parent = [], QWidget()
    when_destroyed(parent, lambda: 1 / 0)
    when_destroyed(parent, lambda: calls.append("next"))
    destroy(parent)
    assert calls == ["next"]
    assert "could not let go" in caplog.text


def test_links_are_made_once_and_cut():
    links, source, listener, undone = Links(), Source(), Listener(), []
    for _ in range(2):
        links.connect(source.told, listener.hear)
        links.connect(source.event, listener.hear)
    links.add(lambda: undone.append(True))
    source.told.emit()
    source.event()
    assert listener.heard == 2
    links.cut()
    links.cut()
    source.told.emit()
    source.event()
    assert listener.heard == 2
    assert undone == [True]


def test_links_do_not_hold_who_listens():
    links, source, listener = Links(), Source(), Listener()
    links.connect(source.told, listener.hear)
    ref = weakref.ref(listener)
    del listener
    gc.collect()
    assert ref() is None
    links.cut()
    source.told.emit()
