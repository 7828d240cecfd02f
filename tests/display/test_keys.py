from __future__ import annotations

import napari.layers
import pytest
from napari.components import ViewerModel
from napari.utils.key_bindings import KeymapHandler, coerce_keybinding
from napari.utils.shortcuts import default_shortcuts

from napari_tcsdl.display.keys import KEYS, action_of, bind

LAYERS = [
    kind
    for kind in vars(napari.layers).values()
    if isinstance(kind, type) and issubclass(kind, napari.layers.Layer)
]


@pytest.mark.parametrize("key", KEYS)
def test_napari_leaves_our_keys_free(key):
    ours = coerce_keybinding(key)
    assert ours not in [used for keys in default_shortcuts.values() for used in keys]
    for kind in [ViewerModel, *LAYERS]:
        for base in kind.__mro__:
            assert ours not in getattr(base, "class_keymap", {}), kind


def test_each_key_is_listed_with_what_it_does():
    assert len({action for action, _ in KEYS.values()}) == len(KEYS)
    assert all(text and text[0].islower() and not text.endswith(".") for _, text in KEYS.values())


def test_a_key_does_its_action_until_it_is_unbound(viewer, press):
    done = []
    unbind = bind(viewer, {"next_block": done.append})
    assert press("PageDown")
    assert done == [viewer]
    assert not press("PageUp"), "an action that is not there takes no key"
    unbind()
    assert not press("PageDown")
    assert done == [viewer]
    unbind()  # again, to no effect


def test_what_a_key_did_before_comes_back(viewer, press):
    before, now = [], []
    viewer.bind_key("W", before.append)
    unbind = bind(viewer, {"worst_frame": now.append})
    press("W")
    assert (before, now) == ([], [viewer])
    unbind()
    press("W")
    assert before == [viewer]


def test_a_key_that_was_bound_anew_meanwhile_stays(viewer, press):
    ours, theirs = [], []
    unbind = bind(viewer, {"worst_frame": ours.append})
    viewer.bind_key("W", theirs.append, overwrite=True)
    unbind()
    press("W")
    assert (ours, theirs) == ([], [viewer])


def test_a_generator_goes_on_when_its_key_is_released(viewer):
    done = []

    def hold(viewer):
        done.append("pressed")
        yield
        done.append("released")

    handler = KeymapHandler()
    handler.keymap_providers = [viewer]
    unbind = bind(viewer, {"blink": hold})
    handler.press_key("K")
    assert done == ["pressed"]
    handler.release_key("K")
    assert done == ["pressed", "released"]
    unbind()


def test_the_palette_finds_what_an_open_workbench_offers(viewer):
    def save(viewer):
        raise AssertionError("only asked for")

    unbind = bind(viewer, {"save_figure": save})
    assert action_of(viewer, "save_figure") is save
    assert action_of(ViewerModel(), "save_figure") is None
    unbind()
    assert action_of(viewer, "save_figure") is None


def test_a_second_workbench_takes_the_keys_over(viewer, press):
    first, second = [], []
    end_first = bind(viewer, {"swipe": first.append})
    end_second = bind(viewer, {"swipe": second.append})
    end_first()
    press("U")
    assert (first, second) == ([], [viewer])
    assert action_of(viewer, "swipe") is not None
    end_second()
    assert action_of(viewer, "swipe") is None
