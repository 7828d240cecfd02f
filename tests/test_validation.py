import pytest

from napari_tcsdl._validation import InputError, check_compression_ratio, exit_code


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


def test_a_command_ends_with_its_error_in_one_line(capsys):
    assert exit_code(lambda: check_compression_ratio(1)) == 2
    assert capsys.readouterr().err.startswith("got compression ratio B = 1, expected")
    assert exit_code(lambda: check_compression_ratio(2)) == 0
    with pytest.raises(ZeroDivisionError):  # a bug is no sentence
        exit_code(lambda: 1 / 0)
