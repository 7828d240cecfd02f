"""Batches: masks are what they are called, and Y is what the camera would add up."""

import math
from dataclasses import replace

import pytest
import torch
from tiny_training import BATCH, still_scenes, tiny_batch

from napari_tcsdl._exposures import usual_exposures
from napari_tcsdl._validation import InputError
from napari_tcsdl.measurement import Phi
from napari_tcsdl.simulate.detectors import Detector
from napari_tcsdl.training import batches, lasting
from napari_tcsdl.training.batches import BatchSettings, draw_layout, make_batch
from napari_tcsdl.training.coding import Layout, draw_masks, measure
from napari_tcsdl.training.scenes import Scenes

TEN = Layout(10, 1, 0, 0)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def rising_scenes(count, shape, generator):
    """Uniform frames that grow brighter by the same amount each time."""
    ramp = 1 + 0.1 * torch.arange(shape[0], dtype=torch.float32)
    return Scenes.alone(ramp[None, :, None, None].expand(count, *shape).contiguous())


@pytest.fixture
def clean(monkeypatch):
    """A detector of so high a dose that its noise cannot be seen."""
    detector = Detector("counting", dose=1e7)
    monkeypatch.setattr(batches, "random_detector", lambda generator, doses: detector)


@pytest.mark.parametrize("ratio", [2, 5, 10, 23, 40])
def test_balanced_masks_open_every_pixel_equally_often(ratio):
    for seed in range(4):
        masks = draw_masks(2, Layout(ratio, 1, 0, 0), 12, 0.0, seeded(seed))
        assert set(masks.unique().tolist()) <= {0.0, 1.0}
        (exposures,) = masks.sum(1).unique().tolist()
        assert max(1, ratio // 4 - 1) <= exposures <= ratio / 2 + 1


def test_most_batches_have_the_usual_exposures():
    layout = Layout(23, 1, 0, 0)
    drawn = [int(draw_masks(1, layout, 4, 0.0, seeded(s)).sum(1)[0, 0, 0]) for s in range(40)]
    assert drawn.count(usual_exposures(23)) > 20


def test_balanced_masks_favour_no_frame():
    masks = draw_masks(1, TEN, 200, 0.0, seeded())
    shares = masks.mean((0, 2, 3))
    torch.testing.assert_close(shares, masks.mean().expand(10), atol=0.015, rtol=0)


def test_bernoulli_masks_are_independent_coins():
    masks = draw_masks(1, TEN, 200, 1.0, seeded())
    torch.testing.assert_close(masks.mean((0, 2, 3)), torch.full((10,), 0.5), atol=0.015, rtol=0)
    assert float(masks.sum(1).var()) == pytest.approx(10 / 4, rel=0.05)


def test_masks_are_fresh_each_time():
    generator = seeded()
    first, second = (draw_masks(1, Layout(8, 1, 0, 0), 16, 0.0, generator) for _ in range(2))
    assert not torch.equal(first, second)


@pytest.mark.parametrize(
    "layout",
    [
        Layout(5, 2, 0, 0),
        Layout(5, 1, 5, 3),
        Layout(30, 1, 20, 10),
        Layout(5, 2, 0, 0, end=1),
        Layout(5, 1, 5, 3, end=4),
    ],
)
def test_measurements_are_those_of_phi(layout):
    frames = torch.rand(sum(layout.blocks), 6, 7, generator=seeded())
    masks = draw_masks(1, layout, 7, 0.5, seeded(1))[0, :, :6]
    measured = measure(frames, masks, layout)
    blocks = frames.split(layout.blocks)
    for index, block in enumerate(blocks):
        at_end = layout.end and block is blocks[-1]
        phi = Phi(masks[layout.ratio :] if at_end else masks[: len(block)])
        torch.testing.assert_close(measured.mean[index], phi.normalise(phi(block)))
        torch.testing.assert_close(measured.exposures[index], phi.mask_sum)


def test_masks_of_context_are_those_of_the_frames_next_to_the_block():
    layout = Layout(5, 1, 5, 2)
    masks = draw_masks(1, layout, 4, 1.0, seeded())[0]
    used = measure(torch.ones(15, 4, 4), masks, layout).masks
    assert torch.equal(used, torch.cat([masks[3:], masks, masks[:2]]))


def test_truth_explains_the_measurement_of_a_clean_movie(clean):
    for seed in range(6):
        batch = make_batch(still_scenes, BATCH, seeded(seed))
        rest = batch.coded.residual(batch.truth)
        assert float(rest.abs().max()) < 0.02
        assert float(batch.truth.std()) > 0.3


def test_truth_of_a_batch_is_consecutive_frames(clean):
    for seed in range(6):
        batch = make_batch(rising_scenes, BATCH, seeded(seed))
        steps = batch.truth.mean((0, 2, 3)).diff()
        torch.testing.assert_close(steps, steps[:1].expand_as(steps), rtol=1e-3, atol=1e-5)
        assert sum(batch.coded.lengths) == batch.truth.shape[1] == batch.coded.masks.shape[1]
        core = batch.truth[:, batch.core].shape[1]
        assert core > 0
        ratio, last = batch.coded.ratio, batch.coded.lengths[-1]
        assert core % ratio == 0 or core % ratio == last


def test_a_movie_may_end_within_a_block(clean):
    """The last frames have masks of their own, nothing lies behind them, and they count."""
    layout = Layout(5, 2, 5, 3, end=2)
    assert layout.blocks == [5, 5, 5, 2]
    assert layout.lengths == (3, 5, 5, 2)
    assert layout.core == slice(3, 15)
    masks = draw_masks(1, layout, 4, 0.0, seeded())[0]
    used = measure(torch.ones(17, 4, 4), masks, layout).masks
    assert torch.equal(used, torch.cat([masks[2:5], masks[:5], masks[:5], masks[5:]]))


def test_masks_of_an_end_are_the_first_ones_or_open_every_pixel():
    kinds = set()
    for seed in range(20):
        masks = draw_masks(2, Layout(8, 1, 0, 0, end=1), 12, 0.0, seeded(seed))
        block, end = masks[:, :8], masks[:, 8:]
        assert end.shape == (2, 1, 12, 12)
        first = torch.equal(end, block[:, :1])
        assert first or bool((end == 1).all())
        kinds.add(first)
    assert kinds == {True, False}


def test_short_ends_have_any_length_below_a_block():
    generator = seeded()
    settings = BatchSettings(ratios=(8, 8), short_ends=1.0)
    ends = [draw_layout(settings, generator).end for _ in range(200)]
    assert set(ends) == set(range(1, 8))
    settings = BatchSettings(short_ends=0.2)
    share = sum(draw_layout(settings, generator).end > 0 for _ in range(400)) / 400
    assert share == pytest.approx(0.2, abs=0.06)
    none = BatchSettings(short_ends=0.0)
    assert not any(draw_layout(none, generator).end for _ in range(50))


def test_b_may_be_drawn_evenly():
    generator = seeded()
    log, even = (
        [
            draw_layout(BatchSettings(ratios=(4, 40), even_ratios=share), generator).ratio
            for _ in range(400)
        ]
        for share in (0.0, 1.0)
    )
    assert min(log) == min(even) == 4
    assert max(log) >= 39
    assert max(even) == 40
    assert sum(log) / 400 == pytest.approx(36 / math.log(10), rel=0.1)
    assert sum(even) / 400 == pytest.approx(22, rel=0.08)


def test_doses_may_be_the_usual_ones(monkeypatch):
    asked = []
    detector = Detector("counting", dose=5.0)
    monkeypatch.setattr(
        batches, "random_detector", lambda generator, doses: asked.append(doses) or detector
    )
    generator = seeded()
    for share in (0.0, 1.0, 0.5):
        asked.clear()
        for _ in range(30):
            make_batch(still_scenes, replace(BATCH, usual_doses=share), generator)
        usual = sum(doses == batches.USUAL_DOSES for doses in asked) / len(asked)
        assert usual == pytest.approx(share, abs=0.2 if share == 0.5 else 0)


def test_noise_level_is_that_of_the_measurement():
    """Of many movies of one scene, the spread of Ȳ is the σ that the network is told, about."""
    (scene,) = still_scenes(1, (1, 16, 16), seeded(3)).frames
    detector = Detector("counting", dose=5.0)
    found = []
    generator = seeded()
    layout = Layout(8, 1, 0, 0)
    for _ in range(60):
        masks = draw_masks(1, layout, 16, 0.0, seeded(5))[0]
        mean, sigma, _, truth, *_ = batches._encode(
            scene.expand(8, -1, -1), None, masks, layout, detector, generator
        )
        found.append(((mean - truth.mean(0)) / sigma).square().mean())
    assert float(torch.stack(found).mean()) == pytest.approx(1.0, abs=0.15)


def test_layouts_cover_all_of_their_range():
    generator = seeded()
    settings = BatchSettings()
    layouts = [draw_layout(settings, generator) for _ in range(400)]
    ratios = [layout.ratio for layout in layouts]
    assert (min(ratios), max(ratios)) == (4, 40)
    assert sum(ratio < 13 for ratio in ratios) / 400 == pytest.approx(0.5, abs=0.08)
    assert {layout.whole for layout in layouts} > {1, 2, 3}
    aside = [layout for layout in layouts if layout.aside]
    assert len(aside) / 400 == pytest.approx(0.6, abs=0.08)
    assert all(layout.context <= min(layout.ratio, 10) for layout in aside)
    alone = BatchSettings(context_frames=0)
    still = [draw_layout(alone, generator) for _ in range(20)]
    assert all(layout.blocks == list(layout.lengths) for layout in still)


@pytest.mark.parametrize("n_frames", [2, 7, 30])
def test_a_layout_fits_a_short_movie(n_frames):
    for layout in (
        Layout(40, 1, 20, 10),
        Layout(40, 1, 0, 0),
        Layout(5, 4, 5, 5),
        Layout(3, 2, 0, 0, end=2),
    ):
        fitting = layout.within(n_frames)
        assert 0 < sum(fitting.blocks) <= n_frames
        assert fitting.whole >= 1


def test_a_short_end_stays_in_a_short_movie():
    """Weights that see none while they are fine-tuned unlearn it."""
    for layout in (Layout(8, 2, 8, 4, end=1), Layout(40, 1, 0, 0, end=1)):
        assert layout.within(9).blocks == [8, 1]
    assert Layout(6, 1, 0, 0, end=5).within(9).blocks == [6, 3]


def test_equal_seeds_give_equal_batches():
    first, second, other = tiny_batch(1), tiny_batch(1), tiny_batch(2)
    assert torch.equal(first.coded.mean, second.coded.mean)
    assert torch.equal(first.truth, second.truth)
    assert first.truth.shape != other.truth.shape or not torch.equal(first.truth, other.truth)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"crop": 62}, "got crops of 62 px, expected a multiple of 4"),
        ({"ratios": (9, 4)}, "got B from 9 to 4, expected 2 ≤ least ≤ largest"),
        ({"pixels": 0}, "got batches of 0 pixels"),
        ({"bernoulli": 1.5}, "got a share 1.5 of bernoulli masks, expected 0 … 1"),
        ({"short_ends": -0.1}, "got a share -0.1 of short ends, expected 0 … 1"),
        ({"even_ratios": 2}, "got a share 2 of evenly drawn B, expected 0 … 1"),
        ({"usual_doses": 2}, "got a share 2 of usual doses, expected 0 … 1"),
    ],
)
def test_settings_that_no_batch_can_have(changes, sentence):
    with pytest.raises(InputError, match=sentence):
        BatchSettings(**changes)


def test_a_batch_tells_of_the_movie_that_its_crops_are_of(monkeypatch):
    """Through a camera with a pattern and a pedestal; alone, a crop would tell something else."""
    camera = Detector(
        "integrating", 1e6, gain=10.0, mtf=(0.01, 0.0), pedestal=1e6, gain_map_std=0.02,
        saturation=1e12,
    )  # fmt: skip
    monkeypatch.setattr(batches, "random_detector", lambda generator, doses: camera)
    for name, value in (("_UNKNOWN", 0), ("_SHORT", 0), ("_JITTER", 0), ("_PIXELS", (1e9, 1e9))):
        monkeypatch.setattr(lasting, name, value)
    noise = torch.randn(30, 128, 128, generator=seeded(7))
    movie = 1 + 0.1 * noise
    movie[:, :, :64] = 1 + 0.1 * noise[0, :, :64]  # half of it stays
    crop = movie[:, 30:94, 64:]
    whole = lasting.Whole.of(lasting.whole_products(movie.numpy()), crop.numpy())

    def scenes(known):
        return lambda count, shape, generator: Scenes(crop[None, : shape[0]], (known,))

    settings = replace(BATCH, crop=64, pixels=1, ratios=(8, 8), context_frames=0, short_ends=0)
    told, alone = (make_batch(scenes(known), settings, seeded()) for known in (whole, None))
    # In units of the spread of Ȳ: the share of the signal that stays, and the pattern.
    unit = alone.truth[0].std().item() / (0.1**2 + 0.02**2) ** 0.5
    stays, pattern = 0.1**2 / 2 * 80 / 81, 0.02**2 * 80 / 81
    roots = [math.sqrt(value) * 3 * unit for value in (stays + pattern, pattern)]
    assert float(told.coded.persistence[0, 1]) == pytest.approx(roots[0], rel=0.05)
    assert float(alone.coded.persistence[0, 1]) == pytest.approx(roots[1], rel=0.1)
