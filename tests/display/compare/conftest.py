"""The panel "Compare", and runs that report made-up results."""

from __future__ import annotations

import pytest

from napari_tcsdl.display._qt.compare_panel import ComparePanel


@pytest.fixture
def dock_of(qtbot):
    docks = []

    def make(viewer) -> ComparePanel:
        dock = ComparePanel(viewer)
        qtbot.addWidget(dock)
        docks.append(dock)
        return dock

    yield make
    for dock in docks:
        dock.shut_down()


@pytest.fixture
def dock(dock_of, viewer, layer):
    """Over the calibrated movie of 9 frames, B = 4, scored against raw frames."""
    dock = dock_of(viewer)
    dock.form.ratio.setValue(4)
    dock.form.reference.setCurrentIndex(dock.form.reference.findData("raw"))
    return dock
