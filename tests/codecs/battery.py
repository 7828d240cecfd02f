"""What every row of CODECS must do: one battery of checks for images, videos, lossless and cheap.

``CHECKS`` holds functions that take a codec; a test file runs them over its own rows::

    @pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
    @pytest.mark.parametrize("codec", VIDEO_CODECS, ids=lambda codec: codec.name)
    def test_battery(codec, check):
        run(check, codec)
"""

import pickle
from itertools import pairwise

import numpy as np
import pytest
from codec_cases import DEPTHS, FRAMES, Case, as_type, constant, noisy, smooth

from napari_tcsdl._validation import InputError
from napari_tcsdl.codecs import CHEAP, IMAGE, LOSSLESS, VIDEO, at_budget

SENTENCE = r"got .*, expected .*; "
LARGEST_STATE = 2000
"""[bytes] A pixel mapping, shapes and types; never pixels."""


def each_depth(codec, make, **options):
    """Yield (name, case) for every depth that the codec takes; it must refuse others in words."""
    taken = 0
    for name, depth in DEPTHS.items():
        case = make(*depth, **options)
        refused = refusal(codec, case)
        if refused is None:
            taken += 1
            yield name, case
        else:
            assert refused.startswith(f"got {case.frames.dtype} frames, expected "), name
            assert "; " in refused, name
    assert taken >= 4, f"{codec.name} takes {taken} kinds of frames only"


def refusal(codec, case):
    """Return what the codec says against the frames, or None."""
    try:
        codec.encode(case.frames[:1], best(codec), case.value_range)
    except InputError as error:
        return str(error)
    return None


def best(codec):
    return codec.qualities[-1] if codec.qualities else None


def spread(codec, count=4):
    """Pick ``count`` qualities from the smallest files to the largest."""
    if not codec.qualities:
        return [None]
    picks = np.linspace(0, len(codec.qualities) - 1, count).round().astype(int)
    return [codec.qualities[pick] for pick in dict.fromkeys(picks.tolist())]


def round_trip(codec, case, quality):
    return codec.decode(codec.encode(case.frames, quality, case.value_range))


# --- the checks ---------------------------------------------------------------------------------


def row_says_what_it_is(codec):
    assert codec.kind in (IMAGE, VIDEO, LOSSLESS, CHEAP)
    assert codec.name.isidentifier()
    assert codec.name == codec.name.lower()
    assert codec.label
    assert codec.licence
    assert any(letter.isdigit() for letter in codec.version()), codec.version()
    assert len(set(codec.qualities)) == len(codec.qualities)
    assert (codec.kind == LOSSLESS) == (not codec.qualities)


def shape_and_type_come_back(codec):
    for n_frames in (1, 2, FRAMES):
        for name, case in each_depth(codec, noisy, n_frames=n_frames):
            for quality in spread(codec, 2):
                decoded = round_trip(codec, case, quality)
                assert decoded.shape == case.frames.shape, name
                exact = codec.kind == LOSSLESS
                assert decoded.dtype == (case.frames.dtype if exact else np.float32), name
                assert np.isfinite(decoded).all(), name


def best_quality_is_close(codec):
    """Within 2 % of the range and the rounding to whole counts, in the root of the mean square."""
    for name, case in each_depth(codec, smooth):
        error = round_trip(codec, case, best(codec)) - case.frames.astype(np.float64)
        # one count where it can hold no better: dark counts are themselves rounded
        allowed = 0.02 * case.span + (0.35 if case.frames.dtype.kind == "u" else 0)
        assert np.sqrt(np.mean(error**2)) <= allowed, (name, np.sqrt(np.mean(error**2)), allowed)
        assert abs(error.mean()) <= 0.005 * case.span, (name, error.mean(), case.span)


def lossless_is_exact(codec):
    if codec.kind != LOSSLESS:
        pytest.skip("a lossy codec")
    rng = np.random.default_rng(8)
    for name, case in each_depth(codec, noisy):
        np.testing.assert_array_equal(round_trip(codec, case, None), case.frames, err_msg=name)
        top = np.iinfo(case.frames.dtype).max if case.frames.dtype.kind == "u" else 3e38
        hard = as_type(rng.uniform(0, top, case.frames.shape), case.frames.dtype)
        hard[0, :2, :2] = [[0, top], [top, 0]]
        decoded = round_trip(codec, Case(hard, case.value_range), None)
        np.testing.assert_array_equal(decoded, hard, err_msg=name)


def every_byte_is_counted(codec):
    for name, case in each_depth(codec, noisy):
        for quality in spread(codec, 2):
            encoded = codec.encode(case.frames, quality, case.value_range)
            assert len(encoded.frame_bytes) == len(case.frames), name
            assert all(isinstance(size, int) and size >= 0 for size in encoded.frame_bytes)
            assert encoded.n_bytes == sum(len(file) for file in encoded.files), name
            assert all(isinstance(file, bytes) for file in encoded.files)
            assert encoded.quality == quality


def better_quality_costs_bytes(codec):
    """Over a ladder of qualities bytes rise and the error falls, but for small dips."""
    if codec.kind == LOSSLESS:
        pytest.skip("no choice of quality")
    # Frames that are dropped do not come back by keeping others: only smooth ones can be judged.
    case = (smooth if codec.kind == CHEAP else noisy)(np.uint8, 0.0, 255.0)
    sizes, errors = [], []
    for quality in spread(codec):
        encoded = codec.encode(case.frames, quality, case.value_range)
        sizes.append(encoded.n_bytes)
        errors.append(np.mean((codec.decode(encoded) - case.frames.astype(np.float64)) ** 2))
    assert sizes[0] < sizes[-1]
    assert errors[-1] < errors[0]
    assert all(after >= 0.9 * before for before, after in pairwise(sizes))
    assert all(after <= 1.1 * before for before, after in pairwise(errors))


def budgets_are_kept(codec):
    case = noisy(np.uint16, 0.0, 4095.0)
    smallest = codec.encode(case.frames, spread(codec)[0], case.value_range).n_bytes
    largest = codec.encode(case.frames, best(codec), case.value_range).n_bytes
    for budget in (1, smallest - 1, smallest, (smallest + largest) // 2, largest + 1000):
        result = at_budget(codec, case.frames, budget, case.value_range)
        assert result.budget == budget
        assert result.fits == (sum(result.frame_bytes) <= budget)
        assert result.fits or budget < smallest, (budget, smallest)
        assert budget > 1 or not result.fits
        assert result.decoded.shape == case.frames.shape
        assert result.name == codec.name
    assert result.quality == best(codec)


def bytes_are_the_same_every_time(codec):
    case = noisy(np.uint8, 0.0, 255.0)
    quality = spread(codec, 3)[len(spread(codec, 3)) // 2]
    first, second = (codec.encode(case.frames, quality, case.value_range) for _ in range(2))
    assert first.files == second.files
    assert first.frame_bytes == second.frame_bytes
    assert first.settings == second.settings


def settings_name_version_and_quality(codec):
    case = noisy(np.uint8, 0.0, 255.0)
    for quality in spread(codec, 2):
        settings = codec.encode(case.frames, quality, case.value_range).settings
        assert codec.version() in settings
        if quality is not None:
            assert f"{quality:g}" in settings


def decoding_needs_only_what_was_encoded(codec):
    """Bytes and a small state, sent elsewhere, to a codec that never saw the frames."""
    case = noisy(np.uint8, 0.0, 255.0)
    quality = spread(codec)[0]
    frames = case.frames.copy()
    encoded = codec.encode(frames, quality, case.value_range)
    before = codec.decode(encoded).copy()
    assert len(pickle.dumps(encoded.state)) <= LARGEST_STATE
    sent = pickle.dumps((codec, encoded))
    frames[:] = 0
    codec.encode(frames, quality, case.value_range)
    other, received = pickle.loads(sent)
    np.testing.assert_array_equal(other.decode(received), before)
    np.testing.assert_array_equal(codec.decode(encoded), before)


def views_and_read_only_frames_are_taken(codec):
    plain = noisy(np.uint8, 0.0, 255.0)
    wanted = codec.encode(plain.frames, best(codec), plain.value_range).files
    turned = np.ascontiguousarray(plain.frames.transpose(0, 2, 1)).transpose(0, 2, 1)
    assert not turned.flags.c_contiguous
    strided = np.repeat(plain.frames, 2, axis=0)[::2]
    locked = plain.frames.copy()
    locked.setflags(write=False)
    for view in (turned, strided, locked):
        assert codec.encode(view, best(codec), plain.value_range).files == wanted
        np.testing.assert_array_equal(view, plain.frames)


def constant_frames_stay_constant(codec):
    for name, case in each_depth(codec, constant, share=0.75):
        for quality in spread(codec, 3):
            off = np.abs(round_trip(codec, case, quality) - case.frames.astype(np.float64)).max()
            # the very worst of qualities may round a flat field coarsely, never lose it
            assert off <= (0.01 if quality == best(codec) else 0.1) * case.span, (name, quality)


def values_beyond_the_range_are_clipped_never_wrapped(codec):
    for share in (-0.5, 1.04):
        for name, case in each_depth(codec, constant, share=share):
            decoded = round_trip(codec, case, best(codec)).astype(np.float64)
            value, tolerance = float(case.frames[0, 0, 0]), 0.01 * case.span
            clipped = np.clip(value, *case.value_range)
            assert decoded.min() >= min(value, clipped) - tolerance, (name, value)
            assert decoded.max() <= max(value, clipped) + tolerance, (name, value)


def anything_but_frames_is_refused(codec):
    quality = best(codec)
    for shape in ((8, 8), (0, 8, 8), (2, 0, 8), (2, 8, 8, 3)):
        with pytest.raises(InputError, match=r"got a block of shape .*, expected frames \(n, H,"):
            codec.encode(np.zeros(shape, np.uint8), quality, (0.0, 255.0))
    if codec.kind in (IMAGE, VIDEO):  # the others do not look at the range
        frames = np.zeros((2, 16, 16), np.uint16)
        for value_range in ((5, 5), (9, 2), (0, np.nan), (0, np.inf)):
            with pytest.raises(InputError, match=r"got value range .*, expected finite low < high"):
                codec.encode(frames, quality, value_range)


def unknown_quality_is_refused(codec):
    for quality in (-12345.5, None if codec.qualities else 3.0):
        with pytest.raises(InputError, match=r"got quality .*, expected .*; "):
            codec.encode(np.zeros((2, 16, 16), np.uint8), quality, (0.0, 255.0))


CHECKS = (
    row_says_what_it_is,
    shape_and_type_come_back,
    best_quality_is_close,
    lossless_is_exact,
    every_byte_is_counted,
    better_quality_costs_bytes,
    budgets_are_kept,
    bytes_are_the_same_every_time,
    settings_name_version_and_quality,
    decoding_needs_only_what_was_encoded,
    views_and_read_only_frames_are_taken,
    constant_frames_stay_constant,
    values_beyond_the_range_are_clipped_never_wrapped,
    anything_but_frames_is_refused,
    unknown_quality_is_refused,
)


def run(check, codec):
    """Run one check; a codec that is not installed here must say so in one sentence."""
    why = codec.missing()
    if why is not None:
        assert why.count(". ") == 0
        pytest.skip(why)
    check(codec)
