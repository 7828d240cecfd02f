"""What the FFT dock asks for, and which answers it takes."""

from __future__ import annotations

import numpy as np
import pytest
from planted_fringes import PIXEL, D, planted
from spectra_helpers import Stack, names

from napari_tcsdl.display.region import Region
from napari_tcsdl.display.spectra import SpectraController
from napari_tcsdl.display.spectra_compute import compute


def test_while_nobody_looks_there_is_no_work(spectra, viewer, shown):
    viewer.dims.set_point(0, 1.0)
    viewer.scene.camera.zoom *= 2
    spectra.refresh()
    assert spectra.asked == []
    spectra.enabled = True
    assert len(spectra.asked) > 0


def test_one_panel_an_image_in_the_order_of_the_boxes(spectra, viewer, shown):
    viewer.add_image(np.zeros((8, 8, 3), np.uint8), rgb=True)
    viewer.add_points(np.zeros((2, 3)))
    spectra.enabled = True
    assert names(spectra) == ["raw", "JPEG", "measurement"]
    viewer.layers.move(2, 0)
    assert names(spectra) == ["measurement", "raw", "JPEG"]
    viewer.layers["JPEG"].visible = False
    assert names(spectra) == ["measurement", "raw"]
    viewer.layers.clear()
    assert spectra.shown is None


def test_contrast_asks_for_nothing_and_new_data_does(spectra, viewer, shown):
    spectra.enabled = True
    count = len(spectra.asked)
    shown["raw"].contrast_limits = (0, 99)
    shown["raw"].colormap = "viridis"
    assert len(spectra.asked) == count
    shown["raw"].data = np.zeros_like(shown["raw"].data)
    assert len(spectra.asked) > count


def test_only_the_crop_of_one_frame_is_read_and_not_before_it_is_computed(spectra, viewer):
    stack = Stack((50, 4096, 4096))
    viewer.add_image(stack, contrast_limits=(0, 9), multiscale=False, rgb=False)
    viewer.dims.set_point(0, 7)
    stack.read.clear()
    spectra.hold = True
    spectra.enabled = True
    assert stack.read == []
    compute(spectra.asked[-1])
    assert stack.read == [(7, slice(1536, 2560), slice(1536, 2560))]


def test_frame_and_measurement_follow_the_slider(spectra, viewer, shown):
    spectra.enabled = True
    viewer.dims.set_point(0, 2.0)
    raw, _, measurement = (panel.read() for panel in spectra.asked[-1].panels)
    np.testing.assert_array_equal(raw, shown["raw"].data[4])
    np.testing.assert_array_equal(measurement, shown["measurement"].data[1])


def test_the_field_of_view_is_followed_and_the_roi_goes_before_it(spectra, viewer, shown, roi):
    spectra.enabled = True
    viewer.canvas.size = (400, 400)
    viewer.scene.camera.zoom = 400 / (128 * PIXEL)
    viewer.scene.camera.center = (0.0, 127.5 * PIXEL, 127.5 * PIXEL)
    assert spectra.shown.panels[0].request.region == Region(64, 64, 192, 192)
    roi.draw(shown["raw"])
    assert spectra.shown.panels[1].request.region == Region(96, 96, 160, 160)
    roi.clear()
    assert spectra.shown.panels[0].request.region == Region(64, 64, 192, 192)


def test_late_answers_are_dropped(spectra, viewer, shown):
    spectra.hold = True
    spectra.enabled = True
    viewer.dims.set_point(0, 0.5)
    viewer.dims.set_point(0, 1.0)
    first, second = (compute(request) for request in spectra.asked[-2:])
    first = type(first)(**{**vars(first), "found": None})
    second = type(second)(**{**vars(second), "found": None})
    assert spectra.answer(second)
    assert not spectra.answer(first), "older than what is shown"
    spectra.enabled = False
    spectra.enabled = True
    assert not spectra.answer(second), "asked for before it was hidden"


def test_answers_that_know_other_spots_are_dropped(spectra, viewer, shown):
    spectra.enabled = True
    spectra.hold = True
    viewer.dims.set_point(0, 1.0)
    late = compute(spectra.asked[-1])
    spectra.delete_spot(0)
    assert not spectra.answer(late)


def test_profiles_and_frc_are_computed_when_they_are_looked_at(spectra, viewer, shown):
    spectra.enabled = True
    assert spectra.panel().profile is None
    assert spectra.shown.curves == {}
    spectra.show_profiles(True)
    q, power = spectra.panel("JPEG").profile
    assert q[-1] == pytest.approx(0.5 / PIXEL)
    assert set(spectra.shown.curves) == {"JPEG", "measurement"}
    _, reference = spectra.panel().profile
    high = q > 8
    assert power[high].mean() < 0.1 * reference[high].mean()


def test_one_movie_alone_is_compared_with_itself(spectra, viewer):
    viewer.add_image(planted(), scale=(1, PIXEL, PIXEL), units=("s", "nm", "nm"), name="alone")
    spectra.enabled = True
    spectra.show_profiles(True)
    assert spectra.shown.halves
    curve = spectra.shown.curves["alone"]
    at = np.argmin(abs(curve.frequencies - 1 / D["111"]))
    away = np.argmin(abs(curve.frequencies - 1.3 / D["111"]))
    assert curve.values[at - 1 : at + 2].max() > 0.5
    assert abs(curve.values[away]) < 0.3


def test_closed_it_hears_nothing(viewer, shown, roi):
    asked = []
    controller = SpectraController(viewer, roi, asked.append)
    controller.stale.connect(controller.refresh)
    controller.enabled = True
    before = len(asked)
    controller.close()
    viewer.dims.set_point(0, 1.0)
    shown["raw"].visible = False
    roi.draw(shown["raw"])
    controller.enabled = True
    assert len(asked) == before


def test_maps_have_no_spectrum(viewer):
    """Uncertainty and consistency are no pictures of the specimen."""
    from napari_tcsdl.display.spectra_request import images_shown

    picture = np.random.default_rng(0).normal(size=(3, 64, 64)).astype(np.float32)
    for role in ("raw", "uncertainty", "reference", "consistency"):
        viewer.add_image(picture, name=role, metadata={"tcsdl": {"role": role}})
    viewer.add_image(picture, name="of the user")
    assert [layer.name for layer in images_shown(viewer)] == ["raw", "reference", "of the user"]
