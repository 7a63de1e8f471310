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
import numpy as np
from jaxtyping import Array, Float

from rfscore._precision import float64, is_traced
from rfscore.model.problem import ScoreProblem
from rfscore.model.training import Descent, Flow, Training
from rfscore.results import Result, quantity
from rfscore.theory import assemble, checked, contours, descent, replicas, targets
from rfscore.theory import one_point as op
from rfscore.theory import resolvent as rs
from rfscore.theory.equivalent import Equivalent, equivalent


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


@jax.jit
def _parts(
    eq: Equivalent, delta: Float[Array, ""], t: Float[Array, ""], contour: assemble.Contour, x: op.Point
) -> tuple[Array, ...]:
    """The parts in the order of `_NAMES`, and the test loss."""
    cross = targets.traces(eq, x)[1]
    total, nothing, weights, data = (
        replicas.product(eq, contour, x, shared)
        for shared in (replicas.ALL, replicas.Shared(), replicas.Shared(features=True), replicas.Shared(data=True))
    )
    noise = nothing if eq.mixing is None else replicas.product(eq, contour, x, replicas.Shared(noise=True))
    couplings = [(y, *empirical_coupling(eq, x, y)) for y in (x, x.conj())]
    training = jnp.stack([targets.kernel(eq, x, y, triple, source=source) for y, triple, source in couplings])
    overlap = 2.0 * assemble.once(contour, jnp.asarray(contour.gain), cross)
    variances = ((value - nothing) / delta for value in (total, weights, data, noise))
    penalty = assemble.twice(contour, targets.pairs(eq, x, targets.IDENTITY))
    empirical = 1.0 + assemble.twice(contour, training) - overlap
    return _squared_bias(eq, contour, x, delta, t), *variances, empirical, penalty, 1.0 + total - overlap


_NAMES = ("bias2", "variance", "from_weights", "from_data", "from_noise", "empirical", "penalty")


def _squared_bias(
    eq: Equivalent, contour: assemble.Contour, x: op.Point, delta: Float[Array, ""], t: Float[Array, ""]
) -> Float[Array, "V M"]:
    """The mean score is -gamma(lam) x in the directions of variance lam: gamma against 1/(e^{-2t} lam + Delta_t)."""
    trace = (eq.target**2 / delta * eq.psi_p) * (targets.beta(eq, x) * x.q)[..., None] * x.inverse
    gain = jnp.asarray(contour.gain)
    gamma = jax.vmap(lambda one: assemble.once(contour, gain, one), -1, -1)(trace)
    spread = jnp.exp(-2.0 * t) * eq.nodes + delta
    return (eq.weights * spread * (1.0 / spread - gamma) ** 2).sum(-1)


@partial(jax.jit, static_argnames=("count", "span"))
def _flow_parts(
    eq: Equivalent, delta: Float[Array, ""], t: Float[Array, ""], tau: Float[Array, "W M"], count: int, span: float
) -> tuple[tuple[Array, ...], Array]:
    contour = assemble.flow(eq, delta, tau, count, span)
    x, _, status = rs.solve(eq, contour.z, unit=contour.unit)
    return _parts(eq, delta, t, contour, x), assemble.statuses(eq, contour, status)


@float64
def decomposition(
    problem: ScoreProblem, times: Any, *, training: Training = Flow(), rtol: float = 1e-11  # noqa: B008 (frozen)
) -> Decomposition:  # fmt: skip
    r"""Bias, variance and their sources, empirical test loss and weight norm (derivations (D11.1)-(D11.8)).

    Args:
        problem: the problem.
        times: training times >= 0 of any shape, 0 and inf exact, or whole numbers of steps.
        training: Flow, or Descent without gradient noise.
        rtol: wanted accuracy of the flow relative to max(1, loss), in [1e-13, 1e-2].

    Returns:
        Decomposition with arrays of the shape of times.

    Raises:
        InputError: as for `loss_curves`; gradient noise, for which bias and variance are not derived.
        SolveError: a resolvent was not verified, or tau = inf where the variance diverges (NaN under jit, vmap, grad).

    Accuracy:
        rtol * max(1, loss), 1e-9 for descent, divided by Delta_t for biases and variances.

    Example:
        >>> import rfscore as rf
        >>> parts = rf.decomposition(rf.ScoreProblem(2.0, 6.0, 0.1, noise_draws=2), [10.0, 1e3])
        >>> print(parts.bias2.round(4), parts.variance.round(4), parts.interaction.round(4))
        [0.1136 0.3777] [0.5743 4.4846] [0.4226 3.258 ]
    """
    training.check_modes_alone()
    eq, t = equivalent(problem), problem.t if is_traced(problem.t) else jnp.asarray(problem.t, dtype=float)
    if isinstance(training, Descent):
        tau, found, rtol = *_after_steps(problem, t, times, training), descent.ACCURACY
    else:
        tau = jnp.asarray(times) if is_traced(times) else training.times(times)  # type: ignore[assignment]
        group = assemble.grouped(tau, rtol)
        rows, count = tau.reshape(-1)[group.member], contours.node_count(rtol, group.span)
        values, status = _flow_parts(eq, problem.delta, t, rows, count, group.span)
        assemble.verify(status, "decomposition")
        if is_traced(status):
            values = tuple(assemble.unverified_as_nan(status, value) for value in values)
        found = [assemble.by_time(group, np.shape(tau), value) for value in values]
    *parts, test = found
    floor = assemble.noise_floor(problem, eq)
    allowed = rtol * abs(test).max(initial=1.0) / problem.delta
    checked.parts("decomposition", tau, parts[0], parts[1], (test - floor) / problem.delta, allowed)
    return Decomposition(tau=tau, **dict(zip(_NAMES, parts, strict=True)))


def _after_steps(
    problem: ScoreProblem, t: Float[Array, ""], steps: Any, training: Descent
) -> tuple[Float[np.ndarray, " *T"], list[Float[np.ndarray, " *T"]]]:
    """Training times, and the parts after so many steps."""
    counts, delta = training.times(steps), jnp.asarray(float(problem.delta))
    if not counts.size:
        return training.tau(counts), [counts] * (len(_NAMES) + 1)
    values = descent.applied(problem, counts.ravel(), training, lambda eq, k, x: _parts(eq, delta, t, k, x))
    return training.tau(counts), [value.reshape(counts.shape) for value in values]
