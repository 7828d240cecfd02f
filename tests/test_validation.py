import pytest

from napari_tcsdl._validation import InputError, check_compression_ratio


@pytest.mark.parametrize("value", [2, 10, "10", 7.0])
def test_whole_numbers_are_taken(value):
    assert check_compression_ratio(value, 10) == int(value)


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (0, "got compression ratio B = 0, expected at least 2 frames per measurement"),
        (1, "got compression ratio B = 1, expected at least 2 frames per measurement"),
        (-4, "got compression ratio B = -4, expected at least 2"),
        ("ten", "got compression ratio B = 'ten', expected a whole number of frames"),
        (2.5, r"got compression ratio B = 2\.5, expected a whole number"),
        (float("nan"), "got compression ratio B = nan, expected a whole number"),
        (None, "got compression ratio B = None, expected a whole number"),
        (18, "got compression ratio B = 18 for a movie of 17 frames, expected B ≤ 17"),
    ],
)
def test_other_values_are_refused_in_one_sentence(value, sentence):
    with pytest.raises(InputError, match=sentence):
        check_compression_ratio(value, 17)
