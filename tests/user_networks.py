"""A network as a user would write it in a file of their own."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp


class Plain(eqx.Module):
    """Two layers, told the time."""

    first: eqx.nn.Linear
    second: eqx.nn.Linear

    def __init__(self, shape: tuple[int, ...], *, width: int, classes: int, key: Any) -> None:
        one, two = jax.random.split(key)
        size = 1
        for side in shape:
            size *= side
        self.first = eqx.nn.Linear(size + 1, width, key=one)
        self.second = eqx.nn.Linear(width, size, key=two)

    def __call__(self, x: Any, index: Any, label: Any = None, key: Any = None) -> Any:
        """The noise in x."""
        told = jnp.append(x.ravel(), index.astype(x.dtype) / 1000.0)
        return self.second(jnp.tanh(self.first(told))).reshape(x.shape)


def wrong(shape: tuple[int, ...], *, width: int, classes: int, key: Any) -> Any:
    """It takes neither time nor label."""
    return eqx.nn.Linear(4, width, key=key)
