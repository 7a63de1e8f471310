"""What every loss must satisfy is looked at before it leaves, and a planted error is refused; shapes are kept."""

from __future__ import annotations

from collections.abc import Callable

import jax
import numpy as np
import pytest

import rfscore as rf
from rfscore.theory import assemble, checked
from tests.theory.helpers import INF

TAU = np.array([0.0, 1.0, 10.0, INF])
TRAIN, TEST = np.array([1.0, 0.8, 0.5, 0.4]), np.array([1.0, 0.9, 0.7, 1.5])
FROZEN = rf.ScoreProblem(2.0, 9.0, 0.1, noise_draws=2)

PLANTED = {
    "below 0": ([1.0, 0.8, 0.5, -1e-6], TEST),
    "above 1": ([1.0 + 1e-6, 0.8, 0.5, 0.4], TEST),
    "rise": ([1.0, 0.8, 0.5, 0.5 + 1e-6], TEST),
    "below 0.65": (TRAIN, [1.0, 0.9, 0.65 - 1e-6, 1.5]),
    "found nan": (TRAIN, [1.0, np.nan, 0.7, 1.5]),
}


@pytest.mark.parametrize("message", PLANTED)
def test_losses_that_break_a_bound_are_refused(message: str) -> None:
    train, test = (np.asarray(x) for x in PLANTED[message])
    with pytest.raises(rf.SolveError, match=rf"{message}.*at tau = .*relative 1e-6"):
        checked.losses("loss_curves", TAU, train, test, 0.65, 1.0, 1e-11)


def test_losses_that_keep_their_bounds_pass_in_any_order_of_times() -> None:
    mixed = np.array([2, 0, 3, 1])
    checked.losses("loss_curves", TAU[mixed], TRAIN[mixed], TEST[mixed], 0.65, 1.0, 1e-11)
    checked.losses("loss_curves", TAU, TRAIN[::-1], TEST, 0.65, 1.0, 1e-9, flow=False)  # large steps may overshoot


@pytest.mark.parametrize(
    ("bias2", "variance", "message"),
    [([0.3, 0.2], [0.1, 0.1 + 1e-6], "differ"), ([0.5, 0.3], [-0.1, 0.0], "variance cannot"),
     ([-0.1, 0.3], [0.5, 0.0], "bias cannot"), ([np.nan, 0.3], [0.1, 0.0], "differ")],
)  # fmt: skip
def test_parts_that_do_not_add_up_are_refused(bias2: list, variance: list, message: str) -> None:
    with pytest.raises(rf.SolveError, match=message):
        checked.parts("decomposition", TAU[:2], np.array(bias2), np.array(variance), np.array([0.4, 0.3]), 1e-9)


def test_curves_and_parts_go_through_the_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A term that is wrong by one in a million does not leave."""
    floor = assemble.least_loss
    monkeypatch.setattr(assemble, "least_loss", lambda *_: 0.9)
    with pytest.raises(rf.SolveError, match=r"loss_curves: the test loss cannot be below 0\.9"):
        rf.loss_curves(rf.ScoreProblem(16.0, 4.0, 0.1), [10.0])
    monkeypatch.setattr(assemble, "least_loss", lambda *at: floor(*at) * (1.0 + 1e-6))
    with pytest.raises(rf.SolveError, match=r"decomposition: bias2 \+ variance and the score error differ"):
        rf.decomposition(FROZEN, [10.0])


SHAPES: dict[str, Callable] = {
    "loss_curves": lambda x: rf.loss_curves(FROZEN, x).test,
    "decomposition": lambda x: rf.decomposition(FROZEN, x).penalty,
    "descent": lambda x: rf.loss_curves(FROZEN, x, training=rf.Descent(1.0)).test,
    "resolvent": lambda x: rf.resolvent(FROZEN, -1.0 - x).q,
    "density": lambda x: rf.spectrum(FROZEN).density(x),
    "quantile": lambda x: rf.spectrum(FROZEN).quantile(x / 10.0),
}


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("shape", [(0,), (2, 0), (2, 2)])
def test_results_have_the_shape_of_their_argument(name: str, shape: tuple[int, ...]) -> None:
    assert SHAPES[name](np.arange(1.0, 1.0 + np.prod(shape)).reshape(shape)).shape == shape


def test_two_point_kernel_takes_lists_empty_ones_too_and_refuses_tables() -> None:
    assert rf.two_point(FROZEN, [], [-1.0]).values.shape == (0, 1)
    with pytest.raises(rf.InputError, match=r"z2 = 'shape \(1, 2\)': expected one list of points"):
        rf.two_point(FROZEN, [-1.0], [[-1.0, -2.0]])


class TestTransformedEnds:
    """tau = 0 and tau = inf under jit and grad."""

    def test_gradient_of_the_final_test_loss_in_the_ridge_at_no_ridge(self) -> None:
        with jax.enable_x64(True):

            def final(ridge: float) -> jax.Array:
                problem = rf.ScoreProblem(2.0, 9.0, 0.1, noise_draws=2, ridge=ridge)
                return rf.loss_curves(problem, [INF]).test[0]

            values = [float(final(k * 1e-5)) for k in range(5)]
            difference = np.dot([-25.0, 48.0, -36.0, 16.0, -3.0], values) / 12e-5
            assert float(jax.grad(final)(0.0)) == pytest.approx(difference, rel=1e-6)
            assert float(jax.grad(final)(0.0)) == pytest.approx(-121.0414, abs=1e-3)

    def test_a_loss_that_diverges_is_nan_under_jit_and_the_others_stay(self) -> None:
        with jax.enable_x64(True):
            tau = np.array([1.0, 10.0, INF])
            found = jax.jit(lambda p: rf.loss_curves(rf.ScoreProblem(2.0, p, 0.1, noise_draws=2), tau).test)(4.0)
            plain = rf.loss_curves(rf.ScoreProblem(2.0, 4.0, 0.1, noise_draws=2), tau[:2]).test
        assert np.allclose(found[:2], plain, rtol=1e-10) and np.isnan(found[2])

    @pytest.mark.parametrize("draws", [2, INF])
    def test_gradient_in_time_at_the_start_is_the_slope_of_the_losses(self, draws: float) -> None:
        """That of the test loss is -4 Delta_t b^2: no sample is in it."""
        problem = rf.ScoreProblem(2.0, 9.0, 0.1, noise_draws=draws, ridge=0.1)
        with jax.enable_x64(True):
            for name in ("train", "test"):
                slope = jax.grad(lambda tau: getattr(rf.loss_curves(problem, tau), name))(0.0)  # noqa: B023
                at = [float(getattr(rf.loss_curves(problem, x), name)) for x in (1e-4, 2e-4)]
                assert float(slope) == pytest.approx((4.0 * at[0] - at[1] - 3.0) / 2e-4, rel=1e-5)
            assert float(slope) == pytest.approx(
                -4.0 * problem.delta * float(rf.coefficients(problem).b) ** 2, rel=1e-8
            )

    @pytest.mark.parametrize("psi_p", [4.0001, 4.000001, 3.9999])
    def test_ends_close_to_the_peak_are_where_late_times_lead(self, psi_p: float) -> None:
        cur = rf.loss_curves(rf.ScoreProblem(2.0, psi_p, 0.1, noise_draws=2), [1e25, 1e60, INF])
        assert np.allclose(cur.test, cur.test[-1], rtol=1e-8) and cur.test[-1] > 1e4
