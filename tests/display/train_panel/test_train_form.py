"""The Train step: what it is built of, and what its fields are wired to."""

from __future__ import annotations

from dataclasses import replace

from qtpy.QtWidgets import QAbstractButton, QAbstractSpinBox, QComboBox, QLineEdit, QProgressBar
from tiny_weights import counted_frames
from train_panel_helpers import WAIT

from napari_tcsdl.display._qt.curves_plot import CurvesPlot
from napari_tcsdl.display._qt.train_form import shortened
from napari_tcsdl.display.layers import KEY


def test_every_control_has_a_tooltip(panel):
    kinds = (QAbstractButton, QAbstractSpinBox, QComboBox, QLineEdit, QProgressBar, CurvesPlot)
    controls = [widget for kind in kinds for widget in panel.findChildren(kind)]
    own = [w for w in controls if not isinstance(w.parent(), (QAbstractSpinBox, QComboBox))]
    assert len(own) >= 10
    assert all(control.toolTip() for control in own)


def test_it_fits_a_small_screen(panel):
    assert panel.minimumSizeHint().height() < 300
    assert panel.minimumWidth() <= 450


def test_only_trainable_decoders_are_offered(panel, qtbot):
    qtbot.waitUntil(lambda: panel.form.decoder.count() == 2, timeout=WAIT)
    names = [panel.form.decoder.itemData(i) for i in range(2)]
    assert names == ["unfolding", "bidirectional"]
    assert panel.form.decoder.currentData() == "unfolding"


def test_it_says_what_is_compared(panel):
    assert "two halves with independent noise" in panel.compared.text()
    assert "which nothing is learned from" in panel.compared.text()


def test_names_are_shortened_in_the_middle():
    assert shortened("short") == "short"
    assert shortened("a" * 30 + "b" * 30) == "a" * 22 + "…" + "b" * 22


def test_without_a_movie_it_says_what_to_do(panel_of, viewer):
    panel = panel_of(viewer)
    assert not panel.start_button.isEnabled()
    assert panel.form.facts.text() == "Open a movie, or drop it into the window."


def test_what_cannot_be_learned_from_is_named_in_place(panel_of, viewer, source):
    panel = panel_of(viewer)
    assert panel.start_button.isEnabled()
    viewer.add_image(counted_frames(), name="result", metadata={KEY: {"role": "reconstruction"}})
    panel.form.layer.setCurrentIndex(1)
    assert panel.form.facts.text().startswith("result: got the result of a run (reconstruction)")
    assert not panel.start_button.isEnabled()


def test_b_needs_frames_to_learn_from_and_to_judge_by(panel):
    panel.form.ratio.setValue(13)
    assert "got 24 frames of 40 × 36, expected at least 26" in panel.form.facts.text()
    assert not panel.start_button.isEnabled()
    panel.form.ratio.setValue(12)
    assert panel.form.facts.text() == "24 frames of 40 × 36, uint8, 0.25 s per frame"
    assert panel.start_button.isEnabled()


def test_the_session_is_followed(panel, session, viewer, source):
    assert panel.form.ratio.value() == 4
    assert panel.form.origin.text() == "the weights tiny"
    session.settings = replace(session.settings, compression_ratio=6, weights=None)
    assert panel.form.ratio.value() == 6
    assert panel.form.origin.text() == "the weights that come with the package"
    assert panel.settings == session.settings
    other = viewer.add_image(counted_frames(), name="other")
    session.layer = other
    assert panel.form.layer.layer() is other
    panel.form.layer.setCurrentIndex(0)
    panel.form.layer.activated.emit(0)
    assert session.layer is source


def test_a_place_is_proposed_until_one_is_chosen(panel_of, viewer, session, source, tmp_path):
    panel = panel_of(viewer)
    assert panel.form.path.name == "counted_unfolding_B4.safetensors"
    panel.form.ratio.setValue(5)
    assert panel.form.target.text() == "counted_unfolding_B5.safetensors"
    panel.form.set_path(tmp_path / "mine")
    panel.form.ratio.setValue(6)
    assert panel.form.path == tmp_path / "mine"
    panel.form.forget_path()
    panel.form.ratio.setValue(5)
    assert panel.form.target.text() == "counted_unfolding_B5.safetensors"


def test_the_place_is_asked_for(panel, monkeypatch, tmp_path):
    asked = []

    def answer(*arguments, **options):
        asked.append(arguments[2])
        return str(tmp_path / "there"), ""

    monkeypatch.setattr("qtpy.QtWidgets.QFileDialog.getSaveFileName", answer)
    panel.form.choose.click()
    assert asked == [str(tmp_path / "tuned.safetensors")]
    assert panel.form.path == tmp_path / "there"
