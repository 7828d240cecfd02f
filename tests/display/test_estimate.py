"""What a run would cost: only the answer to the last question is shown."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest
from panel_helpers import WAIT
from qtpy.QtWidgets import QWidget

from napari_tcsdl._validation import InputError
from napari_tcsdl.cost import Cost
from napari_tcsdl.display._qt import estimate as estimate_module
from napari_tcsdl.display._qt.estimate import Estimate
from napari_tcsdl.display._qt.worker import Threads
from napari_tcsdl.settings import Settings

FOUR = Settings(compression_ratio=4, mask_tile=16)


@pytest.fixture
def estimate(qtbot, monkeypatch):
    monkeypatch.setattr(estimate_module, "PATIENCE_MS", 0)
    owner, threads = QWidget(), Threads()
    qtbot.addWidget(owner)
    made = Estimate(threads, owner)
    made.setParent(owner)
    yield made
    made.let_go()
    threads.join(10)


@pytest.fixture
def asked(monkeypatch):
    """Answers are made up: seconds = B, and given when ``gate`` is set."""

    class Asked(list):
        gate = threading.Event()
        at_work, most = 0, 0

    asked = Asked()
    asked.gate.set()

    def answer(movie, settings):
        asked.append((movie.name, settings.compression_ratio))
        asked.at_work += 1
        asked.most = max(asked.most, asked.at_work)
        try:
            assert asked.gate.wait(10)
        finally:
            asked.at_work -= 1
        if settings.compression_ratio > movie.shape[0]:
            raise InputError("got B that is too large, expected less")
        return Cost(float(settings.compression_ratio), 2_000_000, 30_000, 0, "how it is known")

    monkeypatch.setattr(estimate_module, "_estimate", answer)
    yield asked
    asked.gate.set()


def test_it_says_what_a_run_would_cost_and_how_that_is_known(estimate, asked, layer, qtbot):
    assert estimate.label.text() == ""
    estimate.ask(layer, FOUR)
    qtbot.waitUntil(lambda: estimate.label.text().startswith("about"), timeout=WAIT)
    assert estimate.label.text() == "about 4 s, 2 MB of memory, 30 kB of disk"
    assert estimate.label.toolTip() == "how it is known"


def test_the_memory_of_a_gpu_is_told_apart(estimate, monkeypatch, layer, qtbot):
    cost = Cost(0.5, 2_000_000, 30_000, 4_000_000_000, "")
    monkeypatch.setattr(estimate_module, "_estimate", lambda *_: cost)
    estimate.ask(layer, FOUR)
    text = "about 0.5 s, 2 MB of memory, 4 GB of the GPU, 30 kB of disk"
    qtbot.waitUntil(lambda: estimate.label.text() == text, timeout=WAIT)


def test_only_the_last_of_many_questions_is_answered(estimate, asked, layer, qtbot):
    asked.gate.clear()
    estimate.ask(layer, FOUR)
    qtbot.waitUntil(lambda: len(asked) == 1, timeout=WAIT)
    assert estimate.label.text() == "estimating time and memory…"
    for ratio in (5, 6, 7):
        estimate.ask(layer, replace(FOUR, compression_ratio=ratio))
        qtbot.wait(20)
    assert estimate.label.text() == "", "what was asked before is not answered any more"
    asked.gate.set()
    qtbot.waitUntil(lambda: estimate.label.text().startswith("about 7 s"), timeout=WAIT)
    assert [ratio for _, ratio in asked] == [4, 7], "what was overtaken is not computed"
    assert asked.most == 1, "one at a time"


def test_the_same_question_is_asked_once(estimate, asked, layer, qtbot):
    for _ in range(3):
        estimate.ask(layer, FOUR)
        qtbot.waitUntil(lambda: estimate.label.text().startswith("about"), timeout=WAIT)
    assert len(asked) == 1


def test_what_cannot_be_run_is_one_sentence(estimate, asked, layer, qtbot):
    estimate.ask(layer, replace(FOUR, compression_ratio=30))
    sentence = "got B that is too large, expected less"
    qtbot.waitUntil(lambda: estimate.label.text() == sentence, timeout=WAIT)


def test_of_what_is_no_movie_nothing_is_said(estimate, asked, viewer, layer, qtbot):
    estimate.ask(layer, FOUR)
    qtbot.waitUntil(lambda: estimate.label.text().startswith("about"), timeout=WAIT)
    estimate.ask(viewer.add_image(np.ones((8, 9))), FOUR)
    qtbot.wait(50)
    assert estimate.label.text() == estimate.label.toolTip() == ""
    estimate.ask(layer, FOUR)
    qtbot.waitUntil(lambda: estimate.label.text().startswith("about"), timeout=WAIT)
    estimate.ask(None, FOUR)
    assert estimate.label.text() == ""
    assert [name for name, _ in asked] == ["lattice", "lattice"]


def test_after_the_end_nothing_is_asked_or_shown(estimate, asked, layer, qtbot):
    asked.gate.clear()
    estimate.ask(layer, FOUR)
    qtbot.waitUntil(lambda: len(asked) == 1, timeout=WAIT)
    estimate.ask(layer, replace(FOUR, compression_ratio=5))
    estimate.let_go()
    asked.gate.set()
    estimate.threads.join(10)
    estimate.ask(layer, replace(FOUR, compression_ratio=6))
    qtbot.wait(50)
    assert len(asked) == 1
    assert not estimate.label.text().startswith("about")


def test_the_cost_of_a_real_comparison(estimate, layer, qtbot):
    """Once with nothing made up: GAP-TV, which needs no trial of a network."""
    estimate.ask(layer, replace(FOUR, decoder="gap_tv", device="cpu", reference="raw"))
    qtbot.waitUntil(lambda: estimate.label.text().startswith("about"), timeout=WAIT)
    assert "of memory" in estimate.label.text()
    assert "gap_tv on cpu" in estimate.label.toolTip()
    estimate.ask(layer, replace(FOUR, compression_ratio=30))
    text = "got compression ratio B = 30 for a movie of 9 frames"
    qtbot.waitUntil(lambda: estimate.label.text().startswith(text), timeout=WAIT)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.46, "0.5 s"), (44, "40 s"), (200, "3 min"), (1000, "20 min"), (9000, "2 h"), (1e5, "30 h")],
)
def test_an_estimate_promises_one_digit(seconds, words):
    assert estimate_module._roughly(seconds) == words
