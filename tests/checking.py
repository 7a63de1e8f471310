"""How the suite checks annotations, shapes above all, while it runs: beartype, jaxtyping."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import typer
from beartype import BeartypeConf, FrozenDict, beartype

_CONF = BeartypeConf(
    is_pep484_tower=True,  # a float may be an int, as for type checkers
    hint_overrides=FrozenDict({typer.Context: object}),  # typer asks for this name and gives its base class
)


def checked(function: Callable[..., Any]) -> Any:
    """The function, refusing what is not as annotated; `tests/conftest.py` puts it on the whole package."""
    return beartype(function, conf=_CONF)
