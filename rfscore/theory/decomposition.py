r"""Bias and variance of the learned score, and its distance to the empirical score, at every training time.

With Q(R) = (1/d) E_x E[s.s'] for two models that share the randomness R out of (W, data, noises),

    bias^2   = (1/d) E_x |E s + Sigma_t^{-1} x|^2,      variance = Q(everything) - Q(nothing),
    E_score  = bias^2 + variance,                       share of a source = Q(that source alone) - Q(nothing),

the rest of the variance being interactions (Urfin et al. 2026 give bias and total variance at infinite time and
Sigma = I). The empirical test loss is the test loss on fresh noises of the training points; 1 minus what it falls short
of is the distance to the score of the noised training set (derivations (D11.1)-(D11.8)).
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from rfscore._precision import float64, is_traced
from rfscore.model.problem import ScoreProblem
from rfscore.results import Result, quantity
from rfscore.theory import calculus, checked, contour, replicas, targets
from rfscore.theory import one_point as op
from rfscore.theory import resolvent as rs
from rfscore.theory.equivalent import Equivalent, equivalent
from rfscore.theory.losses import noise_floor, weight_decay


class Decomposition(Result):
    r"""Parts of the score error, and two more losses, along training time.

    Attributes:
        tau: training times.
        bias2: squared bias of the score, averaged over W, data and noises.
        variance: its variance; bias2 + variance is the score error of `loss_curves`.
        from_weights: variance of the score averaged over data and noises: what W alone does.
        from_data: variance of the score averaged over W and noises.
        from_noise: variance of the score averaged over W and data; 0 where the noise is averaged.
        empirical: test loss on fresh noises of the training points.
        penalty: Delta_t |A|^2/(p d): times the ridge, what is descended besides the training loss.
    """

    tau: Any = quantity("tau")
    bias2: Any = quantity("tau")
    variance: Any = quantity("tau")
    from_weights: Any = quantity("tau")
    from_data: Any = quantity("tau")
    from_noise: Any = quantity("tau")
    empirical: Any = quantity("tau")
    penalty: Any = quantity("tau")

    @property
    def interaction(self) -> Any:
        """The variance that no source makes alone."""
        return self.variance - self.from_weights - self.from_data - self.from_noise


def empirical_coupling(eq: Equivalent, x: op.Point, y: op.Point) -> tuple[Array, Array]:
    """Triple of (1/n) sum_nu E_xi phi phi^T between two resolvents at all pairs, and what it adds to beta12.

    Its columns are those of the samples' common parts, which the columns of U contain.
    """

    def memory(point: op.Point) -> Array:
        s, r = op.traces(eq, point)
        return eq.ratio[0] * (eq.common[0] * point.q + eq.common[1] * s + eq.common[2] * r) * point.g[..., 0]

    first, second = memory(x)[..., :, None, None], memory(y)[..., None, :, None]
    kept = (1.0 - first) * (1.0 - second) * eq.common + eq.own
    if eq.mixing is None:
        return kept, jnp.zeros(())
    both = eq.mixing[0] * first * second
    return kept + both * eq.own, both[..., 0]


@partial(jax.jit, static_argnames=("count", "span"))
def _parts(
    eq: Equivalent, delta: Float[Array, ""], t: Float[Array, ""], tau: Float[Array, "W M"], count: int, span: float
) -> tuple[dict[str, Array], Array]:
    k = calculus.contours(eq, delta, tau, count, span)
    x, _, status = rs.solve(eq, k.z, unit=k.unit)
    _, cross = targets.traces(eq, x)
    total = replicas.product(eq, k, x, replicas.ALL)
    nothing = replicas.product(eq, k, x, replicas.Shared())
    alone = {name: replicas.product(eq, k, x, replicas.Shared(**{name: True})) for name in ("features", "data")}
    alone["noise"] = nothing if eq.mixing is None else replicas.product(eq, k, x, replicas.Shared(noise=True))
    couplings = [(y, *empirical_coupling(eq, x, y)) for y in (x, x.conj())]
    training = jnp.stack([targets.kernel(eq, x, y, triple, source=source) for y, triple, source in couplings])
    empirical = calculus.at_all_times(k, calculus.double(k, training))
    overlap = 2.0 * calculus.at_all_times(k, calculus.single(k, cross))
    found = {name: (value - nothing) / delta for name, value in (("variance", total), *alone.items())}
    bias2 = _squared_bias(eq, k, x, delta, t)
    penalty = weight_decay(eq, k, x)
    found |= {"bias2": bias2, "empirical": 1.0 + empirical - overlap, "penalty": penalty, "test": 1.0 + total - overlap}
    return found, calculus.statuses(eq, k, status)


def _squared_bias(
    eq: Equivalent, k: calculus.Contours, x: op.Point, delta: Float[Array, ""], t: Float[Array, ""]
) -> Float[Array, "W M"]:
    """The mean score is -gamma(lam) x in the directions of variance lam: gamma against 1/(e^{-2t} lam + Delta_t)."""
    trace = (eq.target**2 / delta * eq.psi_p) * (targets.beta(eq, x) * x.q)[..., None] * x.inverse
    gamma = jax.vmap(lambda one: calculus.at_all_times(k, calculus.single(k, one)), -1, -1)(trace)
    spread = jnp.exp(-2.0 * t) * eq.nodes + delta
    return (eq.weights * spread * (1.0 / spread - gamma) ** 2).sum(-1)


@float64
def decomposition(problem: ScoreProblem, tau: Any, *, rtol: float = 1e-11) -> Decomposition:
    r"""Bias, variance and their sources, empirical test loss and weight norm (derivations (D11.1)-(D11.8)).

    Args:
        problem: the problem.
        tau: training times >= 0 of any shape; 0 and inf are exact.
        rtol: wanted accuracy relative to max(1, loss), in [1e-13, 1e-2].

    Returns:
        Decomposition with arrays of the shape of tau.

    Raises:
        InputError: tau negative or NaN, rtol out of range.
        SolveError: a resolvent was not verified, or tau = inf where the variance diverges (NaN under jit, vmap, grad).

    Accuracy:
        rtol * max(1, loss), divided by Delta_t for biases and variances.

    Example:
        >>> import rfscore as rf
        >>> parts = rf.decomposition(rf.ScoreProblem(2.0, 6.0, 0.1, noise_draws=2), [10.0, 1e3])
        >>> print(parts.bias2.round(4), parts.variance.round(4))
        [0.1136 0.3777] [0.5743 4.4846]
    """
    times = calculus.training_times(tau)
    eq = equivalent(problem)
    group = calculus.grouped(times, rtol)
    rows, count = times.reshape(-1)[group.member], contour.node_count(rtol, group.span)
    t = problem.t if is_traced(problem.t) else jnp.asarray(problem.t, dtype=float)
    found, status = _parts(eq, problem.delta, t, rows, count, group.span)
    calculus.verify(status, "decomposition")
    found = {
        name: calculus.by_time(group, times.shape, calculus.unverified_as_nan(status, value))
        for name, value in found.items()
    }
    test, floor = found["test"], noise_floor(problem, eq)
    allowed = rtol * abs(test).max(initial=1.0) / problem.delta
    score_error = (test - floor) / problem.delta
    checked.parts("decomposition", times, found["bias2"], found["variance"], score_error, allowed)
    return Decomposition(
        tau=times, bias2=found["bias2"], variance=found["variance"], from_weights=found["features"],
        from_data=found["data"], from_noise=found["noise"], empirical=found["empirical"], penalty=found["penalty"],
    )  # fmt: skip
