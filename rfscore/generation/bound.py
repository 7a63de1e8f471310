r"""How far from the truth samples can be, from the score error alone.

The reverse SDE has noise of variance 2 per unit time, so that two of its solutions, with scores s and s' from the same
start, differ by (1/4) int |2 (s - s')|^2 dt on average over the first (Girsanov; claim kl-bound):

    KL(P_{t_min} | samples)/d <= KL(P_{t_max} | N(0, I))/d + int_{t_min}^{t_max} E_score(t) dt

(derivations (D14.12)). E_score is that of `rfscore.loss_curves`, at any psi_p.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Real

from rfscore.errors import bad
from rfscore.generation.wide import diffusion_grid
from rfscore.model.problem import ScoreProblem
from rfscore.results import Result, quantity
from rfscore.theory.losses import loss_curves
from rfscore.theory.wide import score_only


class KLBound(Result):
    r"""The bound against training time, per dimension.

    Attributes:
        tau: training times, the same at every noise level.
        bound: upper bound of KL(P_{t_min} | samples of the reverse SDE)/d.
        start: its part from starting at white noise, KL(P_{t_max} | N(0, I))/d.
    """

    tau: Any = quantity("tau")
    bound: Any = quantity("tau")
    start: Any = quantity()


def kl_bound(
    problem: ScoreProblem,
    times: Real[np.ndarray, " T"] | Sequence[float],
    span: tuple[float, float] = (5.0, 0.02),
    *,
    nodes: int = 24,
) -> KLBound:
    """The bound of Bonnaire et al. 2025, SM Eq 219, with the right factor, as a curve in tau.

    Args:
        problem: any psi_p, inf included; its t does not matter.
        times: training times.
        span: (t_max, t_min), where the sampler starts and where it ends.
        nodes: Gauss-Legendre nodes in log t, >= 2; each costs one `loss_curves`.

    Returns:
        KLBound, of the samples of a reverse SDE followed exactly, with networks that share W or not. The KL is that to
        the samples' law, which is Gaussian only for linear scores: the KL to the Gaussian of their covariance can be
        larger than the bound (by up to 1.6 for tanh, psi_n = 3, late in training).

    Raises:
        InputError: times or a span that are none; another process or target; a mixture.

    Accuracy:
        1e-6 relative with 24 nodes over three decades of t.

    Example:
        >>> import rfscore as rf
        >>> found = rf.generation.kl_bound(rf.ScoreProblem(3.0, float("inf"), 0.1), [10.0, 1000.0])
        >>> print(found.bound.round(3), found.start)
        [0.053 0.581] 0.0
    """
    score_only(problem, "for a bound on what a reverse SDE generates")
    high, low = diffusion_grid(span)[[0, -1]]
    if isinstance(nodes, bool) or not isinstance(nodes, int) or nodes < 2:
        raise bad("nodes", nodes, "a whole number >= 2")
    x, w = np.polynomial.legendre.leggauss(nodes)
    half = 0.5 * np.log(high / low)
    t = low * np.exp(half * (x + 1.0))
    errors = [loss_curves(problem.replace(t=float(at)), times).score_error for at in t]
    lam, weights = (np.asarray(part, dtype=float) for part in problem.quadrature())
    excess = np.exp(-2.0 * high) * (lam - 1.0)  # Sigma_t - I
    start = 0.5 * float((weights * (excess - np.log1p(excess))).sum())
    return KLBound(np.asarray(times, dtype=float), start + (w * half * t) @ np.array(errors), start)
