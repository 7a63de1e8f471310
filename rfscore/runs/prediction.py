"""The random-features model that stands beside a trained network: its exact curves and the same two times."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from rfscore.errors import bad
from rfscore.model.population import MAX_CONDITION, Empirical
from rfscore.model.problem import ScoreProblem
from rfscore.observables import Observable
from rfscore.runs.summary import RunSummary
from rfscore.theory.curve_times import curve_times
from rfscore.theory.losses import loss_curves

#: psi_p = parameters/d^2 is kept in this range: below it the model has hardly more features than dimensions.
PSI_P = (2.0, 512.0)
_TAU = np.append(np.geomspace(1e-2, 1e10, 241), np.inf)


@dataclass(frozen=True)
class Prediction:
    """Random-features curves for the data of one run; training time in units of gradient flow, not of steps.

    Attributes:
        psi_n: n/d.
        psi_p: features per dimension.
        clipped: whether psi_p = parameters/d^2 was outside `PSI_P`.
        t: diffusion time of the losses.
        tau: training times, infinity last.
        train: training loss per dimension.
        test: test loss per dimension.
        tau_opt: lowest test loss.
        tau_half: L_test - L_train is half of its value at tau = infinity.
    """

    psi_n: float
    psi_p: float
    clipped: bool
    t: float
    tau: Float[np.ndarray, " T"]
    train: Float[np.ndarray, " T"]
    test: Float[np.ndarray, " T"]
    tau_opt: Observable
    tau_half: Observable

    @property
    def ratio(self) -> float:
        """tau_half/tau_opt: comparable with a network's, whatever its unit of time."""
        return self.tau_half.value / self.tau_opt.value


def predict(run: RunSummary) -> Prediction:
    r"""The random-features model with the run's n, data covariance, diffusion time and number of trained parameters.

    psi_p is a free choice; here p d = parameters of the network, so psi_p = parameters/d^2, kept inside `PSI_P`. The
    covariance is that of the data, scaled to mean variance 1; the theory sees Gaussian data of this covariance.

    Args:
        run: needs facts "covariance_eigenvalues" (all d of them), "parameters" and "t_loss".

    Returns:
        Prediction.

    Raises:
        InputError: a fact is missing or out of range; the message names it.
        SolveError: the curves could not be verified.
    """
    for key in ("covariance_eigenvalues", "parameters", "t_loss"):
        if run.facts.get(key) is None:
            raise bad(f"fact {key!r}", None, "a value in the summary of the run", "no prediction without it")
    values = np.maximum(np.asarray(run.facts["covariance_eigenvalues"], dtype=np.float64), 0.0)
    # Directions of negligible variance are set to exactly 0: the theory is tested up to this condition number.
    values = np.where(values < values.max() / MAX_CONDITION, 0.0, values)
    d, wanted, t = values.size, float(run.facts["parameters"]) / values.size**2, float(run.facts["t_loss"])
    psi_p = float(np.clip(wanted, *PSI_P))
    problem = ScoreProblem(run.n / d, psi_p, t, Empirical(values / values.mean()))
    curves = loss_curves(problem, _TAU)
    times = curve_times(problem)
    return Prediction(
        run.n / d, psi_p, psi_p != wanted, t, _TAU, curves.train, curves.test, times.tau_opt, times.tau_half
    )
