r"""What the network is regressed on, as values.

The output times `gain` is trained towards on_data x + on_noise xi, with the loss (1/d) E|gain f - target|^2 and the
paper's flow dA/dtau = -d^2 grad, so that the flow's clock is c = 2 gain^2 tau/psi_p.
"""

from __future__ import annotations

from typing import Any, ClassVar

import equinox as eqx
import numpy as np

from rfscore._numbers import number
from rfscore._precision import is_traced
from rfscore.errors import bad
from rfscore.model.process import Process
from rfscore.results import described

NAMES = ("score", "noise", "data", "velocity", "v")


def _finite(name: str, value: Any) -> Any:
    if is_traced(value):
        return value
    found = number(name, value, "a finite number")
    if not np.isfinite(found):
        raise bad(name, found, "a finite number")
    return found


def _positive(name: str, value: Any) -> Any:
    if is_traced(value):
        return value
    found = number(name, value, "a finite number > 0")
    if not (np.isfinite(found) and found > 0):
        raise bad(name, found, "a finite number > 0", "a negative sign belongs into on_data and on_noise")
    return found


class Target(eqx.Module):
    r"""on_data x + on_noise xi, regressed by gain times the output.

    Args:
        on_data: weight of the clean sample x.
        on_noise: weight of the noise xi.
        gain: what the output is multiplied by in the loss, > 0.

    Raises:
        InputError: both weights 0, a gain <= 0, or a number that is not finite.

    Example:
        >>> import rfscore as rf
        >>> half = rf.Target(on_data=0.5, on_noise=-1.0)
        >>> print(rf.loss_curves(rf.ScoreProblem(2.0, 4.0, 0.1, target=half), [0.0, 10.0]).test.round(4))
        [1.25   1.4605]
    """

    on_data: Any = eqx.field(converter=lambda v: _finite("on_data", v))
    on_noise: Any = eqx.field(converter=lambda v: _finite("on_noise", v))
    gain: Any = eqx.field(default=1.0, converter=lambda v: _positive("gain", v))

    def __check_init__(self) -> None:
        if not is_traced(self.on_data, self.on_noise) and self.on_data == self.on_noise == 0:
            raise bad("on_data, on_noise", (0.0, 0.0), "at least one that is not 0", "there is nothing to learn")

    def __repr__(self) -> str:
        return described(self)

    is_score: ClassVar[bool] = False

    def at(self, process: Process, t: Any) -> Target:
        """The weights at time t of a process."""
        return self

    def gain2(self, process: Process, t: Any) -> Any:
        """gain^2, the clock of the flow: c = 2 gain^2 tau/psi_p."""
        return self.gain**2

    def least(self, process: Process, t: Any, lam: Any) -> Any:
        r"""Least possible loss in directions of variance lam, that of E[target | x_t].

        lam (on_data noise - on_noise signal)^2/(signal^2 lam + noise^2); for the score 1 - Delta_t/(e^{-2t} lam +
        Delta_t).
        """
        apart = self.on_data * process.noise(t) - self.on_noise * process.signal(t)
        return lam * apart**2 / (process.signal(t) ** 2 * lam + process.variance(t))


class Named(eqx.Module):
    """A target of the literature, whose weights follow from the process.

    score: the paper's parametrisation, s_A times sqrt(Delta_t) on -xi; noise: xi, as U-Nets do; data: x, a denoiser;
    velocity: dx_t/dt = signal' x + noise' xi, flow matching; v: signal xi - noise x (Salimans and Ho 2022).
    """

    name: str = eqx.field(static=True)

    def __check_init__(self) -> None:
        if self.name not in NAMES:
            raise bad("target", self.name, f"one of {list(NAMES)}", "or rf.Target(on_data, on_noise, gain) for another")

    def __repr__(self) -> str:
        return repr(self.name)

    @property
    def is_score(self) -> bool:
        """Whether the output is the score, as in the paper."""
        return self.name == "score"

    def gain2(self, process: Process, t: Any) -> Any:
        """gain^2: Delta_t for the score, else 1."""
        return process.variance(t) if self.is_score else 1.0

    def at(self, process: Process, t: Any) -> Target:
        """The weights at time t of a process."""
        signal, noise = process.signal(t), process.noise(t)
        on_data, on_noise, gain = {
            "score": lambda: (0.0, -1.0, noise), "noise": lambda: (0.0, 1.0, 1.0), "data": lambda: (1.0, 0.0, 1.0),
            "velocity": lambda: (*process.velocity(t), 1.0), "v": lambda: (-noise, signal, 1.0),
        }[self.name]()  # fmt: skip
        return Target(on_data, on_noise, gain)


def as_target(value: Any) -> Target | Named:
    """A target from its name or from itself.

    Raises:
        InputError: neither.
    """
    if isinstance(value, Target | Named):
        return value
    if isinstance(value, str):
        return Named(value)
    raise bad("target", value, f"one of {list(NAMES)}, or a rfscore.Target")
