"""The panel "Load" over a small movie."""

from __future__ import annotations

import pytest
from panel_helpers import WAIT

from napari_tcsdl.display._qt.load_panel import LoadPanel


@pytest.fixture
def panel(layer, step_panel):
    """Over the calibrated movie of 9 frames of 48 × 40."""
    return step_panel(LoadPanel)


@pytest.fixture
def take(panel, viewer, qtbot):
    """Press the button, and return the layer that comes."""

    def take():
        before = len(viewer.layers)
        panel.run_button.click()
        qtbot.waitUntil(lambda: len(viewer.layers) > before, timeout=WAIT)
        assert panel.error.isHidden(), panel.error.text()
        return viewer.layers[-1]

    return take
