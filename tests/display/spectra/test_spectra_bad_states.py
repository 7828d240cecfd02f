"""Where there is no spectrum, or none in 1/nm: sentences in place, and honest units."""

from __future__ import annotations

import numpy as np
import pytest
from planted_fringes import PIXEL, D, planted
from spectra_helpers import Stack

from napari_tcsdl.display.spectra_compute import FLAT
from napari_tcsdl.display.spectra_request import NOT_NOW, OUTSIDE
from napari_tcsdl.display.spectra_rows import table_text
from napari_tcsdl.lattice import LATTICES


def test_an_error_is_a_sentence_in_its_own_panel(spectra, viewer, shown):
    stack, place = Stack((6, 256, 256)), {"scale": (0.5, PIXEL, PIXEL), "units": ("s", "nm", "nm")}
    viewer.add_image(
        stack, name="broken", contrast_limits=(0, 1), multiscale=False, rgb=False, **place
    )
    stack.broken = True
    spectra.enabled = True
    panel = spectra.panel("broken")
    assert panel.spectrum is None
    assert "the disk is gone" in panel.sentence
    assert spectra.panel("raw").spectrum is not None


def test_nan_is_a_sentence(spectra, viewer):
    viewer.add_image(np.full((64, 64), np.nan), contrast_limits=(0, 1))
    spectra.enabled = True
    assert "NaN or infinite pixels" in spectra.shown.panels[0].sentence


def test_a_frame_that_is_not_computed_yet_has_lost_no_spot(spectra, viewer, shown):
    shown["JPEG"].data = np.zeros_like(shown["JPEG"].data)
    spectra.enabled = True
    panel = spectra.panel("JPEG")
    assert panel.spectrum is None
    assert panel.sentence == FLAT
    assert len(spectra.rows()) == 2
    assert all(row.lost_in == [] for row in spectra.rows())
    data = shown["raw"].data.astype(np.float32)
    shown["JPEG"].data = data
    assert spectra.panel("JPEG").spectrum is not None
    data = np.full_like(data, 7)
    data[:, 100, 100] = 8
    shown["JPEG"].data = data
    assert spectra.panel("JPEG").spectrum is not None, "one pixel is enough"


def test_beyond_the_view_and_beyond_its_time(spectra, viewer, shown):
    shown["JPEG"].translate = (0.0, 1000.0, 1000.0)
    short = viewer.add_image(
        shown["raw"].data[:2], scale=shown["raw"].scale, units=shown["raw"].units, name="short"
    )
    viewer.dims.set_point(0, 2.0)
    viewer.scene.camera.center = (0.0, 3.2, 3.2)
    viewer.scene.camera.zoom = viewer.canvas.size[0] / 6.4
    spectra.enabled = True
    assert spectra.panel("JPEG").sentence == OUTSIDE
    assert spectra.panel(short.name).sentence == NOT_NOW


def test_an_uncalibrated_movie_is_in_pixels(spectra, viewer):
    viewer.add_image(planted())
    spectra.enabled = True
    assert spectra.panel().spectrum.unit == "1/px"
    found = sorted(spot.d for spot in spectra.spots)
    assert found == pytest.approx(sorted(d / 10 / PIXEL for d in D.values()), rel=0.01)
    spectra.choose_lattice(LATTICES["Au"])
    assert {row.hkl for row in spectra.rows()} == {""}
    assert table_text(spectra.rows()).startswith("d [px]\t|q| [1/px]\t")


def test_a_pixel_size_that_is_set_late_drops_spots_in_pixels(spectra, viewer):
    layer = viewer.add_image(planted())
    spectra.enabled = True
    assert len(spectra.spots) == 2
    layer.units = ("s", "nm", "nm")
    layer.scale = (1, PIXEL, PIXEL)
    assert {spot.unit for spot in spectra.spots} == {"1/nm"}
    found = sorted(spot.d for spot in spectra.spots)
    assert found == pytest.approx(sorted(D.values()), rel=0.01)
