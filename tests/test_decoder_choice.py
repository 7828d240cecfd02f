"""Which weights and device decode a file, and what is refused before any work."""

from dataclasses import replace

import numpy as np
import pytest
from bump_movie import N_FRAMES, RATIO, SETTINGS, frames_of, noisy_frames

from napari_tcsdl._validation import DeviceError, InputError
from napari_tcsdl.comparison import compare
from napari_tcsdl.decoder_choice import check_decoder
from napari_tcsdl.export import TiffOutputs, reconstruct_to_tiff
from napari_tcsdl.movie import Movie
from napari_tcsdl.pipeline import decode_block, reconstruct
from napari_tcsdl.reconstruction import RECONSTRUCTORS, DecoderRow
from napari_tcsdl.settings import Settings

# --- refused before any work ------------------------------------------------------------------


@pytest.fixture
def needs_weights(monkeypatch, tmp_path, learned):
    """The decoder ``learned`` needs weights; returns the folder where they belong."""
    folder = tmp_path / "weights"
    folder.mkdir()
    monkeypatch.setattr("napari_tcsdl.reconstruction.checkpoint.WEIGHTS", folder)
    row = RECONSTRUCTORS["learned"]
    monkeypatch.setitem(RECONSTRUCTORS, "learned", DecoderRow(row.make, row.line, "small"))
    return folder


def put_weights(folder, kinds=("balanced",), ratios=(2, 10)):
    import torch

    from napari_tcsdl.reconstruction import Checkpoint, save_checkpoint

    about = {
        "decoder": "learned",
        "mask_kinds": list(kinds),
        "compression_ratios": list(ratios),
        "normalisation": "none",
        "training_data": "none",
        "seed": 0,
        "commit": "none",
        "scores": {},
    }
    save_checkpoint(folder / "small.safetensors", Checkpoint({}, {"w": torch.zeros(1)}, about))


def test_absent_weights_are_told_at_once(compressed, needs_weights, tmp_path):
    for work in (
        lambda: check_decoder(SETTINGS),
        lambda: reconstruct(compressed, SETTINGS),
        lambda: compare(Movie(noisy_frames()), tmp_path / "c.tcs.zarr", SETTINGS),
        lambda: reconstruct_to_tiff(compressed, TiffOutputs(tmp_path / "r.tif"), SETTINGS),
    ):
        with pytest.raises(InputError, match=r"got no weights from .*small\.json .*gap_tv"):
            work()
    assert not (tmp_path / "c.tcs.zarr").exists()
    assert not (tmp_path / "r.tif").exists()


def test_masks_that_the_weights_do_not_know_are_refused(compressed, needs_weights, tmp_path):
    put_weights(needs_weights, kinds=("bernoulli",))
    refused = (
        "got balanced masks for decoder 'learned', expected bernoulli masks, .* choose the "
        "decoder gap_tv, or compress with masks of kind bernoulli"
    )
    with pytest.raises(InputError, match=refused):
        reconstruct(compressed, SETTINGS)
    with pytest.raises(InputError, match=refused):
        compare(Movie(noisy_frames()), tmp_path / "c.tcs.zarr", SETTINGS)


def test_the_masks_of_the_file_count_not_those_of_the_settings(compressed, needs_weights):
    put_weights(needs_weights)
    other = Settings(compression_ratio=30, masks="bernoulli", device="cpu", decoder="learned")
    assert frames_of(reconstruct(compressed, other)).shape[0] == N_FRAMES
    with pytest.raises(InputError, match="got bernoulli masks"):
        check_decoder(other)


def test_a_b_that_the_weights_do_not_know_is_refused(compressed, needs_weights):
    put_weights(needs_weights, ratios=(8, 40))
    with pytest.raises(InputError, match=r"B = 4 for decoder 'learned', expected B = 8 to 40"):
        reconstruct(compressed, SETTINGS)


def test_a_device_that_is_absent_is_told_at_once(compressed, learned):
    with pytest.raises(DeviceError, match="got device"):
        reconstruct(compressed, Settings(device="cuda:99", decoder="learned"))


def test_a_measurement_that_is_not_there(compressed, learned):
    for index in (-1, 6):
        with pytest.raises(InputError, match=f"got measurement {index}, expected 0 to 5"):
            decode_block(compressed, index, SETTINGS)


@pytest.mark.parametrize("name", RECONSTRUCTORS)
def test_a_row_says_whether_its_decoder_states_an_uncertainty(compressed, name):
    block = decode_block(compressed, 1, replace(SETTINGS, decoder=name))
    assert (block.uncertainty is not None) == RECONSTRUCTORS[name].states_uncertainty


# --- weights of one's own ---------------------------------------------------------------------


def test_weights_from_a_file_are_those_that_decode(compressed, tmp_path):
    """A copy of the shipped weights gives the same frames; other weights give others."""
    import torch

    from napari_tcsdl.reconstruction import load_checkpoint, save_checkpoint, shipped_weights

    usual = Settings(compression_ratio=RATIO, mask_tile=16, device="cpu", decoder="unfolding")
    shipped = load_checkpoint(shipped_weights("unfolding"))
    copy, other = tmp_path / "copy.safetensors", tmp_path / "other.safetensors"
    save_checkpoint(copy, shipped)
    halved = {name: weight / 2 for name, weight in shipped.state.items()}
    assert any(torch.count_nonzero(weight) for weight in halved.values())
    save_checkpoint(other, replace(shipped, state=halved))
    expected = decode_block(compressed, 1, usual).frames
    np.testing.assert_array_equal(
        decode_block(compressed, 1, replace(usual, weights=str(copy))).frames, expected
    )
    found = decode_block(compressed, 1, replace(usual, weights=str(other))).frames
    assert np.abs(found - expected).max() > 1


def test_weights_for_a_decoder_without_any_are_refused():
    with pytest.raises(InputError, match=r"got weights mine\.safetensors for decoder 'gap_tv'"):
        check_decoder(Settings(decoder="gap_tv", weights="mine.safetensors", device="cpu"))
