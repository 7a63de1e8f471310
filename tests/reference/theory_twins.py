"""Slow twins of the theory: the same numbers by other routes, sharing no code with rfscore.theory.

The coefficients are taken from rfscore.model.equivalence (tested on their own), everything after them is done again: by
damped iteration, by iterating 2x2 matrices, by a polynomial in q, by closed contours, by drawing matrices.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import sympy as sp
from mpmath import mp

import rfscore as rf


@dataclass(frozen=True)
class Parts:
    """U ~ fixed + sum_j share_j (covariance of N_j samples of sampled_j); triples of I, WW^T/d, W Sigma W^T/d."""

    psi_p: float
    nodes: np.ndarray
    weights: np.ndarray
    fixed: tuple[float, float, float]
    sampled: tuple[tuple[float, float, float], ...]
    share: tuple[float, ...]
    ratio: tuple[float, ...]
    population: tuple[float, float, float]
    b: float
    delta_t: float


def parts(problem: rf.ScoreProblem) -> Parts:
    """One sampled part, n columns of covariance alpha2 W Sigma W^T/d + v2; with m frozen noises n columns that hold the
    mean noise as well, and (m - 1) n columns of noise alone."""
    co = rf.coefficients(problem)
    nodes, weights = (np.asarray(x, dtype=float) for x in problem.quadrature())
    v2, s2, b, alpha2 = (float(getattr(co, name)) for name in ("v2", "s2", "b", "alpha2"))
    if np.isfinite(problem.noise_draws):
        m, ridge = problem.noise_draws, (float(problem.ridge), 0.0, 0.0)
        columns = ((v2 + s2 / m, b * b / m, alpha2), (s2, b * b, 0.0))
        ratio = problem.psi_p / problem.psi_n
        return Parts(problem.psi_p, nodes, weights, ridge, columns, (1.0, (m - 1) / m), (ratio, ratio / m),
                     (v2 + s2, b * b, alpha2), b, float(co.delta))  # fmt: skip
    return Parts(problem.psi_p, nodes, weights, (s2 + problem.ridge, b * b, 0.0), ((v2, 0.0, alpha2),), (1.0,),
                 (problem.psi_p / problem.psi_n,), (v2 + s2, b * b, alpha2), b, float(co.delta))  # fmt: skip


# One point ------------------------------------------------------------------------------------------------------------


def fixed_point(u: Parts, z: np.ndarray, *, tolerance: float = 1e-15, steps: int = 200_000) -> dict[str, np.ndarray]:
    """q, delta, r, s by (q, delta) <- ((q, delta) + F(q, delta))/2, for z off the real axis (any z < 0 too)."""
    z = np.asarray(z, dtype=complex)
    q, delta = -1.0 / z, [0.0 * z for _ in u.sampled]
    for _ in range(steps):
        k = [sum((h * c[i] / (1.0 + x) for h, c, x in zip(u.share, u.sampled, delta, strict=True)), u.fixed[i] + 0j)
             for i in range(3)]  # fmt: skip
        m = k[1][..., None] + k[2][..., None] * u.nodes
        inverse = 1.0 / (1.0 + u.psi_p * q[..., None] * m)
        s, r = (q * (inverse * u.weights * power).sum(-1) for power in (1.0, u.nodes))
        new_q = 1.0 / (k[0] - z + (u.weights * m * inverse).sum(-1))
        new_delta = [a * (c[0] * q + c[1] * s + c[2] * r) for a, c in zip(u.ratio, u.sampled, strict=True)]
        change = np.max(abs(new_q - q) / abs(q))
        q, delta = 0.5 * (q + new_q), [0.5 * (x + y) for x, y in zip(delta, new_delta, strict=True)]
        if change < tolerance:
            return {"q": q, "delta": np.stack(delta, -1), "r": r, "s": s}
    raise AssertionError(f"no convergence: {change:.1e}")


# Two points -----------------------------------------------------------------------------------------------------------


def lifted_kernel(
    u: Parts, z1: np.ndarray, z2: np.ndarray, coupling: tuple[float, float, float], *, steps: int = 100_000
) -> np.ndarray:
    """T(z1, z2), elementwise, from the one-point equations iterated with upper-triangular 2x2 matrices for q, delta, z.

    The resolvent of [[U - z1, C], [0, U - z2]] has the corner -(U - z1)^{-1} C (U - z2)^{-1}.
    """
    z1, z2 = np.broadcast_arrays(np.asarray(z1, dtype=complex), np.asarray(z2, dtype=complex))
    one, corner = np.eye(2), np.array([[0.0, 1.0], [0.0, 0.0]])
    z = z1[..., None, None] * np.diag([1.0, 0.0]) + z2[..., None, None] * np.diag([0.0, 1.0])
    fixed = [f * one + c * corner for f, c in zip(u.fixed, coupling, strict=True)]
    inv, lam = np.linalg.inv, u.nodes[:, None, None]
    average = u.weights[:, None, None]
    q, delta = -inv(z), [np.zeros_like(z) for _ in u.sampled]
    for _ in range(steps):
        g = [h * inv(one + x) for h, x in zip(u.share, delta, strict=True)]
        k = [fixed[i] + sum(c[i] * x for c, x in zip(u.sampled, g, strict=True)) for i in range(3)]
        m = k[1][..., None, :, :] + lam * k[2][..., None, :, :]
        inverse = inv(one + u.psi_p * q[..., None, :, :] @ m)
        s = (average * inverse).sum(-3) @ q
        r = (average * lam * inverse).sum(-3) @ q
        new_q = inv(k[0] - z + (average * (m @ inverse)).sum(-3))
        new_delta = [a * (c[0] * q + c[1] * s + c[2] * r) for a, c in zip(u.ratio, u.sampled, strict=True)]
        change = np.max(abs(new_q - q) / abs(q).max((-1, -2), keepdims=True))
        q, delta = 0.5 * (q + new_q), [0.5 * (x + y) for x, y in zip(delta, new_delta, strict=True)]
        if change < 1e-15:
            return -u.psi_p * s[..., 0, 1]
    raise AssertionError(f"no convergence: {change:.1e}")


def perturbed(u: Parts, coupling: tuple[float, float, float], eps: float) -> Parts:
    """U + eps C, with C added to the deterministic part."""
    return replace(u, fixed=tuple(f + eps * c for f, c in zip(u.fixed, coupling, strict=True)))


def kernel_by_differences(u: Parts, z: np.ndarray, coupling: tuple[float, float, float], step: float) -> np.ndarray:
    """T(z, z) = -dS/d eps of U + eps C, by a fourth-order central difference of the iterated solution."""
    at = {k: u.psi_p * fixed_point(perturbed(u, coupling, k * step), z)["s"] for k in (-2, -1, 1, 2)}
    return -(8.0 * (at[1] - at[-1]) - (at[2] - at[-2])) / (12.0 * step)


def drawn_kernel(
    u: Parts, z1: complex, z2: complex, couplings: list[tuple[float, float, float]], d: int, rng: np.random.Generator
) -> np.ndarray:
    """(1/d^2) Tr W^T (U - z1)^{-1} C (U - z2)^{-1} W on one Gaussian draw of U at dimension d, for every coupling."""
    p = round(u.psi_p * d)
    sigma = np.sort(np.repeat(u.nodes, np.round(u.weights * d).astype(int)))
    if sigma.size != d:
        raise ValueError(f"d = {d} does not hold the weights {u.weights}")
    w = rng.standard_normal((p, d))
    ww, wsw = w @ w.T / d, (w * sigma) @ w.T / d

    def total(k: tuple[float, float, float]) -> np.ndarray:
        return k[0] * np.eye(p) + k[1] * ww + k[2] * wsw

    matrix = total(u.fixed)
    for c, share, ratio in zip(u.sampled, u.share, u.ratio, strict=True):
        n = round(p / ratio)
        columns = np.sqrt(c[0]) * rng.standard_normal((p, n))
        for size, root in ((c[1], np.ones(d)), (c[2], np.sqrt(sigma))):
            if size:
                columns += np.sqrt(size / d) * (w * root) @ rng.standard_normal((d, n))
        matrix += share * columns @ columns.T / n
    lam, vectors = np.linalg.eigh(matrix)
    rotated = vectors.T @ w
    outer = rotated @ rotated.T / d**2
    resolvents = np.outer(1.0 / (lam - z1), 1.0 / (lam - z2))
    return np.array([np.sum(outer * resolvents * (vectors.T @ total(c) @ vectors)) for c in couplings])


# Isotropic Sigma: one polynomial --------------------------------------------------------------------------------------


def isotropic_polynomial(u: Parts, q: sp.Symbol, z: sp.Symbol) -> tuple[sp.Poly, sp.Expr]:
    """The polynomial in q (rational, polynomial in z) that q solves, and g = 1/(1 + delta) as a function of q.

    Both one-point equations are quadratic in g once denominators are cleared; their resultant in g is the polynomial.
    """
    if u.nodes.size != 1 or len(u.sampled) != 1:
        raise ValueError("isotropic, one sampled part")
    rational = [sp.Rational(float(x)) for x in (u.psi_p, *u.fixed[:2], *u.sampled[0], u.nodes[0], u.ratio[0])]
    psi_p, s2, b2, v2, _, alpha2, variance, ratio = rational
    alpha = alpha2 * variance
    d0, d1, e0 = 1 + psi_p * b2 * q, psi_p * alpha * q, 1 - q * (s2 - z)  # D = d0 + d1 g
    first = (-d1 * v2 * q, d1 * e0 - d0 * v2 * q - alpha * q, d0 * e0 - b2 * q)
    second = (-d1 - ratio * q * v2 * d1, d1 - d0 - ratio * q * (v2 * d0 + alpha), d0)
    cross = [[first[i] * second[j] - first[j] * second[i] for j in range(3)] for i in range(3)]
    resultant = sp.Poly(sp.expand(cross[0][2] ** 2 - cross[0][1] * cross[1][2]), q)
    while resultant.eval(0) == 0:
        resultant = sp.Poly(resultant.quo(sp.Poly(q, q)), q)
    return resultant, -cross[0][2] / cross[0][1]


def isotropic_q(u: Parts, points: np.ndarray, dps: int = 40) -> np.ndarray:
    """q at each z with Im z >= 0: the root with Im q > 0 and Im delta > 0, NaN where there is none (real gaps)."""
    q, z = sp.symbols("q z")
    polynomial, g = isotropic_polynomial(u, q, z)
    found = []
    with mp.workdps(dps):
        rows = [sp.lambdify(z, c, "mpmath") for c in polynomial.all_coeffs()]
        gain = sp.lambdify((q, z), g, "mpmath")
        for x in np.atleast_1d(points):
            at = mp.mpmathify(complex(x))
            roots = mp.polyroots([row(at) for row in rows], maxsteps=500, extraprec=200)
            small = mp.mpf(10) ** (-dps // 2)
            good = [w for w in roots if w.imag > small * abs(w) and (1 / gain(w, at) - 1).imag > 0]
            if len(good) > 1:
                raise AssertionError(f"{len(good)} roots in the upper half-plane at z = {x}")
            found.append(complex(good[0]) if good else complex("nan"))
    return np.array(found)


def isotropic_edge_heights(u: Parts) -> np.ndarray:
    """edge - s2, ascending: the real zeros of the discriminant where the density starts or stops being zero."""
    q, z = sp.symbols("q z")
    polynomial, _ = isotropic_polynomial(u, q, z)
    discriminant = sp.Poly(polynomial.discriminant(), z).sqf_part()
    roots = [sp.re(x) for x in discriminant.nroots(n=30, maxsteps=500) if abs(sp.im(x)) < 1e-20 * abs(x)]
    floor = sp.Rational(u.fixed[0])
    heights = np.array(sorted({float(x - floor) for x in roots if x - floor > 1e-25 * floor} | {0.0}))
    between = np.sqrt(heights[2:] * heights[1:-1])
    inner = u.fixed[0] + np.array([-0.5 * u.fixed[0], 0.5 * heights[1], *between, 2.0 * heights[-1]])
    inside = ~np.isnan(isotropic_q(u, inner))
    return heights[inside[1:] != inside[:-1]]


# Losses ---------------------------------------------------------------------------------------------------------------


def gain(lam: np.ndarray, c: float) -> np.ndarray:
    """(1 - e^{-c lam})/lam."""
    return -np.expm1(-c * lam) / lam


def closed_curve(low: float, high: float, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights dz/(2 pi i) of exp(ellipse) around [low, high]: it stays in Re z > 0 and leaves 0 outside."""
    centre, half, height = 0.5 * np.log(low * high), 0.5 * np.log(high / low) + 0.8, 1.3
    phi = 2.0 * np.pi * (np.arange(count) + 0.5) / count
    z = np.exp(centre + half * np.cos(phi) + 1j * height * np.sin(phi))
    return z, z * (-half * np.sin(phi) + 1j * height * np.cos(phi)) / (1j * count)


def closed_contour_losses(u: Parts, tau: float, low: float, high: float, count: int) -> tuple[float, float]:
    """(train, test) with e^{-c lambda} applied on a closed curve around the spectrum instead of a Bromwich parabola."""
    c = 2.0 * u.delta_t * tau / u.psi_p
    z, weight = closed_curve(low, high, count)
    one = u.psi_p * fixed_point(u, z)["s"]
    first, second = np.triu_indices(count)
    pairs = np.empty((count, count), dtype=complex)
    pairs[first, second] = lifted_kernel(u, z[first], z[second], u.population)
    pairs[second, first] = pairs[first, second]
    k1, k2 = gain(z, c), gain(z, 2.0 * c)
    train = 1.0 + u.b**2 * (weight * k2 * one).sum()
    test = 1.0 + u.b**2 * ((weight * k1) @ pairs @ (weight * k1)) + 2.0 * u.b**2 * (weight * k1 * one).sum()
    return float(train.real), float(test.real)


def train_from_densities(u: Parts, s_on_axis: np.ndarray, lam: np.ndarray, weight: np.ndarray, tau: float) -> float:
    """L_train = 1 - b^2 psi_p int (1 - e^{-2c lam})/lam Im s(lam + i0)/pi dlam on given nodes and weights."""
    c = 2.0 * u.delta_t * tau / u.psi_p
    return float(1.0 - u.b**2 * u.psi_p * (weight * gain(lam, 2.0 * c) * s_on_axis.imag / np.pi).sum())


def second_moment(u: Parts) -> float:
    """(1/p) E Tr U^2 from the moments of Wishart matrices, for one sampled part of weight one."""

    def trace(x: tuple[float, float, float]) -> float:
        return x[0] + x[1] + x[2] * float(u.weights @ u.nodes)

    def product(x: tuple[float, float, float], y: tuple[float, float, float]) -> float:
        fx, fy = x[1] + x[2] * u.nodes, y[1] + y[2] * u.nodes
        mean_x, mean_y = u.weights @ fx, u.weights @ fy
        return float(x[0] * y[0] + x[0] * mean_y + y[0] * mean_x + u.psi_p * (u.weights @ (fx * fy)) + mean_x * mean_y)

    fixed, column = u.fixed, u.sampled[0]
    return (product(fixed, fixed) + 2.0 * product(fixed, column) + product(column, column)
            + u.ratio[0] * trace(column) ** 2)  # fmt: skip


# Drawn scores ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class DrawnScore:
    """A trained Gaussian-equivalent model: what its score does to the linear part of x_t and to its own features.

    Attributes:
        key: seeds of W, data and noises.
        weights: W/sqrt d, (p, d).
        readout: A/sqrt p at each training time, (T, d, p).
        empirical: test loss on fresh noises of the training points.
    """

    key: tuple[int, int, int]
    weights: np.ndarray
    readout: np.ndarray
    empirical: np.ndarray


def drawn_score(problem: rf.ScoreProblem, d: int, key: tuple[int, int, int], tau: np.ndarray) -> DrawnScore:
    """One model with m frozen noises; non-linear feature parts depend on the seeds their arguments depend on."""
    co, m = rf.coefficients(problem), int(problem.noise_draws)
    n, p = round(problem.psi_n * d), round(problem.psi_p * d)
    v, s, a, b = (float(np.sqrt(x)) for x in (co.v2, co.s2, co.alpha2, co.b**2))
    w = np.random.default_rng([1, key[0]]).standard_normal((p, d)) / np.sqrt(d)
    x = np.random.default_rng([2, key[1]]).standard_normal((n, d)) * np.sqrt(problem.population.eigenvalues(d))
    xi = np.random.default_rng([3, key[2]]).standard_normal((n * m, d))
    common = a * w @ x.T + v * np.random.default_rng([4, key[0], key[1]]).standard_normal((p, n))
    own = b * w @ xi.T + s * np.random.default_rng([5, *key]).standard_normal((p, n * m))
    phi = np.repeat(common, m, axis=1) + own
    lam, vectors = np.linalg.eigh(phi @ phi.T / (n * m))
    pull = vectors.T @ (phi @ xi / (n * m))
    scale = 2.0 * co.delta / problem.psi_p
    safe = np.where(lam > 1e-12, lam, np.inf)
    k = np.array([-np.expm1(-scale * t * lam) / safe for t in tau])
    # U and V of the same samples with their noise averaged.
    averaged = common @ common.T / n + b * b * w @ w.T + s * s * np.eye(p)
    solution = np.array([vectors @ (gain[:, None] * pull) for gain in k])  # (T, p, d)
    quadratic = np.array([np.sum(y * (averaged @ y)) for y in solution]) / d
    overlap = np.array([np.sum(y * (b * w)) for y in solution]) / d
    readout = -np.swapaxes(solution, 1, 2) / np.sqrt(float(co.delta))
    return DrawnScore(key, w, readout, 1.0 + quadratic - 2.0 * overlap)


def score_product(problem: rf.ScoreProblem, one: DrawnScore, two: DrawnScore) -> np.ndarray:
    """(1/d) E_x s.s' on the population, exactly: the non-linear feature parts are common only to a common W."""
    co, d = rf.coefficients(problem), one.weights.shape[1]
    spread = np.sqrt(float(co.alpha2) * problem.population.eigenvalues(d) + float(co.b) ** 2)
    linear = [score.readout @ (score.weights * spread) for score in (one, two)]
    total = np.sum(linear[0] * linear[1], axis=(1, 2))
    if one.key[0] == two.key[0]:
        total = total + float(co.v2 + co.s2) * np.sum(one.readout * two.readout, axis=(1, 2))
    return total / d
