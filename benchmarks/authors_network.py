"""The network that the authors released, read from a checkout at run time; for ``decoder.py``.

The code (public repository xinhuolin/TCS-DL) has no licence: nothing of it is kept here.
"""

from __future__ import annotations

import sys
import types
from pathlib import Path

import torch

from napari_tcsdl.reconstruction.bidirectional import BidirectionalConfig, BidirectionalNet


class AuthorsNetwork:
    """Their three networks, without the calls that move them to a GPU.

    Files are read as text and run from memory.

    Parameters
    ----------
    folder
        The checkout.
    n_frames
        B: each network serves one.
    """

    def __init__(self, folder: Path, n_frames: int) -> None:
        for name in ("my_tools", "models"):  # the second imports the first
            module = types.ModuleType(name)
            text = (folder / f"{name}.py").read_text(encoding="utf-8").replace(".cuda()", "")
            sys.modules[name] = module
            exec(compile(text, name, "exec"), module.__dict__)
        self.n_frames = n_frames
        self.first = module.cnn1(n_frames + 1)
        self.ahead, self.back = module.forward_rnn(), module.backrnn()

    @torch.inference_mode()
    def decode(self, y, masks):
        """Forward and backward frames of one measurement (H, W), H = W even."""
        size = y.shape[-1]
        mean = (y / masks.sum(0).clamp(min=1))[None, None]
        start = self.first(masks, mean, size, self.n_frames)
        hidden = torch.zeros(1, 20, size, size)
        ahead, hidden = self.ahead(start, y[None], masks, hidden, mean, size, self.n_frames)
        return ahead[0], self.back(ahead, y[None], masks, hidden, mean, size, self.n_frames)[0]

    def parameters(self):
        """All weights, in the order in which our network has its own."""
        first, attention = self.first, self.first.att1
        names = "conv1 conv2 conv3 conv4 res_part1 conv7 conv8 res_part2 conv9 conv10 res_part3"
        modules = [getattr(first, name) for name in names.split()]
        found = [p for module in modules for p in module.parameters()]
        modules = [attention.conv1, attention.conv2, attention.conv3, attention.conv4]
        modules += [first.conv5, first.conv51, first.conv52, first.conv6]
        for cell in (self.ahead, self.back):
            modules += [cell.conv_x, cell.extract_feature1, cell.res_part1, cell.res_part2]
            modules += [cell.h_h, cell.up_feature1]
        return [*found, attention.gamma1, *(p for m in modules for p in m.parameters())]


def disagreement(network: AuthorsNetwork, size=64):
    """Largest difference of our variants from the authors' code with the same weights.

    Returns a dictionary: relative to the standard deviation of their frames.
    """
    torch.manual_seed(0)
    with torch.no_grad():
        network.first.att1.gamma1.fill_(3.0)  # attention begins switched off
    masks = (torch.rand(network.n_frames, size, size) < 0.5).float()
    y = (masks * torch.rand(network.n_frames, size, size)).sum(0)
    theirs = torch.stack(network.decode(y, masks))
    found = {}
    for variant in ("released", "paper"):
        net = BidirectionalNet(BidirectionalConfig(variant, largest_ratio=network.n_frames))
        with torch.inference_mode():
            for own, other in zip(net.parameters(), network.parameters(), strict=True):
                own.copy_(other)
            ours = torch.stack(net(y, masks))
        found[variant] = float((ours - theirs).abs().max() / theirs.std())
    return found
