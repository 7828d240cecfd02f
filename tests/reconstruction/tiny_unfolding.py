"""Our network, small and untrained, and measurements and scenes for it."""

from __future__ import annotations

import numpy as np
import torch

from napari_tcsdl.masks import Masks
from napari_tcsdl.measurement import Phi
from napari_tcsdl.noise import NoiseModel
from napari_tcsdl.reconstruction.base import Segment
from napari_tcsdl.reconstruction.unfolding import CodedSequence, UnfoldingConfig, UnfoldingNet

TINY = UnfoldingConfig(width=8, deep_width=8, stages=2, shifts=(1, 1, 1))
POISSON = NoiseModel(1.0, 0.0)


def silent(fraction):
    pass


def make_net(config=TINY, seed=0):
    """A network that was not trained, but whose every layer does something."""
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        net = UnfoldingNet(config)
        for parameter in net.parameters():
            if not parameter.any():
                torch.nn.init.normal_(parameter, std=0.05)
    return net.eval()


def make_coded(lengths=(5, 4), size=(16, 12), n=1, seed=1, ratio=5, sigma=0.3):
    """Measurements in normalised units that nobody has made."""
    generator = torch.Generator().manual_seed(seed)
    n_frames = sum(lengths)
    return CodedSequence(
        torch.randn(n, len(lengths), *size, generator=generator),
        torch.full((n, len(lengths), *size), sigma),
        (torch.rand(n, n_frames, *size, generator=generator) < 0.5).float(),
        lengths,
        ratio,
    )


def scene(n_frames, height, width, dose=20.0):
    """Expected counts of a lattice that drifts, (T, H, W) float64."""
    y, x = np.mgrid[:height, :width]
    t = np.arange(n_frames)[:, None, None]
    return dose * (1 + 0.4 * np.sin((x + 0.3 * t) / 1.5) * np.sin(y / 2))


def segment_of(frames, kind="balanced", seed=0):
    """Encode frames (B, H, W) as one measurement."""
    masks = Masks.create(len(frames), kind=kind, seed=seed, tile=(32, 32))
    phi = Phi.from_masks(masks, frames.shape[1:], device="cpu")
    return Segment(phi(torch.from_numpy(np.asarray(frames, np.float32))), phi)
