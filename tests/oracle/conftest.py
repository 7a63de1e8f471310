"""Comparisons of the oracle's numbers are themselves made at 50 digits."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from mpmath import mp


@pytest.fixture(autouse=True)
def _fifty_digits() -> Iterator[None]:
    with mp.workdps(50):
        yield
