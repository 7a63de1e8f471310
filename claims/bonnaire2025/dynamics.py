"""The model itself: forward process, empirical score, closed-form training dynamics."""

from __future__ import annotations

import numpy as np

import rfscore as rf
import rfscore.finite
from rfscore.validation.evidence import Comparison, above, below, near
from rfscore.validation.lab import Lab, slope

TINY = rf.ScoreProblem(2.0, 4.0, 0.1)


def forward_process(lab: Lab) -> list[Comparison]:
    """Euler steps of dx = -x dt + sqrt(2) dW from x = 1: mean and variance at t = 0.5."""
    rng, steps, t = lab.rng(801), 200, 0.5
    x, h = np.ones(100_000), t / steps
    for _ in range(steps):
        x += -h * x + np.sqrt(2 * h) * rng.standard_normal(x.size)
    variance, source = -np.expm1(-2 * t), "2 standard errors, and the step size"
    return [
        near("mean over e^-t", x.mean() / np.exp(-t), 1.0, 0.02, 2 * np.sqrt(variance / x.size) + h, source),
        near("variance over Δ_t", x.var() / variance, 1.0, 0.02, 2 * np.sqrt(2 / x.size) + h, source),
    ]


def empirical_score(lab: Lab) -> list[Comparison]:
    """The denoising loss of s_emp is stationary and lowest; samples drawn with s_emp are training points."""
    import jax
    import jax.numpy as jnp

    from rfscore.memorization import memorised_fraction
    from rfscore.networks.mixture import empirical_score as exact
    from rfscore.sampling import sample

    d, n, t, count, rng = 6, 40, 0.3, 60_000, lab.rng(802)
    train = rng.standard_normal((n, d))
    delta, noise = -np.expm1(-2 * t), rng.standard_normal((count, d))
    x = np.exp(-t) * train[rng.integers(n, size=count)] + np.sqrt(delta) * noise
    base, push = exact(x, t, train), np.tanh(x[:, ::-1])
    slopes = 2 * np.sqrt(delta) * np.sum((np.sqrt(delta) * base + noise) * push, axis=1)

    def score(y: jax.Array, s: jax.Array) -> jax.Array:
        shrink, width = jnp.exp(-s), -jnp.expm1(-2 * s)
        weights = jax.nn.softmax((shrink * y @ train.T - 0.5 * shrink**2 * (train**2).sum(1)) / width, axis=1)
        return (shrink * weights @ train - y) / width

    times = np.geomspace(5.0, 1e-3, 120)
    points = np.asarray(sample(score, (500, d), times, jax.random.key(lab.seed)), dtype=np.float64)
    copied = memorised_fraction(points, train)
    return [
        near("slope of the loss at s_emp along a test direction, over the loss's curvature", slopes.mean() / (
            2 * delta * np.mean(push**2) * d), 0.0, 0.02, 2 * slopes.std() / np.sqrt(count) / (
            2 * delta * np.mean(push**2) * d), "2 standard errors"),
        above("memorised fraction of samples drawn with s_emp", copied.value, 0.95,
              0.5 * (copied.interval[1] - copied.interval[0]), "Wilson's 95 % interval/2"),
    ]  # fmt: skip


def closed_form(lab: Lab) -> list[Comparison]:
    """Eq 53 against a stiff integration of Eq 10."""
    from scipy.integrate import solve_ivp

    d = 8
    x = rfscore.finite.draw(TINY, d, lab.rng(803))
    psi_p, v, u = x.psi_p, x.V, x.U

    def rate(tau: float, a: np.ndarray) -> np.ndarray:
        a = a.reshape(d, x.p)
        return (-2 * x.delta / psi_p * a @ u - 2 * d * np.sqrt(x.delta / x.p) * v.T).ravel()

    tau = np.array([1.0, 30.0, 300.0])
    jacobian = np.kron(np.eye(d), -2 * x.delta / psi_p * u)
    path = solve_ivp(rate, (0, tau[-1]), np.zeros(d * x.p), "Radau", tau, rtol=1e-9, atol=1e-9, jac=jacobian)
    flow = x.gradient_flow()
    off = [np.abs(path.y[:, i].reshape(d, x.p) - flow.weights(s)).max() / np.abs(flow.weights(s)).max()
           for i, s in enumerate(tau)]  # fmt: skip
    return [near("largest relative difference of A(τ) at τ = 1, 30, 300", max(off), 0.0, 1e-5, 1e-6, "integrator")]


def loss_expansion(lab: Lab) -> list[Comparison]:
    """Eq 55 against the definition of both losses, averaged over drawn noise."""
    d, rng = 6, lab.rng(804)
    problem = rf.ScoreProblem(3.0, 4.0, 0.1)
    n, p = 18, 24
    w, data = rng.standard_normal((p, d)), rng.standard_normal((n, d))
    x = rfscore.finite.from_arrays(weights=w, data=data, t=0.1, covariance=np.ones(d))
    tau = 50.0
    curves, a = x.gradient_flow().loss_curves([tau]), x.gradient_flow().weights(tau)
    found = []
    for name, points, value in (("training", np.tile(data, (6000, 1)), curves.train[0]),
                                ("test", rng.standard_normal((n * 6000, d)), curves.test[0])):  # fmt: skip
        noise = rng.standard_normal(points.shape)
        noised = np.exp(-0.1) * points + np.sqrt(problem.delta) * noise
        error = np.sqrt(problem.delta) * np.tanh(noised @ w.T / np.sqrt(d)) @ a.T / np.sqrt(p) + noise
        each = (error**2).sum(1) / d
        found.append(near(f"{name} loss, sampled over exact", each.mean() / value, 1.0, 0.015,
                          2 * each.std() / np.sqrt(each.size) / value, "2 standard errors"))  # fmt: skip
    return found


def descent_and_flow(lab: Lab) -> list[Comparison]:
    """Gradient descent at tau = k step_size approaches the flow, at first order in the step."""
    x = rfscore.finite.draw(TINY, 16, lab.rng(805))
    flow = x.gradient_flow()
    largest = x.psi_p / (x.delta * flow.eigenvalues[-1])
    steps, tau = largest / np.array([8.0, 16.0, 32.0]), 20.0
    off = []
    for step in steps:
        k = round(tau / step)
        off.append(abs(flow.loss_curves([k], training=rf.Descent(step)).test[0] - flow.loss_curves([k * step]).test[0]))
    first, last = (slope(steps[k : k + 2], np.array(off[k : k + 2])) for k in (0, 1))
    return [
        # At first order the distance of the local exponent from 1 halves with the step: it is what it just changed by.
        near(
            "local exponent in η of |descent − flow| at the smallest η",
            last,
            1.0,
            2 * abs(first - last),
            abs(first - last),
            "its change from the step before",
        ),
        below("|descent − flow| in the test loss, smallest η", off[-1], 1e-2, 1e-9, "roundoff"),
    ]
