"""What decoders share, and the table that lists them."""

import json
import subprocess
import sys

import pytest
import torch

from napari_tcsdl import reconstruction
from napari_tcsdl.measurement import Phi
from napari_tcsdl.reconstruction import (
    RECONSTRUCTORS,
    BlockByBlock,
    BlockContext,
    GapTV,
    Reconstructor,
    Segment,
)

CONTEXT = BlockContext((0.0, 10.0))


class PseudoInverse(BlockByBlock):
    name = "fake"
    halo = 0

    def __call__(self, y, phi, context, progress):
        progress(0.5)
        progress(1.0)
        return phi.pseudo_inverse(y)


def segments():
    generator = torch.Generator().manual_seed(0)
    found = []
    for n in (4, 4, 2):
        phi = Phi((torch.rand(n, 6, 5, generator=generator) < 0.5).float())
        found.append(Segment(torch.rand(6, 5, generator=generator), phi))
    return found


def test_segments_are_decoded_each_by_itself():
    seen = []
    parts = segments()
    estimate = PseudoInverse().decode(parts, CONTEXT, seen.append)
    expected = torch.cat([part.phi.pseudo_inverse(part.y) for part in parts])
    torch.testing.assert_close(estimate.frames, expected)
    assert estimate.uncertainty is None
    assert seen == pytest.approx([1 / 6, 1 / 3, 1 / 2, 2 / 3, 5 / 6, 1])
    assert [part.n_frames for part in parts] == [4, 4, 2]


def test_gap_tv_decodes_a_segment_as_it_decodes_a_measurement():
    (segment, *_) = segments()
    decoder: Reconstructor = GapTV()
    together = decoder.decode([segment], CONTEXT, lambda fraction: None).frames
    alone = decoder(segment.y, segment.phi, CONTEXT, lambda fraction: None)
    assert torch.equal(together, alone)
    assert (decoder.align, decoder.context_frames) == (1, 0)


def test_every_row_that_needs_no_weights_can_be_made_and_says_what_it_is():
    for name, row in RECONSTRUCTORS.items():
        assert "weights" in row.line, "whether it needs them"
        assert "\n" not in row.line
        if row.weights is None:
            assert row.make().name == name


def test_the_table_can_be_read_without_torch():
    code = (
        "from napari_tcsdl.reconstruction import RECONSTRUCTORS; import json, sys; "
        "print(json.dumps(['torch' in sys.modules, [*RECONSTRUCTORS]]))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(out.stdout) == [False, [*RECONSTRUCTORS]]


def test_every_public_name_is_there():
    assert set(reconstruction._HOME) | {"RECONSTRUCTORS", "DecoderRow"} == set(
        reconstruction.__all__
    )
    for name in reconstruction.__all__:
        assert getattr(reconstruction, name) is not None
    assert not hasattr(reconstruction, "no_such_name")
