"""Opening docks over a long lazy movie reads no frame but those that napari shows."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Layer

from napari_tcsdl.display._qt.workbench import Workbench
from napari_tcsdl.display.layers import layer_of_movie
from napari_tcsdl.movie import Movie

WAIT = 60_000


class CountedFrames:
    """Frames that say which of them were read."""

    dtype = np.dtype(np.uint8)

    def __init__(self, n_frames):
        self.shape = (n_frames, 32, 48)
        self.reads = []

    def __getitem__(self, key):
        indices = np.arange(self.shape[0])[key]
        self.reads += indices.tolist()
        return np.stack([np.full(self.shape[1:], index, np.uint8) for index in indices])


@pytest.mark.parametrize("n_frames", [2, 7, 8])
def test_no_frame_is_read_but_those_that_napari_shows(shown, viewer, n_frames, qtbot):
    frames = CountedFrames(n_frames)
    entry = layer_of_movie(Movie(frames, name="large"))
    middle = (n_frames - 1) // 2
    assert frames.reads == [middle], "for its contrast; napari's slider begins there"
    layer = viewer.add_layer(Layer.create(*entry))
    bench = shown(Workbench(viewer))
    qtbot.waitUntil(bench.compare.run_button.isEnabled, timeout=WAIT)
    assert bench.compare.inputs.layer is layer
    assert viewer.dims.current_step[0] == middle
    # napari slices frame 0 as a layer is added, before it moves the slider to the middle
    assert sorted(frames.reads) == sorted({0, middle})
    viewer.dims.set_current_step(0, n_frames - 1)
    assert sorted(frames.reads) == sorted({0, middle, n_frames - 1}), "one frame a step"
