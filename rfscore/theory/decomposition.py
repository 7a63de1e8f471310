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
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rfscore._precision import AnyArray, float64, is_traced
from rfscore.model.equivalence import coefficients
from rfscore.model.problem import ScoreProblem
from rfscore.model.training import Descent, Flow, Training
from rfscore.results import Result, quantity
from rfscore.theory import assemble, checked, descent, replicas, targets
from rfscore.theory import one_point as op
from rfscore.theory import resolvent as rs
from rfscore.theory.equivalent import Equivalent, equivalent


class Decomposition(Result):
    r"""Parts of the score error, and two more losses, along training time.

    Attributes:
        tau: training times.
        bias2: squared bias of the score, averaged over W, data and noises.
        variance: its variance; bias2 + variance is the score error of `loss_curves` (its excess for other
            targets than the score).
        from_weights: variance of the score averaged over data and noises: what W alone does.
        from_data: variance of the score averaged over W and noises.
        from_noise: variance of the score averaged over W and data; 0 where the noise is averaged.
        empirical: test loss on fresh noises of the training points; NaN with several classes, or where data are
            regressed on, for which it is not derived.
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


def empirical_coupling(eq: Equivalent, x: op.Point, y: op.Point) -> tuple[Array, Array | None]:
    """Row of (1/n) sum_nu E_xi phi phi^T between two resolvents at all pairs, and what it adds to P12.

    Its columns are those of the samples' common parts, which the columns of U contain.
    """
    common, own = eq.common[0], eq.own[0]

    def memory(point: op.Point) -> Array:
        return eq.ratio[0] * (common[0] * point.q + op.traces(eq, point) @ common[1:]) * point.g[..., 0]

    first, second = memory(x)[..., :, None, None], memory(y)[..., None, :, None]
    kept = (1.0 - first) * (1.0 - second) * common + own
    if not eq.frozen:
        return kept, None
    both = first * second / eq.draws
    return kept + both * own, both[..., 0]


class Truth(NamedTuple):
    """The best linear map of every class and direction, what x_t varies by there, and the slope a of the features."""

    gain: Float[AnyArray, "K L"]
    spread: Float[AnyArray, "K L"]
    slope: Float[AnyArray, " K"]


def _truth(problem: ScoreProblem) -> Truth:
    lam, aim, signal, noise = problem.classes().nodes, problem.regression, problem.signal, problem.noise
    spread = signal**2 * lam + problem.delta
    return Truth(
        (aim.on_data * signal * lam + aim.on_noise * noise) / spread, spread, jnp.atleast_1d(coefficients(problem).a)
    )


@jax.jit
def _parts(eq: Equivalent, truth: Truth, contour: assemble.Contour, x: op.Point) -> tuple[Array, ...]:
    """The parts in the order of `_NAMES`, and the test loss."""
    cross = targets.traces(eq, x)[1]
    total, nothing, weights, data = (
        replicas.product(eq, contour, x, shared)
        for shared in (replicas.ALL, replicas.Shared(), replicas.Shared(features=True), replicas.Shared(data=True))
    )
    noise = replicas.product(eq, contour, x, replicas.Shared(noise=True)) if eq.frozen else nothing
    overlap, start = 2.0 * assemble.once(contour, jnp.asarray(contour.gain), cross), assemble.start(eq)
    variances = (value - nothing for value in (total, weights, data, noise))
    penalty = assemble.twice(contour, targets.pairs(eq, x, targets.identity(eq)))
    bias2, test = _squared_bias(eq, contour, x, truth), start + total - overlap
    if eq.span > 1 or eq.fractions.shape[0] > 1:
        return bias2, *variances, jnp.full_like(test, jnp.nan), penalty, test
    couplings = [(y, *empirical_coupling(eq, x, y)) for y in (x, x.conj())]
    training = jnp.stack([targets.kernel(eq, x, y, row, source=source) for y, row, source in couplings])
    return bias2, *variances, start + assemble.twice(contour, training) - overlap, penalty, test


_NAMES = ("bias2", "variance", "from_weights", "from_data", "from_noise", "empirical", "penalty")


def _squared_bias(eq: Equivalent, contour: assemble.Contour, x: op.Point, truth: Truth) -> Float[Array, "V M"]:
    """The mean output is a_c gamma_l x_t in the directions of class c, gamma from psi_p P Y, against the best map."""
    gain = jnp.asarray(contour.gain)
    seen = targets.seen(eq, x, targets.pulled(eq, x))
    gamma = jax.vmap(lambda one: assemble.once(contour, gain, one), -1, -1)(seen)
    missed = truth.gain - truth.slope[:, None] * gamma[..., None, :]
    return jnp.einsum("k,l,...kl->...", eq.fractions, eq.weights, truth.spread * missed**2)


@partial(jax.jit, static_argnames=("count", "span"))
def _flow_parts(
    eq: Equivalent, truth: Truth, rate: Float[Array, ""], tau: Float[Array, "W M"], count: int, span: float
) -> tuple[tuple[Array, ...], Array]:
    contour = assemble.flow(eq, rate, tau, count, span)
    x, _, status = rs.solve(eq, contour.z, unit=contour.unit)
    return _parts(eq, truth, contour, x), assemble.statuses(eq, contour, status)


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
    eq, truth = equivalent(problem), _truth(problem)
    if isinstance(training, Descent):
        tau, found, rtol = *_after_steps(problem, truth, times, training), descent.ACCURACY
    else:
        asked = assemble.Asked.of(times, rtol)
        values, status = _flow_parts(eq, truth, problem.rate, asked.rows, asked.size, asked.group.span)
        tau = asked.tau
        assemble.verify(status, "decomposition")
        if is_traced(status):
            values = tuple(assemble.unverified_as_nan(status, value) for value in values)
        found = [asked.by_time(value) for value in values]
    *parts, test = found
    # The score is the output over sqrt(Delta_t); other targets are the output itself.
    unit = problem.delta if problem.is_score else 1.0
    parts = [part / unit if i < 5 else part for i, part in enumerate(parts)]
    excess, allowed = test - assemble.least_loss(problem, eq), rtol * abs(test).max(initial=1.0)
    checked.parts("decomposition", tau, parts[0], parts[1], excess / unit, allowed / unit)
    return Decomposition(tau=tau, **dict(zip(_NAMES, parts, strict=True)))


def _after_steps(
    problem: ScoreProblem, truth: Truth, steps: Any, training: Descent
) -> tuple[Float[np.ndarray, " *T"], list[Float[np.ndarray, " *T"]]]:
    """Training times, and the parts after so many steps."""
    counts = training.times(steps)
    if not counts.size:
        return training.tau(counts), [counts] * (len(_NAMES) + 1)
    values = descent.applied(problem, counts.ravel(), training, lambda eq, k, x: _parts(eq, truth, k, x))
    return training.tau(counts), [value.reshape(counts.shape) for value in values]
