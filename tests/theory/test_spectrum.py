"""The spectrum: mass, moments, edges and atoms, against exact facts and a discriminant."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from hypothesis import given

import rfscore as rf
from rfscore import testing
from tests.reference import theory_twins as twin
from tests.theory.helpers import REGIMES, examples, four, problems

regimes = pytest.mark.parametrize("name", REGIMES)
ISOTROPIC = ["paper, p > n", "small", "p < n", "p = n", "p = n + 1", "p < d", "n < d", "six decades apart"]


@functools.cache
def spectrum_of(name: str) -> rf.Spectrum:
    """The spectrum of a regime, solved once."""
    return rf.spectrum(REGIMES[name])


def mean_of_u(problem: rf.ScoreProblem) -> float:
    """(1/p) E Tr U = E sigma(Gamma_t z)^2."""
    return float(rf.coefficients(problem).norm2)


@examples(15)
@given(problems())
def test_mass_is_one_and_the_first_moment_is_the_energy_of_sigma(problem: rf.ScoreProblem) -> None:
    spec = rf.spectrum(problem)
    total = spec.rule()[1].sum() + sum(mass for _, mass in spec.atoms)
    assert abs(total - 1.0) < 1e-8
    assert abs(spec.masses.sum() + sum(mass for _, mass in spec.atoms) - 1.0) < 1e-12
    assert spec.moment(1) == pytest.approx(mean_of_u(problem), rel=1e-8)
    assert np.all(np.diff(spec.edges.ravel()) > 0) and spec.edges[0, 0] >= spec.floor


@regimes
def test_mass_and_moment_survive_a_quadrature_of_the_tester(name: str) -> None:
    """The density itself, on nodes the package did not choose."""
    spec = spectrum_of(name)
    rtol = 1e-7 if spec.edges[0, 0] > spec.floor * (1 + 1e-9) else 1e-3  # hard edge at p = n + 1
    testing.assert_mass_and_moment(spec.density, spec.edges.ravel(), REGIMES[name], rtol=rtol, count=400)


@regimes
def test_second_moment_is_that_of_the_wishart_algebra(name: str) -> None:
    assert spectrum_of(name).moment(2) == pytest.approx(twin.second_moment(twin.parts(REGIMES[name])), rel=1e-8)


@pytest.mark.parametrize("name", ISOTROPIC)
def test_edges_are_zeros_of_the_discriminant(name: str) -> None:
    u, spec = twin.parts(REGIMES[name]), spectrum_of(name)
    heights = twin.isotropic_edge_heights(u)
    found = spec.edges.ravel() - spec.floor
    assert found.shape == heights.shape
    assert np.allclose(spec.edges.ravel(), heights + spec.floor, rtol=1e-12, atol=0.0)
    assert np.allclose(found, heights, rtol=1e-10, atol=4e-16 * spec.floor)  # what subtracting the floor leaves of them


@regimes
def test_distribution_is_the_integral_of_the_density_and_the_bulks_hold_whole_multiples(name: str) -> None:
    spec = spectrum_of(name)
    atom = sum(mass for _, mass in spec.atoms)
    assert spec.cdf(0.5 * spec.floor) == 0.0 and spec.cdf(2.0 * spec.edges[-1, 1]) == pytest.approx(1.0, abs=1e-14)
    below = atom
    x, w = np.polynomial.legendre.leggauss(100)
    for k, (low, high) in enumerate(spec.edges):
        assert spec.cdf(low) == pytest.approx(below, abs=1e-12)
        # lam = low + (high - low) u^2 (3 - 2u): the square roots at both ends become smooth
        cut, u = 0.6, 0.5 * 0.6 * (x + 1.0)
        lam = low + (high - low) * u * u * (3 - 2 * u)
        inside = (0.5 * cut * w * spec.density(lam) * (high - low) * 6 * u * (1 - u)).sum()
        upto = low + (high - low) * cut * cut * (3 - 2 * cut)
        assert inside == pytest.approx(float(spec.cdf(upto)) - below, abs=1e-7 * spec.mass(k) + 1e-13)
        below += spec.mass(k)


@regimes
def test_quantile_inverts_the_distribution(name: str) -> None:
    spec = spectrum_of(name)
    atom = sum(mass for _, mass in spec.atoms)
    levels = atom + (1.0 - atom) * np.array([1e-3, 0.3, 0.9, 0.999])
    lam = spec.quantile(levels)
    assert np.all(np.diff(lam) >= 0) and np.allclose(spec.cdf(lam), levels, rtol=0.0, atol=1e-9)
    if atom:
        assert spec.quantile(0.5 * atom) == spec.floor


@regimes
def test_density_vanishes_off_the_bulks_and_is_positive_inside(name: str) -> None:
    spec = spectrum_of(name)
    ends = spec.edges.ravel()
    gaps = np.concatenate([[0.5 * spec.floor], np.sqrt(ends[1:-1:2] * ends[2::2]), [1.5 * ends[-1]]])
    assert np.all(spec.density(gaps) == 0.0)
    inside = spec.edges[:, :1] + np.diff(spec.edges) * np.array([1e-3, 0.2, 0.5, 0.8, 0.999])
    assert np.all(spec.density(inside) > 0.0)


@regimes
def test_density_has_square_root_edges(name: str) -> None:
    spec = spectrum_of(name)
    for low, high in spec.edges:
        if low <= spec.floor * (1 + 1e-9):
            continue  # hard edge
        near = low + 1e-6 * min(high - low, low - spec.floor) * np.array([1.0, 4.0])
        ratio = np.divide(*spec.density(near)[::-1])
        assert ratio == pytest.approx(2.0, rel=2e-2)


@pytest.mark.parametrize(
    ("psi_p", "psi_n"), [(64.0, 8.0), (8.0, 2.0), (1.5, 0.02), (1e4, 0.02), (1e4, 9998.0), (1.03, 0.02)]
)
def test_atom_has_the_exact_mass_of_the_vectors_that_no_sample_and_no_weight_sees(psi_p: float, psi_n: float) -> None:
    problem = rf.ScoreProblem(psi_n, psi_p, 0.1)
    spec = rf.spectrum(problem)
    ((where, mass),) = spec.atoms
    assert where == float(rf.coefficients(problem).s2) and mass == pytest.approx(1.0 - (1.0 + psi_n) / psi_p, rel=1e-13)


@pytest.mark.parametrize(
    ("psi_p", "psi_n"), [(4.0, 3.0), (4.0, 4.0), (0.5, 2.0), (3.0, 1e4), (0.02, 0.02), (1.0, 0.02)]
)
def test_no_atom_when_samples_and_dimensions_reach_every_feature(psi_p: float, psi_n: float) -> None:
    assert rf.spectrum(rf.ScoreProblem(psi_n, psi_p, 0.1)).atoms == []


def test_hard_edge_at_one_more_feature_than_samples_and_dimensions() -> None:
    """psi_p = psi_n + 1: the lowest bulk touches s2 with an inverse square root; off it on either side not."""
    spec = rf.spectrum(rf.ScoreProblem(3.0, 4.0, 0.1))
    assert spec.atoms == [] and spec.edges[0, 0] == pytest.approx(spec.floor, rel=1e-12)
    width = spec.edges[0, 1] - spec.floor
    near = spec.density(spec.floor + width * np.array([1e-6, 4e-6]))
    assert near[0] / near[1] == pytest.approx(2.0, rel=1e-2)
    for psi_p, atoms in ((3.999, 0), (4.001, 1)):
        beside = rf.spectrum(rf.ScoreProblem(3.0, psi_p, 0.1))
        assert len(beside.atoms) == atoms and beside.edges[0, 0] > beside.floor
        assert beside.moment(1) == pytest.approx(spec.moment(1), rel=1e-9)


def test_bulks_six_orders_of_magnitude_apart_both_keep_their_digits() -> None:
    problem, spec = REGIMES["six decades apart"], spectrum_of("six decades apart")
    assert spec.edges[-1, 0] / spec.edges[0, 1] > 1e6
    masses = np.array([1.0, 49.0, 1.0]) if len(spec.masses) == 3 else np.array([50.0, 1.0])
    assert np.allclose(spec.masses * problem.psi_p, masses, rtol=1e-9, atol=0.0)
    assert spec.moment(1) == pytest.approx(mean_of_u(problem), rel=1e-8)


@pytest.mark.parametrize("low", [0.02, 1e4], ids=["smallest", "largest"])
@pytest.mark.parametrize("high", [0.02, 1e4], ids=["smallest", "largest"])
@pytest.mark.parametrize("t", [1e-4, 5.0])
def test_corners_of_the_domain_are_solved(low: float, high: float, t: float) -> None:
    problem = rf.ScoreProblem(low, high, t, activation="erf")
    spec = rf.spectrum(problem)
    assert abs(spec.rule()[1].sum() + sum(mass for _, mass in spec.atoms) - 1.0) < 1e-8
    assert spec.moment(1) == pytest.approx(mean_of_u(problem), rel=1e-8)
    heights = spec.edges.ravel() - spec.floor
    assert np.all(heights >= 0) and np.all(np.diff(heights) > 0)


def test_two_populations_split_the_large_bulk_exactly_when_they_are_far_apart() -> None:
    merged, split = (rf.spectrum(rf.ScoreProblem(200.0, 100.0, 0.5, four(v))) for v in ([0.9, 1.1], [0.05, 1.95]))
    assert len(split.edges) == len(merged.edges) + 1
    assert np.allclose(split.masses[1:] * 100.0, [0.5, 0.5], rtol=1e-9)  # half of the d directions each


def test_bulks_merge_continuously() -> None:
    """As the gap closes its two edges meet, the number of bulks falls by one, and no mass is lost."""

    def spectrum(x: float) -> rf.Spectrum:
        return rf.spectrum(rf.ScoreProblem(50.0, 20.0, 0.5, four([1.0 - x, 1.0 + x])))

    open_, closed = 0.95, 0.05
    count = len(spectrum(open_).edges)
    assert len(spectrum(closed).edges) == count - 1
    for _ in range(14):
        middle = 0.5 * (open_ + closed)
        open_, closed = (middle, closed) if len(spectrum(middle).edges) == count else (open_, middle)
    last, first = spectrum(open_), spectrum(closed)
    gap = last.edges[-1, 0] - last.edges[-2, 1]
    assert 0 < gap < 1e-3 * last.edges[-1, 1]
    assert first.masses[-1] == pytest.approx(last.masses[-2:].sum(), rel=1e-10)
    assert first.edges[-1, 1] == pytest.approx(last.edges[-1, 1], rel=1e-3)


def test_near_cusp_inside_a_bulk_does_not_spoil_the_mass() -> None:
    rho = rf.Atoms([1.157534474591906, 0.5210240588390136, 0.9278119742554372, 0.3575534832588086],
                   [0.21772855006316522, 0.3407999628733075, 0.2827326144755507, 0.1587388725879765])  # fmt: skip
    problem = rf.ScoreProblem(90.59907908078085, 28.475537650299795, 0.20369648188090086, rho, "relu")
    spec = rf.spectrum(problem)
    assert len(spec.edges) == 2 and spec.masses[1] * problem.psi_p == pytest.approx(1.0, rel=1e-9)
    assert spec.moment(1) == pytest.approx(mean_of_u(problem), rel=1e-8)


class TestPaperNumbers:
    """Supports printed for Theorem 3.1 at psi_p = 64, t = 0.01."""

    @pytest.mark.parametrize(
        ("psi_n", "rho", "low", "high"),
        [(8.0, 1.0, 10.0, 44.5), (32.0, 1.0, 15.0, 34.5), (1e4, 1.0, 18.0, 29.7), (8.0, four([0.5, 1.5]), 7.0, 57.0)],
        ids=["psi_n=8", "psi_n=32", "psi_n=inf", "two atoms"],
    )
    def test_large_bulk(self, psi_n: float, rho: float | rf.Covariance, low: float, high: float) -> None:
        ends = rf.spectrum(rf.ScoreProblem(psi_n, 64.0, 0.01, rho)).edges.ravel()
        assert [ends[ends > 1.0].min(), ends[-1]] == pytest.approx([low, high], rel=0.025, abs=0.9)

    def test_small_bulk_ends_below_its_asymptotic_edge(self) -> None:
        spec = rf.spectrum(rf.ScoreProblem(8.0, 64.0, 0.01))
        assert spec.edges[1, 1] == pytest.approx(0.358, rel=5e-3)


class TestManyEigenvalues:
    """Sigma with hundreds of eigenvalues, condition number up to 1e6, and a continuous one."""

    def test_power_law_of_condition_one_million(self) -> None:
        rho = rf.PowerLaw(exponent=np.log(1e6) / np.log(64), size=64)
        assert rho.condition == pytest.approx(1e6, rel=1e-9)
        problem = rf.ScoreProblem(8.0, 32.0, 0.01, rho)
        spec = rf.spectrum(problem)
        assert spec.moment(1) == pytest.approx(mean_of_u(problem), rel=1e-8)
        assert spec.moment(2) == pytest.approx(twin.second_moment(twin.parts(problem)), rel=1e-8)
        # the largest eigenvalue of Sigma stands alone, and so does its bulk of p/64/psi_p eigenvalues
        assert spec.masses[-1] == pytest.approx(1.0 / 64.0 / problem.psi_p, rel=1e-8)

    def test_empirical_eigenvalues_with_repetitions_are_the_atoms_they_repeat(self) -> None:
        atoms, repeated = rf.Atoms([0.5, 1.0, 2.0], [0.5, 0.25, 0.25]), rf.Empirical([0.5, 2.0, 0.5, 1.0])
        one, two = (rf.spectrum(rf.ScoreProblem(2.0, 8.0, 0.1, rho)) for rho in (atoms, repeated))
        assert np.allclose(one.edges, two.edges, rtol=1e-13) and np.allclose(one.masses, two.masses, rtol=1e-12)

    def test_uniform_is_the_limit_of_many_atoms_with_an_error_of_order_one_over_their_number_squared(self) -> None:
        problem = rf.ScoreProblem(4.0, 2.0, 0.5, rf.Uniform(0.2, 1.8))
        spec, gap = rf.spectrum(problem), []
        assert spec.moment(1) == pytest.approx(mean_of_u(problem), rel=1e-8)
        for count in (16, 64):
            middle = 0.2 + 1.6 * (np.arange(count) + 0.5) / count
            atoms = rf.spectrum(rf.ScoreProblem(4.0, 2.0, 0.5, rf.Atoms(middle)))
            gap.append(abs(atoms.edges[-1, 1] / spec.edges[-1, 1] - 1.0))
        assert gap[1] < 1e-4 and gap[0] / gap[1] == pytest.approx(16.0, rel=0.25)


def test_spectrum_writes_itself_as_xarray() -> None:
    data = rf.spectrum(REGIMES["small"]).to_xarray()
    assert data.sizes["bulk"] == 2 and float(data["masses"].sum() + data["atom_mass"].sum()) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("problem", "names"),
    [
        (rf.ScoreProblem(8.0, 64.0, 0.01), ["lowest bulk", "sample bulk", "population bulk"]),
        (rf.ScoreProblem(64.0, 8.0, 0.01), ["sample bulk", "population bulk"]),
        (
            rf.ScoreProblem(8.0, 64.0, 0.01, rf.Atoms([0.1, 10.0])),
            ["lowest bulk 1", "lowest bulk 2", "sample bulk", "population bulk"],
        ),
        (rf.ScoreProblem(0.5, 0.02, 2.0), ["all eigenvalues"]),
    ],
)
def test_bulks_are_named_from_the_top(problem: rf.ScoreProblem, names: list[str]) -> None:
    found = rf.spectrum(problem)
    assert found.names == names == rf.bulk_curves(problem, [1.0]).names
    assert np.all((found.cuts > found.edges[:-1, 1]) & (found.cuts < found.edges[1:, 0]))
    if len(names) > 1:  # where timescales puts lambda_min
        sample = next(i for i, name in enumerate(names) if name.startswith("sample"))
        assert rf.timescales(problem).lambda_min == pytest.approx(found.edges[sample, 0], rel=1e-12)


def test_training_times_cover_everything_that_happens() -> None:
    for problem in (rf.ScoreProblem(8.0, 64.0, 0.01), rf.ScoreProblem(2.0, 0.5, 1.0)):
        tau = rf.training_times(problem, 30)
        curves = rf.loss_curves(problem, tau)
        assert tau.size == 30 and tau[0] == 0.0 and np.isinf(tau[-1]) and np.all(np.diff(tau) > 0)
        assert curves.train[1] > 0.95 and curves.train[-2] == pytest.approx(float(curves.train[-1]), abs=1e-6)
    endless = rf.training_times(rf.ScoreProblem(2.0, 4.0, 0.1, noise_draws=2), 6)
    assert np.all(np.isfinite(endless[:-1])) and endless[-2] > 1e6
    with pytest.raises(rf.InputError, match="points"):
        rf.training_times(rf.ScoreProblem(2.0, 4.0, 0.1), 3)
