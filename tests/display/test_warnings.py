"""Warnings of the package reach the window as napari's notifications."""

import warnings

from napari.utils.notifications import notification_manager

from napari_tcsdl.decoder_choice import check_decoder
from napari_tcsdl.settings import Settings


def test_exposures_far_from_training_are_a_notification():
    notification_manager.records.clear()
    with warnings.catch_warnings(), notification_manager:
        warnings.simplefilter("always")
        check_decoder(Settings(compression_ratio=29, exposures=29, device="cpu"))
    (record,) = notification_manager.records
    assert "29 of 29 frames" in str(record.message)
    assert str(record.severity) == "warning"
