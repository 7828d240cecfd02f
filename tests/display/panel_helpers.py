"""What the tests of several panels share."""

from __future__ import annotations

import threading

from qtpy.QtCore import QCoreApplication, QEvent
from qtpy.QtWidgets import QAbstractButton, QAbstractSpinBox, QComboBox, QLineEdit, QProgressBar

from napari_tcsdl._validation import Cancelled
from napari_tcsdl.display.choices import Choices

WAIT = 60_000
SPAN = 100.0
"""Data range of the made-up scores."""
CHOICES = Choices(
    {"auto": "auto (GPU: made up)", "cpu": "cpu: made up", "cuda:0": "GPU: made up"},
    {"unfolding": "unfolding network", "gap_tv": "GAP-TV"},
)


def offer_made_up_choices(monkeypatch) -> None:
    """Panels need not load torch to know what there is."""
    monkeypatch.setattr(
        "napari_tcsdl.display._qt.form_panel.find_choices", lambda: CHOICES, raising=True
    )


def controls_without_tooltip(widget) -> list:
    """Every control below ``widget`` that a user can see and that says nothing."""
    kinds = (QAbstractButton, QComboBox, QAbstractSpinBox, QLineEdit, QProgressBar)
    found = [child for kind in kinds for child in widget.findChildren(kind)]
    assert found
    inner = (QComboBox, QAbstractSpinBox)  # their own line edits and buttons
    found = [child for child in found if not isinstance(child.parent(), inner)]
    return [child for child in found if not child.toolTip() and not child.isHidden()]


def held_run(tell, gate: threading.Event):
    """Stand in for ``ComparisonJob.run``: made-up results, held after the first block."""

    def run(job, report, progress):
        prepared = tell.prepared(job)
        report(prepared)
        assert prepared.shown.wait(10)
        for index in range(3):
            report(tell.block(job, prepared.store, index))
            progress((index + 1) / 3)
            while not gate.wait(0.01):
                if job.stop.is_set():
                    raise Cancelled
        report(tell.finished(job, prepared.store))

    return run


def destroy(widget) -> None:
    """Let Qt destroy ``widget`` now, without a close event."""
    widget.deleteLater()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
