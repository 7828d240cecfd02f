"""A study in a viewer: begun, refused, stopped, and the choice that is marked."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rivals_helpers import CHEAP, MINE

from napari_tcsdl._validation import InputError
from napari_tcsdl.display.rivals_job import (
    LinedUp,
)
from napari_tcsdl.display.rivals_text import (
    current_choice,
)

# --- start, stop, reports ---------------------------------------------------------------------


def test_what_cannot_be_studied_is_refused_in_a_sentence(controller, layer, compressed_layer):
    with pytest.raises(InputError, match="got no layer"):
        controller.start(None, MINE, CHEAP)
    with pytest.raises(InputError, match="holds no raw frames"):
        controller.start(compressed_layer, MINE, CHEAP)
    with pytest.raises(InputError, match="B = 10"):
        controller.start(layer, replace(MINE, compression_ratio=10), CHEAP)
    with pytest.raises(InputError, match="12"):
        controller.start(layer, MINE, replace(CHEAP, ratios=(12,)))
    with pytest.raises(InputError, match="got no rival to compare with"):
        controller.start(layer, MINE, replace(CHEAP, rivals=()))
    with pytest.raises(InputError, match="without a truth layer"):
        controller.start(layer, replace(MINE, reference="truth"), CHEAP)
    assert controller.job is None


def test_reports_of_another_or_a_stopped_study_are_dropped(controller, layer, done):
    _, reports = done
    job = controller.start(layer, MINE, CHEAP)
    late = LinedUp(job.generation - 1, reports[0].looks)
    assert not controller.apply(late)
    now = LinedUp(job.generation, reports[0].looks)
    assert controller.apply(now)
    controller.stop()
    assert not controller.apply(now)
    assert job.stop.is_set()


def test_it_says_who_is_measured_now(controller, layer, done):
    _, reports = done
    job = controller.start(layer, MINE, CHEAP)
    assert controller.at_work() == []
    for report in reports[:2]:
        controller.apply(replace_generation(report, job.generation))
    assert controller.at_work() == ["JPEG", "zstd + bitshuffle"][: job.processes]
    controller.apply(replace_generation(reports[3], job.generation))  # the second is done first
    assert controller.at_work() == ["JPEG", "Frame binning"][: job.processes]


def replace_generation(report, generation):
    return replace(report, generation=generation)


def test_a_movie_deleted_while_it_is_studied_stops_it(controller, viewer, layer):
    told = []
    controller.abandoned.connect(lambda: told.append(True))
    job = controller.start(layer, MINE, CHEAP)
    viewer.layers.remove(layer)
    assert told
    assert job.stop.is_set()
    assert not controller.running


def test_the_current_choice_moves_with_b(heard):
    here = heard.choice(MINE)
    own = next(p for p in heard.rivals["gap_tv"].points if p.quality == 4)
    assert here.point == own
    assert here.text == "current choice, B = 4"
    other = heard.choice(replace(MINE, compression_ratio=3))
    assert other.point.quality == 3
    away = heard.choice(replace(MINE, compression_ratio=8))
    assert away.point is None
    assert away.text == "B = 8, not measured yet"
    assert away.n_bytes == pytest.approx(own.n_bytes / 2)
    decoder = heard.choice(replace(MINE, decoder="unfolding"))
    assert decoder.point is None
    assert decoder.text == "unfolding network, B = 4, not measured yet"
    assert current_choice({}, MINE) is None
