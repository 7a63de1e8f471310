"""The planted errors are still there to be planted: a renamed line would silently leave the list."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mutation.__main__ import suite
from tests.mutation.mutants import MUTANTS

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: f"{Path(mutant.file).stem}: {mutant.new[:30]}")
def test_what_is_replaced_stands_exactly_once(mutant):
    assert (ROOT / mutant.file).read_text(encoding="utf-8").count(mutant.old) == 1
    assert mutant.new != mutant.old
    assert all((ROOT / file).is_file() for file in suite(mutant))
