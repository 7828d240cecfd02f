"""One contrast for all boxes that show frames: what is set in one is set in all. No Qt."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from napari.layers import Layer
from psygnal import Signal

from .layers import contrast_limits

LINKED = ("contrast_limits", "gamma")
"""Attributes that are linked. Colormaps are not: they tell boxes of different kinds apart."""


class ContrastLink:
    """Links contrast limits and gamma of layers whose values have the same unit.

    Parameters
    ----------
    layers
        Layers to be linked; the first gives the others its contrast. Those without contrast
        limits are left out. Layers in other units (a standard deviation, say) do not belong here.
    linked
        Whether they begin linked.
    """

    changed = Signal(bool)
    """Linked or unlinked."""

    def __init__(self, layers: Iterable[Layer] = (), linked: bool = True) -> None:
        self._layers: list[Any] = []
        self._linked = linked
        self._passing_on = False
        self.set_layers(layers)

    @property
    def layers(self) -> list[Layer]:
        """Layers that are, or can be, linked."""
        return list(self._layers)

    @property
    def linked(self) -> bool:
        """Whether a change in one is passed on to the others."""
        return self._linked

    def set_layers(self, layers: Iterable[Layer]) -> None:
        """Link these layers from now on, and no others."""
        self._listen(False)
        self._layers = [layer for layer in layers if hasattr(layer, "contrast_limits")]
        self._listen(True)
        self._align()

    def link(self) -> None:
        """Give all the contrast of the first, and keep it common."""
        if not self._linked:
            self._linked = True
            self._align()
            self.changed.emit(True)

    def unlink(self) -> None:
        """Leave each as it is now, to be changed alone."""
        if self._linked:
            self._linked = False
            self.changed.emit(False)

    def close(self) -> None:
        """Let go of all layers; their contrast stays."""
        self.set_layers(())

    def auto(self, reference: Layer) -> None:
        """Set the limits from the frame that ``reference`` shows.

        Linked layers all get them; while they are unlinked, each gets those of its own frame.
        """
        if self._linked:
            limits = _limits_of_shown(reference)
            for layer in [reference, *self._layers]:
                _set(layer, "contrast_limits", limits)
        else:
            for layer in self._layers:
                _set(layer, "contrast_limits", _limits_of_shown(layer))

    def _listen(self, on: bool) -> None:
        for layer in self._layers:
            for name, call in zip(LINKED, (self._on_limits, self._on_gamma), strict=True):
                event = getattr(layer.events, name)
                (event.connect if on else event.disconnect)(call)

    def _align(self) -> None:
        if self._layers:
            for name in LINKED:
                self._pass_on(self._layers[0], name)

    def _on_limits(self, event: Any) -> None:
        self._pass_on(event.source, "contrast_limits")

    def _on_gamma(self, event: Any) -> None:
        self._pass_on(event.source, "gamma")

    def _pass_on(self, source: Layer, name: str) -> None:
        if not self._linked or self._passing_on:
            return
        self._passing_on = True
        try:
            for layer in self._layers:
                if layer != source:
                    _set(layer, name, getattr(source, name))
        finally:
            self._passing_on = False


def _set(layer: Layer, name: str, value: Any) -> None:
    # napari redraws thumbnail and canvas even where nothing has changed.
    if not np.array_equal(getattr(layer, name), value):
        setattr(layer, name, value)


def _limits_of_shown(layer: Any) -> tuple[float, float]:
    if layer._slice.empty:  # no frame at this time: there is nothing to take limits from
        low, high = layer.contrast_limits
        return float(low), float(high)
    # The slice that napari holds: to read the frame again might mean to decode it again.
    return contrast_limits(np.asarray(layer._data_view))
