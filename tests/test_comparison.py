import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from napari_tcsdl._validation import InputError
from napari_tcsdl.comparison import FrameScores, compare, mean_scores
from napari_tcsdl.io import open_compressed
from napari_tcsdl.movie import Movie
from napari_tcsdl.pipeline import reconstruct
from napari_tcsdl.settings import Settings

SETTINGS = Settings(
    compression_ratio=4, mask_tile=16, device="cpu", reference="truth", decoder="gap_tv"
)
CODECS = ["raw", "gap_tv", "binning", "jpeg_raw_over_B", "jpeg_same_bytes"]


@pytest.fixture
def truth(truth_frames):
    return Movie(truth_frames.astype(np.float32), name="truth")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "m.tcs.zarr"


@pytest.fixture
def blocks(movie, truth, path):
    return list(compare(movie, path, SETTINGS, truth=truth))


def test_every_codec_scores_every_frame_once(blocks):
    rows = [(row.codec, row.frame) for block in blocks for row in block.scores]
    assert len(rows) == len(set(rows))
    assert set(rows) == {(codec, frame) for codec in CODECS for frame in range(9)}


def test_scores_equal_scikit_image(blocks, movie, truth, path):
    data_range = compare(movie, path, SETTINGS, truth=truth).reference.data_range
    assert data_range == pytest.approx(
        np.percentile(truth.read(0, 9), 99.9) - np.percentile(truth.read(0, 9), 0.1)
    )
    block = blocks[1]
    row = next(row for row in block.scores if row.codec == "binning" and row.frame == 5)
    image = block.frames("binning")[1].astype(float)
    reference = truth.read(5, 6)[0].astype(float)
    assert row.psnr == pytest.approx(
        peak_signal_noise_ratio(reference, image, data_range=data_range)
    )
    assert row.ssim == pytest.approx(
        structural_similarity(
            reference, image, data_range=data_range,
            gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
        )
    )  # fmt: skip


def test_bytes_of_the_decoder_sum_to_the_file(blocks, path):
    shares = sum(r.bytes for block in blocks for r in block.scores if r.codec == "gap_tv")
    on_disk = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    assert shares == open_compressed(path).bytes_on_disk()["total"] == on_disk


def test_jpeg_keeps_both_budgets_or_says_that_it_cannot(blocks, movie):
    for block in blocks:
        for codec in block.codecs[-2:]:
            assert codec.fits == (sum(codec.frame_bytes) <= codec.budget)
            assert codec.fits or codec.quality == 1
        budget = block.codecs[3].budget
        assert budget == block.n_frames * movie.shape[1] * movie.shape[2] // 4


def test_raw_bytes_are_the_movies(blocks, movie):
    raw = sum(row.bytes for block in blocks for row in block.scores if row.codec == "raw")
    assert raw == movie.nbytes


def test_measurement_is_normalised_to_detector_units(blocks, frames):
    for block in blocks:
        assert block.measurement.mean() == pytest.approx(frames.mean(), rel=0.05)


def test_reference_raw_scores_raw_as_perfect(movie, path):
    settings = Settings(compression_ratio=4, mask_tile=16, device="cpu", reference="raw")
    means = mean_scores([row for b in compare(movie, path, settings) for row in b.scores])
    assert means["raw"] == (np.inf, pytest.approx(1))
    assert means["unfolding"][0] < np.inf


def test_reference_denoised_is_closer_to_the_truth_than_raw(movie, truth, path):
    settings = Settings(compression_ratio=4, mask_tile=16, device="cpu")
    comparison = compare(movie, path, settings)
    raw, clean = movie.read(0, 9), truth.read(0, 9)
    denoised = comparison.reference.frames(raw, 0)
    assert np.mean((denoised - clean) ** 2) < 0.5 * np.mean((raw - clean) ** 2)
    assert "BM3D" in comparison.reference.description


def test_truth_must_be_given(movie, path):
    with pytest.raises(InputError, match="got reference 'truth' without a truth movie"):
        compare(movie, path, SETTINGS)


def test_truth_must_have_the_movies_shape(movie, truth_frames, path):
    short = Movie(truth_frames[:-1].astype(np.float32))
    with pytest.raises(InputError, match=r"got a truth of \(8, 48, 40\) for a movie of \(9, 48"):
        compare(movie, path, SETTINGS, truth=short)


def test_a_frame_kept_exactly_does_not_make_the_mean_infinite():
    rows = [FrameScores("x", 0, 20.0, 0.5, 1), FrameScores("x", 1, np.inf, 1.0, 1)]
    assert mean_scores(rows) == {"x": (20.0, 0.75)}
    assert mean_scores(rows[1:]) == {"x": (np.inf, 1.0)}


def test_what_is_shown_is_what_a_companded_file_gives(movie, tmp_path):
    settings = Settings(compression_ratio=4, mask_tile=16, device="cpu", reference="raw")
    run = compare(movie, tmp_path / "c.tcs.zarr", settings)
    shown = np.concatenate([block.frames("unfolding") for block in run])
    file = open_compressed(run.path)
    assert file.header.storage.companding is not None
    again = np.concatenate([block.frames for block in reconstruct(file, settings)])
    np.testing.assert_array_equal(shown, again)
