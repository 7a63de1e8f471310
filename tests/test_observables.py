"""Numbers read off curves: right on curves whose answers are known, and censored where there is no answer."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rfscore import observables as obs
from rfscore.errors import InputError

TAU = np.geomspace(1e-2, 1e8, 201)
WITH_ENDS = np.concatenate([[0.0], TAU, [np.inf]])


def losses(tau, t_gen=3.0, t_mem=1e5, rise=2.0):
    """Training and test loss with one time for learning and one for memorising."""
    learn, memorise = np.exp(-tau / t_gen), -np.expm1(-tau / t_mem)
    return 0.6 + 0.4 * learn - 0.1 * memorise, 0.6 + 0.4 * learn + rise * memorise


@given(x0=st.floats(-3, 15), curvature=st.floats(0.01, 10), height=st.floats(-5, 5))
@settings(max_examples=50, deadline=None)
def test_minimum_of_a_parabola_in_log_tau_is_exact(x0, curvature, height):
    low = obs.minimum(TAU, height + curvature * (np.log(TAU) - x0) ** 2)
    assert low.status == "ok"
    assert abs(math.log(low.value) - x0) < 1e-8
    assert abs(low.height - height) < 1e-10 * (1 + curvature * 400)
    assert low.interval[0] < low.value < low.interval[1]


def test_minimum_converges_with_the_square_of_the_spacing():
    # A cubic term shifts the parabola's vertex by a term of second order; the true minimum is at log(tau) = 2.
    def error(points):
        x = np.linspace(-1.0, 5.3, points)
        y = (x - 2) ** 2 + 0.2 * (x - 2) ** 3
        return abs(math.log(obs.minimum(np.exp(x), y).value) - 2)

    spacings = np.array([6.3 / (points - 1) for points in (41, 81, 161, 321)])
    errors = np.array([max(error(points), error(points + 1)) for points in (41, 81, 161, 321)])
    assert np.all(errors < 0.2 * spacings**2)
    assert 1.5 < np.polyfit(np.log(spacings), np.log(errors), 1)[0] < 2.5


@pytest.mark.parametrize("tau", [TAU, WITH_ENDS], ids=["positive times", "with 0 and inf"])
def test_falling_and_rising_curves_bound_the_minimum_from_the_right_side(tau):
    falling, rising = np.exp(-tau), -np.exp(-tau)
    late, early = obs.minimum(tau, falling), obs.minimum(tau, rising)
    assert late.status == early.status == "censored"
    assert late.interval[1] == math.inf and "train longer" in late.message
    assert early.interval[0] == 0.0 and "start earlier" in early.message
    # exp(-tau) stays above the resolution 1e-9 until tau = 20.7, and 1 - exp(-tau) does so from 1e-9 on
    assert late.interval[0] < 20.8 and early.interval[1] <= 0.02
    assert math.isnan(late.value) and math.isnan(early.value)


def test_rounding_noise_on_a_plateau_is_no_minimum():
    noise = 1e-13 * np.random.default_rng(0).standard_normal(TAU.size)
    plateau = 0.6 + 0.4 * np.exp(-TAU) + noise
    assert 0 < np.argmin(plateau) < TAU.size - 1
    assert obs.minimum(TAU, plateau).status == "censored"
    assert obs.minimum(TAU, plateau, resolution=0.0).status == "ok"
    assert obs.minimum(TAU, 0.5 + noise).status == "undefined"


@given(slope=st.floats(0.1, 5), offset=st.floats(-3, 3), where=st.floats(-3.9, 17.9), falling=st.booleans())
@settings(max_examples=50, deadline=None)
def test_crossing_of_a_line_in_log_tau_is_exact(slope, offset, where, falling):
    sign = -1 if falling else 1
    y = offset + sign * slope * np.log(TAU)
    found = obs.crossing(TAU, y, offset + sign * slope * where, rising=not falling)
    assert found.status == "ok" and abs(math.log(found.value) - where) < 1e-10
    assert found.interval[0] <= found.value * (1 + 1e-12) and found.value <= found.interval[1] * (1 + 1e-12)


def test_crossing_takes_the_first_of_several_and_the_first_after_a_time():
    x = np.log10(TAU)
    wave = np.sin(np.pi * x)  # rises through 0 at even x, falls through 0 at odd x
    assert abs(math.log10(obs.crossing(TAU, wave, 0.05).value) + 1.984) < 5e-3  # asin(0.05)/pi - 2
    assert abs(math.log10(obs.crossing(TAU, wave, 0.0, after=30.0).value) - 2) < 1e-3
    assert abs(math.log10(obs.crossing(TAU, wave, 0.0, after=300.0, rising=False).value) - 3) < 1e-3


def test_a_start_between_two_grid_points_is_interpolated():
    tau = np.array([1.0, 10.0, 100.0, 1000.0])
    y = np.array([0.0, 1.0, 0.0, 1.0])
    # between 10 and 100 the curve falls from 1 to 0: at 10^1.8 it is 0.2, so 0.3 is next reached at 10^2.3
    found = obs.crossing(tau, y, 0.3, after=10**1.8)
    assert abs(math.log10(found.value) - 2.3) < 1e-12
    assert obs.crossing(tau, y, 0.15, after=10**1.8).interval == (0.0, 10**1.8)


@pytest.mark.parametrize(
    ("level", "interval", "says"),
    [
        (2.0, (100.0, math.inf), "train longer"),
        (-1.0, (0.0, 1.0), "start earlier"),
    ],
)
def test_levels_outside_the_curve_are_censored_with_a_bound(level, interval, says):
    found = obs.crossing(np.array([1.0, 10.0, 100.0]), np.array([0.0, 0.5, 1.0]), level)
    assert found.status == "censored" and found.interval == interval and says in found.message


def test_crossings_next_to_zero_and_infinity_are_bounds():
    tau, y = np.array([0.0, 1.0, 10.0, 100.0, np.inf]), np.array([0.0, 0.2, 0.3, 0.6, 1.0])
    assert obs.crossing(tau, y, 0.1).interval == (0.0, 1.0)
    assert obs.crossing(tau, y, 0.8).interval == (100.0, math.inf)
    assert obs.crossing(tau, y, 1.1).interval == (100.0, math.inf)
    assert {obs.crossing(tau, y, level).status for level in (0.1, 0.8, 1.1)} == {"censored"}


def test_onset_of_a_power_law_gap_is_where_it_reaches_the_threshold():
    found = obs.onset(TAU, np.log1p(TAU), 0.1)  # log(1 + tau) = 0.1
    assert abs(found.value / np.expm1(0.1) - 1) < 2e-3


@pytest.mark.parametrize("fraction", [0.05, 0.5, 0.9])
def test_tau_gen_and_tau_mem_of_two_exponentials(fraction):
    train, test = losses(WITH_ENDS)
    # d test/d tau = 0: (0.4/3) exp(-tau/3) = (2/1e5) exp(-tau/1e5), up to tau_gen/t_mem = 3e-4
    expected_gen = 3 * math.log(0.4 / 3 * 1e5 / 2)
    generalised = obs.tau_opt(WITH_ENDS, test)
    assert abs(generalised.value / expected_gen - 1) < 5e-3
    memorised = obs.tau_half(WITH_ENDS, train, test, fraction=fraction)
    assert abs(memorised.value / (-1e5 * math.log1p(-fraction)) - 1) < 5e-3  # gap = 2.1 (1 - exp(-tau/1e5))
    assert memorised.message == "" and memorised.value > generalised.value


def test_tau_gen_is_the_same_for_test_loss_and_score_error():
    _, test = losses(TAU)
    delta, trace = 0.02, 0.9  # denoising identity: E_score = (L_test - 1 + delta trace)/delta
    low = obs.tau_opt(TAU, test)
    assert abs(obs.tau_opt(TAU, (test - 1 + delta * trace) / delta).value / low.value - 1) < 1e-9


def test_tau_mem_scales_with_the_memorisation_time():
    times = np.array([1e3, 1e4, 1e5])
    found = np.array([obs.tau_half(WITH_ENDS, *losses(WITH_ENDS, t_mem=t)).value for t in times])
    np.testing.assert_allclose(found / times, math.log(2), rtol=5e-3)


def test_tau_mem_of_an_unfinished_run_says_so():
    part = TAU[TAU < 3e6]
    found = obs.tau_half(part, *losses(part))
    assert found.status == "ok" and "not to the final one" in found.message


def test_tau_mem_without_memorisation_is_a_bound_or_undefined():
    early = TAU[TAU < 5]
    still_learning = obs.tau_half(early, *losses(early))
    assert still_learning.status == "censored" and still_learning.interval[1] == math.inf
    assert "still falls" in still_learning.message
    x = np.log(TAU)
    never = obs.tau_half(TAU, np.full_like(x, 0.8), 0.6 + 0.1 * x**2 / (1 + x**2))  # a minimum, but a gap below 0
    assert never.status == "undefined" and "does not memorise" in never.message


@given(gamma=st.floats(-3, 3), prefactor=st.floats(1e-3, 1e6), seeds=st.integers(0, 5))
@settings(max_examples=40, deadline=None)
def test_exponent_of_exact_power_laws_is_exact(gamma, prefactor, seeds):
    n = np.array([100.0, 250.0, 800.0, 3000.0])
    tau = prefactor * n**gamma
    tau = tau if seeds == 0 else np.repeat(tau[:, None], seeds, axis=1)
    fit = obs.fit_exponent(n, tau, resamples=200)
    assert fit.status == "ok" and abs(fit.value - gamma) < 1e-10
    assert abs(fit.prefactor / prefactor - 1) < 1e-8
    assert np.all(np.isnan(fit.interval)) and "no interval: the values do not scatter" in fit.message


def test_equal_runs_and_single_runs_have_no_interval_of_width_zero():
    n = np.array([1.0, 2.0, 4.0, 8.0])
    plateau = obs.fit_exponent(n, np.full(4, 50.5))
    equal = obs.fit_exponent(n, np.repeat(np.array([3.0, 5.0, 9.0, 30.0])[:, None], 3, axis=1))
    for fit in (plateau, equal):
        assert np.all(np.isnan(fit.interval)) and "no interval" in fit.message
    lone = np.full((4, 3), np.nan)
    lone[:, 0] = [3.0, 5.0, 9.0, 30.0]  # one run each is left: the sizes are resampled, as without seeds
    assert obs.fit_exponent(n, lone).interval == obs.fit_exponent(n, lone[:, 0]).interval
    lone[0, 1] = 4.0
    mixed = obs.fit_exponent(n, lone)
    assert mixed.interval[0] < mixed.interval[1] and "too narrow" in mixed.message


def test_a_flat_lowest_stretch_is_given_whole():
    tau = np.geomspace(1.0, 1e6, 7)
    low = obs.minimum(tau, np.array([1.0, 0.5, 0.2, 0.2, 0.2, 0.2, 0.9]))
    assert low.status == "ok" and low.value == pytest.approx(10**3.5)
    assert low.interval == pytest.approx((10.0, 1e6)) and "flat" in low.message
    two = obs.minimum(tau, np.array([1.0, 0.5, 0.2, 0.2, 0.5, 0.7, 0.9]))
    assert two.value == pytest.approx(10**2.5) and two.message == ""


def test_a_curve_that_stays_at_the_level_says_so():
    tau = np.geomspace(1.0, 1e5, 6)
    found = obs.crossing(tau, np.array([0.0, 0.1, 0.5, 0.5, 0.5, 0.9]), 0.5)
    assert found.value == pytest.approx(100.0) and found.interval == pytest.approx((10.0, 1e5))
    assert "stays at the level" in found.message


def test_bootstrap_interval_covers_the_exponent_as_often_as_it_says():
    rng = np.random.default_rng(42)
    n, seeds, trials = np.array([400.0, 800.0, 1600.0, 3200.0]), 20, 400
    hits = 0
    for trial in range(trials):
        tau = 2 * n[:, None] * np.exp(0.3 * rng.standard_normal((4, seeds)))
        low, high = obs.fit_exponent(n, tau, resamples=400, seed=trial).interval
        hits += low <= 1.0 <= high
    # Bias: percentile intervals of m values are sqrt((m - 1)/m) too narrow and ignore Student's tails; for m = 20 and
    # 95 % that costs 1 % here (76 degrees of freedom). The rest is three standard errors of the measured coverage.
    error = math.sqrt(0.95 * 0.05 / trials)
    assert abs(hits / trials - 0.94) < 3 * error + 0.005


def test_bootstrap_is_reproducible_and_wider_at_a_higher_level():
    n, rng = np.array([1.0, 2.0, 4.0]), np.random.default_rng(0)
    tau = n[:, None] * np.exp(0.2 * rng.standard_normal((3, 8)))
    first, again = (obs.fit_exponent(n, tau, seed=7) for _ in range(2))
    other, wide = obs.fit_exponent(n, tau, seed=8), obs.fit_exponent(n, tau, seed=7, level=0.99)
    assert first == again and first.interval != other.interval
    assert wide.interval[0] < first.interval[0] < first.value < first.interval[1] < wide.interval[1]


def test_points_of_a_bent_curve_give_an_interval_that_holds_its_local_slopes():
    n = np.array([4.0, 8.0, 16.0, 32.0, 64.0])
    tau = n**2 / (n + 12)  # slope goes from near 2 down to near 1
    fit, local = obs.fit_exponent(n, tau), obs.local_slopes(n, tau)
    assert np.all(np.diff(local.slope) < 0) and local.slope[0] < 2 and local.slope[-1] > 1
    exact = 2 - local.n / (local.n + 12)
    np.testing.assert_allclose(local.slope, exact, atol=0.01)
    assert fit.interval[0] < fit.value < fit.interval[1]
    assert local.slope[-1] <= fit.interval[0] + 0.05 and fit.interval[1] <= local.slope[0]


def test_censored_runs_are_left_out_and_said():
    n = np.array([1.0, 2.0, 4.0])
    tau = n[:, None] * np.ones((3, 4))
    tau[2, 1] = np.nan
    fit, local = obs.fit_exponent(n, tau), obs.local_slopes(n, tau)
    assert fit.status == local.status == "censored" and "1 of 12" in fit.message
    assert abs(fit.value - 1) < 1e-12
    np.testing.assert_allclose(local.slope, 1.0)
    tau[1:] = np.nan
    nothing = obs.fit_exponent(n, tau)
    assert nothing.status == "undefined" and math.isnan(nothing.value)
    assert np.all(np.isnan(obs.local_slopes(n, tau).slope))


def test_two_sizes_without_seeds_have_a_slope_and_no_interval():
    fit = obs.fit_exponent(np.array([1.0, 4.0]), np.array([3.0, 6.0]))
    assert abs(fit.value - 0.5) < 1e-12 and math.isnan(fit.interval[0]) and "no interval" in fit.message


Y3, T3 = np.array([1.0, 0.5, 0.7]), np.array([1.0, 2.0, 3.0])
BAD = {
    "different lengths": (lambda: obs.minimum(T3, Y3[:2]), "two vectors of one length"),
    "a matrix": (lambda: obs.minimum(np.eye(3), np.eye(3)), "two vectors of one length"),
    "too few times": (lambda: obs.minimum(T3[:2], Y3[:2]), "at least 3"),
    "only ends": (lambda: obs.minimum(np.array([0.0, 1.0, np.inf]), Y3), "1 positive finite times"),
    "negative tau": (lambda: obs.crossing(T3 - 2, Y3, 0.6), "tau = -1.0"),
    "NaN tau": (lambda: obs.crossing(np.array([1, 2, np.nan]), Y3, 0.6), "tau = nan"),
    "unsorted tau": (lambda: obs.minimum(T3[::-1], Y3), "sort them"),
    "repeated tau": (lambda: obs.minimum(np.array([1.0, 1.0, 2.0]), Y3), "drop repeated"),
    "NaN loss": (lambda: obs.minimum(T3, np.array([1, np.nan, 2])), "drop failed points"),
    "NaN level": (lambda: obs.crossing(T3, Y3, np.nan), "level = nan"),
    "after the end": (lambda: obs.crossing(T3, Y3, 0.6, after=4.0), "at most the last finite"),
    "after negative": (lambda: obs.crossing(T3, Y3, 0.6, after=-1.0), "after = -1.0"),
    "threshold zero": (lambda: obs.onset(T3, Y3, 0.0), "threshold = 0.0"),
    "fraction one": (lambda: obs.tau_half(T3, Y3, Y3, fraction=1.0), "fraction = 1.0"),
    "resolution negative": (lambda: obs.minimum(T3, Y3, resolution=-1), "resolution = -1"),
    "n text": (lambda: obs.fit_exponent(["1", "2", "4"], Y3), "finite sizes > 0"),
    "level text": (lambda: obs.crossing(T3, Y3, "0.5"), "level = '0.5'"),
    "threshold text": (lambda: obs.onset(T3, Y3, "0.5"), "threshold = '0.5'"),
    "resolution text": (lambda: obs.minimum(T3, Y3, resolution="0"), "resolution = '0'"),
    "after text": (lambda: obs.crossing(T3, Y3, 0.5, after="0"), "after = '0'"),
    "confidence text": (lambda: obs.fit_exponent(T3, Y3, level="0.9"), "level = '0.9'"),
    "curve text": (lambda: obs.minimum(T3, ["1", "0", "1"]), "real numbers"),
    "n and tau shapes": (lambda: obs.fit_exponent(T3, Y3[:2]), "tau of shape (k,)"),
    "no seeds": (lambda: obs.fit_exponent(T3, np.ones((3, 0))), "tau of shape (k,)"),
    "n zero": (lambda: obs.fit_exponent(T3 - 1, Y3), "finite sizes > 0"),
    "tau zero": (lambda: obs.fit_exponent(T3, Y3 - 0.5), "NaN for a censored run"),
    "tau infinite": (lambda: obs.fit_exponent(T3, np.array([1, 2, np.inf])), "NaN for a censored run"),
    "level one": (lambda: obs.fit_exponent(T3, Y3, level=1.0), "level = 1.0"),
    "few resamples": (lambda: obs.fit_exponent(T3, Y3, resamples=10), "at least 100"),
    "slopes unsorted": (lambda: obs.local_slopes(T3[::-1], Y3), "strictly ascending"),
    "slopes of one size": (lambda: obs.local_slopes(T3[:1], Y3[:1]), "at least two sizes"),
}


@pytest.mark.parametrize("case", BAD)
@pytest.mark.usefixtures("unchecked")
def test_bad_curves_are_refused_with_value_and_range(case):
    call, says = BAD[case]
    with pytest.raises(InputError) as caught:
        call()
    assert says in str(caught.value)
