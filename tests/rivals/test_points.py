"""Studies go through JSON and come back equal; points are found by what they serve."""

import json
import math
from dataclasses import replace

import numpy as np
from made_up import ours, picture, point, rival, study_of

from napari_tcsdl.rivals import (
    BEST_BELOW,
    EXACT,
    LADDER,
    RAW_OVER_B,
    SAME_BYTES,
    EncoderCost,
    Study,
)


def whole_study() -> Study:
    exact = replace(
        point("exact", math.inf, EXACT, n_bytes=40_000),
        quality=None,
        psnr_frames=(math.inf, 40.0),
        psnr_sd=0.0,
    )
    return study_of(
        ours(20.0, wobble=0.3),
        rival("exact", exact, kind="lossless", over_budget={RAW_OVER_B: 40_000}),
        rival("av1", point("av1", 19.0, LADDER, BEST_BELOW), fidelity={BEST_BELOW: {"lag": None}}),
        rival("absent", missing="not installed"),
        rival("picky", refused="got frames, expected none"),
        camera_cost=EncoderCost(1e-5, 6e3, None, 0.01, "masked sum"),
        fidelity_frames=(0, 20),
        verdict=("We win.",),
    )


def test_json_comes_back_equal():
    study = whole_study()
    text = json.dumps(study.to_json(), allow_nan=False)
    back = Study.from_json(json.loads(text))
    assert back == study
    assert back.rival("exact").points[0].psnr == math.inf
    assert back.rival("exact").points[0].psnr_frames == (math.inf, 40.0)
    assert back.verdict == ("We win.",)
    assert back.camera_cost.peak_bytes is None
    assert back.rival("av1").fidelity == {BEST_BELOW: {"lag": None}}


def test_json_holds_no_pictures_and_they_can_be_given_back():
    shown = (picture("raw"), picture("av1", BEST_BELOW))
    study = replace(whole_study(), shown=shown)
    values = study.to_json()
    assert "shown" not in values
    back = Study.from_json(values, shown)
    np.testing.assert_array_equal(back.picture("av1", BEST_BELOW).image, shown[1].image)


def test_points_are_found_by_purpose():
    study = whole_study()
    assert study.ours.name == "unfolding"
    assert study.compression_ratio == 5
    assert study.ours.point(SAME_BYTES).psnr == 20.0
    assert study.rival("av1").point(RAW_OVER_B) is None
    assert study.rival("absent").absent == "not installed"
    assert study.rival("picky").absent == "got frames, expected none"
    assert study.rival("av1").absent is None


def test_one_picture_serves_all_purposes_of_its_point():
    study = study_of(ours(20.0), shown=(picture("unfolding", BEST_BELOW),))
    assert study.picture("unfolding", RAW_OVER_B).purpose == BEST_BELOW
    assert study.picture("unfolding", EXACT) is None
