"""Attention: exact without a table of all pairs, in windows, and off until it has learnt."""

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from napari_tcsdl.reconstruction import _attention
from napari_tcsdl.reconstruction._attention import SelfAttention, over_keys, over_queries


def attention_by_table(query, key, value, axis):
    """One table of all pairs (query, key), its weights added up along ``axis``."""
    return torch.softmax(query @ key.transpose(1, 2), dim=axis) @ value


@pytest.mark.parametrize(("function", "axis"), [(over_keys, -1), (over_queries, -2)])
def test_attention_is_exact(monkeypatch, function, axis):
    torch.manual_seed(0)
    query, key = (torch.randn(2, 30, 3, dtype=torch.float64) for _ in range(2))
    value = torch.randn(2, 30, 13, dtype=torch.float64, requires_grad=True)
    monkeypatch.setattr(_attention, "_MOST_PAIRS", 2 * 30 * 7)  # five groups of keys
    expected = attention_by_table(query, key, value, axis)
    mixed = function(query, key, value)
    torch.testing.assert_close(mixed, expected)
    weights = torch.randn_like(value)
    gradients = [torch.autograd.grad((m * weights).sum(), value)[0] for m in (mixed, expected)]
    torch.testing.assert_close(*gradients)
    with torch.no_grad():
        torch.testing.assert_close(function(query, key, value), expected)


def test_attention_never_falls_back_to_a_table_of_all_pairs():
    attention = SelfAttention(26, window=0)
    with sdpa_kernel(SDPBackend.FLASH_ATTENTION):  # raises where only the table would do
        attention(torch.randn(1, 26, 6, 5))


@pytest.mark.parametrize("normalise", ["keys", "queries"])
def test_windows_are_exact_where_one_covers_all_and_separate_beyond(normalise):
    torch.manual_seed(0)
    attention = SelfAttention(16, window=0, normalise=normalise).double()
    torch.nn.init.constant_(attention.gain, 1.0)
    x = torch.randn(2, 16, 9, 7, dtype=torch.float64)
    whole = attention(x)
    attention.window = 9
    torch.testing.assert_close(attention(x), whole)
    attention.window = 4  # rows 0-2, 3-5, 6-8 and columns 0-2, 3-6
    pieces = attention(x)
    attention.window = 0
    torch.testing.assert_close(pieces[..., 3:6, 3:], attention(x[..., 3:6, 3:]))


def test_attention_does_nothing_until_it_has_learnt():
    x = torch.randn(1, 16, 4, 6)
    assert torch.equal(SelfAttention(16, window=0)(x), x)
