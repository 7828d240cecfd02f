"""The workbench: one tab for each step, over one session."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import napari
from qtpy.QtCore import QSize, Qt
from qtpy.QtWidgets import QTabWidget, QToolButton, QToolTip, QVBoxLayout, QWidget

from ..keys import KEYS
from ..preferences import open_without_asking
from .compare_panel import ComparePanel
from .compress_panel import CompressPanel
from .drops import FolderDrops
from .lifetime import Leaving
from .load_panel import LoadPanel
from .panel import JOIN_SECONDS, WIDTH
from .reconstruct_panel import ReconstructPanel
from .rivals_panel import RivalsPanel
from .train_panel import TrainPanel
from .worker import all_within

STEPS: dict[str, tuple[Callable[[napari.viewer.Viewer], QWidget], str]] = {
    "Load": (LoadPanel, "Open a movie, or take a part of one."),
    "Compress": (CompressPanel, "Write the measurements of a movie into a file."),
    "Reconstruct": (ReconstructPanel, "Recover the frames of a compressed file."),
    "Compare": (ComparePanel, "Both at once, beside JPEG and the other rivals, with scores."),
    "Rivals": (RivalsPanel, "Every codec at real bytes: curves, a verdict, a report."),
    "Train": (TrainPanel, "Fine-tune the decoder on your own movie, without clean data."),
}
FIRST = "Compare"
DIVIDER_KEYS = {"Shift-←, Shift-→": "move the line of the swipe"}
TABS_STYLE = "QTabBar::tab { padding: 6px 8px; }"


class Workbench(Leaving):
    """All steps as tabs. What is set in one holds in the others.

    Parameters
    ----------
    napari_viewer
        The viewer that holds the workbench.
    """

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self.viewer = napari_viewer
        self.tabs = QTabWidget()
        self.tabs.setDocumentMode(True)
        self.tabs.setStyleSheet(TABS_STYLE)
        self.panels: dict[str, QWidget] = {}
        self._drops: FolderDrops | None = None
        for index, (name, (_, tip)) in enumerate(STEPS.items()):
            page = QWidget()
            layout = QVBoxLayout(page)
            layout.setContentsMargins(0, 0, 0, 0)
            self.tabs.addTab(page, name)
            self.tabs.setTabToolTip(index, tip)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.tabs)
        self.tabs.setCurrentIndex(list(STEPS).index(FIRST))
        self.panel(FIRST)
        self.tabs.currentChanged.connect(self._on_tab)
        self.help = QToolButton()
        self.help.setText("?")
        self.help.setAutoRaise(True)
        self.help.setToolTip(keys_text())
        self.help.clicked.connect(self._show_help)
        self.tabs.setCornerWidget(self.help, Qt.Corner.TopRightCorner)
        self.setMinimumWidth(WIDTH)

    @property
    def compare(self) -> ComparePanel:
        """The panel of the step that does everything."""
        panel = self.panel(FIRST)
        assert isinstance(panel, ComparePanel)
        return panel

    def panel(self, name: str) -> QWidget:
        """Return the panel of a step, which is made when it is first asked for."""
        if name not in self.panels:
            panel = STEPS[name][0](self.viewer)
            self.panels[name] = panel
            page = self.tabs.widget(list(STEPS).index(name))
            assert page is not None
            layout = page.layout()
            assert layout is not None
            layout.addWidget(panel)
        return self.panels[name]

    def show_step(self, name: str) -> QWidget:
        """Bring the tab of a step to the front."""
        self.tabs.setCurrentIndex(list(STEPS).index(name))
        return self.panel(name)

    def _show_help(self) -> None:
        """Show the keys at once, and not only after the mouse has rested."""
        below = self.help.mapToGlobal(self.help.rect().bottomLeft())
        QToolTip.showText(below, self.help.toolTip(), self.help)

    def _on_tab(self, index: int) -> None:
        if not self._closed:
            self.panel(list(STEPS)[index])

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Ask for no more width than a panel needs: the room is for the images."""
        return QSize(WIDTH, super().sizeHint().height())

    def showEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Take dropped folders once the workbench is in its window."""
        super().showEvent(event)
        if self._drops is None and not self._closed:
            open_without_asking()
            self._drops = FolderDrops(self, self.compare.inputs.open)

    # --- close --------------------------------------------------------------------------------

    def leave(self) -> None:
        """End what runs in any tab, and bring the view back to how it was."""
        if self._drops is not None:
            self._drops.close()
        panels: list[Any] = list(self.panels.values())
        for panel in panels:
            panel.threads.cancel()
        with all_within(JOIN_SECONDS):
            for panel in panels:
                panel.shut_down()


def keys_text() -> str:
    """List the keys that are bound while the workbench is open, as rich text."""
    rows = {**{key: row.text for key, row in KEYS.items()}, **DIVIDER_KEYS}
    cells = "".join(
        f"<tr><td><b>{key}</b>&nbsp;&nbsp;</td><td>{text}</td></tr>" for key, text in rows.items()
    )
    palette = "All but the last are in the command palette, too (Ctrl-Shift-P)."
    return f"<table>{cells}</table><p>{palette}</p>"
