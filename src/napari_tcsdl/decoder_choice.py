"""The decoder that settings name, checked before any work is done."""

from __future__ import annotations

import warnings
from pathlib import Path

from ._exposures import check_exposures, served_exposures
from ._validation import InputError
from .masks import Masks
from .reconstruction import RECONSTRUCTORS
from .settings import Settings


def check_decoder(settings: Settings, masks: Masks | None = None) -> None:
    """Refuse, before any work is done, what cannot be decoded here, and warn of what may go wrong.

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

    Warns
    -----
    UserWarning
        If the exposures of the masks lie far outside of what weights are trained for.
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
    exposures = masks.exposures if masks else check_exposures(kind, ratio, settings.exposures)
    if exposures is not None and exposures not in served_exposures(ratio):
        # Of the same place whoever asks: Python then says each sentence once, however many ask.
        warnings.warn(_far_from_training(settings.decoder, ratio, exposures), stacklevel=1)


def _far_from_training(decoder: str, ratio: int, exposures: int) -> str:
    served = served_exposures(ratio)
    return (
        f"got masks that open each pixel in {exposures} of {ratio} frames for decoder {decoder!r}, "
        f"expected {served[0]} to {served[-1]}, since its weights were trained with a quarter to a "
        "half of B; the frames may come out far wrong: choose the decoder gap_tv, or compress with "
        "exposures in that range"
    )


def check_states_uncertainty(decoder: str) -> None:
    """Refuse, where an uncertainty is wanted, a decoder that states none.

    Parameters
    ----------
    decoder
        One of ``RECONSTRUCTORS``.

    Raises
    ------
    InputError
        Naming those that state one.
    """
    if RECONSTRUCTORS[decoder].states_uncertainty:
        return
    able = ", ".join(name for name, row in RECONSTRUCTORS.items() if row.states_uncertainty)
    raise InputError(
        f"got decoder {decoder!r}, which states no uncertainty, expected one that does ({able}) "
        "where the uncertainty is to be written or judged; choose such a decoder, or leave that out"
    )


def check_can_judge(settings: Settings) -> None:
    """Refuse, before any work is done, to judge the deviation of a decoder that states none.

    Raises
    ------
    InputError
        As :func:`check_states_uncertainty`.
    """
    if settings.deviation == "judged":
        check_states_uncertainty(settings.decoder)


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
