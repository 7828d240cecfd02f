"""The clipboard."""

from __future__ import annotations

from qtpy.QtGui import QGuiApplication


def copy(text: str) -> None:
    """Put ``text`` on the clipboard."""
    clipboard = QGuiApplication.clipboard()
    assert clipboard is not None  # there is one wherever there is a window
    clipboard.setText(text)
