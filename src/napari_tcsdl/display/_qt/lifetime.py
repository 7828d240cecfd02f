"""What a widget has to do with things that outlive it, and how it lets go of them in the end."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any
from weakref import WeakMethod

from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QWidget

logger = logging.getLogger(__name__)

_waiting: set[Callable[..., None]] = set()


def when_destroyed(widget: QWidget, call: Callable[[], None]) -> None:
    """Call ``call`` when Qt destroys ``widget``, which may happen without a close event.

    ``call`` must not refer to the widget. It is kept here until then: of a widget inside others
    the collector may clear the callback before Qt makes the call, which ends the process.
    """
    calls = [call]

    def destroyed(*_: object) -> None:
        _waiting.discard(destroyed)
        while calls:  # emptied: Qt's binding may keep this function for longer
            try:
                calls.pop()()
            except Exception:  # which Qt would answer by ending the process
                logger.exception("a widget was destroyed, and could not let go of everything")

    _waiting.add(destroyed)
    widget.destroyed.connect(destroyed)


def weakly(method: Callable[..., None]) -> Callable[..., None]:
    """Return a function that calls a bound ``method`` as long as its object lives.

    For what outlives a widget, as does all that :func:`when_destroyed` has to let go of.
    """
    ref = WeakMethod(method)

    def call(*args: Any) -> None:
        alive = ref()
        if alive is not None:
            alive(*args)

    return call


class Leaving(QWidget):
    """A widget that lets go of its viewer, once: when it is closed or taken out of its window."""

    _closed = False

    def event(self, event: QEvent | None) -> bool:
        """Let go when napari takes the dock away, which sends no close event."""
        taken = event is not None and event.type() == QEvent.Type.ParentChange
        if taken and self.parent() is None:
            self.shut_down()
        return super().event(event)

    def closeEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Let go of the viewer."""
        self.shut_down()
        super().closeEvent(event)

    def shut_down(self) -> None:
        """Let go of everything that outlives the widget; may be called twice."""
        if not self._closed:
            self._closed = True
            self.leave()

    def leave(self) -> None:
        """Let go: threads, session, callbacks of the viewer."""
        raise NotImplementedError


class Links:
    """Connections of a widget to signals that outlive it, such as those of a viewer.

    They are held weakly: what holds the links, :func:`when_destroyed` for one, does not hold the
    widget. Signals are napari's or psygnal's, not Qt's, which cuts its own.
    """

    def __init__(self) -> None:
        self._made: dict[int, list[tuple[Any, WeakMethod[Any]]]] = {}
        self._last: list[Callable[[], None]] = []

    def connect(self, signal: Any, method: Callable[..., Any]) -> None:
        """Connect ``signal`` to a bound method, once however often this is asked for."""
        ref = WeakMethod(method)
        made = self._made.setdefault(id(signal), [])
        if all(known != ref for _, known in made):
            signal.connect(method)
            made.append((signal, ref))

    def add(self, undo: Callable[[], None]) -> None:
        """Call ``undo``, which touches nothing of Qt, when the links are cut."""
        self._last.append(undo)

    def cut(self) -> None:
        """Undo all connections; may be called twice, and after Qt has deleted the widget."""
        made, self._made = self._made, {}
        last, self._last = self._last, []
        for signal, ref in [link for links in made.values() for link in links]:
            method = ref()
            if method is not None:
                signal.disconnect(method)
        for undo in last:
            undo()
