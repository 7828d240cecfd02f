"""The search finds what encoding every quality would find, in far fewer encodings."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_tcsdl.codecs import largest_within
from napari_tcsdl.rivals.rate_search import (
    LADDER_STEPS,
    MOST_REFINEMENTS,
    best_below,
    climb,
)


class Encoder:
    """Bytes by index, counted as they are asked for."""

    def __init__(self, sizes):
        self.sizes = [int(size) for size in sizes]
        self.known = {}

    def __call__(self, index):
        self.known[index] = self.sizes[index]
        return self.sizes[index]

    @property
    def encodings(self):
        return len(self.known)


@settings(deadline=None, max_examples=200)
@given(
    steps=st.lists(st.integers(1, 5_000), min_size=1, max_size=120),
    budget=st.integers(0, 400_000),
    seeds=st.sets(st.integers(0, 119), max_size=6),
)
def test_largest_within_is_that_of_trying_all(steps, budget, seeds):
    encode = Encoder(np.cumsum(steps))
    for seed in seeds:
        if seed < len(steps):
            encode(seed)
    found = largest_within(encode, encode.known, len(steps), budget)
    fitting = [index for index, size in enumerate(encode.sizes) if size <= budget]
    assert found == (max(fitting) if fitting else None)


def test_a_dip_above_is_used():
    encode = Encoder([100, 200, 1010, 990, 1600, 2000])
    assert largest_within(encode, encode.known, 6, 1000) == 3


@pytest.mark.parametrize("curve", [np.geomspace(3e3, 3e6, 100), np.linspace(3e3, 3e6, 100) ** 1.2])
def test_few_encodings_for_a_curve_and_two_budgets(curve):
    encode = Encoder(curve)
    climb(encode, 100, 1_500_000)
    before = encode.encodings
    for budget in (400_000, 260_000):
        largest_within(encode, encode.known, 100, budget)
    assert encode.encodings - before <= 10


def test_ladder_spans_the_qualities_up_to_enough():
    encode = Encoder(np.geomspace(1e3, 1e6, 61))
    assert climb(encode, 61, 10**7) == [0, 10, 20, 30, 40, 50, 60]
    encode = Encoder(np.geomspace(1e3, 1e6, 61))
    assert climb(encode, 61, 50_000) == [0, 10, 20, 30, 40]
    assert encode.encodings == 5
    assert climb(Encoder([5, 6, 7]), 3, 100) == [0, 1, 2]
    assert climb(Encoder([5]), 1, 100) == [0]
    assert LADDER_STEPS == 7


@settings(deadline=None, max_examples=100)
@given(peak=st.integers(0, 99), width=st.floats(8, 60))
def test_best_below_comes_near_the_peak(peak, width):
    encode = Encoder(np.geomspace(1e3, 1e6, 100))
    climb(encode, 100, 10**7)
    largest_within(encode, encode.known, 100, 500_000)
    before = encode.encodings

    def score(index):
        return 20 - ((index - peak) / width) ** 2

    found = best_below(score, encode, encode.known, 500_000)
    allowed = [index for index, size in enumerate(encode.sizes) if size <= 500_000]
    assert encode.sizes[found] <= 500_000
    assert score(found) >= max(map(score, allowed)) - 0.05
    assert encode.encodings - before <= MOST_REFINEMENTS


def test_best_below_never_leaves_the_budget_and_knows_when_none_fits():
    encode = Encoder([100, 5_000, 400, 6_000, 7_000])
    for index in (0, 2, 4):
        encode(index)
    # Index 1 dips out of the budget between two that fit: its score must not count.
    assert (
        best_below(lambda index: {0: 1.0, 1: 99.0, 2: 2.0}[index], encode, encode.known, 500) == 2
    )
    assert best_below(lambda index: 1.0, encode, encode.known, 50) is None


def test_of_equal_scores_the_smallest_file_is_best():
    encode = Encoder([100, 200, 300])
    for index in range(3):
        encode(index)
    assert best_below(lambda index: math.inf, encode, encode.known, 1_000) == 0


def test_a_size_that_fits_is_taken_even_if_the_smallest_quality_does_not():
    encode = Encoder([105, 98, 120, 130])
    encode(1)
    assert largest_within(encode, encode.known, 4, 100) == 1
