"""The step "Reconstruct": a compressed file becomes frames again."""

from __future__ import annotations

import napari

from .controls import quiet_label
from .form import SettingsForm
from .run_panel import RunPanel

ROWS = ("layer", "decoder", "weights", "device")
MORE = ("decode_tile",)
NEEDS_A_FILE = (
    "got a movie, expected a compressed file; compress it first (Compress), open a .tcs.zarr, or "
    "take Compare, which does both"
)


class ReconstructPanel(RunPanel):
    """Recover the frames of a ``.tcs.zarr`` file.

    Parameters
    ----------
    napari_viewer
        The viewer that holds the panel.
    """

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        form = SettingsForm(ROWS, MORE)
        super().__init__(
            napari_viewer,
            form,
            "Reconstruct",
            "Recover all frames of the compressed file, block by block, beside its measurements.",
        )
        self.hint = quiet_label()
        self.lay_out(self.form, self.hint, self.box)
        self.wire()

    def follow(self) -> None:
        """Enable what can be used now."""
        super().follow()
        if self.inputs.layer is not None and not self.file:
            self.run_button.setEnabled(False)
            self.hint.setText(NEEDS_A_FILE)
        else:
            self.hint.setText(self.form.hint.text() if self.file else "")

    def start(self) -> None:
        """Reconstruct the chosen file."""
        if self.file:
            self.begin_run(None, "reading the file…")
