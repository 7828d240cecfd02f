"""Detectors: the statistics that physics asks for, and one sentence for every mistake."""

from dataclasses import replace

import pytest
import torch

from napari_tcsdl._validation import DeviceError, InputError
from napari_tcsdl.simulate.detectors import Detector, expose, random_detector

INTEGRATING = Detector(
    "integrating",
    dose=12.0,
    gain=30.0,
    gain_spread=0.3,
    mtf=(0.085, 0.0),
    read_noise=6.0,
    pedestal=100.0,
    saturation=65535.0,
)
SCINTILLATOR = Detector(
    "scintillator",
    dose=8.0,
    gain=10.0,
    gain_spread=0.5,
    mtf=(0.165, 0.02),
    read_noise=3.0,
    pedestal=150.0,
)
WHITE = replace(INTEGRATING, mtf=(0.01, 0.0), dose=2.0)
EVERY = [Detector("counting", dose=4.0), INTEGRATING, WHITE, SCINTILLATOR]


def seeded(seed=1):
    return torch.Generator().manual_seed(seed)


def flat_residual(detector, level=1.0):
    intensity = torch.full((40, 48, 48), level)
    values, truth = expose(intensity, detector, seeded())
    return values, truth, values - truth


def correlation(residual, dy, dx):
    height, width = residual.shape[-2:]
    product = residual[:, : height - dy, : width - dx] * residual[:, dy:, dx:]
    return float(product.mean() / residual.square().mean())


@pytest.mark.parametrize("dose", [0.3, 5, 300])
def test_counting_is_poisson_and_white(dose):
    values, truth, residual = flat_residual(Detector("counting", dose=dose))
    assert truth.eq(torch.tensor(float(dose))).all()
    assert values.equal(values.round())
    assert residual.square().mean() / values.mean() == pytest.approx(1, abs=0.02)
    assert correlation(residual, 0, 1) == pytest.approx(0, abs=0.01)
    assert correlation(residual, 1, 0) == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize("detector", EVERY)
@pytest.mark.parametrize("level", [0.3, 1.0, 2.5])
def test_noise_model_tells_the_variance(detector, level):
    _, truth, residual = flat_residual(detector, level)
    expected = detector.noise_model().variance(float(truth.mean()))
    assert residual.var() == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize("detector", EVERY)
def test_values_scatter_around_the_truth(detector):
    """Over a scene with edges, in every part of it: the blur is part of the truth."""
    intensity = torch.full((150, 24, 32), 0.4)
    intensity[:, 8:20, 16:] = 1.6
    values, truth = expose(intensity, detector, seeded())
    error = (values - truth).mean(dim=0)
    spread = (values - truth).std(dim=0) / 150**0.5
    z = error / spread
    assert z.square().mean() == pytest.approx(1, abs=0.2)
    assert error.mean() / spread.mean() == pytest.approx(0, abs=0.15)


@pytest.mark.parametrize(
    ("detector", "neighbour"),
    [(INTEGRATING, 0.2), (WHITE, 0.02), (SCINTILLATOR, 0.474), (EVERY[0], 0.0)],
)
def test_neighbours_correlate_as_the_blur_says(detector, neighbour):
    _, _, residual = flat_residual(replace(detector, read_noise=0.0))
    weights = torch.tensor(detector.kernel)
    by_hand = float((weights[1:] * weights[:-1]).sum() / weights.square().sum())
    assert by_hand == pytest.approx(neighbour, abs=0.01)
    assert correlation(residual, 0, 1) == pytest.approx(neighbour, abs=0.02)
    assert correlation(residual, 1, 0) == pytest.approx(neighbour, abs=0.02)
    assert correlation(residual, 1, 1) == pytest.approx(by_hand**2, abs=0.02)


@pytest.mark.parametrize("spread", [0.0, 0.3])
def test_only_what_is_no_whole_number_is_rounded(spread):
    """Whole counts of whole electrons gain no noise of the ADC; a spread of their charge does."""
    detector = Detector("counting", dose=4.0, gain=2.0, gain_spread=spread)
    model = detector.noise_model()
    assert model.offset_variance == (pytest.approx(1 / 12) if spread else 0)
    residual = flat_residual(detector)[2]
    assert residual.square().mean() == pytest.approx(model.variance(8.0), rel=0.02)


def test_scintillator_reaches_as_far_as_measured():
    """0.47 to the next pixel, 0.23 along the diagonal, 0.11 to the second."""
    _, _, residual = flat_residual(replace(SCINTILLATOR, read_noise=0.0))
    measured = [correlation(residual, *step) for step in ((0, 1), (1, 1), (0, 2))]
    assert measured == pytest.approx([0.47, 0.23, 0.11], abs=0.02)


def test_blur_comes_after_the_poisson_draw():
    """Blurring the signal first would leave white noise of full variance."""
    sharp = flat_residual(replace(INTEGRATING, mtf=(0.0, 0.0), read_noise=0.0))[2]
    blurred = flat_residual(replace(INTEGRATING, read_noise=0.0))[2]
    energy = sum(k * k for k in INTEGRATING.kernel) ** 2
    assert blurred.var() / sharp.var() == pytest.approx(energy, rel=0.03)


def test_gain_spread_raises_the_variance_and_not_the_mean():
    plain = Detector("integrating", dose=3.0, gain=100.0)
    spread = replace(plain, gain_spread=0.4)
    values, truth, residual = flat_residual(spread)
    assert values.mean() == pytest.approx(float(truth.mean()), rel=0.003)
    assert residual.var() / flat_residual(plain)[2].var() == pytest.approx(1.4, rel=0.03)
    assert values[values == 0].numel() / values.numel() == pytest.approx(0.0498, abs=0.002)  # e⁻³


def test_gain_map_belongs_to_the_pixels_and_to_the_truth():
    detector = replace(INTEGRATING, gain_map_std=0.1, dose=200.0)
    values, truth = expose(torch.ones(2, 60, 24, 24), detector, seeded())
    assert truth[:, :1].expand_as(truth).equal(truth)
    pattern = (truth[0, 0] - detector.pedestal) / (detector.dose * detector.gain)
    assert pattern.std() == pytest.approx(0.1, rel=0.15)
    assert not truth[0, 0].equal(truth[1, 0])  # another movie, another camera
    assert (values.mean(dim=1) - truth[:, 0]).std() < 0.1 * truth[0, 0].std()


def test_adc_rounds_and_clips():
    detector = replace(INTEGRATING, saturation=255.0)
    values, truth = expose(torch.full((4, 16, 16), 3.0), detector, seeded())
    assert values.max() == 255
    assert truth.mean() == pytest.approx(100 + 3 * 12 * 30, rel=1e-4)
    dark = Detector("integrating", dose=0.01, read_noise=5.0)
    assert expose(torch.ones(4, 16, 16), dark, seeded())[0].min() == 0


def test_usual_detectors_never_clip_and_few_clip_bright_parts():
    """Sixteen bits hold the brightest movies; a low ceiling lies about an intensity of 1.2."""
    generator = seeded()
    drawn = [random_detector(generator) for _ in range(3000)]
    for kind in ("counting", "integrating", "scintillator"):
        detectors = [detector for detector in drawn if detector.kind == kind]
        usual = {"counting": None}.get(kind, 65535.0)
        low = [detector for detector in detectors if detector.saturation != usual]
        assert 0.02 < len(low) / len(detectors) < 0.065
        for detector in low:
            model = detector.noise_model()
            signal = 1.2 * detector.gain * detector.dose
            spread = model.variance(detector.pedestal + signal) ** 0.5
            above = detector.saturation - detector.pedestal - 2 * spread
            assert 0.7 * signal - 0.5 <= above <= max(1.3 * signal + 0.5, 1)
            values, truth = expose(torch.full((1, 16, 16), 3.0), detector, seeded())
            assert values.max() <= detector.saturation == round(detector.saturation)
            bright = 3 * detector.gain * detector.dose * (0.999 - 5 * detector.gain_map_std)
            assert truth.min() > bright  # the truth is what a better camera would have seen
    brightest = max(detector.pedestal + 3 * detector.gain * detector.dose for detector in drawn)
    assert 20_000 < brightest < 40_000
    values, _ = expose(torch.full((8, 32, 32), 3.0), replace(INTEGRATING, dose=300.0), seeded())
    assert values.max() < 65535


def test_bright_parts_of_a_movie_clip_and_dark_ones_do_not():
    detector = next(
        detector
        for detector in (random_detector(seeded(seed), (30.0, 30.0)) for seed in range(500))
        if detector.saturation not in (None, 65535.0)
    )
    intensity = torch.full((20, 16, 32), 0.3)
    intensity[..., 16:] = 2.5
    values, truth = expose(intensity, detector, seeded())
    clipped = values == detector.saturation
    assert clipped[..., 20:].float().mean() > 0.95
    assert not clipped[..., :12].any()
    unlimited = detector.pedestal + 2.5 * detector.gain * detector.dose
    assert truth[..., 20:].mean() == pytest.approx(unlimited, rel=0.02)
    assert unlimited > detector.saturation
    assert (values - truth)[..., :12].mean() / truth[..., :12].mean() == pytest.approx(0, abs=0.02)


def test_shapes_types_and_repeatability():
    intensity = torch.rand(2, 3, 5, 9, 11, generator=seeded(), dtype=torch.float64)
    original = intensity.clone()
    values, truth = expose(intensity, SCINTILLATOR, seeded(7))
    again, _ = expose(intensity, SCINTILLATOR, seeded(7))
    other, _ = expose(intensity, SCINTILLATOR, seeded(8))
    assert values.shape == truth.shape == intensity.shape
    assert values.dtype == truth.dtype == torch.float64
    assert values.equal(again)
    assert not values.equal(other)
    assert intensity.equal(original)


def test_random_detectors_are_as_in_laboratories():
    generator = seeded()
    drawn = [random_detector(generator) for _ in range(400)]
    share = dict.fromkeys(("counting", "integrating", "scintillator"), 0.0)
    for detector in drawn:
        share[detector.kind] += 1 / len(drawn)
        assert 0.3 <= detector.dose <= 300
        assert detector.correlated == (detector.kind != "counting")
    assert share["counting"] == pytest.approx(0.5, abs=0.07)
    assert share["integrating"] == pytest.approx(0.35, abs=0.07)
    below = sum(detector.dose < 9.5 for detector in drawn) / len(drawn)
    assert below == pytest.approx(0.5, abs=0.07)
    assert random_detector(generator, (17.0, 17.0)).dose == pytest.approx(17)
    assert random_detector(seeded(3)) == random_detector(seeded(3))


@pytest.mark.parametrize("detector", [random_detector(seeded(s), (3.0, 3.0)) for s in range(8)])
def test_noise_model_of_random_detectors(detector):
    plain = replace(detector, gain_map_std=0.0, saturation=None)
    _, truth, residual = flat_residual(plain)
    expected = plain.noise_model().variance(float(truth.mean()))
    assert residual.var() == pytest.approx(expected, rel=0.05)
    assert plain.noise_model().mean == pytest.approx(float(truth.mean()), rel=1e-4)


def test_every_mistake_has_its_sentence():
    with pytest.raises(InputError, match=r"kind 'ccd', expected one of counting, integrating"):
        Detector("ccd", dose=1.0)
    with pytest.raises(InputError, match=r"got dose = 0 for a detector, expected .* > 0"):
        Detector("counting", dose=0)
    with pytest.raises(InputError, match=r"got read_noise = -1 .* ≥ 0; correct it"):
        Detector("counting", dose=1.0, read_noise=-1)
    with pytest.raises(InputError, match=r"got saturation = nan"):
        Detector("counting", dose=1.0, saturation=float("nan"))
    with pytest.raises(InputError, match=r"mtf = \(0.4, 0.2\), expected weights ≥ 0"):
        Detector("integrating", dose=1.0, mtf=(0.4, 0.2))
    with pytest.raises(InputError, match=r"shape \(4, 4\) .* expected \(…, T, H, W\)"):
        expose(torch.ones(4, 4), EVERY[0], seeded())
    with pytest.raises(InputError, match=r"type torch.int64, expected"):
        expose(torch.ones(2, 4, 4, dtype=torch.int64), EVERY[0], seeded())
    with pytest.raises(DeviceError, match=r"generator on cpu for an intensity on meta"):
        expose(torch.ones(2, 4, 4, device="meta"), EVERY[0], seeded())
