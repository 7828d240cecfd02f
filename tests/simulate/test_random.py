"""Random numbers that stay the same follow their distributions."""

import numpy as np
import pytest
from scipy import special

from napari_tcsdl.simulate._random import Stream

FIRST_UNIFORM = [0.2657373710699298, 0.11712217100291944, 0.3366683214982633]


def test_names_and_seeds_decide_the_numbers():
    first = Stream(1, "scene").normal(8)
    np.testing.assert_array_equal(first, Stream(1, "scene").normal(8))
    assert np.abs(first - Stream(2, "scene").normal(8)).min() > 1e-6
    assert np.abs(first - Stream(1, "other").normal(8)).min() > 1e-6


def test_numbers_are_those_of_the_first_release():
    """A change here would change every movie that a seed makes."""
    np.testing.assert_allclose(Stream(1, "scene").uniform(3), FIRST_UNIFORM, rtol=1e-12)


def test_normal_draw_follows_the_distribution():
    drawn = np.sort(Stream(6, "test").normal(20_001))
    distance = np.abs(special.ndtr(drawn) - (np.arange(20_001) + 0.5) / 20_001).max()
    assert special.kolmogorov(distance * np.sqrt(20_001)) > 1e-4


def test_poisson_draw_follows_the_distribution():
    stream = Stream(5, "test")
    for expected in (0.3, 4.0, 60.0):
        counts = stream.poisson(np.full(40_000, expected))
        observed = np.bincount(counts)
        k = np.arange(len(observed))
        probability = np.exp(k * np.log(expected) - expected - special.gammaln(k + 1))
        often = probability * 40_000 > 5
        chi2 = ((observed - 40_000 * probability)[often] ** 2 / (40_000 * probability[often])).sum()
        assert special.chdtrc(often.sum() - 1, chi2) > 1e-4


def test_single_draws_keep_their_ranges():
    stream = Stream(7, "test")
    whole = [stream.whole(2, 4) for _ in range(200)]
    assert set(whole) == {2, 3, 4}
    spread = [stream.log_between(0.1, 10) for _ in range(400)]
    assert 0.1 <= min(spread) < max(spread) < 10
    assert np.median(spread) == pytest.approx(1, rel=0.5)
    assert 0.2 < np.mean([stream.chance(0.3) for _ in range(400)]) < 0.4
