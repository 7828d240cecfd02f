"""Small controls that all panels share."""

from __future__ import annotations

from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_tcsdl.display._qt.controls import QUIET, quiet_label


def test_a_quiet_label_follows_the_theme(qtbot):
    """Facts in the light grey of the dark theme could not be read on a light ground."""
    around, label = QWidget(), quiet_label()
    qtbot.addWidget(around)
    QVBoxLayout(around).addWidget(label)
    around.setStyleSheet("QWidget { color: rgb(240, 241, 242); }")
    around.show()
    assert f"rgba(240, 241, 242, {QUIET})" in label.styleSheet()
    around.setStyleSheet("QWidget { color: rgb(59, 58, 57); }")
    qtbot.waitUntil(lambda: f"rgba(59, 58, 57, {QUIET})" in label.styleSheet())
    around.hide()
    around.setStyleSheet("QWidget { color: rgb(1, 2, 3); }")
    around.show()
    qtbot.waitUntil(lambda: f"rgba(1, 2, 3, {QUIET})" in label.styleSheet())
