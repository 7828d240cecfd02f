"""Layers of a run appear one by one: the window lives between them."""

from __future__ import annotations

import itertools

import pytest

from napari_tcsdl.display.controller import Controller

NAMES = ["raw", "reconstruction", "JPEG", "measurement"]


@pytest.fixture
def turns(viewer):
    """A controller whose window takes its turns by hand."""
    waiting = []
    controller = Controller(viewer, waiting.append)
    yield controller, waiting
    controller.clear()


def test_one_layer_a_turn_and_the_job_waits_for_the_last(turns, viewer, layer, settings, tell):
    controller, waiting = turns
    prepared = tell.prepared(controller.start(layer, settings))
    assert controller.apply(prepared)
    counts, shown = [], []
    while waiting:
        assert not prepared.shown.is_set()
        counts.append(len(viewer.layers))
        shown.append(sum(box.visible for box in controller.run.added))
        waiting.pop()()
    assert prepared.shown.is_set()
    assert all(after - before <= 1 for before, after in itertools.pairwise(counts))
    assert all(after - before <= 1 for before, after in itertools.pairwise(shown))
    assert [box.name for box in viewer.layers if box.visible] == NAMES
    zoom = viewer.scene.camera.zoom
    viewer.reset_view(layers=controller.run.added)
    assert viewer.scene.camera.zoom == pytest.approx(zoom), "each image fills its box"


@pytest.mark.parametrize("taken", [1, 4, 7])
def test_a_run_replaced_while_its_layers_appear(turns, viewer, layer, settings, tell, taken):
    controller, waiting = turns
    prepared = tell.prepared(controller.start(layer, settings))
    controller.apply(prepared)
    for _ in range(taken):
        waiting.pop()()
    controller.start(layer, settings)
    waiting.pop()()
    assert prepared.shown.is_set(), "the old job must not wait for ever"
    assert not waiting
    assert list(viewer.layers) == [layer]
    assert layer.visible
    assert not viewer.canvas.grid.enabled


def test_results_deleted_while_they_appear(turns, viewer, layer, settings, tell):
    controller, waiting = turns
    told = []
    controller.abandoned.connect(lambda: told.append(True))
    job = controller.start(layer, settings)
    controller.apply(tell.prepared(job))
    viewer.layers.remove(viewer.layers["raw"])
    assert told
    assert job.stop.is_set()
    waiting.pop()()
    assert list(viewer.layers) == [layer]
