"""The Train step over a viewer without a canvas, and runs that report made-up steps."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from tiny_weights import counted_frames, write_tiny_weights

from napari_tcsdl._validation import Cancelled
from napari_tcsdl.display._qt.train_panel import TrainPanel
from napari_tcsdl.display.session import Session
from napari_tcsdl.display.training_job import TrainingJob
from napari_tcsdl.display.training_reports import Begun, Learned, Learning


@pytest.fixture(autouse=True)
def small_networks(one_thread):
    """Everything here learns on one thread."""


@pytest.fixture
def session(viewer, tmp_path) -> Session:
    session = Session.of(viewer)
    weights = write_tiny_weights(tmp_path / "tiny.safetensors")
    session.settings = replace(
        session.settings, compression_ratio=4, weights=str(weights), device="cpu", mask_tile=16
    )
    return session


@pytest.fixture
def source(viewer):
    return viewer.add_image(
        counted_frames(), name="counted", scale=(0.25, 0.05, 0.05), units=("s", "nm", "nm")
    )


@pytest.fixture
def panel_of(qtbot):
    panels = []

    def make(viewer, session=None) -> TrainPanel:
        panel = TrainPanel(viewer, session)
        qtbot.addWidget(panel)
        panels.append(panel)
        return panel

    yield make
    for panel in panels:
        panel.shut_down()


@pytest.fixture
def panel(panel_of, viewer, session, source, tmp_path) -> TrainPanel:
    panel = panel_of(viewer)
    panel.form.set_path(tmp_path / "tuned.safetensors")
    return panel


@pytest.fixture
def made_up(monkeypatch):
    """Runs report made-up steps until ``enough``; ``gate`` holds them before the first."""
    gate = threading.Event()

    def run(job, report, progress):
        report(Begun(job.generation, "cpu: made up"))
        step = 0
        while not job.enough.wait(0.01):
            if gate.is_set():
                step += 1
                error = 0.2 - 0.001 * step
                losses = ((step, 0.5, "movie"),)
                report(Learning(job.generation, losses, (step, error, error), 0.25, 3.0))
        if job.stop.is_set() or not step:
            raise Cancelled
        report(
            Learned(
                job.generation, False, (0.2, 0.2), None, step, 0, range(20, 24), None,
                "the weights made up", "stopped by you",
            )
        )  # fmt: skip

    monkeypatch.setattr(TrainingJob, "run", run)
    return gate
