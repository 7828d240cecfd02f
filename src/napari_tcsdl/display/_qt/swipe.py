"""Draws two layers on one field of view: each clipped to its side, divider and names above."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from napari.layers import Layer
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QWidget

from ..._validation import OutputError
from ..duo import BLINK, BLINK_HZ, SWIPE, Duo
from .divider import Divider, NameTag

FAR = 1e6
"""Beyond any canvas [px]."""


class SwipeView:
    """Shows what a :class:`Duo` says in napari's canvas, and moves its divider with the mouse.

    Nothing is copied: each layer's visual is clipped in the fragment shader.

    Parameters
    ----------
    home
        Any widget in napari's window, or the window itself.
    duo
        What is shown where.

    Raises
    ------
    OutputError
        If ``home`` is in no napari window, or its canvas is built differently from napari 0.9's.
    """

    def __init__(self, home: QWidget, duo: Duo) -> None:
        self._canvas = _canvas_of(home)
        self.duo = duo
        native = self._canvas.native
        self.divider = Divider(native)
        self.names = (NameTag(native, -1), NameTag(native, 1))
        self._timer = QTimer(native)
        self._timer.timeout.connect(duo.toggle)
        self.divider.moved.connect(self._on_moved)
        self._clippers: dict[Any, Any] = {}
        self._following = self._closed = False
        self._canvas.destroyed.connect(self._on_destroyed)
        duo.changed.connect(self._on_changed)
        self._on_changed()

    def close(self) -> None:
        """Take everything away from the canvas. The duo goes on, or ends, by itself."""
        if self._closed:
            return
        self._let_go()
        with suppress(RuntimeError):  # Qt may have deleted them with the window
            self._canvas.destroyed.disconnect(self._on_destroyed)
            self._timer.stop()
            for child in (self.divider, *self.names):
                child.hide()
                child.deleteLater()
            self._timer.deleteLater()
            self._canvas.native.update()

    # --- widgets ------------------------------------------------------------------------------

    def _on_moved(self, position: float) -> None:
        self.duo.position = position

    def _on_changed(self) -> None:
        mode = self.duo.mode
        self._follow(mode is not None)
        self._clip()
        self._canvas.native.update()
        automatic = mode == BLINK and self.duo.automatic
        if automatic != self._timer.isActive():
            self._timer.start(round(1000 / BLINK_HZ)) if automatic else self._timer.stop()
        if mode is not None:
            self._write()
        self._place()

    def _write(self) -> None:
        # In a blink the names keep their places; that of the layer that is shown is bright.
        swapped = self.duo.mode == BLINK and self.duo.swapped
        texts = self.duo.texts()[:: -1 if swapped else 1]
        for index, (tag, text) in enumerate(zip(self.names, texts, strict=True)):
            tag.say(text, bright=self.duo.mode == SWIPE or index == int(swapped))

    def _place(self, event: Any = None) -> None:
        height, width = self._canvas.size
        mode = self.duo.mode
        position = self.duo.position if mode == SWIPE else 0.5
        self.divider.place(position, width, height)
        self.divider.setVisible(mode == SWIPE)
        for tag in self.names:
            if mode is None:
                tag.hide()
            else:
                tag.stand(round(position * width), width)

    # --- canvas -------------------------------------------------------------------------------

    def _follow(self, on: bool) -> None:
        """Look before each paint whether napari has replaced a visual, and follow the size."""
        if on == self._following:
            return
        self._following = on
        events = self._canvas.events
        for event, call in ((events.draw, self._clip), (events.resize, self._place)):
            event.connect(call) if on else event.disconnect(call)

    def _clip(self, event: Any = None) -> None:
        """Clip every visual of both layers to its part of the canvas."""
        width = self._canvas.size[1]
        wanted = {
            visual: _bounds(*span, width)
            for layer, span in self.duo.spans().items()
            for visual in self._visuals(layer)
        }
        for visual in [visual for visual in self._clippers if visual not in wanted]:
            self._unclip(visual)
        for visual, (left, right) in wanted.items():
            clipper = self._clippers.get(visual) or self._new_clipper(visual)
            if (clipper.bounds.left, clipper.bounds.right) != (left, right):
                clipper.bounds = (left, -FAR, right - left, 2 * FAR)

    def _visuals(self, layer: Layer) -> list[Any]:
        found = self._canvas.layer_to_visual.get(layer)
        if found is None:
            return []
        # An image that is larger than a texture is drawn in tiles, each a visual of its own.
        return list(getattr(found.node, "adopted_children", None) or [found.node])

    def _new_clipper(self, visual: Any) -> Any:
        from vispy.visuals.filters import Clipper

        # From the framebuffer to the canvas in Qt's pixels, whatever the screen's pixel ratio.
        clipper = Clipper(transform=self._canvas.view.get_transform("framebuffer", "canvas"))
        visual.attach(clipper)
        self._clippers[visual] = clipper
        return clipper

    def _unclip(self, visual: Any) -> None:
        visual.detach(self._clippers.pop(visual))

    def _let_go(self) -> None:
        self._closed = True
        self.duo.changed.disconnect(self._on_changed)
        self._follow(False)
        for visual in list(self._clippers):
            self._unclip(visual)

    def _on_destroyed(self) -> None:
        # With the canvas its children go, and its connections: neither may be touched any more.
        if not self._closed:
            self._let_go()


def _bounds(start: float, stop: float, width: int) -> tuple[float, float]:
    """Left and right end of a part of the canvas [px]; open where it ends with the canvas."""
    return (-FAR if start == 0 < stop else start * width, FAR if stop == 1 else stop * width)


def _canvas_of(home: QWidget) -> Any:
    """Return napari's canvas in the window of ``home``."""
    # Through Qt, as napari hands plugins a viewer without private attributes. Not home.window():
    # a dock that floats is a window of its own.
    widget: QWidget | None = home
    while widget is not None and not hasattr(widget, "_qt_viewer"):
        widget = widget.parentWidget()
    try:
        canvas = widget._qt_viewer.canvas  # type: ignore[union-attr]
        for name in ("native", "size", "events", "view", "layer_to_visual", "destroyed"):
            getattr(canvas, name)
    except AttributeError:
        raise OutputError(
            "got a window without the canvas of napari 0.9, expected it for swipe and blink; "
            "compare in the grid, or install napari 0.9"
        ) from None
    return canvas
