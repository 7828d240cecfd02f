"""A step that works on a chosen layer with shared settings: what its panel has in common."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import napari
from napari.layers import Layer
from qtpy.QtCore import QTimer

from ..._validation import TcsdlError
from ..choices import find_choices
from ..layers import movie_from_layer
from ..run import compressed_file
from .form import SettingsForm
from .inputs import Inputs
from .panel import Panel

CHOICES_MS = 1000
"""The panel is painted first: torch, which knows the devices, holds the interpreter as it loads."""
OF_DECODER = ("decoder", "weights", "device", "decode_tile")
"""Settings that a compressed file leaves open."""
MEASURING = "measuring motion and dose…"


class FormPanel(Panel):
    """A panel with a form: the input and the settings of the session, in sync with it.

    Parameters
    ----------
    napari_viewer
        The viewer that holds the panel.
    form
        Rows of this step.
    run_text, run_tip
        Of the button that begins the step.
    """

    def __init__(
        self, napari_viewer: napari.viewer.Viewer, form: SettingsForm, run_text: str, run_tip: str
    ) -> None:
        super().__init__(napari_viewer, run_text, run_tip)
        self.form = form
        self.controller = self.session.controller
        self.inputs = Inputs(self.viewer, form, self.threads, self.links, self._result_layers, self)
        self._advised: Layer | None = None
        self._choices_timer = QTimer(self)
        self._choices_timer.setSingleShot(True)
        self._choices_timer.timeout.connect(self._find_choices)
        self.form.show_settings(self.session.settings)

    def wire(self) -> None:
        """Follow the session and the viewer; to be called when everything is built."""
        self.form.edited.connect(self._on_edited)
        self.form.edited.connect(self.box.hide_error)
        self.form.open.chosen.connect(self.box.hide_error)
        self.form.recommend.clicked.connect(self._ask_for_advice)
        self.inputs.changed.connect(self._on_layers)
        self.inputs.failed.connect(self.show_error)
        self.inputs.said.connect(self.status.setText)
        self.inputs.opened.connect(self.controller.leave_boxes)
        self.links.connect(self.session.settings_changed, self._on_settings)
        self.links.connect(self.session.layer_changed, self._on_layer)
        self.box.show_idle(0.0, "")
        self._choices_timer.start(CHOICES_MS)
        self.inputs.follow()
        self._on_layer()  # before the form is listened to, which begins with the first layer
        self.form.layer.currentIndexChanged.connect(self._on_choice)

    def _find_choices(self) -> None:
        if not self._closed:
            self.threads.call(find_choices, self.form.show_choices, self.show_error, self)

    def _result_layers(self) -> list[Layer]:
        return self.controller.run.added if self.controller.run is not None else []

    @property
    def file(self) -> bool:
        """Whether the input is a compressed file."""
        return compressed_file(self.inputs.layer) is not None

    def follow(self) -> None:
        """Enable what can be used now."""
        self.form.lock(running=self.session.busy, file=self.file)
        if self._advised is not None and self._advised is self.inputs.layer:
            self.form.recommend.setEnabled(False)
        self.run_button.setEnabled(self.inputs.describe() and not self.session.busy)

    def let_go(self) -> None:
        """Drop what is still being read."""
        self.inputs.close()

    # --- in sync with the session -------------------------------------------------------------

    def _on_edited(self) -> None:
        chosen = self.form.settings()
        if self.file:  # its B and masks are shown, not chosen
            free = {name: getattr(chosen, name) for name in OF_DECODER}
            chosen = replace(self.session.settings, **free)
        self.session.settings = chosen
        self.follow()

    def _on_settings(self) -> None:
        if self.session.settings != self.form.settings():
            self.form.show_settings(self.session.settings)
        self.follow()

    def _on_choice(self) -> None:
        self.box.hide_error()
        self.session.layer = self.inputs.layer

    def _on_layer(self) -> None:
        if self.session.layer is not None:
            self.form.layer.choose(self.session.layer)
        self.form.show_settings(self.session.settings)  # instead of what a file has settled
        self.follow()

    def _on_layers(self) -> None:
        if self.session.layer is None or self.session.layer not in self.viewer.layers:
            self.session.layer = self.inputs.layer
        self.follow()

    # --- B ------------------------------------------------------------------------------------

    def _ask_for_advice(self) -> None:
        self.box.hide_error()
        layer = self._advised = self.inputs.layer
        self.status.setText(MEASURING)
        self.follow()
        advised, refused = partial(self._on_advice, layer), partial(self._on_no_advice, layer)
        self.threads.call(partial(_recommend, layer), advised, refused, self)

    def _on_advice(self, layer: Layer | None, advice: Any) -> None:
        if self._is_late(layer):
            return
        self.status.setText(advice.reason)
        self.form.ratio.setValue(advice.compression_ratio)
        self.follow()

    def _on_no_advice(self, layer: Layer | None, error: TcsdlError) -> None:
        if not self._is_late(layer):
            self.status.setText("")
            self.show_error(error)
            self.follow()

    def _is_late(self, layer: Layer | None) -> bool:
        """Whether an answer about ``layer`` is for nobody: it is chosen no more, or a job runs."""
        if layer is self._advised:
            self._advised = None
        if self.status.text() == MEASURING and self._advised is None:
            self.status.setText("")
        return layer is not self.inputs.layer or self.session.busy


def _recommend(layer: Layer | None) -> Any:
    from ...advice import recommend

    return recommend(movie_from_layer(layer))
