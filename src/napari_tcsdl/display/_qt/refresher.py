"""Brings what a thread has decoded to the screen: layers that show it are drawn again."""

from __future__ import annotations

import weakref
from typing import Any
from weakref import WeakKeyDictionary

import napari
from napari.layers import Layer
from qtpy.QtCore import QCoreApplication, QObject, Qt, Signal  # type: ignore[attr-defined]

from ..arrangement import label_of
from ..decoded import DecodedStack
from .overlay import register_labels


class Refresher(QObject):
    """Hears of every stack that is watched; lives in the thread of the window.

    Signals
    -------
    told : weakref to a DecodedStack
        It shows, or could show, something else than before.
    """

    told = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._labelled: WeakKeyDictionary[Layer, tuple[bool, str]] = WeakKeyDictionary()
        # Queued: stacks tell from their threads, and while napari draws.
        self.told.connect(self._show, Qt.ConnectionType.QueuedConnection)

    def watch(self, stack: DecodedStack) -> None:
        """Follow ``stack`` as long as it lives."""
        reference = weakref.ref(stack)

        def tell(*_: object) -> None:
            self.told.emit(reference)

        for signal in (stack.ready, stack.failed, stack.shown):
            signal.connect(tell)

    def _show(self, reference: weakref.ref[DecodedStack]) -> None:
        stack = reference()
        if stack is None or stack.last_shown is None:
            return
        stale = not stack.shows_decoded and stack.is_decoded(stack.last_shown)
        for layer in _layers_over(stack):
            if stale:
                layer.refresh(extent=False)
            self._label(layer, stack.stand_in_text())

    def _label(self, layer: Layer, text: str) -> None:
        """Write ``text`` into the layer's box; without a text the box is as it was before."""
        label = label_of(layer)
        if text:
            self._labelled.setdefault(layer, (label.visible, label.text))
            label.text = text
            label.visible = True
        elif layer in self._labelled:
            label.visible, label.text = self._labelled.pop(layer)


def _layers_over(stack: DecodedStack) -> list[Layer]:
    """Layers that show ``stack``, in any open window."""
    return [layer for viewer in _viewers() for layer in viewer.layers if layer.data is stack]


def _viewers() -> list[Any]:
    """List the open viewers; napari has no public way to name more than the current one."""
    current = napari.current_viewer()
    return list(getattr(napari.Viewer, "_instances", ())) or [current] * (current is not None)


def watch(stack: DecodedStack) -> None:
    """Have the layers over ``stack`` drawn again as its frames are decoded.

    Without a Qt application there is no screen, and nothing to do.
    """
    global _refresher
    application = QCoreApplication.instance()
    if application is None:
        return
    if _refresher is None:
        register_labels()
        _refresher = Refresher()
        _refresher.moveToThread(application.thread())  # files may be opened in any thread
    _refresher.watch(stack)


_refresher: Refresher | None = None
