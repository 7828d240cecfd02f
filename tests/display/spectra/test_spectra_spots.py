"""Spots of the FFT dock: found, clicked, lost, flagged as JPEG's, and as a table."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest
from planted_fringes import ANGLES, PIXEL, D

from napari_tcsdl.display.layers import KEY
from napari_tcsdl.display.spectra_rows import table_text
from napari_tcsdl.lattice import LATTICES


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
