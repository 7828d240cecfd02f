"""What a thread has decoded comes to the screen: in a window, by itself."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Layer

from napari_tcsdl.display._qt import refresher
from napari_tcsdl.display.arrangement import label_of
from napari_tcsdl.display.background import Background
from napari_tcsdl.display.contributions import read_layers
from napari_tcsdl.pipeline import compress
from napari_tcsdl.settings import Settings

WAIT = 60_000


@pytest.fixture
def path(tmp_path, movie):
    """The movie as a file that GAP-TV decodes, B = 4."""
    path = tmp_path / "movie.tcs.zarr"
    compress(movie, path, Settings(compression_ratio=4, mask_tile=16, decoder="gap_tv"))
    return path


@pytest.fixture
def shown(qtbot, viewer, path, monkeypatch):
    """The decoded layer in a viewer that counts as an open window."""
    monkeypatch.setattr(refresher, "_viewers", lambda: [viewer])
    entries = read_layers(path, decoded=True)
    layers = [viewer.add_layer(Layer.create(*entry)) for entry in entries]
    yield layers[1]
    layers[1].data.close()


def test_the_frame_takes_the_place_of_its_stand_in(qtbot, shown, viewer):
    stack, label = shown.data, label_of(shown)
    ours = viewer.dims.current_step[0]
    qtbot.waitUntil(lambda: label.visible)
    assert label.text == "decoding…\nmeasurement of frames 4 to 7"
    np.testing.assert_array_equal(shown._data_view, viewer.layers[0].data[1])
    qtbot.waitUntil(lambda: stack.shows_decoded, timeout=WAIT)
    qtbot.waitUntil(lambda: not label.visible)
    np.testing.assert_array_equal(shown._data_view, stack.decoded(ours))
    assert label.text == ""


def test_a_name_that_was_shown_is_shown_again(qtbot, viewer, path, monkeypatch):
    monkeypatch.setattr(refresher, "_viewers", lambda: [viewer])
    _, entry = read_layers(path, decoded=True)
    layer = Layer.create(*entry)
    label_of(layer).visible = True
    viewer.add_layer(layer)
    qtbot.waitUntil(lambda: label_of(layer).text != "")
    qtbot.waitUntil(lambda: layer.data.shows_decoded, timeout=WAIT)
    qtbot.waitUntil(lambda: label_of(layer).text == "")
    assert label_of(layer).visible


def test_what_cannot_be_decoded_is_said_in_its_box(qtbot, viewer, path, monkeypatch):
    def fail(self, decoder, block):
        raise MemoryError

    monkeypatch.setattr(Background, "_decode", fail)
    monkeypatch.setattr(refresher, "_viewers", lambda: [viewer])
    _, entry = read_layers(path, decoded=True)
    layer = viewer.add_layer(Layer.create(*entry))
    qtbot.waitUntil(lambda: label_of(layer).text.startswith("cannot be decoded"), timeout=WAIT)
    assert label_of(layer).visible


def test_a_frame_that_is_not_shown_draws_nothing(qtbot, shown, viewer, monkeypatch):
    stack = shown.data
    qtbot.waitUntil(lambda: stack.shows_decoded, timeout=WAIT)
    qtbot.wait(50)
    drawn = []
    monkeypatch.setattr(Layer, "refresh", lambda *_, **__: drawn.append(True))
    stack.ready.emit(0, 3)
    qtbot.wait(50)
    assert not drawn


def test_only_layers_over_the_stack_are_drawn(qtbot, shown, viewer):
    other = ViewerModel()
    assert refresher._layers_over(shown.data) == [shown]
    viewer.layers.remove(shown)
    assert not refresher._layers_over(shown.data)
    assert not other.layers


def test_a_stack_is_not_kept(qtbot, path):
    _, (stack, *_) = read_layers(path, decoded=True)
    stack.frame(0)
    gone = weakref.ref(stack)
    del stack, _
    gc.collect()
    qtbot.wait(50)
    assert gone() is None


def test_without_an_application_there_is_nothing_to_do(monkeypatch):
    monkeypatch.setattr(refresher.QCoreApplication, "instance", lambda: None)
    refresher.watch(object())


def test_in_a_real_window(window, qtbot, path):
    viewer = window(show=True)
    _, layer = viewer.open(path, plugin="napari-tcsdl")
    qtbot.waitUntil(lambda: layer.data.shows_decoded, timeout=WAIT)
    qtbot.waitUntil(lambda: not label_of(layer).visible)
    ours = layer.data.last_shown
    np.testing.assert_array_equal(layer._data_view, layer.data.decoded(ours))
    viewer.dims.set_current_step(0, 8)
    qtbot.waitUntil(lambda: layer.data.shows_decoded, timeout=WAIT)
    assert layer.data.last_shown == 8
