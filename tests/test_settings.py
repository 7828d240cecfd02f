import json

import pytest

from napari_tcsdl._validation import InputError
from napari_tcsdl.settings import Settings


def test_settings_survive_json():
    settings = Settings(compression_ratio=7, masks="bernoulli", seed=3, device="cpu")
    assert Settings.from_json(json.loads(json.dumps(settings.to_json()))) == settings


def test_an_unknown_setting_is_named():
    with pytest.raises(
        InputError, match="got unknown setting ratio, expected companding, compression_ratio"
    ):
        Settings.from_json({"ratio": 8})


@pytest.mark.parametrize("value", [-0.1, 2.5, float("nan"), "half", True])
def test_impossible_companding_is_refused(value):
    with pytest.raises(
        InputError, match=r"got companding = .*, expected 0 \(lossless\) to 2 stand"
    ):
        Settings(companding=value)


def test_an_unknown_entropy_coding_is_refused():
    with pytest.raises(InputError, match="got entropy coding 'zip', expected one of zstd, jpegls"):
        Settings(entropy="zip")


def test_an_unknown_deviation_is_refused():
    with pytest.raises(InputError, match="got deviation 'right', expected one of stated, judged"):
        Settings(deviation="right")


def test_an_unknown_reference_is_refused():
    with pytest.raises(InputError, match="got reference 'best', expected one of denoised, raw"):
        Settings(reference="best")


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("decode_tile", 0, "got decode_tile = 0, expected a whole number of at least 64 px"),
        ("decode_tile", "x", "got decode_tile = 'x', expected a whole number"),
        ("mask_tile", -1, "got mask_tile = -1, expected a whole number of at least 0 px, or 0"),
        ("seed", -1, "got seed = -1, expected a whole number of at least 0; leave it out"),
    ],
)
def test_impossible_values_are_refused(name, value, sentence):
    with pytest.raises(InputError, match=sentence):
        Settings(**{name: value})


def test_a_summary_gives_its_settings():
    settings = Settings(compression_ratio=7)
    assert Settings.from_json({"settings": settings.to_json(), "bytes": {}}) == settings


def test_settings_of_a_later_version_stay_readable():
    assert Settings.from_file({"compression_ratio": 5, "novelty": 1}).compression_ratio == 5
