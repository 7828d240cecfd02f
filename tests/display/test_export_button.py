"""The button "Export": built, wired, and its effect."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest
from qtpy.QtWidgets import QFileDialog

from napari_tcsdl.display._qt.export_button import ExportButton
from napari_tcsdl.display._qt.export_menu import CLIP, FIGURE, SCORES, file_of, suffixes_of
from napari_tcsdl.display.export_job import ClipJob
from napari_tcsdl.display.scoreboard import Basis
from napari_tcsdl.display.snapshot import View

WAIT = 30_000


@pytest.fixture
def button(qtbot, viewer, controller):
    button = ExportButton(viewer, SimpleNamespace(controller=controller))
    qtbot.addWidget(button)
    button.show()
    yield button
    button.shut_down()


@pytest.fixture
def answer(monkeypatch):
    """Answer the file dialog; returns what it was asked."""
    asked = []

    def give(name, chosen=""):
        def dialog(parent, title, proposal, filters):
            asked.append((title, proposal, filters))
            return str(name), chosen

        monkeypatch.setattr(QFileDialog, "getSaveFileName", dialog)
        return asked

    return give


@pytest.fixture
def held(monkeypatch):
    """Movies stop at each frame until the gate is open."""
    gate = threading.Event()
    pictures = View.pictures

    def slowly(view, frame=None):
        gate.wait(0.05)
        return pictures(view, frame)

    monkeypatch.setattr(View, "pictures", slowly)
    yield gate
    gate.set()


def said_by(button, qtbot, call):
    with qtbot.waitSignal(button.said, timeout=WAIT) as caught:
        call()
    qtbot.waitUntil(lambda: button.worker is None, timeout=WAIT)
    return caught.args[0]


# --- built ------------------------------------------------------------------------------------


def test_it_offers_three_exports_each_with_a_tooltip(button):
    entries = [action for action in button.menu.actions() if not action.isSeparator()]
    assert [action.text() for action in entries[:3]] == [
        "Figure (PNG, PDF)…",
        "Movie side by side (MP4, GIF)…",
        "Scores (CSV)…",
    ]
    assert button.button.menu() is button.menu
    assert button.menu.toolTipsVisible()
    for action in (*entries, *button.menu.rates.values()):
        assert action.toolTip() not in ("", action.text())
    assert button.button.toolTip()
    assert button.bar.toolTip()
    assert not button.menu.cancel.isEnabled()


def test_only_the_button_shows_before_the_first_export(button):
    assert button.button.isVisible()
    assert not button.bar.isVisible()
    assert not button.status.isVisible()
    assert not button.error.isVisible()


@pytest.mark.parametrize(
    ("name", "chosen", "expected"),
    [
        ("a.pdf", FIGURE, ("a.pdf", True)),
        ("a.PNG", FIGURE, ("a.PNG", True)),
        ("a", "Figure PNG (*.png)", ("a.png", False)),
        ("a.b", "", ("a.b.pdf", False)),
    ],
)
def test_a_name_without_a_suffix_gets_one_and_was_never_confirmed(name, chosen, expected):
    path, replace = file_of(name, chosen, FIGURE)
    assert (path.name, replace) == expected


def test_filters_name_their_suffixes():
    assert suffixes_of(FIGURE) == [".pdf", ".png"]
    assert suffixes_of(CLIP) == [".mp4", ".gif"]
    assert suffixes_of(SCORES) == [".csv"]


# --- wired ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entry", "name", "words"),
    [
        ("figure", "view.png", "wrote view.png, 4 boxes"),
        ("figure", "view.pdf", "wrote view.pdf, 4 boxes"),
        ("clip", "movie.gif", "wrote movie.gif, 9 frames at 10 frames/s"),
        ("scores", "scores.csv", "wrote scores.csv, 45 rows: whole field, against raw frames"),
    ],
)
def test_each_entry_asks_for_a_name_and_writes(button, qtbot, answer, tmp_path, entry, name, words):
    asked = answer(tmp_path / name)
    action = getattr(button.menu, entry)
    assert said_by(button, qtbot, action.trigger) == words
    assert button.status.text() == words
    assert button.status.isVisible()
    assert (tmp_path / name).stat().st_size > 100
    assert len(asked) == 1
    assert asked[0][1].startswith("lattice_")
    # The next proposal lies in the same folder.
    answer("")
    action.trigger()
    assert asked[1][1].startswith(str(tmp_path))


def test_the_scores_that_are_shown_are_written(button, controller, qtbot, tmp_path):
    controller.run.board.begin(Basis("the truth", (32, 32)), ["raw"])
    sentence = said_by(button, qtbot, lambda: button.export_scores(tmp_path / "scores.csv"))
    assert sentence == "wrote scores.csv, 45 rows: region of 32 × 32 px, against the truth"


def test_a_dismissed_dialog_does_nothing(button, answer):
    answer("")
    button.menu.figure.trigger()
    assert button.worker is None
    assert not button.status.isVisible()


def test_what_the_dialog_has_confirmed_is_replaced_and_nothing_else(
    button, qtbot, answer, tmp_path
):
    (tmp_path / "view.pdf").write_text("mine")
    answer(tmp_path / "view", "Figure PDF (*.pdf)")
    sentence = said_by(button, qtbot, button.menu.figure.trigger)
    assert "view.pdf, which exists already, expected a new name" in sentence
    assert button.error.isVisible()
    assert button.error.text() == sentence
    assert not button.status.isVisible()
    assert (tmp_path / "view.pdf").read_text() == "mine"
    answer(tmp_path / "view.pdf")
    said_by(button, qtbot, button.menu.figure.trigger)
    assert (tmp_path / "view.pdf").read_bytes().startswith(b"%PDF")
    assert not button.error.isVisible()


def test_the_chosen_speed_and_spectra_reach_the_file(button, qtbot, answer, tmp_path):
    button.menu.rates[25.0].trigger()
    answer(tmp_path / "movie.gif")
    assert said_by(button, qtbot, button.menu.clip.trigger).endswith("at 25 frames/s")
    answer(tmp_path / "plain.pdf")
    said_by(button, qtbot, button.menu.figure.trigger)
    button.menu.spectra.trigger()
    answer(tmp_path / "spectra.pdf")
    said_by(button, qtbot, button.menu.figure.trigger)
    images = [
        (tmp_path / name).read_bytes().count(b"/Subtype /Image")
        for name in ("plain.pdf", "spectra.pdf")
    ]
    assert images == [4, 8]


def test_without_a_run_there_is_a_figure_but_no_table(qtbot, viewer, layer, answer, tmp_path):
    button = ExportButton(viewer)
    qtbot.addWidget(button)
    answer(tmp_path / "scores.csv")
    sentence = said_by(button, qtbot, button.menu.scores.trigger)
    assert sentence.startswith("got no scores, expected a comparison with frames that are done")
    answer(tmp_path / "view.png")
    assert said_by(button, qtbot, button.menu.figure.trigger) == "wrote view.png, 1 box"


def test_an_empty_viewer_is_said_in_place(qtbot, viewer, answer, tmp_path):
    button = ExportButton(viewer)
    qtbot.addWidget(button)
    for action, name in ((button.menu.figure, "view.png"), (button.menu.clip, "movie.gif")):
        answer(tmp_path / name)
        sentence = said_by(button, qtbot, action.trigger)
        assert sentence.startswith("got no visible image layer, expected at least one")
        assert button.error.text() == sentence


# --- busy -------------------------------------------------------------------------------------


def test_while_it_works_it_says_so_and_offers_cancel(button, qtbot, tmp_path, held):
    button.export_clip(tmp_path / "movie.gif")
    assert button.bar.isVisible()
    assert button.button.text().startswith("Exporting…")
    assert button.status.text() == "writing movie.gif…"
    assert not button.menu.figure.isEnabled()
    assert button.menu.cancel.isEnabled()
    qtbot.waitUntil(lambda: button.bar.value() > 0, timeout=WAIT)
    assert button.button.text().endswith("%")
    held.set()
    qtbot.waitUntil(lambda: button.worker is None, timeout=WAIT)
    assert button.button.text() == "Export"
    assert button.menu.figure.isEnabled()
    assert not button.menu.cancel.isEnabled()
    assert not button.bar.isVisible()


def test_a_second_export_waits_for_nothing_and_changes_nothing(button, qtbot, tmp_path, held):
    button.export_clip(tmp_path / "movie.gif")
    worker = button.worker
    button.export_figure(tmp_path / "view.png")
    assert button.worker is worker
    held.set()
    qtbot.waitUntil(lambda: button.worker is None, timeout=WAIT)
    assert [file.name for file in tmp_path.iterdir()] == ["movie.gif"]


def test_cancel_leaves_no_file(button, qtbot, tmp_path, held):
    button.export_clip(tmp_path / "movie.gif")
    assert said_by(button, qtbot, button.menu.cancel.trigger) == "cancelled, nothing was written"
    assert button.status.text() == "cancelled, nothing was written"
    assert not list(tmp_path.iterdir())


def test_the_movie_is_that_of_the_moment_it_was_asked_for(button, qtbot, viewer, tmp_path, held):
    button.export_clip(tmp_path / "movie.gif")
    viewer.layers.clear()
    held.set()
    qtbot.waitUntil(lambda: button.worker is None, timeout=WAIT)
    assert button.status.text() == "wrote movie.gif, 9 frames at 10 frames/s"


def test_no_thread_and_no_file_outlive_the_button(qtbot, viewer, controller, tmp_path, held):
    button = ExportButton(viewer, controller)
    button.export_clip(tmp_path / "movie.gif")
    job = button.worker.job
    assert isinstance(job, ClipJob)
    button.deleteLater()
    qtbot.waitUntil(job.stop.is_set, timeout=WAIT)
    assert not list(tmp_path.iterdir())
