"""Costs of encoders: CPU time and memory that were really spent, as ratios to ours."""

import sys
import time

import numpy as np
import pytest
from made_up import point, rival

from napari_tcsdl.rivals import BEST_BELOW, RAW_OVER_B, SAME_BYTES
from napari_tcsdl.rivals.encoder_cost import (
    ENOUGH_SECONDS,
    MOST_RUNS,
    RawCost,
    clip_frames,
    measured,
    typical_quality,
)


def spin(seconds):
    start = time.process_time()
    while time.process_time() - start < seconds:
        pass
    return "spun"


def test_cpu_time_is_measured_not_waiting():
    def encode():
        time.sleep(0.05)
        return spin(0.03)

    cost = measured(encode, 10)
    assert 0.03 <= cost.seconds < 0.05
    assert cost.settings == "spun"


def test_quick_encoders_run_again_and_the_quickest_counts():
    runs = []

    def encode():
        runs.append(1)
        return spin(0.06 if len(runs) == 1 else 0.02)

    cost = measured(encode, 1)
    assert 0.02 <= cost.seconds < 0.05
    assert 2 <= len(runs) <= MOST_RUNS
    slow = []
    measured(lambda: slow.append(1) or spin(ENOUGH_SECONDS + 0.01), 1)
    assert len(slow) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="peaks can be forgotten on Linux only")
def test_peak_is_what_the_encoder_took_beyond_what_was_there():
    size = 64 * 2**20
    frames = np.ones(size // 4, np.uint8)  # there before, not counted
    cost = measured(lambda: str(np.ones(size, np.uint8)[::4096].sum() + frames[0]), 1)
    assert 0.9 * size < cost.peak_bytes < 1.3 * size
    small = measured(lambda: "nothing", 1)
    assert small.peak_bytes < 0.1 * size


def test_ratios_are_taken_per_frame():
    ours = RawCost(0.1, 100, 50, "ours")
    cost = RawCost(2.0, 7, 10, "dear").against(ours, 1_000_000)
    assert cost.cpu_seconds_per_frame == pytest.approx(0.2)
    assert cost.megabytes_per_second_per_core == pytest.approx(5.0)
    assert cost.ratio_to_ours == pytest.approx(100.0)
    assert cost.peak_bytes == 7
    assert ours.against(ours, 1_000_000).ratio_to_ours == 1.0


def test_the_clip_is_whole_blocks_of_bounded_size():
    assert clip_frames((60, 256, 256), 10) == 60
    assert clip_frames((2_000, 256, 256), 10) == 60
    assert clip_frames((2_000, 4_096, 4_096), 10) == 10
    assert clip_frames((7, 4_096, 4_096), 10) == 7


def test_a_codec_is_timed_at_the_size_at_which_it_is_best():
    at_b, same = point("a", 20.0, RAW_OVER_B), point("a", 19.0, SAME_BYTES)
    best = point("a", 21.0, BEST_BELOW)
    from dataclasses import replace

    same = replace(same, quality=9.0)
    assert typical_quality(rival("a", same, at_b)) == 3.0
    assert typical_quality(rival("a", at_b, replace(best, quality=5.0))) == 5.0
    assert typical_quality(rival("a", same)) == 9.0
    assert typical_quality(rival("a", replace(same, purposes=("ladder",)))) == 9.0
