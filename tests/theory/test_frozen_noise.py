"""A finite number of frozen noises per sample, and ridge: printed numbers, twins, limits, and the 2026 closed forms."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from mpmath import mp

import rfscore as rf
from rfscore import testing
from rfscore.theory import assemble, targets
from rfscore.theory import resolvent as rs
from rfscore.theory.equivalent import equivalent
from rfscore.theory.two_point import kernel
from tests.reference import theory_twins as twin
from tests.theory.helpers import EIGHT, INF, around_spectrum, curves, eight, four

TIMES = np.array([0.0, 0.1, 1.0, 10.0, 100.0, 1e3, 1e5, INF])
FROZEN = {
    "m = 1, p > n": rf.ScoreProblem(2.0, 3.0, 0.1, noise_draws=1),
    "m = 1, p < n": rf.ScoreProblem(5.0, 3.0, 0.1, noise_draws=1),
    "p > n m": rf.ScoreProblem(2.0, 6.0, 0.1, noise_draws=2),
    "n < p < n m": rf.ScoreProblem(1.0, 2.0, 0.3, noise_draws=4),
    "p < n": rf.ScoreProblem(4.0, 1.5, 0.2, activation="erf", noise_draws=3),
    "n m < d": rf.ScoreProblem(0.2, 0.7, 0.1, noise_draws=2),
    "three bulks": rf.ScoreProblem(2.0, 10.0, 0.05, noise_draws=3),
    "two atoms": rf.ScoreProblem(2.0, 3.0, 0.1, four([0.5, 1.5]), noise_draws=2),
    "null directions": rf.ScoreProblem(2.0, 3.0, 0.1, four([0.0, 1.0, 2.0]), "erf", noise_draws=2),
    "ridge": rf.ScoreProblem(2.0, 6.0, 0.1, noise_draws=2, ridge=0.01),
}
#: One of each kind in the quick suite, every regime in the slow one: each new pair of shapes compiles for seconds.
QUICK = ("m = 1, p > n", "p > n m", "n < p < n m", "two atoms", "ridge")
frozen = pytest.mark.parametrize(
    "problem", [pytest.param(x, id=k, marks=() if k in QUICK else pytest.mark.slow) for k, x in FROZEN.items()]
)


@pytest.mark.parametrize(
    ("psi_p", "psi_n", "t", "m", "test", "draw"),
    [
        (3.0, 2.0, 0.1, 1, [1.04590, 2.24245, 3.11583], [1.0457, 2.2478, 3.1605]),
        (6.0, 2.0, 0.1, 2, [0.94342, 1.70012, 3.41295], [0.9434, 1.7032, 3.4036]),
        (2.0, 1.0, 0.3, 4, [0.75930, 1.25502, 1.28547], [0.7616, 1.2630, 1.2946]),
        (10.0, 2.0, 0.05, 3, [0.96645, 1.61204, 5.01227], [0.9671, 1.6151, 5.0314]),
    ],
)
def test_numbers_computed_before_this_code_existed(
    psi_p: float, psi_n: float, t: float, m: int, test: list[float], draw: list[float]
) -> None:
    """To all printed digits, and one draw of the Gaussian model at d = 150-250 within 1.5 %."""
    cur = curves(rf.ScoreProblem(psi_n, psi_p, t, noise_draws=m), [10.0, 1e3, 1e5])
    assert np.allclose(cur.test, test, rtol=0, atol=5.1e-6)
    assert np.allclose(cur.test, draw, rtol=0.015)
    if m in (2, 4):
        assert cur.train[{2: 0, 4: 2}[m]] == pytest.approx({2: 0.64300, 4: 0.23163}[m], abs=5.1e-6)
    if m == 1:
        assert cur.train[2] < 1e-5


def test_many_draws_become_the_exact_average_like_one_over_m() -> None:
    exact = rf.ScoreProblem(2.0, 8.0, 0.1)
    base, gap = curves(exact, TIMES), {}
    for m in (1e4, 1e5, 1e9):
        cur = curves(rf.ScoreProblem(2.0, 8.0, 0.1, noise_draws=m), TIMES)
        gap[m] = max(np.max(abs(getattr(cur, name) - getattr(base, name))) for name in ("train", "test"))
    assert gap[1e9] < 1e-5 * gap[1e4] * 1.1  # and no digit more is lost to large m
    assert gap[1e4] / gap[1e5] == pytest.approx(10.0, rel=1e-3)
    # The atom at s2 has become a narrow bulk of p - n - d eigenvalues, its width like 1/sqrt(m); the others stay.
    spec = rf.spectrum(exact)
    some, many = (rf.spectrum(rf.ScoreProblem(2.0, 8.0, 0.1, noise_draws=m)) for m in (1e6, 1e8))
    assert np.allclose(many.edges[1:], spec.edges, rtol=1e-6)
    assert many.masses[0] == pytest.approx(spec.atoms[0][1])
    assert np.allclose((some.edges[0] - spec.floor) / (many.edges[0] - spec.floor), 10.0, rtol=0.01)


@frozen
def test_one_point_solution_is_that_of_the_damped_iteration(problem: rf.ScoreProblem) -> None:
    z, u = around_spectrum(problem), twin.parts(problem)
    res, slow = rf.resolvent(problem, z), twin.fixed_point(u, z)
    for name in ("q", "r", "s"):
        assert np.allclose(getattr(res, name), slow[name], rtol=1e-10, atol=0.0), name
    assert np.all(res.status == 0) and np.all(res.residual < 1e-12)


@frozen
def test_two_point_kernel_is_that_of_iterated_two_by_two_matrices(problem: rf.ScoreProblem) -> None:
    z, u = around_spectrum(problem), twin.parts(problem)
    z[::2] = z[::2].conj()
    lifted = twin.lifted_kernel(u, z[:, None], z[None, :], u.population)
    assert np.allclose(rf.two_point(problem, z, z).values, lifted, rtol=1e-9, atol=0.0)


@frozen
def test_identity_coupling_between_two_v_is_the_divided_difference_of_h(problem: rf.ScoreProblem) -> None:
    """V^T R1 R2 V = (V^T R1 V - V^T R2 V)/(z1 - z2), also where V does not concentrate."""
    z = around_spectrum(problem)
    with jax.enable_x64(True):
        eq = equivalent(problem)
        pull, found = _targets(eq, jnp.asarray(z))
    pull, found = np.asarray(pull), np.asarray(found)
    i, j = np.triu_indices(EIGHT, 1)
    expected = (pull[i] - pull[j]) / (z[i] - z[j])
    assert np.allclose(found[i, j], expected, rtol=1e-8, atol=1e-12 * np.max(abs(expected)))


@jax.jit
def _targets(eq, z):  # type: ignore[no-untyped-def]
    x = rs.solve(eq, z)[0]
    return targets.traces(eq, x)[0], targets.kernel(eq, x, x, jnp.asarray([1.0, 0.0, 0.0]))


@frozen
def test_spectrum_has_its_mass_its_mean_and_its_atom(problem: rf.ScoreProblem) -> None:
    spec, m = rf.spectrum(problem), problem.noise_draws
    assert spec.moment(1) == pytest.approx(float(rf.coefficients(problem).norm2) + problem.ridge, rel=1e-8)
    rank = min(1.0, m * problem.psi_n / problem.psi_p)
    assert sum(mass for _, mass in spec.atoms) == pytest.approx(1.0 - rank, abs=1e-14)
    assert spec.masses.sum() == pytest.approx(rank, abs=1e-10)
    assert spec.floor == problem.ridge and np.all(spec.edges[:, 0] > spec.floor)
    for low, high in spec.edges:
        width = 1e-6 * (high - low)
        inside, outside = spec.density([low + width, high - width]), spec.density([low - width, high + width])
        assert np.all(inside > 0) and np.all(outside == 0)
        res = rf.resolvent(problem, eight([low - width + 0j, high + width + 0j]))  # the solver sees the same gap
        assert np.all(abs(res.q.imag) < 1e-12 * abs(res.q))


def test_bulks_hold_the_noises_the_samples_and_the_dimension() -> None:
    """p = 10 d, n = 2 d, m = 3: 4 d eigenvalues fit single noises, d samples, d the population; 4 d are 0."""
    spec = rf.spectrum(FROZEN["three bulks"])
    assert (10.0 * spec.masses).round(9).tolist() == [4.0, 1.0, 1.0] and spec.atoms == [(0.0, pytest.approx(0.4))]
    assert np.allclose(spec.edges, [[0.00098, 0.050018], [0.052676, 0.182584], [0.504975, 11.755757]], rtol=1e-3)


@pytest.mark.parametrize("name", ["p > n m", "null directions", "three bulks"])
def test_eigenvalues_of_one_draw_follow_the_distribution_function(name: str) -> None:
    problem = FROZEN[name]
    flow = rf.finite.draw(problem, d=60, seed=1, features="gaussian-equivalent").gradient_flow()
    spec = rf.spectrum(problem)
    lam = np.sort(flow.eigenvalues)
    middle = (np.arange(lam.size) + 0.5) / lam.size
    inside = lam > 1e-10
    assert np.max(abs(spec.cdf(lam[inside]) - middle[inside])) < 0.02
    assert np.mean(~inside) == pytest.approx(sum(mass for _, mass in spec.atoms), abs=1e-12)


@frozen
def test_bulks_add_up_to_the_losses(problem: rf.ScoreProblem) -> None:
    tau = np.array([0.0, 1.0, 10.0, 1e2, 1e3, 1e4, 1e5, INF])
    split, cur = rf.bulk_curves(problem, tau), curves(problem, tau)
    assert np.allclose(split.train.sum(0) + 1.0, cur.train, rtol=0, atol=1e-8)
    assert np.allclose(split.test.sum(0) + 1.0, cur.test, rtol=1e-8)


@frozen
def test_losses_start_at_one_and_the_training_loss_falls_to_what_the_rank_allows(problem: rf.ScoreProblem) -> None:
    cur, parts = curves(problem, TIMES), rf.decomposition(problem, TIMES)
    assert cur.train[0] == cur.test[0] == 1.0
    testing.assert_train_decreases(lambda _: cur.train, TIMES, atol=1e-10)
    if problem.psi_p > problem.noise_draws * problem.psi_n and problem.ridge == 0:
        assert abs(cur.train[-1]) < 1e-12  # interpolation
    else:
        assert cur.train[-1] > 1e-3
    descended = cur.train + problem.ridge * parts.penalty
    assert np.all(np.diff(descended) < 1e-10)


def test_at_the_interpolation_threshold_the_loss_diverges_at_infinite_time_only() -> None:
    problem = rf.ScoreProblem(2.0, 6.0, 0.1, noise_draws=3)
    late = curves(problem, [1e4, 1e6, 1e8, 1e10]).test
    assert np.all(np.diff(late) > 0)
    # Hard edge: the density of small eigenvalues goes like lam^(-1/2), the loss like the square root of the time.
    assert late[-1] / late[-2] == pytest.approx(10.0, rel=0.02)
    with pytest.raises(rf.SolveError, match=r"diverges.*ridge"):
        curves(problem, [1.0, INF])
    assert curves(rf.ScoreProblem(2.0, 6.0, 0.1, noise_draws=3, ridge=1e-4), INF).test[0] < late[-1]


def closed_form(problem: rf.ScoreProblem) -> dict[str, float]:
    """Urfin et al. 2026, Prop C.2, Sigma = I, infinite time: derivatives of its T_1 in z and zeta by differences."""
    co, m, ridge = rf.coefficients(problem), mp.mpf(problem.noise_draws), mp.mpf(problem.ridge)
    with mp.workdps(40):
        psi_n, psi_p, delta = (mp.mpf(float(x)) for x in (problem.psi_n, problem.psi_p, problem.delta))
        mu1, star, kappa = mp.mpf(float(co.mu1)), mp.mpf(float(co.v2 + co.s2)), mp.mpf(float(co.v2 / (co.v2 + co.s2)))

        def levels(q: mp.mpf, r: mp.mpf) -> tuple[mp.mpf, mp.mpf]:
            inner = mu1**2 * delta * r
            first = psi_p / psi_n * mu1**2 * (1 - delta) * r
            first += psi_p / (psi_n * m) * (inner + star * q * (1 + (m - 1) * kappa))
            return 1 + first, 1 + psi_p / (psi_n * m) * (inner + star * q * (1 - kappa))

        def equations(q: mp.mpf, r: mp.mpf, z: mp.mpf, zeta: mp.mpf) -> list[mp.mpf]:
            l1, l2 = levels(q, r)
            one = (1 - psi_p) / q - r / q**2 + psi_p * star * (1 + (m - 1) * kappa) / m / l1
            one += (m - 1) * psi_p * star * (1 - kappa) / m / l2 - z * psi_p
            hat = 1 / q - psi_p * zeta + psi_p * mu1**2 * delta / m * (1 / l1 + (m - 1) / l2)
            return [one, 1 / r - hat - psi_p * mu1**2 * (1 - delta) / l1]

        start = rf.resolvent(rf.ScoreProblem(problem.psi_n, problem.psi_p, problem.t, noise_draws=problem.noise_draws,
                                             ridge=problem.ridge), [0.0 + 0j])  # fmt: skip

        def solved(z: mp.mpf, zeta: mp.mpf) -> tuple[mp.mpf, mp.mpf]:
            q, r = mp.findroot(lambda q, r: equations(q, r, z, zeta), (start.q[0].real, start.r[0].real))
            l1, l2 = levels(q, r)
            total = 1 / l1 + (m - 1) / l2
            return (1 - total / m + mu1**2 * psi_p * delta * r * total**2 / m**2,
                    psi_p / m * mu1 * mp.sqrt(delta) * r * total)  # fmt: skip

        t1, t2 = solved(-ridge, mp.mpf(0))
        eps = mp.mpf(10) ** -10
        t4 = (solved(-ridge, eps)[0] - solved(-ridge, -eps)[0]) / (2 * eps)
        t5 = (solved(-ridge + eps, mp.mpf(0))[0] - solved(-ridge - eps, mp.mpf(0))[0]) / (2 * eps)
        quadratic = mu1**2 * t4 + star * t5
        found = {
            "objective": 1 - t1,
            "test": 1 - 2 * mu1 * mp.sqrt(delta) * t2 + quadratic,
            "bias2": (1 - mu1 * t2 / mp.sqrt(delta)) ** 2,
            "variance": (quadratic - mu1**2 * t2**2) / delta,
        }
        return {name: float(value) for name, value in found.items()}


@pytest.mark.parametrize(
    ("psi_n", "psi_p", "t", "m", "ridge"),
    [(16.0, 30.0, 0.1, 16, 1e-3), (8.0, 40.0, 0.1, 4, 1e-3), (2.0, 3.0, 0.3, 1, 0.02), (2.0, 8.0, 0.05, 2, 1e-4)],
)
def test_infinite_time_equals_the_closed_forms_of_2026(
    psi_n: float, psi_p: float, t: float, m: int, ridge: float
) -> None:
    """Their training loss contains the penalty; ours plus ridge times the weight norm is the same number."""
    problem = rf.ScoreProblem(psi_n, psi_p, t, noise_draws=m, ridge=ridge)
    exact = closed_form(problem)
    cur, parts = curves(problem, INF), rf.decomposition(problem, [INF])
    assert cur.train[0] + ridge * parts.penalty[0] == pytest.approx(exact["objective"], rel=1e-9)
    assert cur.test[0] == pytest.approx(exact["test"], rel=1e-9)
    assert parts.bias2[0] == pytest.approx(exact["bias2"], rel=1e-8)
    assert parts.variance[0] == pytest.approx(exact["variance"], rel=1e-8)


class TestDecomposition:
    """Bias, variance, sources and empirical test loss."""

    @frozen
    def test_bias_and_variance_add_up_to_the_score_error(self, problem: rf.ScoreProblem) -> None:
        parts, cur = rf.decomposition(problem, TIMES), curves(problem, TIMES)
        assert np.allclose(parts.bias2 + parts.variance, cur.score_error, rtol=1e-9, atol=1e-10)
        for name in ("bias2", "variance", "from_weights", "from_data", "from_noise", "interaction"):
            assert np.all(getattr(parts, name) > -1e-9 / problem.delta), name

    def test_with_averaged_noise_fresh_noises_on_the_training_points_are_the_training_loss(self) -> None:
        for rho in (1.0, four([0.5, 1.5])):
            problem = rf.ScoreProblem(2.0, 8.0, 0.1, rho, ridge=1e-3)
            parts, cur = rf.decomposition(problem, TIMES), curves(problem, TIMES)
            assert np.allclose(parts.empirical, cur.train, rtol=0, atol=1e-10)
            assert np.allclose(parts.from_noise, 0.0, atol=1e-12)

    @frozen
    def test_memorisation_leaves_the_empirical_test_loss_between_training_and_test_loss(
        self, problem: rf.ScoreProblem
    ) -> None:
        """Late in training; before that the model's answer, larger on its own samples, may cost more there."""
        parts, cur = rf.decomposition(problem, TIMES), curves(problem, TIMES)
        assert np.all(parts.empirical > cur.train - 1e-10)
        assert np.all(parts.empirical[5:] < cur.test[5:] - 1e-3)

    def test_sources_agree_with_pairs_of_draws_that_share_them(self) -> None:
        """Gaussian equivalents at d = 48; pairs with the same W, the same data or the same noises alone."""
        problem, tau = rf.ScoreProblem(2.0, 3.0, 0.3, noise_draws=2), np.array([10.0, 1e3, 1e5])
        parts = rf.decomposition(problem, tau)
        pairs = {"from_weights": (0, 1, 1), "from_data": (1, 0, 1), "from_noise": (1, 1, 0), "variance": (0, 0, 0)}
        found = {name: [] for name in (*pairs, "nothing", "empirical")}
        for rep in range(10):
            one = twin.drawn_score(problem, 48, (2 * rep, 2 * rep, 2 * rep), tau)
            alone = twin.score_product(problem, one, twin.drawn_score(problem, 48, (2 * rep + 1,) * 3, tau))
            found["nothing"].append(alone)
            found["empirical"].append(one.empirical)
            for name, fresh in pairs.items():
                other = twin.drawn_score(problem, 48, tuple(2 * rep + x for x in fresh), tau)
                found[name].append(twin.score_product(problem, one, other))
        for name in pairs:
            difference = np.array(found[name]) - np.array(found["nothing"])
            error = difference.std(0, ddof=1) / np.sqrt(10)
            expected = getattr(parts, name)
            assert np.all(abs(difference.mean(0) - expected) < 4 * error + 0.05 * abs(expected) + 0.003), name
        empirical = np.array(found["empirical"])
        assert np.allclose(empirical.mean(0), parts.empirical, rtol=0.03)

    def test_one_draw_hurts_the_bias_more_and_the_variance_less_than_many_do_above_interpolation(self) -> None:
        """m = 1 is benign and m >= 2 malign: well above interpolation the final test loss of m = 1 is far lower."""
        final = [curves(rf.ScoreProblem(8.0, 64.0, 0.01, noise_draws=m), INF).test[0] for m in (1, 2, 4)]
        assert final[0] < 2.0 < 5.0 < final[1] < final[2]


class TestRidge:
    """Weight decay with averaged noise, where the oracle's kernel at z = -ridge says everything."""

    def test_final_losses_are_kernels_at_minus_the_ridge(self) -> None:
        problem = rf.ScoreProblem(2.0, 8.0, 0.1, ridge=0.02)
        free, co = rf.ScoreProblem(2.0, 8.0, 0.1), rf.coefficients(problem)
        at = eight([-0.02 + 0j])
        trace = 8.0 * rf.resolvent(free, at).s[0].real
        two, one = (rf.two_point(free, at, at, c).values[0, 0].real for c in (None, (1.0, 0.0, 0.0)))
        cur = curves(problem, INF)
        assert cur.test[0] == pytest.approx(1 + co.b**2 * (two - 2 * trace), rel=1e-12)
        assert cur.train[0] == pytest.approx(1 - co.b**2 * (trace + 0.02 * one), rel=1e-12)

    def test_zero_ridge_is_the_limit_of_small_ones(self) -> None:
        base = curves(rf.ScoreProblem(2.0, 8.0, 0.1), TIMES)
        for ridge in (1e-9, 1e-10):
            cur = curves(rf.ScoreProblem(2.0, 8.0, 0.1, ridge=ridge), TIMES)
            assert np.max(abs(cur.test - base.test)) < 1e3 * ridge and np.max(abs(cur.train - base.train)) < 1e3 * ridge

    def test_spectrum_and_times_are_those_of_u_plus_ridge(self) -> None:
        plain, shifted = (rf.ScoreProblem(8.0, 64.0, 0.01, ridge=r) for r in (0.0, 0.05))
        assert np.allclose(rf.spectrum(shifted).edges, rf.spectrum(plain).edges + 0.05, rtol=1e-12)
        one, two = rf.timescales(plain), rf.timescales(shifted)
        assert two.lambda_min == pytest.approx(one.lambda_min + 0.05) and two.tau_mem_edge < one.tau_mem_edge

    def test_best_ridge_lowers_the_final_test_loss_below_the_one_without(self) -> None:
        final = [curves(rf.ScoreProblem(8.0, 64.0, 0.01, noise_draws=2, ridge=r), INF).test[0] for r in (0, 1e-3, 0.3)]
        assert final[2] < final[1] < final[0]


def test_derivatives_in_the_ridge_and_in_the_samples_equal_differences() -> None:
    with jax.enable_x64(True):

        def final(n: float, ridge: float) -> jax.Array:
            problem = rf.ScoreProblem(n, 6.0, 0.1, activation="erf", noise_draws=2, ridge=ridge)
            return jnp.log(rf.loss_curves(problem, np.geomspace(1.0, 1e6, EIGHT)).test).sum()

        slopes = jax.grad(final, argnums=(0, 1))(2.0, 1e-3)
        for k, (at, step) in enumerate(((2.0, 1e-4), (1e-3, 1e-7))):
            ends = [final(*((at + s, 1e-3) if k == 0 else (2.0, at + s))) for s in (step, -step)]
            assert float(slopes[k]) == pytest.approx(float(ends[0] - ends[1]) / (2 * step), rel=1e-5)

        def slowest(n: float) -> jax.Array:
            return jnp.log(rf.timescales(rf.ScoreProblem(n, 6.0, 0.1, activation="erf", noise_draws=2)).tau_last_edge)

        difference = (slowest(2.001) - slowest(1.999)) / 0.002
        assert float(jax.grad(slowest)(2.0)) == pytest.approx(float(difference), rel=1e-4)


def test_kernel_of_s_and_status_table_are_what_the_curves_use() -> None:
    """The divergence has its own status with a remedy, and no number of the solver's table is taken twice."""
    assert assemble.DIVERGES not in rs.STATUS and "ridge" in assemble.STATUS[assemble.DIVERGES]
    problem = FROZEN["p > n m"]
    with jax.enable_x64(True):
        eq = equivalent(problem)
        x = rs.solve(eq, jnp.asarray(around_spectrum(problem)))[0]
        table = np.asarray(kernel(eq, x, x, jnp.asarray(eq.population[0])))
    assert np.allclose(table, table.T, rtol=1e-9)


@pytest.mark.parametrize("draws", [0, -1, 1.5, np.nan, "many", None, 1e16])
@pytest.mark.usefixtures("unchecked")
def test_number_of_draws_is_a_whole_number_or_inf(draws: object) -> None:
    with pytest.raises(rf.InputError, match=r"noise_draws = .*expected a whole number .* or inf"):
        rf.ScoreProblem(2.0, 8.0, 0.1, noise_draws=draws)


@pytest.mark.parametrize("ridge", [-1.0, np.nan, np.inf, 1e-13, 1e7, "small"])
def test_ridge_is_zero_or_inside_its_range(ridge: object) -> None:
    with pytest.raises(rf.InputError, match=r"ridge = .*expected 0, or a number in \[1e-12, 1e\+06\]"):
        rf.ScoreProblem(2.0, 8.0, 0.1, ridge=ridge)


def test_laws_of_averaged_noise_refuse_frozen_noises() -> None:
    for law in (rf.large_psi_law, rf.large_psi_train_loss):
        with pytest.raises(rf.InputError, match="averaged noise"):
            law(rf.ScoreProblem(8.0, 64.0, 0.1, noise_draws=2))
    assert np.isnan(rf.timescales(rf.ScoreProblem(8.0, 64.0, 0.1, noise_draws=2)).tau_mem_law)
