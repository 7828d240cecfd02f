"""The verdict names the winner, says first where we lose, and calls ties what are ties."""

import math
from dataclasses import replace

import numpy as np
import pytest
from made_up import BUDGETS, ours, point, rival, study_of

from napari_tcsdl.rivals import (
    BEST_BELOW,
    EXACT,
    OURS,
    RAW_OVER_B,
    SAME_BYTES,
    EncoderCost,
    verdict,
)
from napari_tcsdl.rivals.ranking import PSNR, SSIM, difference
from napari_tcsdl.rivals.rival_facts import HeldOutFacts, HeldOutScore


def told(*rivals, **more) -> str:
    return "\n".join(verdict(study_of(*rivals, **more)))


def test_a_win_names_the_runner_up_and_the_margin():
    text = told(
        ours(20.0),
        rival("jpeg", point("jpeg", 14.0, RAW_OVER_B, SAME_BYTES)),
        rival("hevc", point("hevc", 17.5, RAW_OVER_B, SAME_BYTES)),
    )
    assert (
        "At raw/B (10,000 bytes, the paper's protocol) UNFOLDING (20.00 dB) wins, ahead of HEVC "
        "(17.50 dB) by 2.50 ± 0.00 dB." in text
    )
    assert "At the bytes of our real file (8,000 bytes) UNFOLDING (20.00 dB) wins" in text
    assert (
        "At any size up to raw/B (10,000 bytes) UNFOLDING (20.00 dB at 8,000 bytes) stands" in text
    )


def test_a_defeat_is_said_first():
    sentences = verdict(
        study_of(
            ours(20.0),
            rival("jpeg", point("jpeg", 12.0, RAW_OVER_B, SAME_BYTES)),
            rival("av1", point("av1", 21.0, BEST_BELOW, n_bytes=900)),
        )
    )
    assert sentences[0] == (
        "At any size up to raw/B (10,000 bytes) AV1 (21.00 dB at 900 bytes) beats us, UNFOLDING "
        "(20.00 dB at 8,000 bytes), by 1.00 ± 0.00 dB."
    )
    assert "wins" in sentences[1]


@pytest.mark.parametrize(("gap", "word"), [(0.02, "tie"), (1.0, "beats us")])
def test_what_lies_within_its_error_is_a_tie(gap, word):
    av1 = point("av1", 20.0 + gap, SAME_BYTES, wobble=0.5, seed=1)
    text = told(ours(20.0, wobble=0.5), rival("av1", av1))
    line = next(line for line in text.splitlines() if "real file" in line)
    assert word in line
    assert ("beats" in line) != ("tie" in line)


def test_a_narrow_win_of_ours_is_a_tie_too():
    av1 = point("av1", 19.98, SAME_BYTES, wobble=0.5, seed=1)
    line = next(
        line
        for line in verdict(study_of(ours(20.0, wobble=0.5), rival("av1", av1)))
        if "real file" in line
    )
    assert "UNFOLDING (20.00 dB) and AV1 (19.98 dB) tie" in line


def test_errors_are_paired_and_taken_over_blocks():
    """A wobble that both share says nothing about who is ahead."""
    one, other = point("a", 20.0, wobble=3.0), point("b", 19.9, wobble=3.0)
    gap, error = difference(one, other, PSNR, block=5)
    assert gap == pytest.approx(0.1)
    assert error == pytest.approx(0.0, abs=1e-9)
    # Four blocks whose frames agree with each other: 20 frames are not 20 measurements.
    offsets = np.repeat([0.3, -0.1, 0.2, 0.0], 5)
    from dataclasses import replace

    shifted = replace(one, psnr_frames=tuple(np.array(one.psnr_frames) + offsets))
    gap, error = difference(shifted, one, PSNR, block=5)
    assert gap == pytest.approx(0.1)
    assert error == pytest.approx(np.std([0.3, -0.1, 0.2, 0.0], ddof=1) / 2)
    _, naive = difference(shifted, one, PSNR, block=1)
    assert naive < error


def test_without_scores_of_frames_the_means_decide():
    from dataclasses import replace

    bare = replace(point("av1", 22.0, SAME_BYTES), psnr_frames=(), ssim_frames=())
    assert difference(bare, point("b", 20.0), PSNR, 5) is None
    text = told(ours(20.0), rival("av1", bare))
    assert "AV1 (22.00 dB) beats us, UNFOLDING (20.00 dB), by 2.00 dB." in text


def test_a_copy_without_error_beats_us():
    exact = point("exact", math.inf, EXACT, RAW_OVER_B)
    text = told(ours(20.0), rival("exact", exact, kind="lossless"))
    assert "EXACT (∞ dB) beats us" in text


def test_our_file_above_raw_over_b_is_no_win():
    mine = rival(
        "unfolding",
        point("unfolding", 20.0, SAME_BYTES),
        kind=OURS,
        over_budget={RAW_OVER_B: 12_345, BEST_BELOW: 12_345},
    )
    sentences = verdict(study_of(mine, rival("jpeg", point("jpeg", 14.0, RAW_OVER_B))))
    assert sentences[0] == (
        "At raw/B (10,000 bytes, the paper's protocol) we have nothing to show: our file of "
        "12,345 bytes is larger; best is JPEG (14.00 dB)."
    )


def test_other_scores_that_disagree_are_told():
    sharp = rival(
        "sharp",
        point("sharp", 19.0, SAME_BYTES, ssim=0.9),
        fidelity={SAME_BYTES: fidelity(frc=0.8, share=0.9, rms=0.1)},
    )
    mine = rival(
        "unfolding",
        point("unfolding", 20.0, SAME_BYTES, ssim=0.5),
        kind=OURS,
        fidelity={SAME_BYTES: fidelity(frc=1.6, share=0.3, rms=0.4)},
    )
    text = told(mine, sharp)
    where = "At the bytes of our real file"
    assert f"{where} PSNR and SSIM disagree: SHARP (0.900) is ahead of UNFOLDING (0.500)" in text
    assert (
        f"{where} PSNR and FRC (½) disagree: SHARP (0.8 Å) is ahead of UNFOLDING (1.6 Å)." in text
    )
    assert "PSNR and Bragg spots disagree: SHARP (90 % kept) is ahead of UNFOLDING (30 %" in text
    assert "PSNR and tracking disagree: SHARP (0.1 Å rms) is ahead of UNFOLDING (0.4 Å" in text


def test_scores_that_agree_are_not_told():
    worse = rival(
        "worse",
        point("worse", 19.0, SAME_BYTES, ssim=0.4),
        fidelity={SAME_BYTES: fidelity(frc=0.79, share=0.5, rms=0.3)},
    )
    mine = rival(
        "unfolding",
        point("unfolding", 20.0, SAME_BYTES),
        kind=OURS,
        fidelity={SAME_BYTES: fidelity(frc=0.8, share=0.8, rms=0.2)},
    )
    assert "disagree" not in told(mine, worse)


def fidelity(*, frc, share, rms):
    return {
        "unit": "Å",
        "frc_half": frc,
        "spots": {"111": {"contrast": 9.0, "share": share}},
        "tracking_rms": rms,
    }


def test_a_score_that_the_winner_lacks_is_told():
    lacking = fidelity(frc=None, share=0.8, rms=0.2)
    mine = rival(
        "unfolding",
        point("unfolding", 20.0, SAME_BYTES),
        kind=OURS,
        fidelity={SAME_BYTES: lacking},
    )
    others = [
        rival(
            name,
            point(name, 10.0, SAME_BYTES),
            fidelity={SAME_BYTES: fidelity(frc=frc, share=0.8, rms=0.2)},
        )
        for name, frc in (("coarse", 3.0), ("fine", 1.0))
    ]
    text = told(mine, *others)
    assert "PSNR and FRC (½) disagree: FINE (1 Å) is ahead of UNFOLDING (no value)." in text


def unseen(mse, error=0.1):
    psnr = 10 * math.log10(100**2 / mse)
    return HeldOutScore(3.0, 4_000, mse, error, psnr, 4.34 * error / mse, 2.0, 20)


FACTS = HeldOutFacts(0, "Å", 100.0, noise_variance=8.0, dependence=0.01)
DISAGREE = "Electrons that nobody saw (at half the dose) disagree with the reference: "


def judged(mine, theirs, **facts):
    """Against the reference we are first, by 1 dB."""
    av1 = rival("av1", point("av1", 19.0, BEST_BELOW), held_out=theirs)
    return told(replace(ours(20.0), held_out=mine), av1, held_out=replace(FACTS, **facts))


def test_electrons_that_disagree_about_the_first_place_are_told():
    assert (
        DISAGREE + "AV1 (33.01 dB) is ahead of UNFOLDING (31.55 dB), which is first against"
    ) in judged(unseen(7.0), unseen(5.0))


@pytest.mark.parametrize(
    ("mine", "theirs", "facts"),
    [
        (unseen(5.0), unseen(7.0), {}),  # they agree
        (unseen(5.1), unseen(5.0), {}),  # within the errors
        (unseen(7.0), unseen(5.0), {"dependence": -0.3}),  # halves share more of the noise
        (None, unseen(5.0), {}),  # nobody to compare with
    ],
)
def test_electrons_that_agree_or_cannot_tell_say_nothing(mine, theirs, facts):
    assert "Electrons" not in judged(mine, theirs, **facts)


def test_a_tie_against_the_reference_is_no_disagreement():
    av1 = rival("av1", point("av1", 19.98, BEST_BELOW, wobble=0.5, seed=1), held_out=unseen(5.0))
    mine = replace(ours(20.0, wobble=0.5), held_out=unseen(7.0))
    assert "Electrons" not in told(mine, av1, held_out=FACTS)


def test_noise_that_cannot_be_split_is_told():
    refused = "got a movie without noise, expected frames; score against the movie itself."
    assert "Not judged by held-out electrons: " + refused in judged(None, None, refused=refused)


def test_cost_names_the_best_rivals_and_the_cheap_one():
    text = told(
        ours(20.0),
        rival("av1", point("av1", 19.0, SAME_BYTES), ratio=812.0),
        rival("binning", point("binning", 16.0, SAME_BYTES), kind="cheap", ratio=0.9),
        rival("slow", point("slow", 10.0, SAME_BYTES), ratio=5_000.0),
        camera_cost=EncoderCost(2e-5, 3e3, None, 0.02),
    )
    assert (
        "Our encoder takes 1 CPU-ms a frame (65 MB/s on one core), of which the masked sum" in text
    )
    assert "takes 0.02 CPU-ms" in text
    assert "in CPU time against ours: AV1 812 times, BINNING 0.9 times." in text
    assert "SLOW" not in text


def test_who_is_not_here_is_listed():
    text = told(
        ours(20.0),
        rival("lossless", kind="lossless", over_budget={RAW_OVER_B: 50_000}),
        rival("av1", missing="PyAV is not installed: pip install napari-tcsdl[video]"),
        rival("webp", refused="got frames of 20000 px, expected at most 16383; crop the movie."),
    )
    assert "Even at their smallest, these stay above raw/B: LOSSLESS (50,000 bytes)." in text
    assert "Not installed: AV1 (PyAV is not installed: pip install napari-tcsdl[video])." in text
    assert (
        "Not taken: WEBP (got frames of 20000 px, expected at most 16383; crop the movie)." in text
    )


def test_budgets_are_those_of_the_study():
    text = told(ours(20.0), budgets=BUDGETS | {SAME_BYTES: 4_321})
    assert "(4,321 bytes)" in text
    assert SSIM.text(0.5) == "0.500"


def test_who_loses_most_features_does_not_track_better():
    lossy = {**fidelity(frc=1.6, share=0.3, rms=0.1), "tracking_lost": 0.97}
    rivals = [
        rival(name, point(name, psnr, SAME_BYTES), kind=kind, fidelity={SAME_BYTES: values})
        for name, psnr, kind, values in (
            ("unfolding", 20.0, OURS, fidelity(frc=1.6, share=0.3, rms=0.4)),
            ("lossy", 15.0, "image", lossy),
        )
    ]
    assert "tracking" not in told(*rivals)
    found = {**lossy, "tracking_lost": 0.1}
    (mine, other) = rivals
    assert "LOSSY (0.1 Å rms)" in told(mine, replace(other, fidelity={SAME_BYTES: found}))
