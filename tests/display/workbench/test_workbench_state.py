"""The workbench: one tab for each step, and one state in all of them."""

from __future__ import annotations

import json
from dataclasses import replace

from panel_helpers import (
    controls_without_tooltip,
)
from qtpy.QtWidgets import QApplication, QMenu, QScrollArea
from workbench_helpers import FORMS, MINE

from napari_tcsdl.display._qt.compare_panel import ComparePanel
from napari_tcsdl.display._qt.compress_panel import CompressPanel
from napari_tcsdl.display._qt.workbench import FIRST, STEPS, Workbench
from napari_tcsdl.display.keys import KEYS


def test_one_tab_for_each_step_made_when_it_is_asked_for(bench_of, viewer):
    bench = bench_of(viewer)
    assert [bench.tabs.tabText(k) for k in range(bench.tabs.count())] == list(STEPS)
    assert all(bench.tabs.tabToolTip(k) for k in range(bench.tabs.count()))
    assert bench.tabs.tabText(bench.tabs.currentIndex()) == FIRST
    assert set(bench.panels) == {FIRST}
    assert isinstance(bench.compare, ComparePanel)
    bench.tabs.setCurrentIndex(1)
    assert isinstance(bench.panels["Compress"], CompressPanel)
    assert bench.show_step("Load") is bench.panels["Load"]
    assert bench.tabs.currentWidget() is bench.panels["Load"].parentWidget()


def test_every_control_of_every_step_has_a_tooltip_and_fits(bench):
    assert bench.minimumSizeHint().width() <= 450
    assert bench.sizeHint().width() <= 450
    bench.resize(bench.sizeHint().width(), 800)
    bench.show()
    for name in STEPS:
        panel = bench.show_step(name)
        QApplication.processEvents()
        assert controls_without_tooltip(panel) == [], name
        assert panel.width() <= 450, name
        (area,) = panel.findChildren(QScrollArea)
        assert area.widget().minimumSizeHint().width() <= area.viewport().width(), name


def test_no_control_is_a_window_of_its_own(bench_of, viewer):
    before = set(QApplication.topLevelWidgets())
    bench = bench_of(viewer)
    for name in FORMS:
        bench.panel(name)
    ours = [w for w in set(QApplication.topLevelWidgets()) - before if not w.isHidden()]
    assert ours == []
    orphans = [
        w for w in set(QApplication.topLevelWidgets()) - before - {bench}
        if not isinstance(w, QMenu) and type(w).__name__ != "QFrame"  # lists of combo boxes
        and w.parentWidget() is None
    ]  # fmt: skip
    assert orphans == []


def test_what_is_set_in_one_step_shows_in_the_others(bench):
    bench.panel("Compress").form.ratio.setValue(3)
    bench.panel("Reconstruct").form.decode_tile.setValue(192)
    bench.compare.form.masks.setCurrentIndex(bench.compare.form.masks.findData("bernoulli"))
    bench.compare.form.weights.setText("/mine.safetensors")
    bench.compare.form.weights.editingFinished.emit()
    expected = replace(
        MINE,
        compression_ratio=3,
        decode_tile=192,
        masks="bernoulli",
        weights="/mine.safetensors",
    )
    assert bench.compare.session.settings == expected
    for name in FORMS:
        assert bench.panel(name).form.settings() == expected, name
    assert bench.panel("Train").form.ratio.value() == 3


def test_the_layer_that_is_chosen_in_one_step_is_chosen_in_the_others(bench, viewer, frames):
    other = viewer.add_image(frames, name="other")
    for name in FORMS:
        assert bench.panel(name).form.layer.layer().name == "lattice", "the choice stays"
    bench.panel("Compress").form.layer.choose(other)
    for name in STEPS:
        assert bench.panel(name).form.layer.layer() is other, name
    viewer.layers.remove(other)
    for name in STEPS:
        assert bench.panel(name).form.layer.layer().name == "lattice", name


def test_a_step_that_is_opened_later_begins_with_the_same(bench_of, viewer, layer, frames):
    bench = bench_of(viewer)
    other = viewer.add_image(frames, name="other")
    bench.compare.form.layer.choose(other)
    bench.compare.form.ratio.setValue(5)
    panel = bench.panel("Compress")
    assert panel.form.layer.layer() is other
    assert panel.form.ratio.value() == 5


def test_a_compressed_file_shows_its_b_and_does_not_change_the_users(
    bench, layer, compressed_layer
):
    bench.compare.form.ratio.setValue(7)
    bench.compare.form.layer.choose(compressed_layer)
    assert bench.compare.form.ratio.value() == 4
    assert bench.panel("Compress").form.ratio.value() == 4
    assert bench.compare.session.settings.compression_ratio == 7
    bench.compare.form.layer.choose(layer)
    for name in FORMS:
        assert bench.panel(name).form.ratio.value() == 7, name
    assert bench.compare.session.settings.compression_ratio == 7


def test_settings_of_a_preset_show_everywhere_and_a_bad_one_is_a_sentence(bench, tmp_path):
    bad, good = tmp_path / "bad.json", tmp_path / "good.json"
    bad.write_text("{")
    good.write_text(json.dumps(replace(MINE, compression_ratio=6, device="cuda:7").to_json()))
    bench.compare.presets.load(bad)
    assert "which is no JSON or YAML object of settings" in bench.compare.error.text()
    assert not bench.compare.error.isHidden()
    bench.compare.presets.load(good)
    assert bench.compare.error.isHidden()
    assert bench.compare.status.text() == "loaded good.json"
    assert bench.panel("Compress").form.ratio.value() == 6
    assert bench.panel("Reconstruct").form.device.currentData() == "cuda:7", "a run will refuse it"


def test_the_help_lists_every_key(viewer, qtbot):
    bench = Workbench(viewer)
    qtbot.addWidget(bench)
    text = bench.help.toolTip()
    for key, row in KEYS.items():
        assert f"<b>{key}</b>" in text
        assert row.text in text
    assert bench.tabs.cornerWidget() is bench.help
    bench.shut_down()
