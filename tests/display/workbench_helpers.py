"""What the tests of the workbench share."""

from __future__ import annotations

from napari_tcsdl.settings import Settings

FORMS = ("Load", "Compress", "Reconstruct", "Compare")

MINE = Settings(compression_ratio=4, mask_tile=16, reference="raw", decoder="gap_tv", device="cpu")


def run_buttons(bench) -> dict:
    buttons = {name: bench.panel(name).run_button for name in FORMS}
    return buttons | {"Train": bench.panel("Train").start_button}
