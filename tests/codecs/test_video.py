"""Video codecs: every frame back in its place, codes as they were, files that players open."""

import io
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from battery import CHECKS, run
from codec_cases import noisy

from napari_tcsdl._validation import CorruptFileError, InputError
from napari_tcsdl.codecs import CODECS, VIDEO, at_budget
from napari_tcsdl.codecs.video import VIDEO_CODECS

av = pytest.importorskip("av")

SIGNATURES = {
    "mjpeg_avi": (0, b"RIFF"),
    "mpeg4_avi": (0, b"RIFF"),
    "h264_mp4": (4, b"ftyp"),
    "hevc_mp4": (4, b"ftyp"),
    "av1_mp4": (4, b"ftyp"),
    "vp9_webm": (0, b"\x1a\x45\xdf\xa3"),  # EBML
}
TEN_BITS = ["h264_mp4", "hevc_mp4", "av1_mp4"]

every_codec = pytest.mark.parametrize("codec", VIDEO_CODECS, ids=lambda codec: codec.name)


@pytest.fixture(autouse=True)
def installed(request):
    codec = request.node.callspec.params.get("codec") if hasattr(request.node, "callspec") else None
    if codec is not None and codec.missing():
        pytest.skip(codec.missing())


def moving_spot(n_frames, height=72, width=80, step=3):
    """A bright spot on grey that jumps ``step`` px a frame: no two neighbours are alike."""
    y, x = np.mgrid[:height, :width]
    columns = 6 + (step * np.arange(n_frames)) % (width - 12)
    distance = (x - columns[:, None, None]) ** 2 + (y - height // 2) ** 2
    return np.rint(60 + 150 * np.exp(-distance / 8)).astype(np.uint8), columns


def round_trip(codec, frames, quality, value_range=(0, 255)):
    return codec.decode(codec.encode(frames, quality, value_range))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@every_codec
def test_battery(codec, check):
    run(check, codec)


def test_table_holds_every_video_codec():
    assert [codec for codec in CODECS.values() if codec.kind == VIDEO] == list(VIDEO_CODECS)
    assert list(SIGNATURES) == [codec.name for codec in VIDEO_CODECS]


@every_codec
@pytest.mark.parametrize("n_frames", [1, 2, 60])
def test_every_frame_comes_back_in_its_place(codec, n_frames):
    frames, columns = moving_spot(n_frames)
    decoded = round_trip(codec, frames, codec.qualities[len(codec.qualities) // 2])
    assert decoded.shape == frames.shape
    found = decoded.max(axis=1).argmax(axis=1)
    assert np.abs(found - columns).max() <= 1


@every_codec
@pytest.mark.parametrize("shape", [(1, 1), (5, 64), (31, 17), (48, 33)])
def test_odd_and_tiny_frames_are_padded_and_cropped_back(codec, shape):
    ramp = np.linspace(20, 230, shape[0] * shape[1]).reshape(shape)
    frames = np.rint(np.stack([ramp, ramp[::-1], ramp])).astype(np.uint8)
    decoded = round_trip(codec, frames, codec.qualities[-1])
    assert decoded.shape == frames.shape
    error = decoded - frames.astype(float)
    assert np.sqrt((error**2).mean()) < 4


@every_codec
def test_full_range_is_kept_without_a_squeeze(codec):
    """A limited-range conversion would clip 0 … 16 or move values by up to 7 %."""
    levels = np.array([0, 8, 16, 64, 128, 200, 235, 245, 255], np.uint8)
    frames = np.broadcast_to(np.repeat(levels, 16)[None, None], (4, 48, 16 * len(levels))).copy()
    decoded = round_trip(codec, frames, codec.qualities[-1])
    centres = decoded[:, :, 8::16]
    assert np.abs(centres - levels).max() <= 1.5


@every_codec
def test_any_player_opens_the_file(codec):
    frames, _ = moving_spot(6)
    encoded = codec.encode(frames, codec.qualities[-1], (0, 255))
    start, signature = SIGNATURES[codec.name]
    (file,) = encoded.files
    assert file[start : start + len(signature)] == signature
    with av.open(io.BytesIO(file)) as container:
        pictures = list(container.decode(video=0))
    assert len(pictures) == len(frames)
    assert (pictures[0].height, pictures[0].width) == frames.shape[1:]
    if codec.name != "mpeg4_avi":  # whose headers do not carry a range
        assert pictures[0].color_range == 2
    grey = np.stack([picture.to_ndarray(format="gray") for picture in pictures])
    if codec.name != "mpeg4_avi":
        assert np.abs(grey.astype(float) - frames).max() <= 8
    for plane in pictures[0].planes[1:]:
        depth = encoded.state.pixels.bits
        samples = np.frombuffer(plane, np.uint16 if depth > 8 else np.uint8)
        middle = samples.reshape(plane.height, -1)[:, : plane.width]
        assert np.abs(middle.astype(int) - (1 << (depth - 1))).max() <= 1


@every_codec
def test_every_encoder_adds_only_its_first_keyframe(codec):
    frames = noisy(np.uint8, 0.0, 255.0, n_frames=30).frames
    frames[15:] = 255 - frames[15:]  # a cut, at which encoders like to begin anew
    file = codec.encode(frames, codec.qualities[len(codec.qualities) // 2], (0, 255)).files[0]
    with av.open(io.BytesIO(file)) as container:
        keys = [packet.is_keyframe for packet in container.demux(video=0) if packet.size]
    assert keys[0]
    assert sum(keys) == (len(frames) if codec.name == "mjpeg_avi" else 1)


@every_codec
def test_frame_bytes_follow_the_content(codec):
    """One frame of noise among flat ones costs the most, wherever the encoder reorders it to."""
    frames = np.full((9, 48, 64), 90, np.uint8)
    frames[5] = np.random.default_rng(2).integers(0, 256, frames.shape[1:])
    sizes = codec.encode(frames, codec.qualities[-10], (0, 255)).frame_bytes
    assert np.argmax(sizes) in ((4, 5) if codec.name == "vp9_webm" else (5,)), sizes


@pytest.mark.parametrize("name", TEN_BITS)
def test_12_bit_values_come_back_to_the_depth_of_the_codec(name):
    codec = CODECS[name]
    values = np.linspace(0, 4095, 48 * 64).reshape(48, 64).round().astype(np.uint16)
    encoded = codec.encode(np.stack([values] * 3), codec.qualities[-1], (0, 4095))
    assert encoded.state.pixels.bits == 10
    error = codec.decode(encoded) - values.astype(float)
    # the rounding to 10 bits alone gives 0.29 of a step, that to 8 bits 1.2
    assert np.sqrt((error**2).mean()) < 0.6 * 4095 / 1023


@pytest.mark.parametrize("name", ["mjpeg_avi", "mpeg4_avi", "vp9_webm"])
def test_deep_frames_are_mapped_to_8_bits_where_the_encoder_has_no_more(name):
    case = noisy(np.uint16, 100.0, 60000.0, n_frames=2)
    encoded = CODECS[name].encode(case.frames, CODECS[name].qualities[-1], case.value_range)
    assert "100 … 60000 mapped linearly to 8 bits (clipped, rounded)" in encoded.settings


@every_codec
def test_video_is_smaller_than_the_frames_one_by_one(codec):
    """A still scene under fresh noise: what frames share is stored once (not in Motion-JPEG)."""
    rng = np.random.default_rng(6)
    still = rng.normal(120, 30, (48, 64))
    frames = np.clip(still + rng.normal(0, 3, (12, 48, 64)), 0, 255).astype(np.uint8)
    quality = codec.qualities[len(codec.qualities) * 2 // 3]
    together = codec.encode(frames, quality, (0, 255))
    apart = sum(sum(_packets(codec, frame[None], quality)) for frame in frames)
    if codec.name == "mjpeg_avi":
        assert sum(_packets(codec, frames, quality)) == pytest.approx(apart, rel=0.1)
    else:
        assert together.n_bytes < 0.6 * apart


def _packets(codec, frames, quality):
    file = codec.encode(frames, quality, (0, 255)).files[0]
    with av.open(io.BytesIO(file)) as container:
        return [packet.size for packet in container.demux(video=0)]


def test_settings_say_encoder_flags_and_mapping():
    case = noisy(np.uint8, 0.0, 12.0, n_frames=2)
    text = CODECS["hevc_mp4"].encode(case.frames, 30.5, (0, 12)).settings
    assert text.startswith("x265 (build ")
    assert "mp4, yuv420p, full range, one thread, preset=slow tune=psnr crf=30.5" in text
    assert text.endswith("0 … 12 mapped linearly to 8 bits (clipped, rounded)")
    assert CODECS["h264_mp4"].version().startswith("x264 - core ")
    for name in ("h264_mp4", "hevc_mp4"):
        assert CODECS[name].licence.startswith("GPL-2.0-or-later")
    assert all("PyAV, optional" in codec.licence for codec in VIDEO_CODECS)


def test_without_pyav_rows_say_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)  # importing it raises ImportError
    codec = VIDEO_CODECS[0]
    assert codec.missing() == "PyAV is not installed: pip install napari-tcsdl[video]"
    with pytest.raises(InputError, match=r"PyAV is not installed: pip install napari-tcsdl\[vid"):
        codec.encode(np.zeros((1, 16, 16), np.uint8), codec.qualities[0], (0, 255))


def test_an_encoder_that_ffmpeg_lacks_is_named(monkeypatch):
    monkeypatch.setattr(av, "codecs_available", {"mjpeg", "mpeg4"})
    assert CODECS["mjpeg_avi"].missing() is None
    sentence = CODECS["av1_mp4"].missing()
    assert sentence == "this build of FFmpeg has no libsvtav1: install the PyAV of PyPI"


def test_importing_the_table_does_not_import_pyav():
    code = "import sys, napari_tcsdl.codecs; sys.exit('av' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_what_an_encoder_refuses_is_said_in_one_sentence():
    codec = replace(CODECS["h264_mp4"], options=(("preset", "no such preset"), ("crf", "{q}")))
    with pytest.raises(InputError, match=r"got frames of 16 × 18 px, expected what libx264 takes"):
        codec.encode(np.zeros((1, 16, 18), np.uint8), 20.0, (0, 255))


@every_codec
def test_damaged_files_are_noticed(codec):
    frames, _ = moving_spot(8)
    encoded = codec.encode(frames, codec.qualities[-1], (0, 255))
    for file in (encoded.files[0][:40], b"\0" * 200):
        with pytest.raises(CorruptFileError, match=r"got a .*video file .*, expected 8.*; encode"):
            codec.decode(replace(encoded, files=(file,)))
    shorter = replace(encoded, state=replace(encoded.state, shape=(5, *frames.shape[1:])))
    with pytest.raises(CorruptFileError, match="got a video file of 8 frames, expected 5; encode"):
        codec.decode(shorter)


def test_encoders_print_nothing(capfd):
    frames, _ = moving_spot(3)
    for codec in VIDEO_CODECS:
        if codec.missing() is None:
            round_trip(codec, frames, codec.qualities[0])
    assert capfd.readouterr() == ("", "")


def test_frames_are_encoded_one_at_a_time():
    """Nothing but the small codes of one frame exists at a time, however long the block."""
    from napari_tcsdl.codecs._video_stream import StreamSettings, write_stream

    alive, most = [], 0

    def frames():
        nonlocal most
        for index in range(20):
            frame = np.full((16, 16), index, np.uint8)
            alive.append(index)
            most = max(most, len(alive))
            yield frame
            alive.remove(index)

    settings = StreamSettings("mjpeg", "avi", "yuvj420p", 8, {})
    packet_bytes = write_stream(frames(), (16, 16), settings, io.BytesIO())
    assert most == 1
    assert sorted(packet_bytes) == list(range(20))


def test_budget_search_over_video():
    case = noisy(np.uint8, 0.0, 255.0, n_frames=10)
    codec = CODECS["h264_mp4"]
    result = at_budget(codec, case.frames, 6000, case.value_range)
    assert result.fits
    assert sum(result.frame_bytes) <= 6000
    finer = codec.qualities[codec.qualities.index(result.quality) + 1]
    assert codec.encode(case.frames, finer, case.value_range).n_bytes > 6000


@every_codec
def test_short_movies_are_the_same_every_time(codec):
    """x265 leaves the decode times of short movies unset: files once differed in one run of ten."""
    for n_frames in (1, 2, 3):
        frames, _ = moving_spot(n_frames)
        files = {codec.encode(frames, codec.qualities[20], (0, 255)).files for _ in range(5)}
        assert len(files) == 1, n_frames


@every_codec
def test_longer_movies_are_the_same_every_time(codec):
    """The AVX-512 code of x264 read what happened to lie in memory."""
    frames = noisy(np.uint8, 0.0, 255.0, n_frames=40).frames
    quality = codec.qualities[len(codec.qualities) // 2]
    assert len({codec.encode(frames, quality, (0, 255)).files for _ in range(4)}) == 1


def test_fixed_quantisers_are_followed():
    """FFmpeg's rate control, left to itself, aims at 200 kbit/s whatever the quantiser."""
    frames = np.random.default_rng(9).integers(0, 256, (6, 72, 80)).astype(np.uint8)
    for name, quantiser in (("mpeg4_avi", 2.0), ("mjpeg_avi", 1.0)):
        decoded = round_trip(CODECS[name], frames, quantiser)
        assert np.sqrt(np.mean((decoded - frames) ** 2)) < 4, name
