"""What a noise estimate says of its own error: shaking frames, slopes that few values decide."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_tcsdl import _noise_line
from napari_tcsdl._noise_doubt import NUMBERS, SURE, Doubt, gain_error, moved_share
from napari_tcsdl._noise_line import differences_of, instrument
from napari_tcsdl.noise import estimate_noise
from napari_tcsdl.noise_spectrum import NoiseSpectrum, measure_noise

N_FRAMES, SIDE = 12, 96


def texture(seed=0, contrast=0.3):
    """Pores of all sizes (H + 16, W + 16), mean 1."""
    rng = np.random.default_rng(seed)
    fine = gaussian_filter(rng.standard_normal((SIDE + 16, SIDE + 16)), 2)
    return 1 + contrast * np.clip(fine / fine.std(), -2, 2)


def recorded(dose, *, shake=0.0, flicker=0.0, contrast=0.3, seed=0):
    """Counts (n, H, W) of a still texture; the frame shakes by ``shake`` px at random."""
    rng = np.random.default_rng(seed)
    scene = texture(contrast=contrast)
    spectrum = np.fft.fft2(scene)
    ky, kx = np.meshgrid(*[np.fft.fftfreq(len(scene))] * 2, indexing="ij")
    frames = []
    for _ in range(N_FRAMES):
        dy, dx = shake * rng.standard_normal(2)
        moved = np.fft.ifft2(spectrum * np.exp(-2j * np.pi * (ky * dy + kx * dx))).real
        bright = 1 + flicker * rng.standard_normal()
        frames.append(dose * bright * moved[8 : 8 + SIDE, 8 : 8 + SIDE])
    return rng.poisson(np.clip(frames, 0, None)).astype(np.float32), np.array(frames)


def error_of(parts):
    """Of a slope that was found by the brightness of other frames."""
    return gain_error(parts, instrument(parts))


@pytest.mark.parametrize("dose", [0.5, 20, 500])
def test_a_still_frame_does_not_move(dose):
    frames, _ = recorded(dose)
    assert moved_share(differences_of(frames)) < 0.003


@pytest.mark.parametrize(("shake", "flicker"), [(0.15, 0.0), (0.25, 0.0), (0.0, 0.08)])
def test_shaking_and_flicker_are_found_at_their_share(shake, flicker):
    frames, truth = recorded(300, shake=shake, flicker=flicker)
    parts = differences_of(frames)
    noise = differences_of((frames - truth).astype(np.float32)).differences.var()
    total = np.mean([each.var() for each in parts.differences])  # the mean is of no interest here
    assert total > 1.05 * noise
    assert moved_share(parts) == pytest.approx(1 - noise / total, rel=0.3)


def test_shaking_is_found_in_bands_of_rows(monkeypatch):
    """Of huge frames only bands are looked at: where they join, no gradient is taken."""
    frames = recorded(300, shake=0.2)[0]
    parts = differences_of(frames)
    first = parts._replace(differences=parts.differences[:1], others=parts.others[:1])
    monkeypatch.setattr(_noise_line, "_MAX_VALUES", frames[0].size // 3)
    bands = differences_of(frames)
    assert bands.differences.shape == (1, SIDE // 3, SIDE)
    assert moved_share(bands) == pytest.approx(moved_share(first), rel=0.3)


@pytest.mark.parametrize("mean", [0.3, 5, 20])
def test_flat_counted_electrons_are_sure(mean):
    """Their slope shows in their own sums only, and is judged by these."""
    frames = np.random.default_rng(0).poisson(mean, (20, 128, 128)).astype(np.uint8)
    model, spectrum = measure_noise(frames)
    assert model.gain == pytest.approx(1, abs=0.1)
    assert spectrum.spoilt is None


def test_a_shaking_frame_is_warned_of():
    frames, _ = recorded(300, shake=0.2)
    spectrum = measure_noise(frames).spectrum
    assert spectrum.unsure == ("level", "gain", "read noise", "correlation")
    still = measure_noise(recorded(300)[0]).spectrum
    assert still.doubt.moved < 0.003
    assert "level" not in still.unsure


def test_the_error_of_a_slope_is_what_slopes_scatter_by():
    found = []
    for seed in range(16):
        frames, _ = recorded(100, contrast=0.08, seed=seed)
        found.append((estimate_noise(frames).gain, error_of(differences_of(frames))))
    gains, errors = np.array(found).T
    assert (gains > 0).all()
    scatter = gains.std(ddof=1) / gains.mean()
    assert np.sqrt(np.mean(errors**2)) == pytest.approx(scatter, rel=0.5)


def test_a_slope_is_surer_where_values_span_more():
    low, high = (
        error_of(differences_of(recorded(100, contrast=contrast)[0])) for contrast in (0.05, 0.4)
    )
    assert high < 0.03 < 0.06 < low


def test_rare_electrons_make_a_slope_unsure():
    frames, _ = recorded(0.2)
    assert error_of(differences_of(frames)) > 0.05


def test_tiny_movies_have_no_slope_to_judge():
    frames = recorded(20)[0][:3, :16, :16]
    parts = differences_of(frames[:2])
    assert parts.others is None
    assert moved_share(parts) == 0
    assert error_of(parts) == np.inf


@pytest.mark.parametrize(
    ("doubt", "unsure", "words"),
    [
        (Doubt(moved=0.08), NUMBERS, "makes 8% of what consecutive frames differ by, and much"),
        (Doubt(moved=0.08, taken_off=0.07), ("gain",), "(8% of the differences), so the gain"),
        (Doubt(gain=0.09), ("gain",), "the gain is known to ± 9% only"),
        (Doubt(gain=np.inf), ("gain",), "the gain is known to its order of magnitude only"),
        (Doubt(distant=-0.03), ("correlation",), "over distances that no detector reaches (-0.03)"),
        (Doubt(gain=0.09, distant=0.03), ("gain", "correlation"), "± 9% only; what moves is"),
        (Doubt(counted=-0.15), ("level",), "counted electrons is their mean, but -15% is found"),
    ],
)
def test_one_sentence_says_which_number_is_unsure(doubt, unsure, words):
    assert doubt.unsure() == unsure
    assert words in doubt.sentence()
    spectrum = NoiseSpectrum(np.ones((8, 8)), doubt=doubt)
    assert spectrum.spoilt == doubt.sentence()
    assert spectrum.unsure == unsure


def test_nothing_is_said_of_what_is_sure():
    assert SURE.sentence() is None
    assert NoiseSpectrum(np.ones((8, 8))).unsure == ()


def test_motion_at_its_own_frequencies_is_said_first():
    spectrum = NoiseSpectrum(np.ones((8, 8)), 0.4, Doubt(gain=0.2))
    assert spectrum.unsure == NUMBERS
    assert "motion or flicker adds 40%" in spectrum.spoilt
