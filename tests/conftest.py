"""`--check-shapes`: every call of the theory checks its jaxtyping annotations at run time (beartype).

Off by default, because the checks also run inside every trace; one test runs a part of the suite with them in a process
of its own.
"""

from __future__ import annotations

import jaxtyping
import pytest

CHECKED = tuple(f"rfscore.theory.{name}" for name in ("one_point", "two_point", "resolvent", "curves", "contour", "spectrum"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--check-shapes", action="store_true", help="check jaxtyping annotations of the theory at run time")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--check-shapes", default=False):
        jaxtyping.install_import_hook(list(CHECKED), "beartype.beartype")
