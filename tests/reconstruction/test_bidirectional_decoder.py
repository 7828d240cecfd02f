"""The paper's network as a decoder: units, the first frame, progress."""

import pytest
import torch
from thin_bidirectional import B, make_block, make_net, record

from napari_tcsdl._validation import Cancelled, InputError
from napari_tcsdl.measurement import Phi
from napari_tcsdl.reconstruction.base import BlockByBlock, BlockContext
from napari_tcsdl.reconstruction.bidirectional import Bidirectional


class MeanStarter(BlockByBlock):
    """A decoder for the first frame: Ȳ in each frame."""

    name = "mean"
    halo = 0

    def __call__(self, y, phi, context, progress):
        progress(0.5)
        progress(1.0)
        return phi.normalise(y).unsqueeze(-3).expand(*y.shape[:-2], *phi.masks.shape)


def decoder_of(**options):
    net = make_net(dtype=torch.float32, **options)
    return Bidirectional(net, MeanStarter() if net.config.first_frame == "gap_tv" else None)


def silent(fraction):
    pass


SCALE = {
    "spread": BlockContext((0.0, 1.0), mean=0.5, spread=2.0),
    "range": BlockContext((-1.5, 2.5)),
}


@pytest.mark.parametrize("first_frame", ["cnn", "gap_tv"])
@pytest.mark.parametrize("units", ["spread", "range"])
def test_result_does_not_depend_on_units(units, first_frame):
    frames, masks, y = make_block(dtype=torch.float32)
    decoder, phi = decoder_of(units=units, first_frame=first_frame), Phi(masks)
    reference = decoder(y, phi, SCALE[units], silent)
    assert reference.shape == frames.shape
    context = BlockContext((70.0, 110.0), mean=90.0, spread=20.0)
    decoded = decoder(phi(10 * frames + 85), phi, context, silent)
    torch.testing.assert_close((decoded - 85) / 10, reference, atol=1e-4, rtol=0)


def test_decoder_is_the_network_in_detector_units():
    _, masks, y = make_block(dtype=torch.float32)
    decoder = decoder_of()
    scaled = (y - 0.5 * masks.sum(0)) / 2
    expected = decoder.net(scaled, masks).backward * 2 + 0.5
    decoded = decoder(y, Phi(masks), SCALE["spread"], silent)
    torch.testing.assert_close(decoded, expected)
    assert not decoded.requires_grad


def test_the_starter_gives_the_first_frame():
    _, masks, y = make_block(dtype=torch.float32)
    phi = Phi(masks)
    decoder = decoder_of(first_frame="gap_tv")
    calls = record(decoder.net.forward_cell)
    decoder(y, phi, SCALE["spread"], silent)
    torch.testing.assert_close(calls[0][1][0, 0], (phi.normalise(y) - 0.5) / 2)


def test_scale_is_the_movies_and_not_the_tiles():
    """A crop of the measurement, brighter than the rest, is scaled as the whole is."""
    _, masks, y = make_block(size=(12, 24), dtype=torch.float32)
    decoder = decoder_of(first_frame="gap_tv")
    calls = record(decoder.net.forward_cell)
    for columns in (slice(None), slice(0, 8)):
        decoder(y[:, columns], Phi(masks[..., columns]), SCALE["spread"], silent)
    whole, crop = calls[0][0], calls[B - 1][0]
    torch.testing.assert_close(whole[..., :8], crop)


def test_without_a_movie_the_measurement_itself_gives_the_scale():
    _, masks, y = make_block(dtype=torch.float32)
    phi = Phi(masks)
    seen = phi.normalise(y)[phi.mask_sum > 0]
    context = BlockContext((0, 1), mean=float(seen.mean()), spread=float(seen.std(correction=0)))
    expected = decoder_of()(y, phi, context, silent)
    torch.testing.assert_close(decoder_of()(y, phi, BlockContext((0, 1)), silent), expected)


@pytest.mark.parametrize("units", ["spread", "range"])
def test_nothing_measured_gives_no_nan(units):
    phi = Phi(torch.zeros(3, 8, 9))
    decoded = decoder_of(units=units)(torch.zeros(8, 9), phi, BlockContext((5.0, 5.0)), silent)
    assert torch.isfinite(decoded).all()


@pytest.mark.parametrize("first_frame", ["cnn", "gap_tv"])
def test_progress_rises_to_one_and_may_cancel(first_frame):
    _, masks, y = make_block(dtype=torch.float32)
    decoder, phi = decoder_of(first_frame=first_frame), Phi(masks)
    seen = []
    decoder(y, phi, SCALE["spread"], seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    assert len(seen) >= 2 * B - 1

    def cancel(fraction):
        raise Cancelled

    with pytest.raises(Cancelled):
        decoder(y, phi, SCALE["spread"], cancel)


def test_decoder_of_the_first_frame_is_asked_for_or_refused():
    with pytest.raises(InputError, match=r"got no decoder for the first frame, .* GapTV\(\)"):
        Bidirectional(make_net(first_frame="gap_tv"))
    with pytest.raises(
        InputError, match=r"got a decoder for the first frame, expected none .* out"
    ):
        Bidirectional(make_net(), MeanStarter())
