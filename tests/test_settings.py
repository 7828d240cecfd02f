import json

import pytest

from napari_tcsdl._validation import InputError
from napari_tcsdl.settings import Settings


def test_settings_survive_json():
    settings = Settings(compression_ratio=7, masks="bernoulli", seed=3, device="cpu")
    assert Settings.from_json(json.loads(json.dumps(settings.to_json()))) == settings


def test_an_unknown_setting_is_named():
    with pytest.raises(InputError, match="got unknown setting ratio, expected compression_ratio"):
        Settings.from_json({"ratio": 8})


def test_an_unknown_reference_is_refused():
    with pytest.raises(InputError, match="got reference 'best', expected one of denoised, raw"):
        Settings(reference="best")
