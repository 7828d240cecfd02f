"""Draws the labels of the boxes: napari has no layer overlay with text of its own yet."""

from __future__ import annotations

from ..arrangement import BoxLabel


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
    except ImportError:
        return False

    if BoxLabel in overlay_to_visual:
        return True

    class VispyBoxLabel(VispyLayerNameOverlay):
        def _connect_events(self) -> None:
            super()._connect_events()
            self.overlay.events.text.connect(self._on_text_change)

        def _on_text_change(self) -> None:
            self.node.text = self.overlay.text or self.layer.name
            self._on_position_change()

    overlay_to_visual[BoxLabel] = VispyBoxLabel
    return True
