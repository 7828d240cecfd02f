"""The model of the FFT dock over a viewer without a canvas; spectra are computed at once."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Layer
from planted_fringes import PIXEL, planted
from scipy.ndimage import gaussian_filter

from napari_tcsdl.display.layers import Geometry, result_layer
from napari_tcsdl.display.region import Roi
from napari_tcsdl.display.spectra import SpectraController
from napari_tcsdl.display.spectra_compute import compute


@pytest.fixture
def shown(viewer):
    """Raw frames, a rival that has lost the 220, and means of 3 frames, named by their roles."""
    raw = planted()
    geometry = Geometry((0.5, PIXEL, PIXEL), (0.0, 0.0, 0.0), ("s", "nm", "nm"))
    blurred = np.stack([gaussian_filter(f.astype(np.float32), 3.2) for f in raw])
    blurred += np.random.default_rng(4).normal(0, 0.5, blurred.shape).astype(np.float32)
    mean = raw.reshape(2, 3, 256, 256).mean(axis=1)
    for role, data in (("raw", raw), ("JPEG", blurred), ("measurement", mean)):
        place = geometry.measurement(3) if role == "measurement" else geometry
        viewer.add_layer(Layer.create(*result_layer(role, data, place, (0, 50), {})))
    viewer.dims.set_point(0, 0.0)
    return viewer.layers


@pytest.fixture
def roi(viewer):
    roi = Roi(viewer)
    yield roi
    roi.close()


@pytest.fixture
def spectra(viewer, roi):
    """Each request is answered at once, unless ``hold`` is set; ``asked`` remembers them."""

    class Held(SpectraController):
        hold = False

    controller = Held(viewer, roi, lambda request: ask(request))
    controller.asked = []

    def ask(request):
        controller.asked.append(request)
        if not controller.hold:
            controller.answer(compute(request))

    controller.stale.connect(controller.refresh)
    yield controller
    controller.close()
