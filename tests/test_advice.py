"""The advice against movies whose motion and dose are known."""

import numpy as np
import pytest

from napari_tcsdl._validation import Cancelled, InputError
from napari_tcsdl.advice import LARGEST, SMALLEST, recommend
from napari_tcsdl.motion import LARGEST_SIDE, OFFSETS, WINDOWS, measure_change
from napari_tcsdl.movie import Movie

SIDE = 128
ANGLE = 0.5


def drifting_scene(speed, dose, n_frames=60, seed=0):
    """Texture and patches of lattice (8 px) that drift by ``speed`` px a frame, noise-free."""
    rng = np.random.default_rng(seed)
    large = 512
    ky, kx = np.fft.fftfreq(large)[:, None], np.fft.rfftfreq(large)[None]

    def smooth(scale):
        white = np.fft.rfft2(rng.normal(size=(large, large)))
        field = np.fft.irfft2(white * np.exp(-((ky**2 + kx**2) / scale**2)), s=(large, large))
        return field / field.std()

    y, x = np.mgrid[:large, :large]
    lattice = np.cos(2 * np.pi * x / 8) + np.cos(2 * np.pi * y / 8)
    scene = np.fft.rfft2(0.2 * smooth(0.06) + 0.2 * lattice * (smooth(0.01) > 0))
    frames = []
    for t in range(n_frames):
        phase = speed * t * (ky * np.sin(ANGLE) + kx * np.cos(ANGLE))
        frame = np.fft.irfft2(scene * np.exp(-2j * np.pi * phase), s=(large, large))
        frames.append(frame[:SIDE, :SIDE])
    return np.clip(1 + np.asarray(frames), 0.1, None) * dose


def counted(truth, seed=1):
    return np.random.default_rng(seed).poisson(truth).clip(0, 65535).astype(np.uint16)


class Watched:
    """Frames that note what is read of them."""

    def __init__(self, frames):
        self.frames, self.shape, self.dtype, self.read = frames, frames.shape, frames.dtype, []

    def __getitem__(self, key):
        self.read += range(*key.indices(self.shape[0]))
        return self.frames[key]


@pytest.mark.parametrize("dose", [2, 50])
@pytest.mark.parametrize(
    ("speed", "least", "most"), [(0.0, 15, LARGEST), (0.2, 6, 16), (3.0, SMALLEST, SMALLEST)]
)
def test_the_faster_the_drift_the_smaller_b(speed, dose, least, most):
    advice = recommend(Movie(counted(drifting_scene(speed, dose))))
    assert least <= advice.compression_ratio <= most, advice.reason
    assert advice.motion == pytest.approx(speed, rel=0.02, abs=0.03)
    assert advice.electrons == pytest.approx(dose, rel=0.1)
    assert advice.coherent
    assert f"B = {advice.compression_ratio}" in advice.reason
    assert f"{advice.electrons:.2g} e/px" in advice.reason


def test_direction_and_blur_are_those_of_the_truth():
    truth = drifting_scene(0.5, 50)
    change = measure_change(Movie(counted(truth)))
    expected = (0.5 * np.sin(ANGLE), 0.5 * np.cos(ANGLE))
    np.testing.assert_allclose(change.drift, expected, atol=0.03)
    # Periods above 32 px are no detail: taken out of the truth, too, before it is blurred.
    spectrum = np.fft.rfft2(truth)
    radius = np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE)[None])
    detail = np.fft.irfft2(np.where(radius < 1 / 32, 0, spectrum), s=(SIDE, SIDE))[:56]
    blocks = detail.reshape(-1, 8, SIDE, SIDE)
    lost = np.square(blocks - blocks.mean(1, keepdims=True)).mean() / np.square(detail).mean()
    assert change.blur(8) == pytest.approx(lost, rel=0.3)
    assert change.blur(1) == 0


def test_detail_over_noise_is_that_of_the_truth():
    truth = drifting_scene(0.2, 20)
    change = measure_change(Movie(counted(truth)))
    spectrum = np.fft.rfft2(truth[0] * np.outer(np.hanning(SIDE), np.hanning(SIDE)))
    radius = np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE)[None])
    power = 2 * np.square(np.abs(spectrum[(radius > 1 / 32) & (radius < 0.5)])).sum() / SIDE**4
    signal = power / np.square(np.hanning(SIDE)).mean() ** 2
    assert change.snr == pytest.approx(np.sqrt(signal / 20), rel=0.25)


def test_a_pattern_of_the_detector_does_not_hide_the_drift():
    truth = drifting_scene(1.0, 50)
    gain = 1 + 0.1 * np.random.default_rng(3).normal(size=truth.shape[1:])
    advice = recommend(Movie(counted(truth * gain)))
    assert advice.motion == pytest.approx(1.0, abs=0.1)
    assert advice.compression_ratio <= 8


def test_unrelated_frames_get_the_smallest_b():
    scenes = np.concatenate([drifting_scene(0, 50, 1, seed) for seed in range(12)])
    advice = recommend(Movie(counted(scenes)))
    assert (advice.compression_ratio, advice.coherent) == (SMALLEST, False)
    assert "share" in advice.reason
    assert "frames coded together should show one scene" in advice.reason


def test_a_sudden_change_is_told():
    frames = drifting_scene(0, 50, 12)
    frames[3:] = np.roll(drifting_scene(0, 50, 9, seed=5), (4, 0), (1, 2))  # lattice out of step
    advice = recommend(Movie(counted(frames)))
    assert advice.coherent
    assert "Somewhere the scene changes from one frame to the next" in advice.reason


def test_noise_alone_is_no_finding():
    noise = np.random.default_rng(0).poisson(3, (40, SIDE, SIDE)).astype(np.uint8)
    advice = recommend(Movie(noise))
    assert advice.compression_ratio == 10
    assert advice.reason.startswith("No detail stands out of the noise")
    short = recommend(Movie(noise[:5]))
    assert short.compression_ratio == 5


def test_a_clean_still_movie_gets_a_large_b():
    frame = drifting_scene(0, 50, 1).astype(np.float32)
    advice = recommend(Movie(np.repeat(frame, 20, axis=0)))
    assert advice.snr is None or advice.snr > 10
    assert advice.electrons is None
    assert advice.blur == 0
    assert advice.compression_ratio >= 15


@pytest.mark.parametrize("n_frames", [2, 3, 7])
def test_b_is_never_more_than_there_are_frames(n_frames):
    advice = recommend(Movie(counted(drifting_scene(0, 50, n_frames))))
    assert advice.compression_ratio == n_frames
    assert f"B = {n_frames}, all the frames there are" in advice.reason


def test_reading_is_bounded_and_lazy():
    frames = np.ones((5000, 1, 1), np.uint8) * counted(drifting_scene(0, 50, 1))[0].astype(np.uint8)
    source = Watched(frames)
    told = []
    advice = recommend(Movie(source), progress=told.append)
    assert len(source.read) == advice.frames_read == WINDOWS * len(OFFSETS)
    assert max(source.read) > 4000 > 1000 > min(source.read)
    assert told == sorted(told)
    assert told[-1] == 1.0


def test_of_large_frames_the_middle_is_looked_at():
    side = LARGEST_SIDE + 128
    frames = np.random.default_rng(2).poisson(5, (6, side, side)).astype(np.uint8)
    frames[:, :64] = 200  # outside, and would change the mean
    assert recommend(Movie(frames)).dose == pytest.approx(5, rel=0.01)


def test_work_can_be_stopped():
    def stop(fraction):
        raise Cancelled

    with pytest.raises(Cancelled):
        recommend(Movie(counted(drifting_scene(0, 2, 6))), progress=stop)


def test_tiny_frames_are_refused():
    frames = np.ones((9, 24, 40), np.uint8)
    with pytest.raises(InputError, match="got frames of 24 × 40 px, expected at least 32 × 32 px"):
        recommend(Movie(frames))


def test_the_smallest_frames_that_are_allowed():
    frames = counted(drifting_scene(0, 50, 12))[:, :32, :47]
    assert recommend(Movie(frames)).compression_ratio == 12
