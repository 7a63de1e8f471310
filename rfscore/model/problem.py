r"""ScoreProblem: the one object that theory, finite size, commands and sweeps take."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import equinox as eqx
import numpy as np

from rfscore._numbers import number
from rfscore._precision import is_traced
from rfscore.errors import InputError, bad
from rfscore.model.activations import Activation, as_activation
from rfscore.model.population import MAX_CONDITION, Classes, Isotropic, Population
from rfscore.model.process import OU, Process
from rfscore.model.target import Named, Target, as_target
from rfscore.results import described

#: Ranges inside which every number is tested; outside them the constructor refuses.
PSI_RANGE = (0.02, 1e4)
T_RANGE: tuple[float, float] = OU.t_range  # of the paper's process
RIDGE_RANGE = (1e-12, 1e6)
MAX_DRAWS = 10**9  # a bulk of the copies' own noise has a relative width m^(-1/2), which roundoff hides beyond


def _in_range(name: str, value: Any, low: float, high: float, extra: float = np.nan) -> Any:
    if is_traced(value):
        return value
    admissible = ("" if np.isnan(extra) else f"{extra:g}, or ") + f"a number in [{low:g}, {high:g}]"
    found = number(name, value, admissible)
    if not (low <= found <= high or found == extra):  # also false for NaN
        raise bad(name, found, admissible, "outside it nothing is tested")
    return found


def noise_draws_in_range(value: Any) -> float:
    """m as a float: a whole number >= 1, or inf."""
    admissible = f"a whole number in [1, {MAX_DRAWS:.0e}], or inf for the exact average over the noise"
    draws = number("noise_draws", value, admissible)
    if draws != np.inf and not (1 <= draws <= MAX_DRAWS and draws == np.floor(draws)):  # also refuses NaN
        raise bad("noise_draws", value, admissible)
    return draws


def ridge_in_range(value: Any) -> Any:
    """ridge as a float: 0, or a number in RIDGE_RANGE."""
    return _in_range("ridge", value, *RIDGE_RANGE, 0.0)


class ScoreProblem(eqx.Module):
    r"""The random-features score model in the limit d -> infinity (Bonnaire et al. 2025, Eqs 7-11).

    The score is s_A(x) = (A/sqrt p) sigma(W x/sqrt d), W frozen with i.i.d. N(0, 1) entries, A trained from 0 by
    gradient flow on n Gaussian samples noised to the diffusion time t: each with m frozen draws of the noise, or with
    the noise averaged exactly (m = inf, the paper's model). A ridge adds Delta_t ridge |A|^2/(p d) to the loss that is
    descended (Urfin et al. 2026), so that training sees U + ridge I: spectra, resolvents and times are those of
    U + ridge I, and the reported training loss is the loss itself, without that penalty.

    Args:
        psi_n: n/d, samples per dimension, in [0.02, 1e4].
        psi_p: p/d, features per dimension, in [0.02, 1e4]; or inf, the wide limit: losses, times, the spectrum of
            U/psi_p (`wide_spectrum`), and what is generated (`rfscore.generation`).
        t: diffusion time, in the range of the process, [1e-4, 5] for the Ornstein-Uhlenbeck process, where
            Delta_t = 1 - exp(-2t).
        population: what the data are drawn from: a number (variance of isotropic Gaussian data), a covariance
            (`Isotropic`, `Atoms`, `PowerLaw`, `Uniform`, `Empirical`), a `Mixture`, or `HeavyTailed`.
        activation: name, `Activation` or callable sigma with E sigma(Gamma_t z) = 0.
        process: how noise is added: `OU` (the paper's), `Linear` (flow matching), `Channel`, `Interpolant`.
        target: what is regressed: "score" (the paper's), "noise", "data", "velocity", "v", or a `Target`.
        noise_draws: m, noises drawn once per sample and kept: a whole number >= 1, or inf.
        ridge: weight decay, 0 or in [1e-12, 1e6], in units of the eigenvalues of U.

    Raises:
        InputError: a value outside its range, with the range and the remedy.

    Example:
        >>> import rfscore as rf
        >>> problem = rf.ScoreProblem(psi_n=8.0, psi_p=64.0, t=0.01)
        >>> print(f"{problem.delta:.8f}")
        0.01980133
    """

    psi_n: Any = eqx.field(converter=lambda v: _in_range("psi_n", v, *PSI_RANGE))
    psi_p: Any = eqx.field(converter=lambda v: _in_range("psi_p", v, *PSI_RANGE, np.inf))
    t: Any
    population: Population
    activation: Activation = eqx.field(static=True)
    process: Process
    target: Target | Named = eqx.field(converter=as_target)
    noise_draws: float = eqx.field(static=True, converter=noise_draws_in_range)
    ridge: Any = eqx.field(converter=ridge_in_range)

    def __init__(
        self,
        psi_n: Any,
        psi_p: Any,
        t: Any = None,
        population: Population | float = Isotropic(1.0),  # noqa: B008 (frozen)
        activation: str | Activation | Callable = "tanh",
        *,
        process: Process = OU(),  # noqa: B008 (frozen)
        target: str | Target | Named = "score",
        noise_draws: float = np.inf,
        ridge: Any = 0.0,
    ) -> None:
        if not isinstance(process, Process):
            raise bad("process", process, "rf.OU(), rf.Linear(), rf.Channel(signal, noise) or another rf.Process")
        self.psi_n, self.psi_p, self.t = psi_n, psi_p, process.checked(t)
        self.process, self.target = process, target  # type: ignore[assignment]
        self.noise_draws, self.ridge = noise_draws, ridge
        self.population = population if isinstance(population, Population) else Isotropic(population)
        self.activation = as_activation(activation)

    def __repr__(self) -> str:
        return described(self)

    def __check_init__(self) -> None:
        if not is_traced(self.population) and self.population.condition > MAX_CONDITION * (1 + 1e-9):
            raise InputError(
                f"condition number of Sigma = {self.population.condition:.3g}: expected at most {MAX_CONDITION:g}; "
                "drop the directions of negligible variance, or set them to exactly 0"
            )

    def replace(self, **changes: Any) -> ScoreProblem:
        """The same problem with other values of some arguments.

        Example:
            >>> import rfscore as rf
            >>> rf.ScoreProblem(psi_n=8.0, psi_p=64.0, t=0.01).replace(ridge=0.1).ridge
            0.1
        """
        names = tuple(field.name for field in dataclasses.fields(self))
        if unknown := set(changes) - set(names):
            raise bad("arguments of a problem", sorted(unknown), f"some of {list(names)}")
        return ScoreProblem(**{name: changes.get(name, getattr(self, name)) for name in names})

    @property
    def signal(self) -> Any:
        """Weight of the data in x_t: e^{-t} for the Ornstein-Uhlenbeck process."""
        return self.process.signal(self.t)

    @property
    def noise(self) -> Any:
        """Standard deviation of the noise in x_t: sqrt(Delta_t)."""
        return self.process.noise(self.t)

    @property
    def delta(self) -> Any:
        """Delta_t, the noise variance: 1 - exp(-2t) for the Ornstein-Uhlenbeck process."""
        return self.process.variance(self.t)

    @property
    def regression(self) -> Target:
        """The target's weights of data and noise, and the gain, at this t."""
        return self.target.at(self.process, self.t)

    @property
    def is_score(self) -> bool:
        """Whether the output is the score, as in the paper."""
        return self.target.is_score

    @property
    def rate(self) -> Any:
        """c/tau = 2 gain^2/psi_p: training leaves e^{-c lambda} of a mode; 2 Delta_t/psi_p in the paper."""
        return 2.0 * self.target.gain2(self.process, self.t) / self.psi_p

    @property
    def gamma2(self) -> Any:
        """Gamma^2 = signal^2 sigma_x^2 + Delta_t, the variance of one noised coordinate; (K,) for K classes."""
        found = self.signal**2 * self.classes().variance + self.delta
        return found[0] if found.shape[0] == 1 else found

    def classes(self) -> Classes:
        """The classes, with nodes of a continuous rho_Sigma fine enough for this problem's spectral resolution.

        The spectrum of U smears eigenvalues of Sigma over a relative width of order 1/sqrt(min(psi_n, psi_p)); a
        continuous rho_Sigma needs nodes denser than that by a factor of about five for twelve digits.
        """
        if not self.population.continuous or is_traced(self.psi_n, self.psi_p, self.population):
            return self.population.classes()
        narrowest = np.sqrt(max(1.0, min(self.psi_n, self.psi_p)))
        count = int(min(8000, max(64, np.ceil(8.0 * narrowest * np.log(self.population.condition + 1e-12)))))
        return self.population.classes(count)

    def quadrature(self) -> tuple[Any, Any]:
        """Nodes and weights of rho_Sigma, of one Gaussian class.

        Raises:
            InputError: there are several.
        """
        found = self.classes()
        if found.fractions.shape[0] > 1:
            raise bad("population", f"{found.fractions.shape[0]} classes", "one Gaussian class here")
        return found.nodes[0], found.weights
