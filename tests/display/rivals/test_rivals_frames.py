"""Frames of a study's points: exact, in boxes, and away again."""

from __future__ import annotations

import numpy as np
import pytest
from rivals_helpers import CHEAP, MINE, bought

from napari_tcsdl.codecs import CODECS
from napari_tcsdl.display.arrangement import label_of
from napari_tcsdl.display.rivals_stack import CodecDecoder, frames_of
from napari_tcsdl.display.rivals_text import (
    point_name,
)
from napari_tcsdl.io import open_compressed
from napari_tcsdl.rivals import BEST_BELOW
from napari_tcsdl.rivals.material import segments_of

# --- frames -----------------------------------------------------------------------------------


def test_codecs_give_the_bytes_and_scores_of_the_study_again(done):
    """Same codec, quality, segments and storage: bytes and PSNR are those of the study."""
    job, reports = done
    frames = job.movie.read(0, 9).astype(np.float64)
    header = open_compressed(job.path).header
    span = reports[-1].study.data_range
    tried = 0
    for rival in reports[-1].study.rivals:
        for point in rival.points if rival.name in CODECS else ():
            decoder = CodecDecoder(job, header, point)
            blocks = [decoder.block(k, lambda _: None) for k in range(3)]
            got = np.concatenate([block.frames for block in blocks])
            assert sum(decoder.sizes.values()) == point.n_bytes, point
            error = ((got - frames) ** 2).mean((1, 2))
            if np.isfinite(point.psnr):
                psnr = 10 * np.log10(span**2 / error)
                assert psnr.mean() == pytest.approx(point.psnr, abs=1e-3), point
            else:
                assert not error.any()
            tried += 1
    assert tried >= 10


def test_long_movies_are_cut_into_the_segments_of_the_study(done, monkeypatch):
    job, reports = done
    point = reports[-1].study.rival("jpeg").points[0]
    monkeypatch.setattr(
        "napari_tcsdl.display.rivals_stack.segments_of",
        lambda shape, ratio: segments_of(shape, ratio, most_pixels=4 * 48 * 40),
    )
    decoder = CodecDecoder(job, open_compressed(job.path).header, point)
    assert decoder.segments == ((0, 4), (4, 8), (8, 9))
    assert [decoder.group(k) for k in range(3)] == [range(k, k + 1) for k in range(3)]
    assert decoder.block(2, lambda _: None).frames.shape == (1, 48, 40)


def test_a_stream_is_encoded_once_and_read_on_from_where_it_stands(done, monkeypatch):
    job, _ = done
    header = open_compressed(job.path).header
    point = bought("frame_binning", 2.0, 100)
    monkeypatch.setattr(
        "napari_tcsdl.display.rivals_stack.segments_of",
        lambda shape, ratio: segments_of(shape, ratio, most_pixels=4 * 48 * 40),
    )
    decoder, begun = CodecDecoder(job, header, point), []
    whole = decoder.codec.encode(job.movie.read(0, 9), 2.0, header.value_range)
    expected = decoder.codec.decode(whole)
    stream = type(decoder.codec).decode_stream
    monkeypatch.setattr(
        type(decoder.codec), "decode_stream", lambda *of: begun.append(of) or stream(*of)
    )
    for block, frames in ((0, slice(0, 4)), (2, slice(8, 9)), (1, slice(4, 8)), (2, slice(8, 9))):
        found = decoder.block(block, lambda _: None).frames
        np.testing.assert_allclose(found, expected[frames])
    assert len(begun) == 2, "once more, to go back"
    assert list(decoder.sizes) == [0]
    assert len(list(job.folder.path.glob(f"frame_binning-2-{id(decoder)}.stream"))) == 1


def test_frames_of_ours_are_the_decoders_also_at_another_b(done):
    job, reports = done
    for point in reports[-1].study.ours.points:
        stack = frames_of(job, point)
        got = np.stack([stack.decoded(k) for k in range(9)])
        error = ((got - job.movie.read(0, 9)) ** 2).mean((1, 2))
        psnr = 10 * np.log10(reports[-1].study.data_range ** 2 / error)
        assert psnr.mean() == pytest.approx(point.psnr, abs=0.01)
        stack.close()


def test_the_chosen_point_gets_a_box_beside_raw_and_reconstruction(heard, viewer, layer):
    jpeg = heard.rivals["jpeg"]
    point = jpeg.point(BEST_BELOW)
    assert heard.ask() is None
    heard.select("jpeg", point)
    viewer.dims.set_point(0, 0.5)
    heard.show(heard.ask().make())
    names = [each.name for each in viewer.layers if each.visible]
    assert names == ["lattice", "reconstruction, GAP-TV, B = 4", point_name(jpeg, point)]
    assert viewer.canvas.grid.enabled
    assert viewer.dims.point[0] == pytest.approx(0.5), "the slider stays where it was"
    box = viewer.layers[-1]
    np.testing.assert_allclose(box.scale, layer.scale)
    np.testing.assert_allclose(box.translate, layer.translate)
    assert box.units == layer.units
    assert f"{point.psnr:.2f} dB" in label_of(box).text
    layer.contrast_limits = (11, 99)
    assert all(tuple(each.contrast_limits) == (11, 99) for each in viewer.layers)
    decoded = box.data.decoded(2)
    np.testing.assert_allclose(decoded, CODECS["jpeg"].decode(_encoded(heard, point))[2], rtol=1e-6)

    again = heard.rivals["frame_binning"].points[0]
    heard.select("frame_binning", again)
    request = heard.ask()
    assert [rival.name for rival, _ in request.points] == ["frame_binning"]
    heard.show(request.make())
    assert sum(each.visible for each in viewer.layers) == 4
    heard.clear_boxes()
    assert list(viewer.layers) == [layer]
    assert not viewer.canvas.grid.enabled


def _encoded(heard, point):
    header = open_compressed(heard.job.path).header
    movie = heard.job.movie
    return CODECS["jpeg"].encode(movie.read(0, 9), point.quality, header.value_range)


def test_frames_that_come_after_another_study_has_begun_are_dropped(heard, viewer, layer):
    heard.select("jpeg", heard.rivals["jpeg"].points[0])
    made = heard.ask().make()
    heard.start(layer, MINE, CHEAP)
    assert not heard.show(made)
    assert list(viewer.layers) == [layer]


def test_boxes_deleted_by_hand_bring_the_view_back(heard, viewer, layer):
    heard.select("jpeg", heard.rivals["jpeg"].points[0])
    heard.show(heard.ask().make())
    for box in list(viewer.layers)[1:]:
        viewer.layers.remove(box)
    assert not heard.boxes.shown
    assert not viewer.canvas.grid.enabled
    heard.show(heard.ask().make())
    heard.leave_boxes()
    assert [each.name for each in viewer.layers if each.visible] == ["lattice"]
