from __future__ import annotations

import pytest
from napari.layers import Image
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractSpinBox, QComboBox, QLabel

from napari_tcsdl._words import human_bytes
from napari_tcsdl.display._qt.controls import duration
from napari_tcsdl.display._qt.form import SettingsForm
from napari_tcsdl.display._qt.results import ResultsPanel, ScoreTable, decibel
from napari_tcsdl.display._qt.run_box import progress_text
from napari_tcsdl.display.choices import Choices
from napari_tcsdl.display.layers import Calibration
from napari_tcsdl.settings import Settings


@pytest.fixture
def form(qtbot):
    form = SettingsForm()
    qtbot.addWidget(form)
    return form


def test_every_control_has_a_tooltip(form):
    controls = [*form.findChildren(QComboBox), *form.findChildren(QAbstractSpinBox)]
    assert len(controls) == 14
    assert all(control.toolTip() for control in controls)
    named = [label for label in form.findChildren(QLabel) if label.text()]
    assert all(label.toolTip() for label in named)


def test_settings_are_what_is_shown(form):
    form.ratio.setValue(20)
    form.seed.setValue(7)
    form.masks.setCurrentIndex(form.masks.findData("bernoulli"))
    form.reference.setCurrentIndex(form.reference.findData("raw"))
    settings = form.settings()
    assert settings.compression_ratio == 20
    assert settings.seed == 7
    assert settings.masks == "bernoulli"
    assert settings.reference == "raw"
    assert (settings.decoder, settings.device) == ("unfolding", "auto")


def test_every_change_is_told(form, qtbot):
    for change in (
        lambda: form.ratio.setValue(5),
        lambda: form.seed.setValue(5),
        lambda: form.masks.setCurrentIndex(1),
        lambda: form.reference.setCurrentIndex(1),
    ):
        with qtbot.waitSignal(form.edited, timeout=500):
            change()


def test_hints_say_what_b_means(form):
    form.ratio.setValue(8)
    form.describe((17, 512, 660), "uint8", Calibration(2.564, 1.0))
    assert form.facts.text() == "17 frames of 512 × 660, uint8\n0.2564 nm/px,  1 s per frame"
    assert form.hint.text() == (
        "8 frames = 8 s per measurement\n17 frames → 3 measurements, the last of 1"
    )
    form.describe((16, 512, 660), "uint8", Calibration())
    assert "pixel size unknown,  frame time unknown" in form.facts.text()
    assert form.hint.text() == "8 frames per measurement\n16 frames → 2 measurements"
    form.describe((7, 512, 660), "uint8", Calibration())
    assert form.hint.text() == "more than the 7 frames of this movie"


def test_the_truth_is_asked_for_only_where_it_is_used(form):
    form.show()
    assert not form.truth.isVisible()
    form.reference.setCurrentIndex(form.reference.findData("truth"))
    assert form.truth.isVisible()


def test_devices_keep_the_choice(form):
    decoders = {"unfolding": "unfolding network", "gap_tv": "GAP-TV"}
    form.show_choices(Choices({"auto": "auto (cpu: 2 threads)", "cpu": "cpu"}, decoders))
    form.device.setCurrentIndex(1)
    form.show_choices(Choices({"auto": "auto", "cuda:0": "H100", "cpu": "cpu"}, decoders))
    assert form.settings().device == "cpu"


def test_a_list_without_a_choice_leaves_what_was_chosen(form):
    mine = Settings(decoder="gap_tv", device="cpu", masks="bernoulli", reference="raw")
    form.show_settings(mine)
    for combo in (form.decoder, form.device, form.masks, form.reference):
        combo.setCurrentIndex(-1)
    assert form.settings() == mine
    form.show_choices(Choices({}, {}))
    assert form.settings() == mine


def test_what_this_machine_does_not_have_stays_chosen(form):
    """A run then says so; another one must not be taken silently."""
    mine = Settings(decoder="of_the_future", device="cuda:3")
    form.show_settings(mine)
    assert form.decoder.currentText() == "of the future"
    form.show_choices(Choices({"auto": "auto (cpu)", "cpu": "cpu"}, {"gap_tv": "GAP-TV"}))
    assert form.settings() == mine


def test_what_comes_from_elsewhere_is_shown_and_not_told(form, qtbot):
    mine = Settings(
        compression_ratio=2000,
        masks="bernoulli",
        exposures=3,
        seed=4,
        mask_tile=0,
        decoder="gap_tv",
        weights="/mine.safetensors",
        device="cpu",
        decode_tile=128,
        reference="truth",
    )
    with qtbot.assertNotEmitted(form.edited):
        form.show_settings(mine)
    assert form.settings() == mine


def test_rows_that_are_not_shown_keep_their_values(qtbot):
    form = SettingsForm(("layer", "ratio"), ("seed",))
    qtbot.addWidget(form)
    mine = Settings(compression_ratio=3, seed=4, decoder="gap_tv", device="cpu", reference="raw")
    form.show_settings(mine)
    assert form.settings() == mine
    form.show()
    form.fold.head.click()
    assert form.seed.isVisible()
    assert not form.decoder.isVisible()
    assert all(form.isAncestorOf(widget) for widget in (form.decoder, form.truth, form.reference))


def test_each_decoder_says_what_it_is(form):
    assert form.settings().decoder == Settings.decoder
    decoders = {Settings.decoder: "usual", "other": "Other"}
    lines = {Settings.decoder: "needs no weights", "other": "fast, needs weights"}
    form.show_choices(Choices({"auto": "auto"}, decoders, decoder_lines=lines))
    tips = [form.decoder.itemData(k, Qt.ItemDataRole.ToolTipRole) for k in range(2)]
    assert tips == ["usual: needs no weights", "Other: fast, needs weights"]
    assert form.settings().decoder == Settings.decoder, "the choice is kept"
    assert "needs no weights" in form.decoder.toolTip()
    form.decoder.setCurrentIndex(1)
    assert form.decoder.toolTip().endswith("Other: fast, needs weights")
    assert form.settings().decoder == "other"


def test_while_a_run_goes_on_nothing_can_be_changed(form):
    form.lock(running=True, file=False)
    assert not any(w.isEnabled() for w in (form.layer, form.ratio, form.device, form.masks))
    form.lock(running=False, file=True)
    assert not form.ratio.isEnabled(), "B is fixed by the file"
    assert form.decoder.isEnabled()


def test_a_layer_stays_chosen_while_it_is_there(form, frames):
    layers = [Image(frames, name=name) for name in "abc"]
    form.layer.offer(layers)
    form.layer.choose(layers[1])
    form.layer.offer(layers[::-1])
    assert form.layer.layer() is layers[1]
    form.layer.offer([layers[2]])
    assert form.layer.layer() is layers[2]
    form.layer.offer([])
    assert form.layer.layer() is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(2e-5, "20 µs"), (0.033, "33 ms"), (0.333, "0.333 s"), (90, "90 s"), (600, "10 min"),
     (9000, "2.5 h")],
)  # fmt: skip
def test_durations_read_well(seconds, text):
    assert duration(seconds) == text


def test_numbers_read_well():
    assert human_bytes(17) == "17 B"
    assert human_bytes(1_119_000) == "1.12 MB"
    assert human_bytes(999_900) == "1 MB"
    assert decibel(float("inf")) == "∞"
    assert decibel(23.456) == "23.46"


def test_the_table_shows_frame_mean_and_size(qtbot):
    table = ScoreTable()
    qtbot.addWidget(table)
    assert table.rowCount() == 5

    class Score:
        psnr, ssim = 24.5, 0.7123

    table.show_scores(
        {"unfolding": Score}, {"unfolding": (23.25, 0.65, 1000), "raw": (20.0, 0.2, 8000)}
    )
    row = [table.item(1, column).text() for column in range(6)]
    assert row == ["unfolding network", "24.50", "0.712", "23.25", "0.650", "1 kB"]
    assert [table.item(0, column).text() for column in range(6)] == [
        "raw", "–", "–", "20.00", "0.200", "8 kB",
    ]  # fmt: skip
    table.forget()
    assert table.rowCount() == 0


def test_real_bytes_with_masks_and_metadata(qtbot):
    panel = ResultsPanel()
    qtbot.addWidget(panel)
    assert panel.bytes["ratio"].text() == "–"
    panel.show_bytes(4000, {"measurements": 700, "masks": 200, "metadata": 100, "total": 1000})
    texts = {name: label.text() for name, label in panel.bytes.items()}
    assert texts == {
        "raw": "4 kB",
        "measurements": "700 B",
        "overhead": "300 B",
        "total": "1 kB",
        "ratio": "4.00 ×",
    }


def test_progress_reads_well():
    assert progress_text(0.25, 48, 6.0) == "12 of 48 frames,  2 frames/s,  18 s left"


def test_rounding_and_coding_are_settings_and_survive_an_edit(form):
    form.show_settings(Settings(companding=0.25, entropy="jpegls"))
    form.seed.setValue(9)
    assert (form.settings().companding, form.settings().entropy) == (0.25, "jpegls")
    form.companding.setValue(0)
    assert form.companding.text() == "none, kept exactly"
    assert form.settings() == Settings(companding=0, entropy="jpegls", seed=9)


def test_a_judged_uncertainty_is_a_choice_that_is_told_and_shown(form, qtbot):
    with qtbot.waitSignal(form.edited, timeout=500):
        form.deviation.setCurrentIndex(form.deviation.findData("judged"))
    assert form.settings() == Settings(deviation="judged")
    form.show_settings(Settings())
    assert form.deviation.currentText() == "as the decoder states it"
