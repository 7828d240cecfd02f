"""Multislice and microscope: potentials, propagation, lattices and contrast transfer by physics."""

import math

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from napari_tcsdl._validation import InputError
from napari_tcsdl.fourier import power_spectrum
from napari_tcsdl.simulate.crystals import LATTICE_CONSTANTS, fcc_sites
from napari_tcsdl.simulate.kirkland import ELEMENTS, projected_potential, scattering_factor
from napari_tcsdl.simulate.microscope import Microscope
from napari_tcsdl.simulate.multislice import Atoms, Grid, Slabs, exit_wave, images, slab_phases

LENS = Microscope(300.0)
PERFECT = Microscope(300.0, 0.0, 0.0, focal_spread=0.0, convergence=0.0)


def at(*positions, dtype=torch.float32):
    return torch.tensor([positions], dtype=dtype)


@pytest.mark.parametrize(
    ("voltage", "wavelength", "interaction"),
    [(80, 0.04176, 1.009e-3), (200, 0.02508, 7.288e-4), (300, 0.01969, 6.526e-4)],
)
def test_wavelength_and_interaction_are_those_of_the_tables(voltage, wavelength, interaction):
    beam = Microscope(voltage)
    assert beam.wavelength == pytest.approx(wavelength, rel=1e-3)
    assert beam.interaction == pytest.approx(interaction, rel=1e-3)


@pytest.mark.parametrize("symbol", ELEMENTS)
def test_scattering_and_projected_potential_are_transforms_of_each_other(symbol):
    # ∫ v d²r = 47.878 V Å² f(0); the logarithm at the core is integrated on a finer radius.
    radius = np.geomspace(1e-7, 40, 40_000)
    integral = np.trapezoid(2 * np.pi * radius * projected_potential(symbol, radius), radius)
    forward = 47.87801 * float(scattering_factor(symbol, torch.zeros(1, dtype=torch.float64)))
    assert integral == pytest.approx(forward, rel=1e-4)


@pytest.mark.parametrize("position", [(0.0, 0.0), (0.031, -0.007), (0.025, 0.025)])
def test_phase_of_one_atom_is_its_analytic_potential(position):
    grid, b = Grid((512, 512), 0.05), 0.6
    atom = at((*position, 0.0), dtype=torch.float64)
    phase = slab_phases([Atoms("Au", atom, b)], grid, Slabs(1, -1, 1), LENS)[0, 0].numpy()
    # Thermal motion blurs the closed form by a Gaussian of ⟨u²⟩ = B / 8π² along each axis.
    spread = math.sqrt(b / (8 * math.pi**2))
    nodes, weights = np.polynomial.hermite_e.hermegauss(41)
    weights = weights / weights.sum()
    for column in (8, 14, 30, 60):
        dx = column * 0.05 - position[0] + spread * nodes[:, None]
        dy = -position[1] + spread * nodes[None]
        v = projected_potential("Au", np.hypot(dx, dy))
        expected = LENS.interaction * (weights[:, None] * weights * v).sum()
        assert phase[256, 256 + column] == pytest.approx(expected, rel=5e-3, abs=3e-6)


def test_atoms_add_up_and_absent_ones_do_not():
    grid, slabs = Grid((64, 64), 0.25), Slabs(2, -4, 4)
    gold, carbon = at((1.0, 0, -3), (-2.0, 3, 2)), at((0.3, -2, 1))
    both = slab_phases([Atoms("Au", gold), Atoms("C", carbon)], grid, slabs, LENS)
    apart = slab_phases([Atoms("Au", gold)], grid, slabs, LENS) + slab_phases(
        [Atoms("C", carbon)], grid, slabs, LENS
    )
    torch.testing.assert_close(both, apart, atol=1e-5, rtol=0)
    absent = at((1.0, 0, -3), (-2.0, 3, 2), (math.nan, 0, 0), (500.0, 0, 0))
    torch.testing.assert_close(
        slab_phases([Atoms("Au", absent)], grid, slabs, LENS),
        slab_phases([Atoms("Au", gold)], grid, slabs, LENS),
    )


def test_an_atom_lies_in_its_own_slab():
    grid, slabs = Grid((64, 64), 0.25), Slabs(4, 0, 8)
    for z, expected in ((0.5, 0), (3.0, 1), (7.9, 3), (-5.0, 0), (20.0, 3)):
        phases = slab_phases([Atoms("Au", at((0.0, 0, z)))], grid, slabs, LENS)[0]
        assert phases.abs().sum(dim=(1, 2)).argmax() == expected
        assert (phases.abs().amax(dim=(1, 2)) > 1e-4).sum() == 1


def test_propagation_through_nothing_keeps_every_electron():
    grid, slabs = Grid((96, 80), 0.25), Slabs(3, 0, 60)
    phases = torch.zeros(1, 3, 96, 80)
    wave = torch.fft.ifft2(exit_wave(phases, grid, slabs, LENS))
    torch.testing.assert_close(wave.abs(), torch.ones(1, 96, 80))
    # A smooth phase plate first: band-limited, so propagation is unitary.
    y, x = torch.meshgrid(torch.arange(96) / 96, torch.arange(80) / 80, indexing="ij")
    phases[0, 0] = 0.4 * torch.sin(2 * math.pi * (3 * x + 2 * y))
    spectrum = exit_wave(phases, grid, slabs, LENS)
    wave = torch.fft.ifft2(spectrum)
    assert (wave.abs() ** 2).mean() == pytest.approx(1, abs=1e-5)
    assert (wave.abs() ** 2).std() > 0.01  # and it did turn phase into contrast


def test_defocus_undoes_propagation():
    grid, slabs = Grid((96, 96), 0.25), Slabs(2, 0, 80)
    phases = torch.zeros(1, 2, 96, 96)
    y, x = torch.meshgrid(torch.arange(96) / 96, torch.arange(96) / 96, indexing="ij")
    phases[0, 0] = 0.4 * torch.sin(2 * math.pi * (9 * x + 4 * y))
    spectrum = exit_wave(phases, grid, slabs, LENS)
    # The first slab acts in its middle, 60 Å before the exit face; underfocus looks back there.
    focused = images(
        spectrum, grid, Microscope(300.0, 60.0, 0.0, focal_spread=0.0, convergence=0.0)
    )
    assert focused.std() < 1e-3
    assert images(spectrum, grid, PERFECT).std() > 0.05


def test_gold_along_110_has_its_reflections():
    atoms = fcc_sites(LATTICE_CONSTANTS["Au"], 20)
    along = Rotation.align_vectors([[0, 0, 1], [0, 1, 0]], [[1, 1, 0], [0, 0, 1]])[0]
    atoms = along.apply(atoms)
    atoms = atoms[(np.abs(atoms[:, :2]) < 26).all(axis=1) & (np.abs(atoms[:, 2]) < 6)]
    grid, slabs = Grid((256, 256), 0.25), Slabs(2, -7, 7)
    positions = torch.from_numpy(atoms[None].astype(np.float32))
    phases = slab_phases([Atoms("Au", positions)], grid, slabs, LENS)
    lens = Microscope(300.0, 60.0, -10.0, focal_spread=10.0, convergence=0.1)
    image = images(exit_wave(phases, grid, slabs, lens), grid, lens)[0].numpy()
    power, (fy, fx) = power_spectrum(image, pixel_size=0.25)
    # (002) along y, (2-20) along x, (1-11) between them.
    for d, (gy, gx) in {
        2.355: (1 / 4.0786, math.sqrt(2) / 4.0786),
        2.039: (2 / 4.0786, 0.0),
        1.442: (0.0, math.sqrt(8) / 4.0786),
    }.items():
        assert math.hypot(gy, gx) == pytest.approx(1 / d, rel=1e-3)
        near = np.hypot(fy[:, None] - gy, fx[None] - gx) < 0.05
        row, column = np.unravel_index(np.where(near, power, 0).argmax(), power.shape)
        assert 1 / math.hypot(fy[row], fx[column]) == pytest.approx(d, rel=0.02)
        peak = _centroid(power, fy, fx, row, column)
        assert 1 / peak == pytest.approx(d, rel=0.01)
        assert power[row, column] > 100 * np.median(power[near])


def _centroid(power, fy, fx, row, column):
    """Spatial frequency of a peak, from the 5 × 5 points around it."""
    part = power[row - 2 : row + 3, column - 2 : column + 3]
    y, x = np.meshgrid(fy[row - 2 : row + 3], fx[column - 2 : column + 3], indexing="ij")
    return math.hypot((part * y).sum() / part.sum(), (part * x).sum() / part.sum())


@pytest.mark.parametrize("defocus", [700.0, 1100.0])
def test_zeros_of_contrast_transfer_are_where_they_belong(defocus):
    lens = Microscope(200.0, defocus, 0.0, focal_spread=0.0, convergence=0.0)
    grid = Grid((512, 512), 0.5)
    noise = torch.randn(1, 1, 512, 512, generator=torch.Generator().manual_seed(1))
    white = 0.003 * noise  # a weak phase object
    image = images(exit_wave(white, grid, Slabs(1, 0, 1e-3), lens), grid, lens)[0] - 1
    power = torch.fft.fft2(image).abs().numpy() ** 2
    fy, fx = grid.frequencies()
    radius = torch.sqrt(fx**2 + fy**2).numpy()
    step = 1 / 256
    ring = (radius / step).astype(int)
    profile = np.bincount(ring.ravel(), power.ravel()) / np.bincount(ring.ravel())
    for order in (1, 2, 3):
        zero = math.sqrt(order / (lens.wavelength * defocus))  # sin(π λ Δf q²) = 0
        around = slice(int(zero / step) - 6, int(zero / step) + 7)
        found = (np.arange(around.start, around.stop) + 0.5)[profile[around].argmin()] * step
        assert found == pytest.approx(zero, abs=1.1 * step)
        assert profile[around].min() < 0.12 * profile[around].max()


def test_scherzer_makes_atoms_dark_and_the_other_sign_bright():
    grid, slabs = Grid((64, 64), 0.25), Slabs(1, -1, 1)
    wave = exit_wave(slab_phases([Atoms("C", at((0, 0, 0)))], grid, slabs, LENS), grid, slabs, LENS)
    under = images(wave, grid, Microscope(300.0, 60.0, 0.0))[0]
    over = images(wave, grid, Microscope(300.0, -60.0, 0.0))[0]
    assert under[32, 32] < 0.99
    assert over[32, 32] > 1.01


def test_astigmatism_is_defocus_that_depends_on_direction():
    along_x, along_y = torch.tensor([[0.3]]), torch.zeros(1, 1)
    lens = Microscope(300.0, 100.0, 0.0, astigmatism=30.0)
    strong, weak = (Microscope(300.0, defocus, 0.0) for defocus in (130.0, 70.0))
    x, y = lens.transfer(along_y, along_x), lens.transfer(along_x, along_y)
    torch.testing.assert_close(x.angle(), strong.transfer(along_y, along_x).angle())
    torch.testing.assert_close(y.angle(), weak.transfer(along_x, along_y).angle())
    turned = Microscope(300.0, 100.0, 0.0, astigmatism=30.0, astigmatism_angle=math.pi / 2)
    torch.testing.assert_close(turned.transfer(along_x, along_y), x)


def test_envelopes_damp_as_the_formulas_say():
    q = torch.tensor([[0.5]])
    zero = torch.zeros(1, 1)
    spread = Microscope(300.0, 0.0, 0.0, focal_spread=40.0, convergence=0.0).transfer(zero, q)
    expected = math.exp(-0.5 * (math.pi * LENS.wavelength * 40 * 0.25) ** 2)
    assert spread.abs().item() == pytest.approx(expected, rel=1e-5)
    cone = Microscope(300.0, 500.0, 0.0, focal_spread=0.0, convergence=0.5).transfer(zero, q)
    expected = math.exp(-((math.pi * 0.5e-3 * 500 * 0.5) ** 2))
    assert cone.abs().item() == pytest.approx(expected, rel=1e-4)


def test_a_batch_is_its_frames_one_by_one():
    generator = torch.Generator().manual_seed(3)
    positions = 10 * torch.rand(3, 40, 3, generator=generator) - 5
    grid, slabs = Grid((64, 72), 0.25), Slabs(3, -5, 5)
    phases = slab_phases([Atoms("Pt", positions)], grid, slabs, LENS)
    together = images(exit_wave(phases, grid, slabs, LENS), grid, LENS)
    for index in range(3):
        phases = slab_phases([Atoms("Pt", positions[index : index + 1])], grid, slabs, LENS)
        alone = images(exit_wave(phases, grid, slabs, LENS), grid, LENS)[0]
        torch.testing.assert_close(together[index], alone, atol=1e-5, rtol=1e-5)


def test_double_precision_stays_double_and_agrees():
    generator = torch.Generator().manual_seed(4)
    positions = 10 * torch.rand(1, 30, 3, generator=generator, dtype=torch.float64) - 5
    grid, slabs = Grid((64, 64), 0.25), Slabs(2, -5, 5)

    def image(atoms):
        phases = slab_phases([Atoms("Cu", atoms)], grid, slabs, LENS)
        return images(exit_wave(phases, grid, slabs, LENS), grid, LENS)

    assert image(positions).dtype == torch.float64
    torch.testing.assert_close(
        image(positions).float(), image(positions.float()), atol=1e-4, rtol=0
    )


def test_more_slabs_converge():
    generator = torch.Generator().manual_seed(5)
    positions = 24 * torch.rand(1, 300, 3, generator=generator) - 12
    grid = Grid((128, 128), 0.25)

    def image(number):
        slabs = Slabs(number, -13, 13)
        phases = slab_phases([Atoms("Au", positions)], grid, slabs, LENS)
        return images(exit_wave(phases, grid, slabs, LENS), grid, LENS).flatten().numpy()

    fine = image(24)
    errors = [1 - np.corrcoef(image(n), fine)[0, 1] for n in (1, 2, 4, 8)]
    assert errors[0] > errors[1] > errors[2] > errors[3]
    assert errors[2] < 0.01


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Microscope(2.0), "got 2.0 kV, expected 10 … 1500 kV"),
        (lambda: Microscope(focal_spread=-1), "got focal spread -1 Å .* expected both ≥ 0"),
        (lambda: Grid((4, 64), 0.25), "got a grid of 4 × 64 px of 0.25 Å, expected at least 8"),
        (lambda: Slabs(0, 0, 1), "got 0 slabs from z = 0 to 1 Å, expected 1 … 64"),
        (lambda: Slabs(2, 1, 1), "expected 1 … 64 slabs from bottom to top"),
        (lambda: scattering_factor("Xx", torch.zeros(1)), "got element 'Xx', expected one of C, O"),
        (
            lambda: slab_phases([], Grid((8, 8), 1), Slabs(1, 0, 1), LENS),
            r"got atoms at \[\], expected one group or more",
        ),
        (
            lambda: slab_phases(
                [Atoms("Au", torch.zeros(4, 3))], Grid((8, 8), 1), Slabs(1, 0, 1), LENS
            ),
            r"got atoms at \[\(4, 3\)\], expected",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(make, sentence):
    with pytest.raises(InputError, match=sentence):
        make()
