from __future__ import annotations

import numpy as np
import pytest
from napari.components.viewer_model import ViewerModel
from napari.utils._proxies import PublicOnlyProxy

from napari_tcsdl._validation import InputError
from napari_tcsdl.display.arrangement import Arrangement, label_of
from napari_tcsdl.display.duo import BLINK_KEY, LEFT_KEY, RIGHT_KEY, STEP, Duo, Loans


@pytest.fixture
def boxes(viewer):
    """Four boxes in the grid, as after a run; the movie itself is hidden."""
    viewer.canvas.size = (600, 1200)
    viewer.add_image(np.ones((3, 20, 30)), name="movie")
    boxes = [viewer.add_image(np.ones((3, 20, 30)), name=f"box {i}") for i in range(4)]
    Arrangement(viewer, boxes).apply()
    return boxes


@pytest.fixture
def duo(viewer, boxes):
    return Duo(viewer, boxes[0], boxes[2])


def state(viewer: ViewerModel) -> dict[str, object]:
    return {
        "grid": viewer.canvas.grid.model_dump(),
        "bar": viewer.canvas.overlays.scale_bar.model_dump(),
        "visible": [layer.visible for layer in viewer.layers],
        "labels": [layer.name_overlay.visible for layer in viewer.layers],
        "zoom": pytest.approx(viewer.scene.camera.zoom),
        "center": viewer.scene.camera.center,
        "keys": dict(viewer.keymap),
    }


def press(viewer: ViewerModel, key: str) -> None:
    found = {str(bound): call for bound, call in viewer.keymap.items()}
    found[key.replace("-", "+")](viewer)


@pytest.mark.parametrize("mode", ["swipe", "blink"])
def test_only_the_two_are_shown_and_everything_returns(viewer, duo, mode):
    before = state(viewer)
    duo.start(mode)
    assert not viewer.canvas.grid.enabled
    assert [layer.name for layer in viewer.layers if layer.visible] == ["box 0", "box 2"]
    assert not any(layer.name_overlay.visible for layer in duo.pair), "written by the divider"
    duo.stop()
    assert state(viewer) == before
    assert duo.mode is None
    assert duo.spans() == {}
    duo.stop()  # a second time changes nothing
    assert state(viewer) == before


def test_hidden_layers_can_be_compared_and_are_hidden_again(viewer):
    layers = [viewer.add_image(np.ones((3, 20, 30)), visible=False) for _ in range(3)]
    duo = Duo(viewer, layers[2], layers[0])
    duo.start("swipe")
    assert [layer.visible for layer in layers] == [True, False, True]
    duo.stop()
    assert not any(layer.visible for layer in layers)
    assert not viewer.canvas.grid.enabled


def test_what_the_user_changes_meanwhile_stays(viewer, boxes, duo):
    duo.start("swipe")
    boxes[3].visible = True
    boxes[0].visible = False
    viewer.scene.camera.center = (0.0, 5.0, 6.0)
    viewer.scene.camera.zoom *= 2
    zoom = viewer.scene.camera.zoom
    duo.stop()
    assert [layer.visible for layer in boxes] == [False, True, True, True]
    assert viewer.scene.camera.center == (0.0, 5.0, 6.0)
    assert viewer.scene.camera.zoom < zoom, "as much of the specimen, in a smaller box"


def seen(viewer: ViewerModel, layer) -> np.ndarray:
    """Part of ``layer`` (height, width) that is seen in its box or in the canvas."""
    field = np.array(viewer.canvas.viewbox_size(viewer.layers)) / viewer.scene.camera.zoom
    return np.minimum(field, layer.extent.world[1, -2:] - layer.extent.world[0, -2:])


@pytest.mark.parametrize("canvas", [(600, 1200), (1200, 600), (300, 2000)])
def test_the_canvas_shows_what_its_box_has_shown(viewer, boxes, duo, canvas):
    viewer.canvas.size = canvas
    viewer.reset_view(layers=boxes)
    whole, zoom = seen(viewer, boxes[0]), viewer.scene.camera.zoom
    duo.start("swipe")
    np.testing.assert_allclose(seen(viewer, boxes[0]), whole)
    assert viewer.scene.camera.zoom > zoom, "larger: it has the canvas for itself"
    size = whole * viewer.scene.camera.zoom
    assert 0.94 < max(size / canvas) < 0.96, "as large as it fits, but for a margin"
    duo.stop()
    assert viewer.scene.camera.zoom == pytest.approx(zoom)
    viewer.scene.camera.zoom *= 8
    part, center = seen(viewer, boxes[0]), viewer.scene.camera.center
    duo.start("swipe")
    assert np.all(seen(viewer, boxes[0]) >= part - 1e-9)
    assert viewer.scene.camera.center == center


def test_a_layer_whose_axes_are_not_all_shown_is_enlarged_as_its_box(viewer, boxes, duo):
    viewer.dims.order = (1, 0, 2)
    zoom, box = viewer.scene.camera.zoom, np.array(viewer.canvas.viewbox_size(viewer.layers))
    plain = viewer.add_image(np.ones((20, 30)), name="one image")
    Duo(viewer, plain, boxes[0]).start("swipe")
    assert viewer.scene.camera.zoom == pytest.approx(zoom * min(np.array([600, 1200]) / box))


def test_the_grid_switched_on_by_hand_ends_it(viewer, boxes, duo):
    duo.start("swipe")
    zoom = viewer.scene.camera.zoom
    viewer.canvas.grid.enabled = True
    assert duo.mode is None
    assert viewer.canvas.grid.enabled
    assert all(layer.visible for layer in boxes)
    assert viewer.scene.camera.zoom < zoom


def test_a_deleted_layer_ends_it(viewer, boxes, duo):
    duo.start("blink")
    viewer.layers.remove(boxes[1])
    assert duo.mode == "blink", "the other layers are none of its business"
    viewer.layers.remove(boxes[2])
    assert duo.mode is None
    assert viewer.canvas.grid.enabled
    with pytest.raises(InputError, match=r"got box 2, which is not in the viewer, expected one of"):
        duo.start("swipe")
    assert viewer.canvas.grid.enabled


def test_swipe_divides_the_canvas(boxes, duo):
    duo.start("swipe")
    duo.position = 0.25
    assert duo.spans() == {boxes[0]: (0.0, 0.25), boxes[2]: (0.25, 1.0)}
    duo.toggle()
    assert duo.spans() == {boxes[2]: (0.0, 0.25), boxes[0]: (0.25, 1.0)}


def test_blink_shows_one_at_a_time(boxes, duo):
    duo.start("blink")
    assert duo.spans() == {boxes[0]: (0.0, 1.0), boxes[2]: (0.0, 0.0)}
    duo.toggle()
    assert duo.spans() == {boxes[2]: (0.0, 1.0), boxes[0]: (0.0, 0.0)}


def test_the_divider_stays_in_the_canvas_and_tells_each_move_once(duo):
    told = []
    duo.changed.connect(lambda: told.append(duo.position))
    for value in (0.3, 0.3, -1, 2.0):
        duo.position = value
    assert told == [0.3, 0.0, 1.0]
    with pytest.raises(InputError, match=r"got divider position nan, expected a share .* 0 to 1"):
        duo.position = float("nan")
    assert duo.position == 1.0


def test_keys_move_and_toggle_and_are_given_back(viewer, boxes, duo):
    calls = []
    viewer.bind_key(BLINK_KEY, lambda _: calls.append("theirs"))
    duo.start("swipe")
    press(viewer, RIGHT_KEY)
    press(viewer, RIGHT_KEY)
    press(viewer, LEFT_KEY)
    assert duo.position == pytest.approx(0.5 + STEP)
    duo.start("blink")
    press(viewer, BLINK_KEY)
    assert duo.pair == (boxes[2], boxes[0])
    press(viewer, LEFT_KEY)
    assert duo.position == pytest.approx(0.5 + STEP), "there is no divider to move"
    assert calls == []
    duo.stop()
    press(viewer, BLINK_KEY)
    assert calls == ["theirs"]
    assert len(viewer.keymap) == 1


def test_none_of_our_keys_belongs_to_napari():
    from napari.utils.key_bindings import coerce_keybinding
    from napari.utils.shortcuts import default_shortcuts

    taken = {str(key) for keys in default_shortcuts.values() for key in keys}
    assert not taken & {str(coerce_keybinding(key)) for key in (BLINK_KEY, LEFT_KEY, RIGHT_KEY)}


def test_other_layers_can_be_chosen_while_it_runs(viewer, boxes, duo):
    before = state(viewer)
    duo.start("swipe")
    duo.toggle()
    duo.choose(boxes[1], boxes[2])
    assert [layer.visible for layer in boxes] == [False, True, True, False]
    assert list(duo.spans()) == [boxes[1], boxes[2]]
    duo.stop()
    assert state(viewer) == before


def test_names_are_those_of_the_boxes_and_follow_them(viewer, boxes, duo):
    plain = viewer.add_image(np.ones((3, 20, 30)), name="plain")
    told = []
    duo.choose(boxes[0], plain)
    duo.start("swipe")
    duo.changed.connect(lambda: told.append(duo.texts()))
    label_of(boxes[0]).text = "box 0\n24.1 dB"
    plain.name = "renamed"
    assert told == [("box 0\n24.1 dB", "plain"), ("box 0\n24.1 dB", "renamed")]
    duo.stop()
    plain.name = "again"
    assert len(told) == 3, "the end is told, later names are not"


def test_what_cannot_be_compared_is_refused_with_a_sentence(viewer, boxes, duo):
    with pytest.raises(InputError, match=r"got box 1 twice, expected two different layers"):
        Duo(viewer, boxes[1], boxes[1])
    with pytest.raises(InputError, match=r"got mode 'fade', expected 'swipe' or 'blink'"):
        duo.start("fade")
    assert viewer.canvas.grid.enabled
    with pytest.raises(InputError, match=r"got box 3 twice"):
        duo.choose(boxes[3], boxes[3])
    assert duo.pair == (boxes[0], boxes[2])


def test_automatic_ends_with_it(duo):
    duo.start("blink")
    duo.automatic = True
    duo.stop()
    assert not duo.automatic


class Thing:
    a = 1
    b = 1


def test_loans_are_given_back_unless_changed_by_others():
    thing, loans = Thing(), Loans()
    loans.set(thing, "a", 2)
    loans.set(thing, "b", 2)
    thing.b = 3
    loans.set(thing, "a", 4)
    loans.give_back()
    assert (thing.a, thing.b) == (1, 3)
    loans.set(thing, "b", 5)
    thing.b = 6
    loans.set(thing, "b", 5)
    loans.give_back()
    assert thing.b == 6, "lent anew after the change"


def test_a_viewer_from_the_menu_serves_too(viewer, boxes):
    """It wraps itself and its layers, each time anew, and hides what is private."""
    wrapped, before = PublicOnlyProxy(viewer), state(viewer)
    duo = Duo(wrapped, wrapped.layers[1], wrapped.layers[2])
    duo.start("swipe")
    duo.choose(wrapped.layers[1], wrapped.layers[3])
    assert [layer.name for layer in viewer.layers if layer.visible] == ["box 0", "box 2"]
    assert {layer.name: span for layer, span in duo.spans().items()} == {
        "box 0": (0.0, 0.5),
        "box 2": (0.5, 1.0),
    }
    duo.stop()
    assert state(viewer) == before
    with pytest.raises(InputError, match=r"got box 0 twice"):
        duo.choose(wrapped.layers[1], wrapped.layers[1])
