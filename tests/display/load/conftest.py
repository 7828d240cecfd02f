"""The panel "Load" over a small movie."""

from __future__ import annotations

import pytest
from panel_helpers import WAIT, offer_made_up_choices

from napari_tcsdl.display._qt.load_panel import LoadPanel


@pytest.fixture
def panel(qtbot, viewer, layer, monkeypatch):
    """Over the calibrated movie of 9 frames of 48 × 40."""
    offer_made_up_choices(monkeypatch)
    panel = LoadPanel(viewer)
    qtbot.addWidget(panel)
    yield panel
    panel.shut_down()


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
