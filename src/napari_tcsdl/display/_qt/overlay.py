"""Draws the labels of the boxes: napari has no layer overlay with text of its own yet."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QObject, QTimer
from qtpy.QtWidgets import QWidget

from ..arrangement import BoxLabel

GLYPHS = "".join(
    dict.fromkeys(
        "0123456789. dBSIMraw reconstruction (GAP-TV) JPEG, same bytes, q measurement of frames "
        "to in one computing… ROI ∞ reference: uncertainty consistency 1 σ, (Y − ΦX) / detector "
        "units nmµpxÅ"
    )
)
"""What labels and scale bars are made of."""
GLYPH_MS = 15


def register_labels() -> bool:
    """Teach napari's canvas to draw :class:`BoxLabel`.

    Returns
    -------
    bool
        False where this napari is built differently; boxes then show the layers' names.
    """
    try:
        from napari._vispy.overlays.text import VispyLayerNameOverlay
        from napari._vispy.utils.visual import overlay_to_visual
        from napari.components._viewer_constants import CanvasPosition
    except ImportError:
        return False

    if BoxLabel in overlay_to_visual:
        return True

    class VispyBoxLabel(VispyLayerNameOverlay):
        # A step of the slider changes all labels: napari would place every overlay of the canvas
        # anew for each. In its corner a text moves nothing else as long as it keeps its height.
        x_size: float
        y_size: float

        def _connect_events(self) -> None:
            super()._connect_events()
            self.overlay.events.text.connect(self._on_text_change)

        def _on_text_change(self) -> None:
            self.node.text = self.overlay.text or self.layer.name
            width, height = self.node.get_width_height()
            if height != self.y_size or self.overlay.position != CanvasPosition.TOP_LEFT:
                self._on_position_change()
            elif width != self.x_size:
                self.x_size = width
                self._on_box_change()

    overlay_to_visual[BoxLabel] = VispyBoxLabel
    return True


class GlyphLoader(QObject):
    """Makes napari's canvas load the glyphs of our labels ahead, one in each turn of the window.

    napari computes a distance field for each glyph, 20 ms apiece, when it is first painted: with
    the labels of four boxes the window would stand still for a second.
    """

    def __init__(self, widget: QWidget) -> None:
        super().__init__(widget)
        self._widget = widget
        self._left = list(GLYPHS)
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._load_one)
        self._timer.start(GLYPH_MS)

    def _load_one(self) -> None:
        font = _font_of(self._widget.window())
        if font is None or not self._left:
            self._timer.stop()
        else:
            font[self._left.pop()]  # looked up: loaded on the way


def _font_of(window: Any) -> Any:
    """Return the font that the canvas in ``window`` draws with; None in any other window."""
    # Through Qt, as napari hands plugins a viewer without private attributes.
    try:
        info = window._qt_viewer.canvas.font_info()
        return info.font_manager.get_font(info.face)
    except AttributeError:
        return None
