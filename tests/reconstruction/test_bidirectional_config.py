"""The paper's network: its size, its configuration, and inputs that do not fit it."""

import pytest
import torch
from thin_bidirectional import make_block, make_net

from napari_tcsdl._validation import InputError
from napari_tcsdl.reconstruction.bidirectional import BidirectionalConfig, BidirectionalNet

# --- size ---------------------------------------------------------------------------------------


def parameters_of(*modules):
    return sum(p.numel() for module in modules for p in module.parameters())


def test_full_width_has_the_published_number_of_parameters():
    assert parameters_of(BidirectionalNet(BidirectionalConfig())) == 4_133_240


def test_without_the_first_frame_cnn_four_fifths_of_the_parameters_are_gone():
    full = parameters_of(BidirectionalNet(BidirectionalConfig()))
    without = parameters_of(BidirectionalNet(BidirectionalConfig(first_frame="gap_tv")))
    assert 1 - without / full == pytest.approx(0.81, abs=0.01)


def test_width_multiplies_channels():
    half = parameters_of(BidirectionalNet(BidirectionalConfig(width=0.5)))
    assert half == pytest.approx(4_133_240 / 4, rel=0.02)


# --- configuration and messages -----------------------------------------------------------------


def test_configuration_survives_json():
    config = BidirectionalConfig("released", 0.25, "gap_tv", attention=False, units="range")
    assert BidirectionalConfig.from_json(config.to_json()) == config


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"variant": "birnat"}, "got variant 'birnat', expected one of paper, released; choose"),
        ({"first_frame": "unet"}, "got first_frame 'unet', expected one of cnn, gap_tv; choose"),
        ({"units": "counts"}, "got units 'counts', expected one of spread, range; choose"),
        ({"width": 0.0}, r"got width = 0.0, expected at least 0.02; leave it out"),
        ({"largest_ratio": 0}, "got largest_ratio = 0, expected at least 1; leave it out"),
    ],
)
def test_configurations_that_make_no_sense_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        BidirectionalConfig(**options)


def test_configuration_of_a_later_version_is_refused():
    with pytest.raises(InputError, match=r"got depth in the configuration .* use the version of"):
        BidirectionalConfig.from_json({"depth": 3})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda y, m, f: (y[1:], m, None), r"got measurements of shape \(11, 10\) and masks of"),
        (lambda y, m, f: (y, m[0], None), r"expected \(…, H, W\) and \(B, H, W\) or"),
        (lambda y, m, f: (y, m.expand(2, -1, -1, -1), None), "cut both with the same window"),
        (lambda y, m, f: (y, torch.cat([m, m]), None), "got B = 10, expected at most 5, for which"),
        (lambda y, m, f: (y, m, f[0]), "got first frames: one of shape .* expected none with"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(change, message):
    frames, masks, y = make_block()
    with pytest.raises(InputError, match=message):
        make_net()(*change(y, masks, frames))


def test_a_first_frame_must_be_given_where_the_network_has_none():
    frames, masks, y = make_block()
    net = make_net(first_frame="gap_tv")
    with pytest.raises(InputError, match=r"got first frames: none, expected one of shape \(12, 10"):
        net(y, masks)
    with pytest.raises(InputError, match="expected one of shape"):
        net(y, masks, frames)
