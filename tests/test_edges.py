"""Edge widths are those that discs were blurred with, and what is no edge is not taken for one."""

import numpy as np
import pytest
from scipy import ndimage

from napari_tcsdl._validation import InputError
from napari_tcsdl.edges import SIGMAS_10_90, edge_width, find_edges, match_edges

SIZE = 192


@pytest.fixture(scope="module")
def disc() -> np.ndarray:
    """A disc of height 1 with pixels as a detector averages them."""
    y, x = np.mgrid[: 4 * SIZE, : 4 * SIZE]
    sharp = (np.hypot(y - 370, x - 400) < 250).astype(float)
    return sharp.reshape(SIZE, 4, SIZE, 4).mean(axis=(1, 3))


@pytest.fixture(scope="module")
def reference(disc) -> np.ndarray:
    return ndimage.gaussian_filter(disc, 0.7)


def width_of(sigma: float) -> float:
    """10–90 % rise; a pixel is itself a blur of variance 1/12."""
    return SIGMAS_10_90 * np.hypot(sigma, np.sqrt(1 / 12))


def test_factor_of_a_gaussian_edge():
    assert pytest.approx(2.5631, abs=1e-4) == SIGMAS_10_90


@pytest.mark.parametrize("sigma", [0.7, 1.0, 2.0, 4.0])
def test_blurred_discs_have_the_width_of_their_blur(disc, reference, sigma):
    found = edge_width(match_edges(ndimage.gaussian_filter(disc, sigma), reference))
    assert found.width == pytest.approx(width_of(sigma), rel=0.07)
    assert found.n_edges > 20
    assert found.reason == ""


@pytest.mark.parametrize("sigma", [1.0, 2.5])
def test_noise_as_strong_as_the_edge_does_not_bias_the_width(disc, reference, sigma):
    generator = np.random.default_rng(0)
    edges, blurred = find_edges(reference), ndimage.gaussian_filter(disc, sigma)
    matches = [
        match_edges(blurred + generator.normal(0, 1, disc.shape), reference, edges)
        for _ in range(6)
    ]
    found = edge_width(matches)
    assert found.width == pytest.approx(width_of(sigma), rel=0.15)
    assert abs(found.width - width_of(sigma)) < 4 * found.error
    assert edge_width(matches[0]).error > found.error  # more frames tell more


def test_gain_offset_and_displacement_do_not_matter(disc, reference):
    blurred = ndimage.gaussian_filter(disc, 1.5)
    moved = ndimage.shift(blurred, (2.0, -3.0), mode="nearest")
    match = match_edges(40 * moved + 7, reference)
    assert match.displacement == pytest.approx((2.0, -3.0), abs=0.5)
    still = edge_width(match_edges(blurred, reference)).width
    assert edge_width(match).width == pytest.approx(still, rel=0.05)


def test_pixel_size_gives_angstroms(disc, reference):
    match = match_edges(ndimage.gaussian_filter(disc, 1.5), reference)
    in_px, in_angstrom = edge_width(match), edge_width(match, pixel_size=0.25)
    assert in_angstrom.width == pytest.approx(in_px.width / 4)
    assert in_angstrom.error == pytest.approx(in_px.error / 4)


def test_inverted_contrast_is_no_edge(reference):
    found = edge_width(match_edges(-reference, reference))
    assert found.width is None
    assert found.reason == "noise hides the edges"


def test_mere_noise_shows_no_edges(reference):
    noise = np.random.default_rng(1).normal(size=reference.shape)
    found = edge_width(match_edges(noise, reference))
    assert (found.width, found.error) == (None, None)
    assert found.reason == "noise hides the edges"


@pytest.mark.parametrize("period", [5.0, 9.4, 14.0])
def test_a_lattice_has_no_edges(period):
    y, x = np.mgrid[:SIZE, :SIZE]
    planes = np.cos(2 * np.pi * (0.8 * x + 0.6 * y) / period)
    columns = planes * np.cos(2 * np.pi * (0.6 * x - 0.8 * y) / period)
    assert len(find_edges(planes)) == 0
    found = edge_width(match_edges(columns, columns))
    assert found.width is None
    assert found.reason == "no straight edge, 4 are needed"


def test_noise_and_flat_frames_have_no_edges():
    noise = np.random.default_rng(2).normal(size=(SIZE, SIZE))
    assert len(find_edges(noise)) == 0
    assert len(find_edges(np.ones((SIZE, SIZE)))) == 0


def test_edges_of_a_particle_full_of_lattice_lie_on_its_outline(disc, reference):
    y, x = np.mgrid[:SIZE, :SIZE]
    scene = reference * (1 + 0.3 * np.cos(2 * np.pi * x / 9) * np.cos(2 * np.pi * y / 9))
    edges = find_edges(scene)
    assert len(edges) > 5
    radii = np.hypot(*(edges.places - np.array([370, 400]) / 4 + 0.375).T)
    np.testing.assert_allclose(radii, 62.5, atol=3)
    inwards = np.array([370, 400]) / 4 - edges.places
    inwards /= np.linalg.norm(inwards, axis=1, keepdims=True)
    assert (inwards * edges.normals).sum(axis=1).min() > 0.9  # to the bright side


def test_blurred_beyond_measure_is_said(disc, reference):
    found = edge_width(match_edges(ndimage.gaussian_filter(disc, 14), reference))
    assert found.width is None
    assert found.reason == "edges blurred by more than 8 px"


def test_bad_frames_are_refused(reference):
    with pytest.raises(InputError, match=r"got a frame of shape \(32, 32\) to look for edges"):
        find_edges(reference[:32, :32])
    with pytest.raises(InputError, match="expected one shape; compare frame by frame"):
        match_edges(reference[:100], reference)
    spoiled = reference.copy()
    spoiled[3, 4] = np.nan
    with pytest.raises(InputError, match="got NaN or infinite pixels in a frame"):
        match_edges(spoiled, reference)
    with pytest.raises(InputError, match="got pixel size -1"):
        edge_width(match_edges(reference, reference), pixel_size=-1)
