"""Compressing with a judged deviation: what is sampled, what is kept, who makes use of it."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import uniform_filter

from napari_tcsdl._validation import Cancelled, InputError, OutputError
from napari_tcsdl.comparison import compare
from napari_tcsdl.decoder_choice import weights_of
from napari_tcsdl.decoding import Decoder, no_progress
from napari_tcsdl.deviation import JudgedDeviation
from napari_tcsdl.encoding import measure_statistics
from napari_tcsdl.io import open_compressed
from napari_tcsdl.judging import Part, in_memory, judged_deviation, known_noise, sample_places
from napari_tcsdl.movie import Movie
from napari_tcsdl.pipeline import compress, make_header
from napari_tcsdl.reconstruction.checkpoint import digest_of
from napari_tcsdl.settings import Settings

SETTINGS = Settings(compression_ratio=5, device="cpu", deviation="judged")
STATED = replace(SETTINGS, deviation="stated")
GAP_TV = replace(SETTINGS, decoder="gap_tv")


def particle(n_frames=10, side=64, seed=0, electrons=9.0):
    """A particle that drifts over a film, in counts."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    centre = side / 2 + np.arange(n_frames)[:, None, None]
    disc = 1 / (1 + np.exp((np.hypot(y - side / 2, x - centre) - side / 5) / 2))
    return rng.poisson(electrons * (1 + disc)).astype(np.uint8)


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    path = tmp_path_factory.mktemp("judged") / "m.tcs.zarr"
    return compress(Movie(particle()), path, SETTINGS)


def test_the_file_keeps_the_factor_and_of_which_weights(judged):
    deviation = judged.header.deviation
    assert deviation.weights == digest_of(weights_of(SETTINGS))
    assert deviation.factor != 1
    assert 0 < deviation.error < 0.3
    assert open_compressed(judged.path).header.deviation == deviation


def uncertainty(compressed, factor, weights=None):
    weights = weights or compressed.header.deviation.weights
    deviation = None if factor is None else JudgedDeviation(factor, 0.0, weights)
    changed = replace(compressed, header=replace(compressed.header, deviation=deviation))
    return Decoder(changed, SETTINGS).block(1)


def test_the_uncertainty_is_multiplied_and_the_frames_stay(judged):
    stated, doubled = uncertainty(judged, None), uncertainty(judged, 2.0)
    np.testing.assert_array_equal(doubled.uncertainty, 2 * stated.uncertainty)
    np.testing.assert_array_equal(doubled.frames, stated.frames)


def test_a_judgement_of_other_weights_is_not_used(judged):
    stated, other = uncertainty(judged, None), uncertainty(judged, 2.0, weights="0" * 64)
    np.testing.assert_array_equal(other.uncertainty, stated.uncertainty)


def test_a_decoder_that_was_not_judged_decodes_the_file(judged):
    assert Decoder(judged, replace(GAP_TV, deviation="stated")).block(0).uncertainty is None
    assert Decoder(judged, GAP_TV).block(0).uncertainty is None


def test_without_being_asked_nothing_is_judged(tmp_path):
    assert compress(Movie(particle()), tmp_path / "m.tcs.zarr", STATED).header.deviation is None


def test_a_comparison_judges_too(judged, tmp_path):
    settings = replace(SETTINGS, reference="raw")
    movie = Movie(particle())
    list(compare(movie, tmp_path / "m.tcs.zarr", settings))
    found = open_compressed(tmp_path / "m.tcs.zarr").header.deviation
    assert found.factor == pytest.approx(judged.header.deviation.factor, rel=1e-3)


def test_a_decoder_that_states_none_is_refused_before_any_work(tmp_path):
    path = tmp_path / "m.tcs.zarr"
    sentence = r"got decoder 'gap_tv', which states no uncertainty, expected one that does \(unf"
    for work in (compress, compare):
        with pytest.raises(InputError, match=sentence):
            work(Movie(particle()), path, GAP_TV)
    assert not path.exists()


def test_an_output_in_the_way_is_refused_before_a_sample_is_decoded(judged, monkeypatch):
    def decode(*anything, **more):
        raise AssertionError("nothing is to be decoded")

    monkeypatch.setattr("napari_tcsdl.judging.in_memory", decode)
    settings = replace(SETTINGS, reference="raw")
    for work in (compress, lambda *given: list(compare(*given))):
        with pytest.raises(OutputError, match="which exists already, expected a new name"):
            work(Movie(particle()), judged.path, settings)


def test_judging_can_be_stopped(tmp_path):
    def stop(fraction):
        raise Cancelled

    with pytest.raises(Cancelled):
        compress(Movie(particle()), tmp_path / "m.tcs.zarr", SETTINGS, progress=stop)
    assert not (tmp_path / "m.tcs.zarr").exists()


def test_a_movie_too_small_to_judge_by_says_so_and_is_compressed(tmp_path):
    movie = Movie(particle(5, 16), "tiny")
    with pytest.warns(UserWarning, match="^tiny: got .* to judge the deviation by; it stays"):
        compressed = compress(movie, tmp_path / "m.tcs.zarr", SETTINGS)
    assert compressed.header.deviation is None
    assert compressed.complete


def test_a_part_with_a_bad_frame_is_passed_over():
    """Where it is encoded the frame is complained of: those before it must not be lost."""
    frames = particle(20).astype(np.float32)
    header = make_header(Movie(frames), STATED, measure_statistics(Movie(frames)))
    bad = frames.copy()
    bad[12, 3, 3] = np.nan
    statistics = measure_statistics(Movie(frames))
    with pytest.warns(
        UserWarning, match="^movie: got 0 raw pixels that no mask opens, expected at"
    ):
        assert judged_deviation(Movie(bad), SETTINGS, header, statistics, no_progress) is None


# --- what is sampled ----------------------------------------------------------------------------


def test_a_small_movie_is_sampled_whole():
    (part,) = sample_places((63, 200, 256), 10, 4)
    assert part == (range(60), 0, 0, 200, 256)


@pytest.mark.parametrize("shape", [(1000, 512, 700), (61, 4096, 4096), (30, 257, 64)])
@pytest.mark.parametrize("ratio", [2, 7, 30])
def test_parts_are_whole_blocks_within_the_movie_and_differ(shape, ratio):
    parts = sample_places(shape, ratio, 4)
    assert 1 <= len(parts) == len(set(parts)) <= 4
    for part in parts:
        assert 0 <= part.frames.start < part.frames.stop <= shape[0]
        assert part.frames.start % ratio == len(part.frames) % ratio == 0
        assert part.bottom - part.top == min(256, shape[1])
        assert part.right - part.left == min(256, shape[2])
        assert part.top >= 0
        assert part.left >= 0
        assert part.bottom <= shape[1]
        assert part.right <= shape[2]


def test_parts_of_a_long_movie_are_of_its_beginning_and_its_end():
    starts = [part.frames.start for part in sample_places((1000, 512, 512), 10, 4)]
    assert min(starts) < 250
    assert max(starts) > 700


def test_frames_too_large_to_read_often_are_read_once_for_all_parts():
    places = sample_places((600, 4096, 4096), 30, 4)
    assert len(places) == 4
    assert len({part.frames for part in places}) == 1
    read = []

    class Counted:
        shape, dtype = (20, 300, 300), np.dtype(np.uint8)

        def __getitem__(self, key):
            read.append(key.start)
            return np.full((1, 300, 300), key.start, np.uint8)

    stretch = range(5, 9)
    parts = [Part(stretch, 0, 0, 200, 200), Part(stretch, 100, 90, 300, 290)]
    cut = [part for part, _ in in_memory(Movie(Counted()), parts, no_progress)]
    assert read == list(stretch)
    assert [part.shape for part in cut] == [(4, 200, 200)] * 2
    assert cut[1].read(2, 3).max() == 7


def test_reading_for_it_can_be_stopped():
    def stop(fraction):
        raise Cancelled

    with pytest.raises(Cancelled):
        list(in_memory(Movie(particle()), sample_places((10, 64, 64), 5, 4), stop))


# --- what is known of the noise -----------------------------------------------------------------


def test_counts_are_their_own_variance():
    known = known_noise(measure_statistics(Movie(particle(16, 128))))
    assert (known.counts, known.white) == (True, True)
    assert 0 < known.doubt < 0.02


@pytest.mark.parametrize("electrons", [0.5, 3.0, 20.0])
def test_counts_of_a_small_movie_are_counts(electrons):
    known = known_noise(measure_statistics(Movie(particle(10, 96, electrons=electrons))))
    assert known.counts


def test_counts_that_keep_to_poisson_less_well_are_doubted_more():
    statistics = measure_statistics(Movie(particle(16, 128)))
    assert known_noise(statistics).doubt < 0.03
    for share in (0.95, 0.8):
        lost = replace(statistics.noise, gain=share * statistics.noise.gain)
        fewer = known_noise(replace(statistics, noise=lost))
        assert fewer.doubt == pytest.approx(1 - share, abs=0.03)


def test_noise_that_many_pixels_share_is_refused():
    white = np.random.default_rng(4).standard_normal((16, 128, 128))
    raw = 500 + 20 * uniform_filter(white, (0, 3, 3)) * 3
    with pytest.raises(InputError, match="share beyond their four neighbours, as of interpolated"):
        known_noise(measure_statistics(Movie(np.rint(raw).astype(np.uint16))))


def test_noise_with_gain_is_known_within_its_doubt():
    rng = np.random.default_rng(3)
    truth = np.broadcast_to(np.linspace(100, 900, 128), (16, 128, 128))
    raw = truth + np.sqrt(5 * truth + 400) * rng.standard_normal(truth.shape)
    statistics = measure_statistics(Movie(np.rint(raw).astype(np.uint16)))
    known = known_noise(statistics)
    expected = (5 * truth + 400).mean()
    assert not known.counts
    assert 0 < known.doubt < 0.05
    assert known.model.variance(truth.mean()) == pytest.approx(expected, rel=3 * known.doubt)
    # What is slight is left in the model that is stored, and taken off here.
    more = replace(statistics, spectrum=replace(statistics.spectrum, excess=0.04))
    less = replace(statistics, spectrum=replace(statistics.spectrum, excess=0.0))
    levels = [known_noise(s).model.variance(truth.mean()) for s in (more, less)]
    assert levels[1] / levels[0] == pytest.approx(1.04)
