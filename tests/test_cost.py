"""The estimate against the work that is really done; times only where no clock decides."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_tcsdl import cost, pipeline
from napari_tcsdl._trials import Trial, _decode, _trial_block, decoding_trial
from napari_tcsdl._validation import InputError
from napari_tcsdl.cost import WORKING_SET, estimate
from napari_tcsdl.decoder_choice import weights_of
from napari_tcsdl.judging import sample_places
from napari_tcsdl.movie import Movie
from napari_tcsdl.reconstruction import RECONSTRUCTORS
from napari_tcsdl.settings import Settings

RATE = 1e-6


@pytest.fixture
def known_rates(monkeypatch):
    """Trials of a machine whose speed is known."""
    trial = Trial(RATE, halo=8, align=4, context_frames=3, splits_work=True)
    monkeypatch.setattr(cost, "decoding_trial", lambda *_: trial)
    for name in ("statistics_rate", "rivals_rate", "denoising_rate"):
        monkeypatch.setattr(cost, name, lambda: 0.0)
    return trial


@pytest.mark.parametrize(("ratio", "tile"), [(4, 64), (3, 512), (9, 100)])
def test_the_work_is_that_of_the_decoder(monkeypatch, known_rates, learned, tmp_path, ratio, tile):
    frames = np.random.default_rng(0).poisson(9, (23, 150, 90)).astype(np.uint8)
    settings = Settings(
        compression_ratio=ratio, decoder="learned", device="cpu", decode_tile=tile, mask_tile=16
    )
    expected = estimate(frames.shape, frames.dtype, settings, compared=False)
    compressed = pipeline.compress(Movie(frames), tmp_path / "m.tcs.zarr", settings)
    for _ in pipeline.reconstruct(compressed, settings):
        pass
    segments = [segment for made in learned for group in made.groups for segment in group]
    done = sum(segment.n_frames * segment.y.numel() for segment in segments)
    assert expected.seconds == pytest.approx(RATE * done)


def test_tiles_share_the_threads_where_a_tile_leaves_some_idle(monkeypatch, known_rates):
    settings = Settings(decoder="gap_tv", device="cpu", decode_tile=64)
    alone = estimate((20, 128, 128), np.uint8, settings, compared=False)
    monkeypatch.setattr(cost, "decoding_trial", lambda *_: known_rates._replace(splits_work=False))
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    shared = estimate((20, 128, 128), np.uint8, settings, compared=False)
    assert shared.seconds == pytest.approx(alone.seconds / 2)
    assert shared.memory_bytes > alone.memory_bytes  # two tiles at a time


def test_a_comparison_takes_longer_than_its_frames(monkeypatch):
    trial = Trial(RATE, halo=8, align=4, context_frames=0, splits_work=True)
    monkeypatch.setattr(cost, "decoding_trial", lambda *_: trial)
    rates = {"statistics_rate": 0.0, "rivals_rate": 2 * RATE, "denoising_rate": 10 * RATE}
    for name, rate in rates.items():
        monkeypatch.setattr(cost, name, lambda rate=rate: rate)
    shape = (100, 256, 256)
    pixels = np.prod(shape)
    settings = Settings(decoder="gap_tv", device="cpu")
    frames_only = estimate(shape, np.uint8, settings, compared=False)
    assert frames_only.seconds == pytest.approx(RATE * pixels)
    raw = estimate(shape, np.uint8, Settings(decoder="gap_tv", device="cpu", reference="raw"))
    assert raw.seconds == pytest.approx(3 * RATE * pixels)
    denoised = estimate(shape, np.uint8, settings)
    # The data range is taken from 2²¹ pixels, which are denoised for it first.
    assert denoised.seconds == pytest.approx(3 * RATE * pixels + 10 * RATE * (pixels + 2**21))
    assert denoised.memory_bytes > frames_only.memory_bytes
    assert "rivals, scores and reference" in denoised.how
    assert "rivals" not in frames_only.how


def test_judging_the_deviation_is_decoding_a_sample(known_rates):
    shape, settings = (100, 300, 200), Settings(compression_ratio=10, device="cpu", reference="raw")
    judged = replace(settings, deviation="judged")
    stated, more = (estimate(shape, np.uint8, s).seconds for s in (settings, judged))
    places = sample_places(shape, 10, known_rates.context_frames)
    assert len(places) == 4
    assert more - stated == pytest.approx(RATE * 4 * 60 * 256 * 200)
    only = [estimate(shape, np.uint8, s, compared=False).seconds for s in (settings, judged)]
    assert only[0] == only[1]
    with pytest.raises(InputError, match="got decoder 'gap_tv', which states no uncertainty"):
        estimate(shape, np.uint8, replace(judged, decoder="gap_tv"))


def test_tiles_bound_the_memory(known_rates):
    settings = Settings(decoder="gap_tv", device="cpu", decode_tile=128)
    whole = estimate((20, 1024, 1024), np.uint8, Settings(decoder="gap_tv", device="cpu",
                     decode_tile=1024), compared=False)  # fmt: skip
    tiled = estimate((20, 1024, 1024), np.uint8, settings, compared=False)
    assert tiled.memory_bytes < whole.memory_bytes
    assert tiled.device_bytes == 0


def test_disk_holds_the_file_and_the_stacks(known_rates, tmp_path):
    frames = np.random.default_rng(0).poisson(9, (23, 96, 80)).astype(np.uint8)
    settings = Settings(compression_ratio=4, decoder="gap_tv", device="cpu", mask_tile=16)
    compressed = pipeline.compress(Movie(frames), tmp_path / "m.tcs.zarr", settings)
    plain = estimate(frames.shape, frames.dtype, settings).disk_bytes
    real = compressed.bytes_on_disk()
    assert real["measurements"] <= plain <= 4 * real["total"]
    assert estimate(frames.shape, frames.dtype, settings, stack_bytes=10**9).disk_bytes == (
        plain + 10**9
    )


def test_a_trial_is_made_once(monkeypatch):
    decoding_trial.cache_clear()
    settings = Settings(decoder="gap_tv", device="cpu")
    first = estimate((20, 64, 64), np.uint16, settings)
    assert 0 < first.seconds < 600
    assert decoding_trial.cache_info().misses == 1
    estimate((40, 64, 64), np.uint16, settings)
    assert decoding_trial.cache_info().misses == 1
    assert "a trial of gap_tv on cpu took" in first.how


def test_more_frames_take_longer(known_rates):
    settings = Settings(decoder="gap_tv", device="cpu")
    costs = [estimate((n, 64, 64), np.uint8, settings) for n in (20, 40)]
    assert costs[1].seconds > 1.8 * costs[0].seconds


@pytest.mark.parametrize("decoder", ["gap_tv", "unfolding"])
def test_memory_of_a_tile_is_as_measured(decoder):
    """The table is of this version's decoders: torch's own profiler has to agree."""
    weights = weights_of(Settings(decoder=decoder))
    row = RECONSTRUCTORS[decoder]
    made = row.make(weights) if weights else row.make()
    block = _trial_block(128)
    with torch.profiler.profile(profile_memory=True) as profile:
        _decode(made, block, "cpu")
    live = peak = 0
    for event in profile.profiler.kineto_results.events():
        if event.name() == "[memory]":
            live += event.nbytes()
            peak = max(peak, live)
    fixed, per_frame = WORKING_SET[decoder]
    assert 128**2 * (fixed + per_frame * block.n_frames) == pytest.approx(peak, rel=0.25)


@pytest.mark.parametrize(
    ("shape", "settings", "sentence"),
    [
        ((5, 64, 64), Settings(), "got compression ratio B = 10 for a movie of 5 frames"),
        ((20, 64, 64), Settings(decoder="magic"), "got decoder 'magic', expected one of"),
        ((60, 64, 64), Settings(compression_ratio=60), "60"),
    ],
)
def test_what_cannot_be_run_has_no_cost(known_rates, shape, settings, sentence):
    with pytest.raises(InputError, match=sentence):
        estimate(shape, np.uint8, settings)
