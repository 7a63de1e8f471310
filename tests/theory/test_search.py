"""A small search over the whole domain in every run; `python -m tests.theory.search 10000` is the large one."""

from __future__ import annotations

from tests.theory.search import search


def test_nothing_is_silently_wrong_and_next_to_nothing_refused() -> None:
    held, refused, failures = search(24, seed=5, every=0)
    assert not failures, failures
    assert held + refused.total() == 24 and held >= 23, refused
