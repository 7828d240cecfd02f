"""Keys that napari leaves free, bound while a workbench is open."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from napari.components import ViewerModel

Action = Callable[[Any], object]
"""Called with the viewer."""


class Key(NamedTuple):
    """What a key is bound to: the name of an action, and what it does, for the help."""

    action: str
    text: str


KEYS: dict[str, Key] = {
    "PageDown": Key("next_block", "one block of B frames on"),
    "PageUp": Key("previous_block", "one block of B frames back"),
    "W": Key("worst_frame", "the frame with the lowest PSNR of the reconstruction"),
    "Shift-W": Key("best_frame", "the frame with the highest PSNR of the reconstruction"),
    "U": Key("swipe", "swipe: two images with a divider between them; again to leave it"),
    "K": Key("blink", "blink: the other one of two images"),
    "H": Key("roi", "draw a region of interest; again to take it away"),
    "J": Key("link_contrast", "link or unlink the contrast of all images"),
    "N": Key("auto_contrast", "contrast from the reference frame that is shown"),
}
"""Free in napari 0.9 for viewers and for layers of every kind; none needs more than a hand.

napari passes no key on while a field of a dock has the focus, and repeats none that is held.
"""

_bound: WeakKeyDictionary[ViewerModel, dict[str, Action]] = WeakKeyDictionary()


def bind(viewer: ViewerModel, actions: Mapping[str, Action]) -> Callable[[], None]:
    """Bind the keys whose actions are there, and offer these actions to the command palette.

    Parameters
    ----------
    viewer
        Any napari viewer model.
    actions
        By their names in :data:`KEYS`; actions without a key are for the palette only. A
        generator function goes on when its key is released.

    Returns
    -------
    Callable
        Undoes it: keys then do what they did before. May be called twice.
    """
    viewer = getattr(viewer, "__wrapped__", viewer)  # plugins are handed a proxy
    before: dict[str, Action | None] = {}
    for key, (name, _) in KEYS.items():
        if name in actions:
            before[key] = viewer.bind_key(key, None)
            viewer.bind_key(key, actions[name])
    ours = dict(actions)
    _bound[viewer] = ours

    def unbind() -> None:
        if _bound.get(viewer) is ours:
            del _bound[viewer]
        while before:
            key, action = before.popitem()
            if viewer.keymap.get(_as_key(key)) is ours[KEYS[key].action]:
                viewer.bind_key(key, action, overwrite=True)

    return unbind


def action_of(viewer: ViewerModel, name: str) -> Action | None:
    """Return what an open workbench does for ``name``; None where none is open."""
    return _bound.get(getattr(viewer, "__wrapped__", viewer), {}).get(name)


def _as_key(key: str) -> Any:
    from napari.utils.key_bindings import coerce_keybinding

    return coerce_keybinding(key)
