"""Still-image codecs: whole files that any reader opens, each depth at its best."""

import io

import imagecodecs
import numpy as np
import pytest
from battery import CHECKS, run
from codec_cases import noisy
from PIL import Image

from napari_tcsdl._validation import InputError
from napari_tcsdl.codecs import CODECS, IMAGE, at_budget
from napari_tcsdl.codecs.images import IMAGE_CODECS

SIGNATURES = {
    "jpeg": b"\xff\xd8\xff",
    "jpeg2000": b"\xff\x4f\xff\x51",
    "jpegxl": b"\xff\x0a",
    "avif": b"ftypavif",
    "webp": b"RIFF",
}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("codec", IMAGE_CODECS, ids=lambda codec: codec.name)
def test_battery(codec, check):
    run(check, codec)


def test_table_holds_every_still_image_codec():
    assert [codec for codec in CODECS.values() if codec.kind == IMAGE] == list(IMAGE_CODECS)
    assert list(SIGNATURES) == [codec.name for codec in IMAGE_CODECS]


@pytest.mark.parametrize("name", SIGNATURES)
def test_files_are_of_their_format(name):
    case = noisy(np.uint8, 0.0, 255.0, n_frames=2)
    codec = CODECS[name]
    for file in codec.encode(case.frames, codec.qualities[50], case.value_range).files:
        assert SIGNATURES[name] in file[:12]


@pytest.mark.parametrize("name", ["jpeg", "webp", "jpeg2000"])
def test_other_readers_see_the_same_picture(name):
    case = noisy(np.uint8, 0.0, 255.0, n_frames=1)
    codec = CODECS[name]
    encoded = codec.encode(case.frames, codec.qualities[-1], case.value_range)
    with Image.open(io.BytesIO(encoded.files[0])) as picture:
        seen = np.asarray(picture.convert("L"), float)
    assert np.abs(seen - codec.decode(encoded)[0]).max() <= 1.5


@pytest.mark.parametrize(("name", "read"), [("avif", "avif"), ("jpegxl", "jpegxl")])
def test_files_hold_one_component(name, read):
    """Grey stays grey: no bytes are spent on colour, and AVIF is lossy in spite of it."""
    case = noisy(np.uint8, 0.0, 255.0, n_frames=1)
    codec = CODECS[name]
    small, large = (
        codec.encode(case.frames, q, case.value_range) for q in codec.qualities[30:61:30]
    )
    decode = getattr(imagecodecs, f"{read}_decode")
    assert decode(large.files[0]).shape == case.frames.shape[1:]
    assert small.n_bytes < large.n_bytes


@pytest.mark.parametrize(
    ("name", "dtype", "value_range", "levels"),
    [
        ("jpeg", np.uint16, (0.0, 4095.0), 2**8),
        ("webp", np.uint16, (0.0, 4095.0), 219),
        ("jpeg2000", np.uint16, (0.0, 4095.0), 2**16),
        ("jpegxl", np.uint16, (0.0, 4095.0), 2**16),
        ("avif", np.uint16, (0.0, 4095.0), 2**12),
        ("avif", np.uint8, (0.0, 255.0), 2**12),
        ("jpeg2000", np.float32, (-1.0, 1.0), 2**16),
    ],
)
def test_depth_decides_how_finely_a_ramp_is_kept(name, dtype, value_range, levels):
    """At the best quality what is lost is the rounding to the depth, and a little of the codec."""
    low, high = value_range
    ramp = np.linspace(low, high, 128 * 32).reshape(1, 32, 128)
    frames = ramp.astype(dtype)
    codec = CODECS[name]
    decoded = codec.decode(codec.encode(frames, codec.qualities[-1], value_range))
    error = np.sqrt(np.mean((decoded - frames.astype(float)) ** 2))
    step = (high - low) / (levels - 1)
    allowed = {"jpeg": 0.6, "webp": 0.8, "avif": 4.0, "jpeg2000": 4.0, "jpegxl": 16.0}[name]
    assert error <= allowed * step


def test_avif_of_8_bit_frames_neither_clips_nor_needs_a_range():
    codec = CODECS["avif"]
    frames = np.full((1, 32, 32), 250, np.uint8)
    for value_range in ((100.0, 240.0), (7.0, 7.0), (0.0, float("nan"))):
        decoded = codec.decode(codec.encode(frames, 99, value_range))
        assert np.abs(decoded - 250).max() <= 0.5


@pytest.mark.parametrize(("name", "limit"), [("jpeg", 65500), ("webp", 16382), ("avif", 32768)])
def test_limits_of_a_side_are_said_and_are_the_real_ones(name, limit):
    codec = CODECS[name]
    frames = np.zeros((1, 1, limit + 1), np.uint8)
    with pytest.raises(InputError, match=rf"got frames of 1 × {limit + 1} px, .* {limit} px for"):
        codec.encode(frames, codec.qualities[0], (0, 255))
    widest = codec.encode(frames[..., 1:], codec.qualities[0], (0, 255))
    assert codec.decode(widest).shape == (1, 1, limit)


@pytest.mark.parametrize("name", ["jpeg2000", "jpegxl", "avif", "webp"])
def test_a_library_that_is_not_in_the_build_is_named(name, monkeypatch):
    codec = CODECS[name]
    assert codec.missing() is None
    monkeypatch.setattr(getattr(imagecodecs, codec.library), "available", False)
    assert codec.missing() == (
        f"{codec.label} is not in this build of imagecodecs: install the one from PyPI"
    )


def test_pillow_without_jpeg_2000_is_named(monkeypatch):
    monkeypatch.setattr("napari_tcsdl.codecs.images.features.check", lambda feature: False)
    assert CODECS["jpeg2000"].missing() == (
        "JPEG 2000 is not in this build of Pillow: install the one from PyPI"
    )


@pytest.mark.parametrize("name", ["jpeg2000", "jpegxl", "avif"])
def test_newer_codecs_beat_jpeg_at_the_same_bytes(name):
    """On fringes of many widths, by far; a setting that spoils a rival would show here."""
    y, x = np.mgrid[:96, :96]
    picture = 120 + 50 * np.sin(x / 3) * np.cos(y / 4) + 40 * np.sin(x * y / 400)
    frames = np.rint(picture).astype(np.uint8)[np.newaxis]

    def error(codec):
        result = at_budget(CODECS[codec], frames, 1300, (0.0, 255.0))
        assert result.fits
        return np.mean((result.decoded - frames.astype(float)) ** 2)

    assert error(name) < error("jpeg") / 4
