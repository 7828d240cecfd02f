"""Self-attention over the pixels of a feature map without a table of all pairs of pixels.

The map has N = h · w pixels. A table of all pairs holds N² numbers: 1 GiB for frames of 256²,
16 GiB for 512². Here torch's fused attention goes through it in blocks, and maps that are larger
than a window are cut into windows, so that the work grows as N and not as N².
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

Normalisation = Literal["keys", "queries"]

_SHARE = 8  # queries and keys have so many times fewer channels than the map
_ALIGN = 8  # fused kernels on GPUs want vectors of a multiple of this
_MOST_PAIRS = 2**24  # of pixels whose weights are held at once where nothing is fused


class SelfAttention(nn.Module):
    """x + g · (mixture of the values of all pixels), g learnt from 0 on.

    Parameters
    ----------
    channels
        C of the map.
    window
        Side [px of the map] up to which a map is attended to as a whole; larger ones are cut into
        the fewest windows of about equal size, none longer than this. 0: never cut.
    normalise
        ``keys``: the weights with which a pixel looks at all others add up to 1 (Zhang et al.).
        ``queries``: the weights with which a pixel is looked at by all others do; the code that
        was released with the paper does this.

    References
    ----------
    H. Zhang et al., "Self-attention generative adversarial networks", ICML 2019: no division by
    the square root of the number of channels.
    """

    def __init__(self, channels: int, window: int, normalise: Normalisation = "keys") -> None:
        super().__init__()
        reduced = max(channels // _SHARE, 1)
        self.window = window
        self.normalise = normalise
        self.key = nn.Conv2d(channels, reduced, 1)
        self.query = nn.Conv2d(channels, reduced, 1)
        self.value = nn.Conv2d(channels, channels, 1)
        self.merge = nn.Conv2d(channels, channels, 1)
        self.gain = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w) → the same shape."""
        query, key, value = self.query(x), self.key(x), self.value(x)
        rows = []
        for top, bottom in _cuts(x.shape[-2], self.window):
            row = []
            for left, right in _cuts(x.shape[-1], self.window):
                parts = [m[..., top:bottom, left:right] for m in (query, key, value)]
                row.append(self._attend(*parts))
            rows.append(torch.cat(row, -1))
        return x + self.gain * self.merge(torch.cat(rows, -2))  # type: ignore[no-any-return]

    def _attend(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Attend to one window, (N, C, h, w)."""
        attend = over_keys if self.normalise == "keys" else over_queries
        flat = [m.flatten(2).transpose(1, 2) for m in (query, key, value)]
        mixed: Tensor = attend(*flat)
        return mixed.transpose(1, 2).reshape(value.shape)


def over_keys(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Σ_i softmax_i(q_j · k_i) v_i, exactly.

    Parameters
    ----------
    query, key, value
        (N, pixels, channels). Values may have other channels than queries and keys.

    Returns
    -------
    Tensor
        (N, pixels, channels of the values).
    """
    n_values = value.shape[-1]
    # Fused kernels want one number of channels for all three; zeros change no product. Without
    # this torch falls back to a table of all pairs.
    depth = -(-max(n_values, query.shape[-1]) // _ALIGN) * _ALIGN
    q, k, v = (functional.pad(m, (0, depth - m.shape[-1]))[:, None] for m in (query, key, value))
    mixed = functional.scaled_dot_product_attention(q, k, v, scale=1.0)
    return mixed[:, 0, :, :n_values]


def over_queries(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Σ_i softmax_j(q_j · k_i) v_i, exactly; shapes as in :func:`over_keys`.

    No fused kernel normalises in this direction: keys are gone through a few at a time, and
    their weights are worked out again for the gradient rather than kept.
    """
    at_once = max(_MOST_PAIRS // (query.shape[0] * query.shape[1]), 1)
    mixed = torch.zeros_like(value)
    groups = zip(torch.split(key, at_once, 1), torch.split(value, at_once, 1), strict=True)
    for some_keys, their_values in groups:
        if torch.is_grad_enabled():
            part = checkpoint(_share_out, query, some_keys, their_values, use_reentrant=False)
        else:
            part = _share_out(query, some_keys, their_values)
        mixed = mixed + part
    return mixed


def _share_out(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Give each value to all queries, in shares that add up to 1."""
    shares = torch.softmax(key @ query.transpose(1, 2), dim=-1)
    return shares.transpose(1, 2).to(value.dtype) @ value


def _cuts(length: int, window: int) -> list[tuple[int, int]]:
    """Cut 0 … length into the fewest parts of about equal length ≤ window; 0 leaves it whole."""
    count = -(-length // window) if window else 1
    return list(pairwise(length * i // count for i in range(count + 1)))
