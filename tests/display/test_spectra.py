"""The model of the FFT dock over a viewer without a canvas; spectra are computed at once."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest
from napari.layers import Layer
from planted_fringes import ANGLES, PIXEL, D, planted
from scipy.ndimage import gaussian_filter

from napari_tcsdl.display.layers import KEY, Geometry, result_layer
from napari_tcsdl.display.region import Region, Roi
from napari_tcsdl.display.spectra import SpectraController
from napari_tcsdl.display.spectra_compute import compute, grey_levels, pools
from napari_tcsdl.display.spectra_request import NOT_NOW, OUTSIDE
from napari_tcsdl.display.spectra_rows import table_text
from napari_tcsdl.lattice import LATTICES


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


def names(controller) -> list[str]:
    return [panel.name for panel in controller.shown.panels]


# --- what is asked for --------------------------------------------------------------------------


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


class Stack:
    """Frames of zeros that remember what was read of them, and can break."""

    def __init__(self, shape):
        self.shape, self.ndim, self.dtype = shape, 3, np.dtype(np.uint8)
        self.read, self.broken = [], False
        self._zeros = np.broadcast_to(np.uint8(0), shape)

    def __getitem__(self, key):
        self.read.append(key)
        if self.broken:
            raise OSError("the disk is gone")
        return self._zeros[key]


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


# --- bad states ---------------------------------------------------------------------------------


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


# --- spots --------------------------------------------------------------------------------------


def test_spots_are_found_in_the_reference_by_themselves(spectra, viewer, shown):
    spectra.choose_lattice(LATTICES["Au"])
    spectra.enabled = True
    rows = sorted(spectra.rows(), key=lambda row: -row.spot.d)
    assert [row.hkl for row in rows] == ["111", "220"]
    for row in rows:
        assert row.spot.d == pytest.approx(D[row.hkl], rel=0.01)
        assert row.spot.angle == pytest.approx(ANGLES[row.hkl], abs=1)


def test_a_spot_lost_in_a_rival_is_marked_there_and_there_only(spectra, viewer, shown):
    spectra.choose_lattice(LATTICES["Au"])
    spectra.enabled = True
    by_name = {row.hkl: row for row in spectra.rows()}
    assert by_name["220"].lost_in == ["JPEG"]
    assert by_name["220"].signals["JPEG"].text.startswith("lost (")
    assert by_name["111"].lost_in == []
    assert by_name["220"].signals["measurement"].snr > by_name["220"].signals["raw"].snr


def test_a_click_selects_a_spot_or_adds_one(spectra, viewer, shown):
    spectra.enabled = True
    spectra.clear_spots()
    angle, q = np.radians(ANGLES["111"]), 10 / D["111"]
    first = spectra.pick("measurement", -q * np.sin(angle) + 0.1, q * np.cos(angle) - 0.1)
    assert first == spectra.selected == 0
    assert spectra.spots[0].d == pytest.approx(D["111"], rel=0.01)
    assert set(spectra.rows()[0].signals) == {"raw", "JPEG", "measurement"}
    assert spectra.pick("raw", q * np.sin(angle), -q * np.cos(angle)) == 0, "its Friedel mate"
    assert spectra.pick("raw", 5.0, 0.0) == 1, "a place of mere noise"
    assert spectra.rows()[1].signals["raw"].absent
    assert spectra.rows()[1].lost_in == [], "nobody has it"
    assert spectra.pick("raw", 500.0, 0.0) is None
    assert spectra.pick("nobody", 1.0, 1.0) is None


def test_spots_stay_while_the_slider_moves_until_they_are_deleted(spectra, viewer, shown):
    spectra.enabled = True
    before = spectra.spots
    viewer.dims.set_point(0, 2.0)
    assert spectra.spots == before
    assert len(spectra.rows()[0].signals) == 3
    spectra.delete_spot(0)
    assert spectra.spots == before[1:]
    spectra.clear_spots()
    viewer.dims.set_point(0, 1.0)
    assert spectra.spots == ()
    spectra.find_spots()
    assert len(spectra.spots) == 2


def test_the_reference_can_be_chosen(spectra, viewer, shown):
    spectra.enabled = True
    assert spectra.panel().name == "raw"
    spectra.choose_reference("measurement")
    assert spectra.panel().name == "measurement"
    spectra.find_spots()
    assert len(spectra.spots) == 2
    spectra.choose_reference(None)
    assert spectra.panel().name == "raw"
    shown["JPEG"].metadata[KEY]["role"] = "reference"
    spectra.refresh()
    assert spectra.panel().name == "JPEG", "the reference of the scores, where it is shown"


def test_the_grid_of_a_jpeg_is_flagged(spectra, viewer):
    x = np.arange(256)
    blocks = 10.0 * (x % 8 < 4) + np.random.default_rng(0).normal(0, 1, (256, 256))
    viewer.add_image(blocks, scale=(PIXEL, PIXEL), units=("nm", "nm"), name="JPEG")
    spectra.enabled = True
    spectra.pick("JPEG", 0.0, 1 / (8 * PIXEL))
    row = spectra.rows()[spectra.selected]
    assert row.artefact
    assert row.note.startswith("JPEG grid")


def test_a_lattice_spot_beside_the_grid_is_not_flagged(spectra, viewer):
    """Three Fourier pixels off: in a small ROI much of the spectrum is as near to the grid."""
    y, x = np.mgrid[:256, :256] * PIXEL
    qx, qy = 1 / (8 * PIXEL) + 0.3, -0.4
    noise = np.random.default_rng(0).normal(0, 1, (256, 256))
    fringes = np.cos(2 * np.pi * (qx * x + qy * y)) + noise
    viewer.add_image(fringes, scale=(PIXEL, PIXEL), units=("nm", "nm"), name="JPEG")
    spectra.enabled = True
    (row,) = spectra.rows()
    assert (row.spot.qx, row.spot.qy) == pytest.approx((qx, qy), abs=0.02)
    assert row.artefact == ""


def test_a_copy_that_the_blocks_of_a_jpeg_made_is_flagged(spectra, viewer, shown):
    """Blocks that each keep one wave of their own: the 111 returns 1 / (8 px) away."""
    spectra.enabled = True
    qx, qy = next((s.qx, s.qy) for s in spectra.spots if abs(s.d - D["111"]) < 0.05)
    y, x = np.mgrid[:256, :256] * PIXEL
    wave = 2 * np.pi * (qx * x + qy * y)
    strong, copy = np.cos(wave), 0.4 * np.cos(wave + 2 * np.pi * x / (8 * PIXEL))
    noise = np.random.default_rng(5).normal(0, 1, (256, 256))
    shown["JPEG"].data = np.broadcast_to(strong + copy + noise, (6, 256, 256))
    spectra.pick("JPEG", qy, qx + 1 / (8 * PIXEL))
    row = spectra.rows()[spectra.selected]
    assert row.signals["raw"].absent
    assert not row.signals["JPEG"].absent
    assert row.artefact == "JPEG copy"
    assert [r.artefact for r in spectra.rows()[:2]] == ["", ""]


def test_the_table_as_text(spectra, viewer, shown):
    spectra.choose_lattice(LATTICES["Au"])
    spectra.enabled = True
    head, *rows = list(csv.reader(io.StringIO(table_text(spectra.rows(), ","))))
    assert head == [
        *("d [Å]", "|q| [1/nm]", "angle [°]", "hkl"),
        *("SNR raw", "SNR JPEG", "SNR measurement", "note"),
    ]
    by_name = {row[3]: row for row in rows}
    assert float(by_name["111"][0]) == pytest.approx(D["111"], rel=0.01)
    assert float(by_name["111"][0]) * float(by_name["111"][1]) == pytest.approx(10, rel=1e-3)
    assert by_name["220"][-1] == "lost in JPEG"
    assert table_text(spectra.rows()).splitlines()[0] == "\t".join(head)


# --- profiles -----------------------------------------------------------------------------------


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


# --- pictures -----------------------------------------------------------------------------------


def test_noise_is_dark_and_a_spot_is_bright():
    power = np.random.default_rng(0).exponential(4.0, (256, 256)).astype(np.float32)
    power[100, 160] = power[156, 96] = 4e4
    levels = grey_levels(power)
    assert np.median(levels) < 26
    assert levels[100, 160] == levels[156, 96] == 255


def test_a_spectrum_without_any_power_is_black():
    assert grey_levels(np.zeros((64, 64), np.float32)).max() == 0


def test_a_smaller_picture_keeps_every_spot():
    levels = np.zeros((48, 50), np.uint8)
    levels[13, 27] = 200
    made = pools(levels)
    assert [image.shape for _, image in made.values()] == [(48, 50), (24, 25), (12, 12)]
    assert [image.max() for _, image in made.values()] == [200, 200, 200]
    assert made[4][1][3, 6] == 200


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
