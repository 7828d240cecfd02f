"""The paper's decoder: a CNN for the first frame, then recurrent passes forward and back in time.

Notation: X̂^f, X̂^b frames of the forward and the backward pass, Ȳ = Y ⊘ Σ_b C_b (Eq. 2). The
recurrent cells see Ȳ and what the measurement leaves for frame k,

    forward   Y − Σ_{t<k} C_t ⊙ X̂^f_t − Σ_{t>k} C_t ⊙ Ȳ         (Eq. 3)
    backward  Y − Σ_{t>k} C_t ⊙ X̂^b_t − Σ_{t<k} C_t ⊙ X̂^f_t     (Eq. 4)

The code that was released with the paper has Ȳ in place of X̂^f in the backward pass, and divides
the attention's weights by their sum over the pixels that look instead of those looked at:
``variant='released'`` computes what it computes.

Weights belong to the kind of masks that they were trained with. The network sees far and, with
attention, as far as a window reaches: a tiled result is close to an untiled one but not equal.

References
----------
S. Zheng et al., "Super-compression of large electron microscopy time series by deep compressive
sensing learning", Patterns 2, 100292 (2021). Z. Cheng et al., "BIRNAT: Bidirectional recurrent
neural networks with adversarial training for video snapshot compressive imaging", ECCV 2020.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from .._validation import InputError
from ..measurement import Phi
from ._bidirectional_config import BidirectionalConfig
from ._bidirectional_net import BidirectionalNet, Passes, passes_loss
from .base import BlockByBlock, BlockContext, Progress, Reconstructor

__all__ = ["Bidirectional", "BidirectionalConfig", "BidirectionalNet", "Passes", "passes_loss"]


class Bidirectional(BlockByBlock):
    """The paper's decoder with given weights.

    Parameters
    ----------
    net
        With its weights. It is moved to the device of the measurements that it is given.
    starter
        Decoder of the first frame, for networks with ``first_frame='gap_tv'``: ``GapTV()``.
    autocast
        Type in which a GPU convolves, ``torch.bfloat16`` or ``torch.float16``; None for the
        type of the weights. A CPU always uses that.

    Raises
    ------
    InputError
        If ``starter`` is missing, or given to a network that has a CNN for the first frame.
    """

    name: ClassVar[str] = "bidirectional"
    halo: ClassVar[int] = 32
    align: ClassVar[int] = 2

    def __init__(
        self,
        net: BidirectionalNet,
        starter: Reconstructor | None = None,
        autocast: torch.dtype | None = None,
    ) -> None:
        wanted = net.config.first_frame == "gap_tv"
        if wanted != (starter is not None):
            raise InputError(
                f"got {'a' if starter else 'no'} decoder for the first frame, expected "
                f"{'one' if wanted else 'none'} with first_frame = {net.config.first_frame!r}; "
                f"{'give starter = GapTV()' if wanted else 'leave starter out'}"
            )
        self.net = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.starter = starter
        self.autocast = autocast

    @torch.no_grad()
    def __call__(self, y: Tensor, phi: Phi, context: BlockContext, progress: Progress) -> Tensor:
        """Reconstruct (…, H, W) into (…, B, H, W), in detector units.

        Parameters
        ----------
        y
            Measurement Y [detector units].
        phi
            Its forward operator, with masks of the kind that the weights were trained with.
        context
            Scale of the movie: mean and spread, or the value range, as the configuration says.
        progress
            Called after each recurrent step; what it raises stops the decoder.

        Raises
        ------
        InputError
            If B is larger than the network serves.
        """
        offset, unit = self._scale(y, phi, context)
        first = None
        begin = 0.0
        if self.starter is not None:
            begin = 0.5
            start = self.starter(y, phi, context, lambda done: progress(begin * done))
            first = (start[..., 0, :, :] - offset) / unit
        casts = self.autocast is not None and y.device.type != "cpu"
        with torch.autocast(y.device.type, self.autocast, enabled=casts):
            passes: Passes = self.net.to(y.device)(
                (y - offset * phi.mask_sum) / unit,
                phi.masks,
                first,
                lambda done: progress(begin + (1 - begin) * done),
            )
        return passes.backward * unit + offset

    def _scale(self, y: Tensor, phi: Phi, context: BlockContext) -> tuple[float, float]:
        """Offset and unit [detector units] of normalised values, the same in the whole movie."""
        if self.net.config.units == "range":
            offset, high = context.value_range
            unit = high - offset
        elif context.mean is not None and context.spread is not None:
            offset, unit = context.mean, context.spread
        else:  # no movie is known, only this measurement
            seen = phi.normalise(y)[..., phi.mask_sum > 0]
            offset = float(seen.mean()) if seen.numel() else 0.0
            unit = float(seen.std(correction=0)) if seen.numel() else 1.0
        return offset, max(unit, 1e-6 * max(abs(offset), 1.0))
