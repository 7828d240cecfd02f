"""What the command palette and the keys do: one function each, called with the viewer.

An error is one sentence in napari's notifications, not a traceback.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Layer
from napari.utils.notifications import show_info

from .._validation import InputError, TcsdlError
from .keys import Action, action_of
from .layers import KEY, Geometry
from .roles import MEASUREMENT
from .score_text import summary_text
from .session import Session

NO_SCORES = (
    "got no scores of a reconstruction, expected a run that has some; open the workbench and "
    "press Run first"
)


@contextmanager
def _sentence() -> Iterator[None]:
    try:
        yield
    except TcsdlError as error:
        show_info(str(error))


# --- along the movie --------------------------------------------------------------------------


def next_block(viewer: ViewerModel) -> None:
    """Move the slider on by one block of B frames."""
    with _sentence():
        _move(viewer, +1)


def previous_block(viewer: ViewerModel) -> None:
    """Move the slider back by one block of B frames."""
    with _sentence():
        _move(viewer, -1)


def best_frame(viewer: ViewerModel) -> None:
    """Show the frame whose reconstruction has the highest PSNR."""
    with _sentence():
        _show_extreme(viewer, np.argmax, "highest")


def worst_frame(viewer: ViewerModel) -> None:
    """Show the frame whose reconstruction has the lowest PSNR."""
    with _sentence():
        _show_extreme(viewer, np.argmin, "lowest")


def _move(viewer: ViewerModel, blocks: int) -> None:
    """Move by the blocks of what is seen: the topmost that has some, a run or a file."""
    viewer = getattr(viewer, "__wrapped__", viewer)  # plugins are handed a proxy
    session = Session.find(viewer)
    controller = session.controller if session is not None else None
    run = controller.run if controller is not None else None
    for layer in reversed(viewer.layers):
        if not layer.visible:
            continue
        if controller is not None and run is not None and run.shows(layer):
            controller.show_frame(controller.frame + blocks * run.compression_ratio)
            return
        if "compression_ratio" in layer.metadata.get(KEY, {}):
            _move_in_file(viewer, layer, blocks)
            return
    raise InputError(
        "got no run and no compressed file that is shown, expected blocks of B frames to step "
        "through; show one, open a .tcs.zarr file, or run a comparison first"
    )


def _move_in_file(viewer: ViewerModel, layer: Layer, blocks: int) -> None:
    facts, geometry = layer.metadata[KEY], Geometry.of(layer)
    ratio = int(facts["compression_ratio"])
    if facts["role"] == MEASUREMENT:
        geometry = geometry.frames(ratio)
    axis = viewer.dims.ndim - 3
    unit = _unit_of(viewer, geometry)
    frame = round((viewer.dims.point[axis] * unit - geometry.translate[0]) / geometry.scale[0])
    target = int(np.clip(frame + blocks * ratio, 0, int(facts["n_frames"]) - 1))
    viewer.dims.set_point(axis, (geometry.translate[0] + target * geometry.scale[0]) / unit)


def _unit_of(viewer: ViewerModel, geometry: Geometry) -> float:
    """Viewer's unit of time in that of ``geometry``; 1 where they have nothing in common."""
    own = geometry.units[0]
    shown = viewer.dims.units[viewer.dims.ndim - 3] if viewer.dims.units else own
    return float((1 * shown).to(own).magnitude) if shown.is_compatible_with(own) else 1.0


def _show_extreme(viewer: ViewerModel, choose: Callable[[Any], Any], which: str) -> None:
    session = Session.find(viewer)
    run = session.controller.run if session is not None else None
    if session is None or run is None:
        raise InputError(NO_SCORES)
    series = run.board.series(run.settings.decoder)
    finite = np.isfinite(series.psnr)
    frames, psnr = series.frames[finite], series.psnr[finite]
    if not len(frames):
        raise InputError(NO_SCORES)
    index = int(choose(psnr))
    session.controller.show_frame(int(frames[index]))
    show_info(f"frame {frames[index]}: {psnr[index]:.2f} dB, the {which} of {len(frames)} frames")


# --- scores -----------------------------------------------------------------------------------


def copy_scores(viewer: ViewerModel) -> None:
    """Put means and real bytes of each codec on the clipboard, for a spreadsheet."""
    with _sentence():
        session = Session.find(viewer)
        run = session.controller.run if session is not None else None
        text = summary_text(run.board) if run is not None else ""
        rows = text.count("\n") - 1
        if rows < 1:
            raise InputError(NO_SCORES)
        from ._qt.clipboard import copy

        copy(text)
        show_info(f"copied the means of {rows} codecs")


# --- region and view --------------------------------------------------------------------------


def roi(viewer: ViewerModel) -> None:
    """Draw a region of interest into the middle of the view, or take it away."""
    with _sentence():
        session = Session.find(viewer)
        source = _shown_image(viewer)
        if session is None or source is None:
            raise InputError(_needs("a region of interest"))
        if session.roi.square is None:
            session.roi.draw(source)
        else:
            session.roi.clear()


def swipe(viewer: ViewerModel) -> None:
    """Compare two images with a divider between them."""
    _delegate(viewer, "swipe", "two images to swipe between")


def blink(viewer: ViewerModel) -> None:
    """Compare two images, one after the other in one place."""
    _delegate(viewer, "blink", "two images to blink between")


def link_contrast(viewer: ViewerModel) -> None:
    """Link or unlink the contrast of all images."""
    _delegate(viewer, "link_contrast", "images whose contrast can be linked")


def auto_contrast(viewer: ViewerModel) -> None:
    """Set the contrast from the reference frame that is shown."""
    _delegate(viewer, "auto_contrast", "a reference frame")


def _delegate(viewer: ViewerModel, name: str, what: str) -> None:
    with _sentence():
        action = action_of(viewer, name)
        if action is None:
            raise InputError(_needs(what))
        action(viewer)


def _needs(what: str) -> str:
    return (
        f"got no open workbench with {what}, expected one; open it in the menu Plugins, and a "
        "movie in it"
    )


def _shown_image(viewer: ViewerModel) -> Layer | None:
    images = [la for la in viewer.layers if la.visible and la._type_string == "image"]
    return images[-1] if images else None


ACTIONS: dict[str, Action] = {
    "next_block": next_block,
    "previous_block": previous_block,
    "best_frame": best_frame,
    "worst_frame": worst_frame,
    "copy_scores": copy_scores,
    "roi": roi,
}
"""What is the same in every workbench; the others are the workbench's own to give."""
