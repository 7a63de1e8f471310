"""Training with a ridge at every time: what is descended, its penalty, and the end that late times reach."""

from __future__ import annotations

import numpy as np
import pytest

import rfscore as rf
from tests.reference import theory_twins as twin
from tests.theory.helpers import INF

LATE = np.array([1e9, 1e12, 1e14, 1e16, 1e20, 1e25, 1e30, INF])
RIDGES = [1e-6, 1e-3, 1.0, 1e3, 1e6]


def problem(ridge: float, draws: float, psi_p: float = 8.0) -> rf.ScoreProblem:
    return rf.ScoreProblem(4.0, psi_p, 0.1, noise_draws=draws, ridge=ridge)


@pytest.mark.parametrize("ridge", RIDGES)
@pytest.mark.parametrize("draws", [1, 2, 5, INF])
def test_late_times_are_the_end(ridge: float, draws: float) -> None:
    """tau = 1e9/ridge and later: every mode is over, since none is slower than the ridge."""
    tau = LATE * max(1.0, 1.0 / ridge)
    one = problem(ridge, draws)
    cur, parts = rf.loss_curves(one, tau), rf.decomposition(one, tau)
    for name in ("train", "test"):
        values = getattr(cur, name)
        assert np.allclose(values, values[-1], rtol=0, atol=2e-11 * max(1.0, cur.test[-1])), name
    for name in ("penalty", "bias2", "variance", "empirical"):
        values = getattr(parts, name)
        assert np.allclose(values, values[-1], rtol=3e-11, atol=2e-11 * max(1.0, cur.test[-1])), name
    assert np.allclose(parts.penalty, parts.penalty[-1], rtol=2e-11, atol=0.0)


@pytest.mark.parametrize(("ridge", "draws"), [(1.0, 2), (1e3, 2), (1e-3, INF)])
@pytest.mark.parametrize("momentum", [0.0, 0.5])
def test_many_steps_are_the_end(ridge: float, draws: float, momentum: float) -> None:
    one = problem(ridge, draws)
    end, step = rf.loss_curves(one, [INF]), 0.9 * rf.largest_step(one, momentum)
    cur = rf.loss_curves(one, [10**9, 10**11, 10**13, 2**53], training=rf.Descent(step, momentum=momentum))
    assert np.allclose(cur.train, end.train, rtol=0, atol=1e-9)
    assert np.allclose(cur.test, end.test, rtol=1e-9)


@pytest.mark.parametrize(("ridge", "draws"), [(1e-3, INF), (1.0, 1), (30.0, 1), (1.0, INF)])
def test_penalty_is_the_integral_over_the_spectral_density_of_what_training_pulls_on(
    ridge: float, draws: float
) -> None:
    """int ((1 - e^{-c lam})/lam)^2 Im H(lam + i0)/pi, at early, middle and late times, to 1e-7 of itself."""
    one = problem(ridge, draws, 3.0)
    u, phi = twin.parts(one), (np.arange(400) + 0.5) * np.pi / 400
    tau = np.array([1e-6, 1e-2, 1.0, 30.0, 1e3, 1e5, 1e9, 1e13])
    expected = np.zeros_like(tau)
    for low, high in rf.spectrum(one).edges:
        half = 0.5 * (high - low)
        lam, weight = 0.5 * (low + high) - half * np.cos(phi), half * np.sin(phi) * np.pi / 400
        res = rf.resolvent(one, lam + 0j)
        beta = 1.0 / (1.0 + res.delta) if draws == 1 else 1.0
        pull = 1.0 - beta + u.b**2 * beta**2 * u.psi_p * res.s
        for k, c in enumerate(2.0 * u.delta_t * tau / u.psi_p):
            expected[k] += (weight * twin.gain(lam, c) ** 2 * pull.imag / np.pi).sum()
    assert np.allclose(rf.decomposition(one, tau).penalty, expected, rtol=1e-7, atol=0.0)
