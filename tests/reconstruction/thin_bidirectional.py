"""The paper's network, thin enough to test, and blocks for it."""

from __future__ import annotations

import torch

from napari_tcsdl.measurement import Phi
from napari_tcsdl.reconstruction.bidirectional import BidirectionalConfig, BidirectionalNet

B = 5


def make_net(seed=0, dtype=torch.float64, **options):
    """A thin network whose attention is switched on."""
    torch.manual_seed(seed)
    net = BidirectionalNet(BidirectionalConfig(**{"width": 0.1, "largest_ratio": B, **options}))
    if net.first_frame is not None and net.config.attention:
        torch.nn.init.constant_(net.first_frame.attention.gain, 1.0)
    return net.to(dtype)


def make_block(n_frames=B, size=(12, 10), seed=1, batch=(), dtype=torch.float64):
    """Frames, masks of which some pixels see none, and their measurement."""
    generator = torch.Generator().manual_seed(seed)
    frames = torch.randn(*batch, n_frames, *size, generator=generator, dtype=dtype)
    masks = (torch.rand(n_frames, *size, generator=generator) < 0.5).to(dtype)
    masks[:, 3:5, 3:5] = 0
    return frames, masks, Phi(masks)(frames)


def record(module):
    """List to which every call of ``module`` adds its arguments."""
    calls = []
    module.register_forward_pre_hook(lambda _, args: calls.append([a.clone() for a in args]))
    return calls
