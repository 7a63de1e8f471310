r"""Large-psi laws and closed forms, with the order of what they neglect.

Theorem 3.2 of Bonnaire et al. 2025: for psi_p, psi_n >> 1 the spectrum is an atom at s2, a Marchenko-Pastur bulk rho_1
set by the samples and a bulk rho_2 set by the population. The infinite-time training loss has a closed form in the same
limit (adapted from Kim and Lee 2026, Prop 4.5). Relative corrections are of order 1/psi, at the edges of rho_2 of order
psi_n^-1/2 (derivations (D8.1)-(D8.5)).
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from rfscore._precision import AnyArray, float64, is_traced
from rfscore.errors import bad
from rfscore.model.equivalence import coefficients
from rfscore.model.problem import ScoreProblem
from rfscore.results import Result, quantity
from rfscore.theory.wide import refuse_wide


class LargePsiLaw(Result):
    r"""The three parts of Theorem 3.2.

    Attributes:
        atom: (location s2, mass), mass 0 when psi_p <= psi_n + 1.
        sample_edges: support of rho_1, s2 + v2 (1 -+ sqrt(psi_p/psi_n))^2.
        sample_mass: psi_n/psi_p, or 1 - 1/psi_p when psi_n > psi_p.
        population_edges: support of rho_2 for isotropic Sigma, else of an envelope: the eigenvalues of
            mu_1^2 Sigma_t/Gamma_t^2 stretched by (1 -+ sqrt(psi_p))^2, plus s2 + v2.
        population_mass: 1/psi_p.
    """

    atom: Any
    sample_edges: Any = quantity("side")
    sample_mass: Any = quantity()
    population_edges: Any = quantity("side")
    population_mass: Any = quantity()


def _averaged_noise(problem: ScoreProblem) -> None:
    refuse_wide(problem, "large_psi_law and large_psi_train_loss")
    if not np.isinf(problem.noise_draws) or (not is_traced(problem.ridge) and problem.ridge != 0):
        raise bad("noise_draws, ridge", (problem.noise_draws, problem.ridge), "inf and 0: the law is that of averaged "
                  "noise without ridge", "use spectrum, timescales or loss_curves")  # fmt: skip


@float64
def large_psi_law(problem: ScoreProblem) -> LargePsiLaw:
    """Supports and masses of Theorem 3.2 (Bonnaire et al. 2025); derivations (D8.1)-(D8.3).

    Accuracy: relative O(1/psi_n + 1/psi_p + psi_n/psi_p^2), for the edges of rho_2 only
    O(psi_n^-1/2); at finite psi d eigenvalues split off rho_1.

    Raises:
        InputError: psi_p <= 1, where there is no rho_1; frozen noises or a ridge.

    Example:
        >>> import rfscore as rf
        >>> law = rf.large_psi_law(rf.ScoreProblem(psi_n=8.0, psi_p=64.0, t=0.01))
        >>> print(law.sample_edges.round(4), law.sample_mass)
        [0.0873 0.3762] 0.125
    """
    _averaged_noise(problem)
    if not is_traced(problem) and problem.psi_p <= 1.0:
        raise bad("psi_p", problem.psi_p, "a number > 1: rho_1 holds the p - d features beyond the dimension")
    co = coefficients(problem)
    nodes, _ = problem.quadrature()
    ratio = jnp.sqrt(problem.psi_p / problem.psi_n)
    over = jnp.asarray(problem.psi_p - problem.psi_n)
    noised = co.a**2 * (problem.signal**2 * jnp.asarray([jnp.min(nodes), jnp.max(nodes)]) + problem.delta)
    stretch = jnp.stack([(1.0 - jnp.sqrt(problem.psi_p)) ** 2, (1.0 + jnp.sqrt(problem.psi_p)) ** 2])
    return LargePsiLaw(
        atom=(co.s2, jnp.maximum(0.0, 1.0 - (1.0 + problem.psi_n) / problem.psi_p)),
        sample_edges=co.s2 + co.v2 * jnp.stack([(1.0 - ratio) ** 2, (1.0 + ratio) ** 2]),
        sample_mass=jnp.where(over > 0, problem.psi_n / problem.psi_p, 1.0 - 1.0 / problem.psi_p),
        population_edges=co.s2 + co.v2 + noised * stretch,
        population_mass=1.0 / problem.psi_p,
    )


@float64
def large_psi_train_loss(problem: ScoreProblem) -> Float[AnyArray, ""]:
    r"""L_train(tau = inf) for psi_n, psi_p >> 1: int rho_Sigma e^{-2t} lam rho/(Delta_t + e^{-2t} lam rho).

    rho is the positive root of v2 rho^2 + [s2 + v2 (psi_p/psi_n - 1)] rho - s2 = 0 (adapted from Kim and Lee
    2026, Prop 4.5; derivations (D8.4)).

    Accuracy: relative O(1/psi); 0.649 against the exact 0.647 at t = 0.1, psi_p = 64, psi_n = 32.

    Example:
        >>> import rfscore as rf
        >>> print(rf.large_psi_train_loss(rf.ScoreProblem(psi_n=32.0, psi_p=64.0, t=0.1)).round(3))
        0.649
    """
    _averaged_noise(problem)
    aim = problem.regression
    if not is_traced(aim.on_data) and aim.on_data != 0:
        raise bad("target", problem.target, "one without data (score, noise)", "use loss_curves at tau = inf")
    co = coefficients(problem)
    nodes, weights = problem.quadrature()
    linear = co.s2 + co.v2 * (problem.psi_p / problem.psi_n - 1.0)
    root = jnp.sqrt(linear**2 + 4.0 * co.v2 * co.s2)
    # Of the two forms of the positive root, the one without cancellation.
    rho = jnp.where(linear > 0, 2.0 * co.s2 / (linear + root), (root - linear) / (2.0 * co.v2))
    signal = problem.signal**2 * nodes * rho
    return aim.on_noise**2 * (weights * signal / (problem.delta + signal)).sum()
