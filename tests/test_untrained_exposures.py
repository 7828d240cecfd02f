"""A warning of masks that open in far fewer or far more frames than weights were trained with."""

import warnings

import numpy as np
import pytest
import torch

from napari_tcsdl._exposures import served_exposures, usual_exposures
from napari_tcsdl.decoder_choice import check_decoder
from napari_tcsdl.movie import Movie
from napari_tcsdl.pipeline import compress, reconstruct
from napari_tcsdl.reconstruction import RECONSTRUCTORS
from napari_tcsdl.settings import Settings
from napari_tcsdl.training.coding import Layout, draw_masks

LEARNED = [name for name, row in RECONSTRUCTORS.items() if row.weights]


def settings_of(exposures, decoder="unfolding", ratio=30, **others):
    return Settings(
        compression_ratio=ratio, exposures=exposures, decoder=decoder, device="cpu", **others
    )


@pytest.mark.parametrize("decoder", LEARNED)
@pytest.mark.parametrize("exposures", [1, 2, 19, 30])
def test_exposures_far_from_training_are_warned_of(decoder, exposures):
    sentence = (
        rf"got masks that open each pixel in {exposures} of 30 frames for decoder '{decoder}', "
        r"expected 3 to 18, .* far wrong: choose the decoder gap_tv, or compress with exposures"
    )
    with pytest.warns(UserWarning, match=sentence):
        check_decoder(settings_of(exposures, decoder))


@pytest.mark.parametrize("exposures", [None, 3, 12, 18])
def test_others_are_not(exposures):
    check_decoder(settings_of(exposures))  # a warning would be an error here
    check_decoder(settings_of(None, masks="bernoulli"))
    for anything in (1, 30):
        check_decoder(settings_of(anything, "gap_tv"))


def test_the_masks_of_the_file_count_not_those_of_the_settings(tmp_path):
    frames = np.random.default_rng(0).poisson(9, (8, 20, 24)).astype(np.uint8)
    made = compress(Movie(frames), tmp_path / "m.tcs.zarr", settings_of(8, ratio=8))
    with pytest.warns(UserWarning, match="in 8 of 8 frames"):
        (block,) = reconstruct(made, settings_of(4, ratio=8))
    assert np.isfinite(block.frames).all()  # warned of, not refused


def test_it_is_said_once_however_often_it_is_met():
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("default")
        for _ in range(3):
            check_decoder(settings_of(30, ratio=31))
    assert len(said) == 1


@pytest.mark.parametrize("ratio", range(2, 51))
def test_masks_as_they_are_made_where_nobody_chooses_are_served(ratio):
    served = served_exposures(ratio)
    assert usual_exposures(ratio) in served
    assert ratio not in served  # frames that all see the same cannot be told apart


def test_all_that_training_draws_is_served():
    generator = torch.Generator().manual_seed(0)
    for ratio in range(4, 41):
        for _ in range(8):
            masks = draw_masks(1, Layout(ratio, 1, 0, 0), 2, 0.0, generator)
            assert int(masks[0, :, 0, 0].sum()) in served_exposures(ratio)
