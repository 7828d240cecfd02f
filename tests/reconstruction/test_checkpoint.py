"""Weights: whole, of a known kind, in their place, or refused in one sentence."""

import json

import pytest
import torch

from napari_tcsdl._validation import CorruptFileError, InputError, OutputError
from napari_tcsdl.reconstruction import (
    Checkpoint,
    check_trained_for,
    fill,
    load_checkpoint,
    save_checkpoint,
    shipped_weights,
)

ABOUT = {
    "decoder": "unfolding",
    "mask_kinds": ["balanced", "bernoulli"],
    "compression_ratios": [4, 40],
    "normalisation": "mean and spread of the movie",
    "training_data": "procedural, version 1",
    "seed": 7,
    "commit": "0123abc",
    "scores": {"au_20e": 20.5},
}


def network():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Conv2d(1, 3, 3), torch.nn.BatchNorm2d(3))


def checkpoint(**about):
    return Checkpoint({"width": 3}, network().state_dict(), {**ABOUT, **about})


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "small.v1.safetensors"
    save_checkpoint(path, checkpoint())
    return path


def test_what_was_saved_comes_back(path):
    for name in (path, path.with_suffix(".json")):
        loaded = load_checkpoint(name)
        assert (loaded.config, loaded.about) == ({"width": 3}, ABOUT)
        for key, tensor in network().state_dict().items():
            assert torch.equal(loaded.state[key], tensor)


def test_the_json_can_be_read_by_people(path):
    document = json.loads(path.with_suffix(".json").read_text())
    assert document["format_version"] == 1
    assert len(document["sha256"]) == 64
    assert document["about"]["mask_kinds"] == ["balanced", "bernoulli"]


def test_saving_again_replaces_both_and_leaves_nothing_else(path):
    save_checkpoint(path, checkpoint(seed=8))
    assert load_checkpoint(path).about["seed"] == 8
    assert {file.name for file in path.parent.iterdir()} == {"small.v1.safetensors",
                                                             "small.v1.json"}  # fmt: skip


def test_weights_fill_their_network(path):
    other = network()
    torch.nn.init.zeros_(other[0].weight)
    fill(other, load_checkpoint(path))
    assert torch.equal(other[0].weight, network()[0].weight)


def test_half_precision_on_the_disk_fills_a_float32_network():
    state = {
        name: tensor.half() if tensor.is_floating_point() else tensor
        for name, tensor in network().state_dict().items()
    }
    other = network()
    fill(other, Checkpoint({}, state, ABOUT))
    assert other[0].weight.dtype == torch.float32
    assert torch.allclose(other[0].weight, network()[0].weight, atol=1e-3)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda s: s.pop("0.weight"), r"1 tensors missing \(0\.weight\) and 0 unknown \(none\)"),
        (lambda s: s.update(extra=torch.zeros(2)), r"0 tensors missing .* 1 unknown \(extra\)"),
        (lambda s: s.update({"0.bias": torch.zeros(4)}),
         r"tensor 0\.bias of shape \(4,\) and type torch.float32, expected \(3,\)"),
        (lambda s: s.update({"0.bias": torch.zeros(3, dtype=torch.int32)}),
         r"tensor 0\.bias of shape \(3,\) and type torch.int32"),
        (lambda s: s["0.bias"].fill_(float("nan")), "tensor 0.bias with values that are not fini"),
    ],
)  # fmt: skip
def test_weights_that_do_not_fit_are_refused_and_change_nothing(change, sentence):
    state = {name: tensor.clone() for name, tensor in network().state_dict().items()}
    change(state)
    other = network()
    with pytest.raises(InputError, match=f"got weights with {sentence}.*; use weights"):
        fill(other, Checkpoint({}, state, ABOUT))
    assert torch.equal(other[0].weight, network()[0].weight)


@pytest.mark.parametrize("suffix", [".safetensors", ".json"])
def test_an_absent_file_is_named(path, suffix):
    path.with_suffix(suffix).unlink()
    with pytest.raises(InputError, match=rf"got no weights from .*small\.v1\{suffix} \(No such"):
        load_checkpoint(path)


def test_a_flipped_bit_is_found(path):
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    with pytest.raises(CorruptFileError, match=r"with sha256 \w{12}…, expected \w{12}… as small"):
        load_checkpoint(path)


def rewrite(path, **entries):
    facts = path.with_suffix(".json")
    document = {**json.loads(facts.read_text()), **entries}
    facts.write_text(json.dumps({k: v for k, v in document.items() if v is not None}))


@pytest.mark.parametrize(
    ("entries", "kind", "sentence"),
    [
        ({"format_version": 2}, InputError, "of format version 2, expected 1; update"),
        ({"format_version": None}, CorruptFileError, r"damaged or missing \('format_version'\)"),
        ({"sha256": None}, CorruptFileError, r"damaged or missing \('sha256'\)"),
        ({"config": [1]}, CorruptFileError, "config is no dict"),
        ({"about": {"decoder": "x"}}, InputError, "without mask_kinds, compression_ratios, norm"),
        ({"about": {**ABOUT, "compression_ratios": [9]}}, InputError, r"expected .* \[least B"),
        ({"about": {**ABOUT, "mask_kinds": "balanced"}}, InputError, "mask_kinds = 'balanced'"),
    ],
)
def test_a_description_that_is_not_right_is_refused(path, entries, kind, sentence):
    rewrite(path, **entries)
    with pytest.raises(kind, match=sentence):
        load_checkpoint(path)


def test_half_a_description_is_refused(path):
    facts = path.with_suffix(".json")
    facts.write_text(facts.read_text()[:50])
    with pytest.raises(CorruptFileError, match=r"got small\.v1\.json, in which an entry"):
        load_checkpoint(path)


def test_what_is_no_safetensors_is_refused(path):
    import hashlib

    path.write_bytes(b"not tensors")
    rewrite(path, sha256=hashlib.sha256(b"not tensors").hexdigest())
    with pytest.raises(CorruptFileError, match="which holds no tensors"):
        load_checkpoint(path)


def test_a_checkpoint_must_explain_itself(tmp_path):
    silent = Checkpoint({}, {}, {name: v for name, v in ABOUT.items() if name != "commit"})
    with pytest.raises(InputError, match="without commit, expected decoder, mask_kinds"):
        save_checkpoint(tmp_path / "x.safetensors", silent)
    with pytest.raises(InputError, match="that is no JSON"):
        save_checkpoint(tmp_path / "x.safetensors", checkpoint(scores={"psnr": float("nan")}))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(OutputError, match=r"cannot write .*x\.safetensors \(No such file"):
        save_checkpoint(tmp_path / "no" / "x.safetensors", checkpoint())


def test_weights_serve_what_they_were_trained_for():
    check_trained_for(checkpoint(), "unfolding", "bernoulli", 4)
    check_trained_for(checkpoint(), "unfolding", "balanced", 40)


def test_other_masks_are_refused_with_a_way_out():
    weights = checkpoint(mask_kinds=["balanced"])
    with pytest.raises(
        InputError,
        match="got bernoulli masks for decoder 'unfolding', expected balanced masks, which its "
        "weights were trained for; choose the decoder gap_tv, or compress with masks of kind bal",
    ):
        check_trained_for(weights, "unfolding", "bernoulli", 10)


@pytest.mark.parametrize("ratio", [3, 41])
def test_another_b_is_refused_with_a_way_out(ratio):
    with pytest.raises(InputError, match=f"B = {ratio} for .* expected B = 4 to 40, .* gap_tv"):
        check_trained_for(checkpoint(), "unfolding", "balanced", ratio)


def test_weights_of_another_decoder_are_refused():
    with pytest.raises(InputError, match="weights of decoder 'unfolding' for decoder 'bidirect"):
        check_trained_for(checkpoint(), "bidirectional", "balanced", 10)


def test_shipped_weights_lie_in_the_package():
    path = shipped_weights("unfolding")
    assert path.name == "unfolding.safetensors"
    assert path.parent.name == "weights"
    assert path.parent.parent.name == "napari_tcsdl"
