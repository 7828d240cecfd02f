"""napari's Preferences page: what it offers, and what of it is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from napari.settings import get_plugin_settings, get_settings
from napari.utils.notifications import notification_manager
from npe2 import PluginManifest

import napari_tcsdl
from napari_tcsdl.display import preferences
from napari_tcsdl.display.preferences import (
    FOLDERS,
    PLUGIN,
    colormap,
    default_settings,
    open_without_asking,
)
from napari_tcsdl.settings import Settings


@pytest.fixture
def chosen(plugin_settings, npe2pm):
    """Settings of our page, as napari makes them from the manifest."""
    path = Path(napari_tcsdl.__file__).parent / "napari.yaml"
    npe2pm.register(PluginManifest.from_file(path))
    return get_plugin_settings(PLUGIN)


@pytest.fixture
def readers():
    """Which reader the user has chosen for which pattern."""
    before = get_settings().plugins.extension2reader
    get_settings().plugins.extension2reader = {}
    yield lambda: get_settings().plugins.extension2reader
    get_settings().plugins.extension2reader = before


def refuse(sentence):
    raise AssertionError(sentence)


def test_the_page_begins_with_our_defaults(chosen):
    assert default_settings(refuse) == Settings()
    assert colormap(refuse) == "gray"


def test_what_is_chosen_is_taken_and_saved(chosen):
    chosen.reconstruction.compression_ratio = 16
    chosen.reconstruction.device = "cuda:1"
    chosen.reconstruction.tile = 256
    chosen.layers.colormap = "viridis"
    expected = Settings(compression_ratio=16, device="cuda:1", decode_tile=256)
    assert default_settings(refuse) == expected
    assert colormap(refuse) == "viridis"
    assert "compression_ratio: 16" in chosen.config_path.read_text()


def test_napari_refuses_what_is_out_of_range(chosen):
    for group, key, value in (
        ("reconstruction", "compression_ratio", 1),
        ("reconstruction", "tile", 8),
        ("layers", "colormap", "no such colormap"),
    ):
        with pytest.raises(ValueError, match=key):
            setattr(getattr(chosen, group), key, value)


@pytest.mark.parametrize("device", ["gpu", "cuda:x", ""])
def test_a_device_that_cannot_be_is_refused_in_a_sentence(chosen, device):
    chosen.reconstruction.device, said = device, []
    assert default_settings(said.append) == Settings()
    (sentence,) = said
    assert sentence == (
        f"Preferences: got device {device!r}, expected auto, cpu, cuda, cuda:N or mps; 'auto' is "
        "taken, choose one of these"
    )


def test_the_device_may_be_typed_carelessly(chosen):
    chosen.reconstruction.device = " CPU "
    assert default_settings(refuse).device == "cpu"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"compression_ratio": 1}, "got compression ratio B = 1, expected at least 2"),
        ({"tile": 3.5}, "got decode_tile = 3.5, expected a whole number of at least 64 px"),
    ],
)
def test_values_that_another_version_has_saved_are_refused(monkeypatch, values, expected):
    monkeypatch.setattr(preferences, "_value", lambda group, key, default: values.get(key, default))
    said = []
    assert default_settings(said.append) == Settings()
    assert said[0].startswith(f"Preferences: {expected}")


def test_a_colormap_that_is_gone_is_refused(monkeypatch):
    monkeypatch.setattr(preferences, "_value", lambda *_: "mist")
    said = []
    assert colormap(said.append) == "gray"
    assert said[0].startswith("Preferences: got colormap 'mist', expected one of napari's")


def test_a_refusal_is_shown_once(chosen, monkeypatch):
    monkeypatch.setattr(preferences, "_told", set())
    notification_manager.records.clear()
    chosen.reconstruction.device = "abacus"
    for _ in range(3):
        default_settings()
    (record,) = notification_manager.records
    assert "got device 'abacus'" in record.message


def test_without_the_plugin_there_are_the_defaults(plugin_settings, npe2pm):
    assert default_settings(refuse) == Settings()
    assert colormap(refuse) == "gray"


def test_napari_is_told_who_opens_our_folders(chosen, readers):
    open_without_asking()
    assert readers()[FOLDERS] == PLUGIN


def test_another_choice_of_reader_stays(chosen, readers):
    get_settings().plugins.extension2reader = {FOLDERS: "another", "*.x": "y"}
    open_without_asking()
    assert readers() == {FOLDERS: "another", "*.x": "y"}


def test_whoever_wants_to_be_asked_is_asked(chosen, readers):
    chosen.layers.claim_folders = False
    open_without_asking()
    assert FOLDERS not in readers()
