"""The decoder that settings name, checked before any work is done."""

from __future__ import annotations

from pathlib import Path

from ._validation import InputError
from .masks import Masks
from .reconstruction import RECONSTRUCTORS
from .settings import Settings


def check_decoder(settings: Settings, masks: Masks | None = None) -> None:
    """Refuse, before any work is done, what cannot be decoded here.

    Parameters
    ----------
    settings
        Decoder and device.
    masks
        Of the compressed movie; None where those of ``settings`` are yet to be made.

    Raises
    ------
    InputError
        If there is no such decoder, its weights are absent, or they were not trained for these
        masks or this B.
    CorruptFileError
        If its weights are damaged.
    DeviceError
        If there is no such device.
    """
    if settings.decoder not in RECONSTRUCTORS:
        raise InputError(
            f"got decoder {settings.decoder!r}, expected one of {', '.join(RECONSTRUCTORS)}; "
            "choose one of these"
        )
    from ._device import choose_device

    choose_device(settings.device)
    weights = weights_of(settings)
    if weights is None:
        return
    from .reconstruction import check_trained_for, load_checkpoint

    kind = masks.kind if masks else settings.masks
    ratio = masks.compression_ratio if masks else settings.compression_ratio
    check_trained_for(load_checkpoint(weights), settings.decoder, kind, ratio)


def weights_of(settings: Settings) -> Path | None:
    """Path of the weights of the decoder of ``settings``; None where it needs none.

    Raises
    ------
    InputError
        If weights are given to a decoder that has none.
    """
    shipped = RECONSTRUCTORS[settings.decoder].weights
    if shipped is None:
        if settings.weights is not None:
            raise InputError(
                f"got weights {settings.weights} for decoder {settings.decoder!r}, expected none: "
                "it is not learned; leave them out, or choose the decoder they were trained for"
            )
        return None
    from .reconstruction import shipped_weights

    return Path(settings.weights) if settings.weights else shipped_weights(shipped)
