r"""Diffusion processes x_t = signal(t) x + noise(t) xi, xi ~ N(0, I), as values.

The theory sees a process only through the pair (signal, noise) at the one time t at which the network is trained.
"""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from rfscore._numbers import number
from rfscore._precision import is_traced
from rfscore.errors import bad
from rfscore.results import described, short

#: Weights of data and noise inside which every formula is tested; beyond them the data can be rescaled.
SIGNAL_RANGE, NOISE_RANGE = (5e-3, 1e2), (1e-2, 1e2)


class Process(eqx.Module):
    """How noise is added to data: x_t = signal(t) x + noise(t) xi. Subclass it, or use `Interpolant`.

    Attributes:
        t_range: the times at which it is tested, both ends allowed; None for a process without time.
    """

    t_range: ClassVar[tuple[float, float] | None] = None

    def __repr__(self) -> str:
        return described(self)

    @abc.abstractmethod
    def signal(self, t: Any) -> Any:
        """Weight of the data."""

    @abc.abstractmethod
    def noise(self, t: Any) -> Any:
        """Standard deviation of the noise."""

    def variance(self, t: Any) -> Any:
        """noise(t)^2; override it where it has more digits than the square."""
        return self.noise(t) ** 2

    def velocity(self, t: Any) -> tuple[Any, Any]:
        """Derivatives of signal and noise with respect to t: what flow matching regresses on, of data and noise."""
        with jax.enable_x64(True):
            found = tuple(jax.grad(of)(jnp.asarray(t, dtype=float)) for of in (self.signal, self.noise))
        return found if is_traced(t) else tuple(float(value) for value in found)  # type: ignore[return-value]

    def checked(self, t: Any) -> Any:
        """t as a float; refused outside `t_range`, and where signal or noise leave their ranges."""
        if is_traced(t, self):
            return t
        if self.t_range is not None:
            low, high = self.t_range
            t = number("t", t, f"a number in [{low:g}, {high:g}]")
            if not low <= t <= high:
                raise bad(
                    "t", t, f"a number in [{low:g}, {high:g}], the times of {self!r}", "outside it nothing is tested"
                )
        for name, (low, high) in (("signal", SIGNAL_RANGE), ("noise", NOISE_RANGE)):
            value = number(name, getattr(self, name)(t), f"a number in [{low:g}, {high:g}]")
            if not low <= value <= high:
                raise bad(f"{name} of {self!r} at t = {t}", value, f"a number in [{low:g}, {high:g}]")
        return t


def _xp(t: Any) -> Any:
    return jnp if is_traced(t) or isinstance(t, jax.Array) else np


class OU(Process):
    """The Ornstein-Uhlenbeck process of the paper: signal e^{-t}, noise sqrt(Delta_t), Delta_t = 1 - e^{-2t}."""

    t_range = (1e-4, 5.0)

    def signal(self, t: Any) -> Any:
        """e^{-t}."""
        return _xp(t).exp(-t)

    def noise(self, t: Any) -> Any:
        """sqrt(1 - e^{-2t})."""
        return _xp(t).sqrt(self.variance(t))

    def variance(self, t: Any) -> Any:
        """Delta_t = 1 - e^{-2t}, without cancellation."""
        return -_xp(t).expm1(-2.0 * t)


class Linear(Process):
    """The straight line of flow matching: signal 1 - t, noise t; t = 0 is the data, t = 1 is noise."""

    t_range = (0.01, 0.99)

    def signal(self, t: Any) -> Any:
        """1 - t."""
        return 1.0 - t

    def noise(self, t: Any) -> Any:
        """The time itself."""
        return 1.0 * t

    def velocity(self, t: Any) -> tuple[Any, Any]:
        """Noise minus data."""
        return -1.0, 1.0


class Channel(Process):
    """One fixed pair (signal, noise), for which t has no meaning: leave it out.

    Args:
        signal: weight of the data, in [0.005, 100].
        noise: standard deviation of the noise, in [0.01, 100].

    Example:
        >>> import rfscore as rf
        >>> print(f"{rf.ScoreProblem(2.0, 4.0, process=rf.Channel(0.7, 0.3)).delta:.2f}")
        0.09
    """

    _signal: Any
    _noise: Any

    def __init__(self, signal: Any, noise: Any) -> None:
        self._signal, self._noise = signal, noise

    def __repr__(self) -> str:
        return f"Channel({short(self._signal)}, {short(self._noise)})"

    def signal(self, t: Any) -> Any:
        """The given weight."""
        return self._signal

    def noise(self, t: Any) -> Any:
        """The given standard deviation."""
        return self._noise

    def velocity(self, t: Any) -> tuple[Any, Any]:
        """Noise minus data, as on the straight line: a channel has no time to differentiate by."""
        return -1.0, 1.0


class Interpolant(Process):
    """Any process, by two functions of t that accept floats and, to be differentiated, JAX arrays.

    Args:
        signal: weight of the data, a function of t.
        noise: standard deviation of the noise, a function of t.
        t_range: times for which it is meant, both ends allowed.

    Example:
        >>> import jax.numpy as jnp
        >>> import rfscore as rf
        >>> trigonometric = rf.Interpolant(lambda t: jnp.cos(t), lambda t: jnp.sin(t), (0.01, 1.56))
        >>> print(f"{rf.ScoreProblem(2.0, 4.0, 0.5, process=trigonometric).delta:.6f}")
        0.229849
    """

    _signal: Callable = eqx.field(static=True)
    _noise: Callable = eqx.field(static=True)
    t_range: tuple[float, float] = eqx.field(static=True)  # type: ignore[misc]

    def __init__(self, signal: Callable, noise: Callable, t_range: tuple[float, float]) -> None:
        for name, of in (("signal", signal), ("noise", noise)):
            if not callable(of):
                raise bad(name, of, "a function of t", "for one fixed pair of numbers take rf.Channel")
        ends = tuple(number("t_range", end, "two numbers, ascending") for end in t_range)
        if not (len(ends) == 2 and ends[0] < ends[1]):
            raise bad("t_range", t_range, "two numbers, ascending")
        self._signal, self._noise, self.t_range = signal, noise, ends  # type: ignore[misc]

    def signal(self, t: Any) -> Any:
        """As given."""
        return self._value(self._signal, t)

    def noise(self, t: Any) -> Any:
        """As given."""
        return self._value(self._noise, t)

    def _value(self, of: Callable, t: Any) -> Any:
        if isinstance(t, jax.Array):
            return of(t)
        with jax.enable_x64(True):
            return float(of(t))
