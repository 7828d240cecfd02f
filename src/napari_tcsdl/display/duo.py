"""Two layers on one field of view, by swipe or by blink: what is shown where. No Qt."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Layer
from psygnal import Signal

from .._validation import InputError

SWIPE, BLINK = "swipe", "blink"
MODES = (SWIPE, BLINK)

BLINK_KEY = "K"
"""As in blink. B is napari's own while a shapes layer (an ROI, say) or a labels layer is active."""
LEFT_KEY, RIGHT_KEY = "Shift-Left", "Shift-Right"
STEP = 0.02
"""What an arrow key moves the divider by, as a share of the canvas."""
MARGIN = 0.05
"""Left free around an image, as a share of its size; napari's own."""
BLINK_HZ = 2.0
"""Changes per second of the automatic blink."""


@dataclass(eq=False)
class Loans:
    """Attributes that are set for a while, and what they were before."""

    _loans: dict[tuple[int, str], tuple[Any, Any, Any]] = field(default_factory=dict)

    def set(self, owner: Any, name: str, value: Any) -> None:
        """Set an attribute until :meth:`give_back`."""
        now = getattr(owner, name)
        _, before, ours = self._loans.get((id(owner), name), (owner, now, now))
        if now != ours:
            before = now  # changed by the user since
        self._loans[id(owner), name] = (owner, before, value)
        if now != value:
            setattr(owner, name, value)

    def give_back(self) -> None:
        """Restore everything, last first, but for what the user has changed since."""
        loans, self._loans = self._loans, {}
        for (_, name), (owner, before, ours) in reversed(loans.items()):
            if getattr(owner, name) == ours != before:
                setattr(owner, name, before)


class Duo:
    """Shows two layers in one and the same place, in the order ``first``, ``second``.

    A swipe shows one on either side of a divider, a blink one at a time. The model says what is
    shown where (:meth:`spans`); ``_qt.swipe.SwipeView`` draws it.

    Parameters
    ----------
    viewer
        The viewer.
    first, second
        Left and right layer of the swipe; the blink begins with the first.

    Raises
    ------
    InputError
        If both are one layer, or one of them is not in ``viewer``.
    """

    changed = Signal()
    """Mode, layers, their names, divider, or the side that is shown."""

    def __init__(self, viewer: ViewerModel, first: Layer, second: Layer) -> None:
        self.viewer = viewer
        self._pair = self._checked(first, second)
        self._mode: str | None = None
        self._position = 0.5
        self._swapped = False
        self._automatic = False
        self._enlarged = 1.0
        self._loans = Loans()
        self._keys: dict[str, Callable[..., Any] | None] = {}

    # --- state --------------------------------------------------------------------------------

    @property
    def mode(self) -> str | None:
        """'swipe' or 'blink'; None while it is off."""
        return self._mode

    @property
    def pair(self) -> tuple[Layer, Layer]:
        """Both layers: left and right of the divider, or the one that is shown and the other."""
        first, second = self._pair
        return (second, first) if self._swapped else (first, second)

    @property
    def swapped(self) -> bool:
        """Whether the second layer is left of the divider, or is the one that is shown."""
        return self._swapped

    @property
    def position(self) -> float:
        """Of the divider, as a share of the canvas: 0 at its left edge, 1 at its right."""
        return self._position

    @position.setter
    def position(self, value: float) -> None:
        if not math.isfinite(value):
            raise InputError(
                f"got divider position {value}, expected a share of the canvas from 0 to 1; "
                "give for example 0.5"
            )
        value = min(max(float(value), 0.0), 1.0)
        if value != self._position:
            self._position = value
            self.changed.emit()

    @property
    def automatic(self) -> bool:
        """Whether the blink goes on by itself, :data:`BLINK_HZ` times a second."""
        return self._automatic

    @automatic.setter
    def automatic(self, on: bool) -> None:
        if on != self._automatic:
            self._automatic = on
            self.changed.emit()

    def spans(self) -> dict[Layer, tuple[float, float]]:
        """Return which part of the canvas each layer fills, as shares of its width."""
        if self._mode is None:
            return {}
        first, second = self.pair
        if self._mode == BLINK:
            return {first: (0.0, 1.0), second: (0.0, 0.0)}
        return {first: (0.0, self._position), second: (self._position, 1.0)}

    def texts(self) -> tuple[str, str]:
        """Return what is written beside the divider: what stands in the layers' boxes."""
        first, second = (getattr(la.name_overlay, "text", "") or la.name for la in self.pair)
        return first, second

    # --- what the user does -------------------------------------------------------------------

    def toggle(self) -> None:
        """Blink: show the other layer. Swipe: exchange the sides."""
        self._swapped = not self._swapped
        self.changed.emit()

    def step(self, steps: int) -> None:
        """Move the divider by ``steps`` of :data:`STEP`, to the right where positive."""
        if self._mode == SWIPE:
            self.position = self._position + steps * STEP

    def choose(self, first: Layer, second: Layer) -> None:
        """Compare two other layers.

        Raises
        ------
        InputError
            As for the constructor; the pair stays then.
        """
        pair = self._checked(first, second)
        if pair == self._pair:
            return
        running = self._mode is not None
        if running:
            self._follow_names(False)
        self._pair, self._swapped = pair, False
        if running:
            self._show_pair()
        self.changed.emit()

    def start(self, mode: str) -> None:
        """Begin with ``mode``, or change to it.

        Raises
        ------
        InputError
            If there is no such mode, or a layer has left the viewer. The viewer stays as it is.
        """
        if mode not in MODES:
            raise InputError(f"got mode {mode!r}, expected 'swipe' or 'blink'; choose one of them")
        self._checked(*self._pair)
        begins = self._mode is None
        self._mode, self._swapped = mode, False
        if begins:
            self._begin()
        self.changed.emit()

    def stop(self) -> None:
        """Bring the viewer back to how it was; what the user has changed since stays changed."""
        if self._mode is None:
            return
        self._mode, self._automatic = None, False
        self.viewer.canvas.grid.events.enabled.disconnect(self._on_grid)
        self.viewer.layers.events.removed.disconnect(self._on_removed)
        self._follow_names(False)
        for key, before in self._keys.items():
            self.viewer.bind_key(key, before, overwrite=True)
        self._keys = {}
        camera = self.viewer.scene.camera
        view = {"zoom": camera.zoom / self._enlarged, "center": camera.center}
        self._loans.give_back()
        camera.update(view)
        self.changed.emit()

    # --- viewer -------------------------------------------------------------------------------

    def _checked(self, first: Layer, second: Layer) -> tuple[Layer, Layer]:
        if first == second:
            raise InputError(
                f"got {first.name} twice, expected two different layers; choose another one"
            )
        for layer in (first, second):
            if layer not in self.viewer.layers:
                raise InputError(
                    f"got {layer.name}, which is not in the viewer, expected one of its layers; "
                    "choose another one"
                )
        return first, second

    def _begin(self) -> None:
        grid, camera = self.viewer.canvas.grid, self.viewer.scene.camera
        self._enlarged = self._enlargement()
        view = {"zoom": camera.zoom * self._enlarged, "center": camera.center}
        # The grid first, and back last: while it is on, every change moves its boxes.
        self._loans.set(grid, "enabled", False)
        self._show_pair()
        camera.update(view)  # the same field of view as in its box
        grid.events.enabled.connect(self._on_grid)
        self.viewer.layers.events.removed.connect(self._on_removed)
        calls = {
            BLINK_KEY: lambda _: self.toggle(),
            LEFT_KEY: lambda _: self.step(-1),
            RIGHT_KEY: lambda _: self.step(1),
        }
        for key, call in calls.items():
            self._keys[key] = self.viewer.bind_key(key, None)
            self.viewer.bind_key(key, call)

    def _show_pair(self) -> None:
        for layer in self._pair:
            self._loans.set(layer, "visible", True)
            self._loans.set(layer.name_overlay, "visible", False)  # written at the divider instead
        for layer in self.viewer.layers:
            if layer not in self._pair:
                self._loans.set(layer, "visible", False)
        self._follow_names(True)

    def _follow_names(self, on: bool) -> None:
        for layer in self._pair:
            overlay = layer.name_overlay
            events = [layer.events.name]
            if hasattr(overlay, "text"):
                events.append(overlay.events.text)
            for event in events:
                (event.connect if on else event.disconnect)(self._tell)

    def _tell(self) -> None:
        self.changed.emit()

    def _enlargement(self) -> float:
        """How much larger the canvas shows what a box of the grid shows; 1 without a grid.

        Not what fits the box but what is seen of the specimen in it: the bars beside an image
        whose shape differs from that of its box need no room.
        """
        viewer, layer = self.viewer, self._pair[0]
        if not viewer.canvas.grid.enabled:
            return 1.0
        camera, canvas = viewer.scene.camera, np.array(viewer.canvas.size)
        box = np.maximum(viewer.canvas.viewbox_size(viewer.layers), 1)
        missing = viewer.dims.ndim - layer.ndim
        axes = [axis - missing for axis in viewer.dims.displayed]
        if len(axes) != 2 or min(axes) < 0:
            return float(np.min(canvas / box))
        low, high = layer.extent.world[:, axes]
        reach = np.abs([low - camera.center[-2:], high - camera.center[-2:]]).max(axis=0)
        # The extent ends at the centres of pixels; and reset_view leaves a margin too.
        seen = np.minimum(box, 2 * (1 + MARGIN) * reach * camera.zoom)
        return float(np.min(canvas / np.maximum(seen, 1)))

    def _on_grid(self) -> None:
        if self.viewer.canvas.grid.enabled:
            self.stop()  # the user wants the boxes back

    def _on_removed(self, event: Any) -> None:
        if event.value in self._pair:
            self.stop()
