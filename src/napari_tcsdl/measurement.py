"""The forward operator Φ: (B, H, W) frames → one coded measurement (H, W).

Notation: X_b frames, C_b masks in {0, 1}, Y = Σ_b C_b ⊙ X_b. Each pixel of Y sees only its own
pixel of the frames, so ΦΦᵀ is diagonal and holds Σ_b C_b (``mask_sum``): every inverse that a
decoder needs is a division by the number of exposures.
"""

from __future__ import annotations

from typing import Self

import torch
from torch import Tensor

from ._validation import InputError
from .masks import Masks


class Phi(torch.nn.Module):
    """Φ of one block: Y = Σ_b C_b ⊙ X_b, with closed-form adjoint and pseudo-inverse.

    Parameters
    ----------
    masks
        C_b, (B, H, W), zeros and ones in a floating type. They are buffers: ``Phi.to`` moves them,
        ``state_dict`` holds them.

    Raises
    ------
    InputError
        If ``masks`` is not (B, H, W) or not of a floating type.

    Notes
    -----
    Integer frames are summed exactly while Y < 2²⁴ (float32), hence to the bit as the encoder
    does.

    References
    ----------
    Zheng et al., Patterns 2, 100292 (2021), Eqs. 1 and 2.

    Examples
    --------
    >>> phi = Phi(torch.tensor([[[1.0, 0.0]], [[1.0, 0.0]]]))
    >>> y = phi(torch.tensor([[[3.0, 9.0]], [[5.0, 9.0]]]))
    >>> y.tolist(), phi.normalise(y).tolist()
    ([[8.0, 0.0]], [[4.0, 0.0]])
    """

    masks: Tensor
    mask_sum: Tensor
    _inverse_sum: Tensor

    def __init__(self, masks: Tensor) -> None:
        super().__init__()
        if masks.ndim != 3 or not masks.is_floating_point():
            raise InputError(
                f"got masks of shape {tuple(masks.shape)} and type {masks.dtype}, expected "
                "(B, H, W) of a floating type; unpack the masks of one block and convert them"
            )
        mask_sum = masks.sum(dim=0)
        self.register_buffer("masks", masks)
        self.register_buffer("mask_sum", mask_sum)
        # Zero where no mask opens, so that nothing is made of nothing.
        self.register_buffer("_inverse_sum", (mask_sum > 0) / mask_sum.clamp(min=1))

    @classmethod
    def from_masks(
        cls,
        masks: Masks,
        shape: tuple[int, int],
        *,
        start: tuple[int, int] = (0, 0),
        device: torch.device | str,
        dtype: torch.dtype = torch.float32,
    ) -> Self:
        """Φ of the window of ``shape`` (H, W) that begins at pixel ``start`` of the frame."""
        unpacked = torch.from_numpy(masks.unpack(shape, start))
        return cls(unpacked.to(device=device, dtype=dtype))

    @property
    def compression_ratio(self) -> int:
        """B, frames per measurement."""
        return int(self.masks.shape[0])

    def forward(self, x: Tensor) -> Tensor:
        """Y = Σ_b C_b ⊙ X_b: (…, B, H, W) → (…, H, W).

        Raises
        ------
        InputError
            If the last three axes of ``x`` are not those of the masks.
        """
        self._check(x, self.masks.shape, "frames")
        # Frame by frame: the product C ⊙ X of a whole block would be as large as the block.
        first, *rest = zip(self.masks, x.unbind(-3), strict=True)
        y: Tensor = first[0] * first[1]
        for mask, frame in rest:
            y.addcmul_(mask, frame)
        return y

    def adjoint(self, y: Tensor) -> Tensor:
        """ΦᵀY = C_b ⊙ Y: (…, H, W) → (…, B, H, W)."""
        self._check(y, self.mask_sum.shape, "a measurement")
        return self.masks * y.unsqueeze(-3)

    def normalise(self, y: Tensor) -> Tensor:
        """Ȳ = Y ⊘ Σ_b C_b, (…, H, W): mean of the frames a pixel saw; 0 where it saw none."""
        self._check(y, self.mask_sum.shape, "a measurement")
        return y * self._inverse_sum

    def pseudo_inverse(self, y: Tensor) -> Tensor:
        """Φ†Y = Φᵀ(Y ⊘ Σ_b C_b): (…, H, W) → (…, B, H, W); 0 where no mask opens."""
        return self.adjoint(self.normalise(y))

    def window(self, rows: slice, cols: slice) -> Phi:
        """Φ of a crop of the field of view."""
        return Phi(self.masks[:, rows, cols])

    @staticmethod
    def _check(values: Tensor, expected: torch.Size, what: str) -> None:
        if values.shape[-len(expected) :] != expected:
            want = " × ".join(map(str, expected))
            got = " × ".join(map(str, values.shape))
            raise InputError(
                f"got {what} of {got}, expected (…, {want}) as the masks have; "
                "cut both with the same window"
            )
