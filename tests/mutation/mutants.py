# ruff: noqa: E501 (each planted error stays on one line)
"""Single-term errors planted one at a time: (file, what stands there, what is put instead). A fast test must fail."""

from __future__ import annotations

from typing import NamedTuple


class Mutant(NamedTuple):
    """One planted error."""

    file: str
    old: str
    new: str


ONE_POINT = "rfscore/theory/one_point.py"
RESOLVENT = "rfscore/theory/resolvent.py"
TWO_POINT = "rfscore/theory/two_point.py"
CONTOUR = "rfscore/theory/contour.py"
CURVES = "rfscore/theory/losses.py"
EQUIVALENT = "rfscore/theory/equivalent.py"
CALCULUS = "rfscore/theory/calculus.py"
TARGETS = "rfscore/theory/targets.py"
BULKS = "rfscore/theory/bulks.py"
CURVE = "rfscore/theory/real_curve.py"
GAPS = "rfscore/theory/gaps.py"
SPECTRUM = "rfscore/theory/spectrum.py"
TIMES = "rfscore/theory/timescales.py"
COEFFICIENTS = "rfscore/model/equivalence.py"
FEATURES = "rfscore/finite/features.py"
FLOW = "rfscore/finite/flow.py"
MODES = "rfscore/finite/modes.py"
DRAW = "rfscore/finite/draws.py"
TWIN = "rfscore/finite/equivalent.py"

MUTANTS = [
    # coefficients
    Mutant(COEFFICIENTS, "b=xp.sqrt(problem.delta) * a", "b=problem.delta * a"),
    Mutant(COEFFICIENTS, "a = mu1 / xp.sqrt(gamma2)", "a = mu1"),
    Mutant(COEFFICIENTS, "alpha2=a**2 * xp.exp(-2.0 * problem.t)", "alpha2=a**2 * xp.exp(-problem.t)"),
    Mutant(COEFFICIENTS, "exponents = log_rho * np.arange(2, order)", "exponents = log_rho * np.arange(1, order - 1)"),
    Mutant(COEFFICIENTS, "-h2[2:] * xp.expm1(exponents)", "h2[2:] * xp.exp(exponents)"),
    Mutant(COEFFICIENTS, "norm2=mu1**2 + v2 + s2", "norm2=mu1**2 + v2"),
    Mutant(COEFFICIENTS, "difference = difference - 2.0 * mu1 * e * y[:, None]", "difference = difference + 0.0 * y[:, None]"),
    # the equivalent
    Mutant(EQUIVALENT, "common, own = xp.stack([co.v2, zero, co.alpha2]), xp.stack([co.s2, co.b**2, zero])",
           "common, own = xp.stack([co.v2, zero, co.alpha2]), xp.stack([co.s2, zero, zero])"),
    Mutant(EQUIVALENT, "fixed, parts = own, [(common, 1.0, 1.0)]", "fixed, parts = own, [(common + own, 1.0, 1.0)]"),
    Mutant(EQUIVALENT, "ratio = xp.asarray(problem.psi_p / problem.psi_n", "ratio = xp.asarray(problem.psi_n / problem.psi_p"),
    Mutant(EQUIVALENT, "return self.common + self.own", "return self.common"),
    Mutant(EQUIVALENT, "[(common + own / m, 1.0, 1.0)]", "[(common, 1.0, 1.0)]"),
    Mutant(EQUIVALENT, "parts.append((own, (m - 1.0) / m, 1.0 / m))", "parts.append((own, 1.0, 1.0 / m))"),
    # one-point equations
    Mutant(ONE_POINT, "g = 1.0 / (1.0 + delta)", "g = 1.0 / (1.0 - delta)"),
    Mutant(ONE_POINT, "1.0 / (1.0 + eq.psi_p * q[..., None] * m))", "1.0 / (1.0 + q[..., None] * m))"),
    Mutant(ONE_POINT, "first = 1.0 / x.q - (x.k[..., 0] - z)", "first = 1.0 / x.q - (x.k[..., 0] + z)"),
    Mutant(ONE_POINT, "- (of_m[0] + of_m[1])", "- of_m[1]"),
    Mutant(ONE_POINT, "jnp.stack([x.q, s, r], axis=-1)", "jnp.stack([x.q, r, s], axis=-1)"),
    Mutant(ONE_POINT, "eq.weights * eq.nodes**i for i", "eq.weights * eq.nodes ** (i + 1) for i"),
    Mutant(ONE_POINT, "return x[..., 0] + x[..., 1] * self.zero", "return x[..., 1] * self.zero"),
    Mutant(ONE_POINT, "cross = x[..., 1] * y[..., 2] + x[..., 2] * y[..., 1]", "cross = x[..., 1] * y[..., 2]"),
    # resolvent
    Mutant(RESOLVENT, "q = jnp.where(below, jnp.conj(q), q)", "q = jnp.where(below, q, q)"),
    Mutant(RESOLVENT, "good = upper & turned & (op.branch_margin(eq, x) > -tiny)", "good = upper | True"),
    Mutant(RESOLVENT, "(size < RESIDUAL_TOLERANCE) & certain", "(size < RESIDUAL_TOLERANCE) | certain"),
    Mutant(RESOLVENT, "_, (first, second) = jax.jvp(equations, primals, tangents)",
           "_, (second, first) = jax.jvp(equations, primals, tangents)\n    first, second = first[..., 0], second[..., None]"),
    # two-point kernel
    Mutant(TWO_POINT, "source = [-pair * mom.linear(coupling)]", "source = [pair * mom.linear(coupling)]"),
    Mutant(TWO_POINT, "source += [-eq.ratio[i] * eq.psi_p * pair", "source += [-eq.ratio[i] * pair"),
    Mutant(TWO_POINT, "effective = mom.bilinear(outer, coupling) - sum(", "effective = mom.bilinear(outer, coupling) + sum("),
    Mutant(TWO_POINT, "traced = corner_q * mom.linear(outer) - eq.psi_p * pair * effective",
           "traced = corner_q * mom.linear(outer) - pair * effective"),
    Mutant(TWO_POINT, "return Corner(eq.psi_p * traced,", "return Corner(-eq.psi_p * traced,"),
    Mutant(ONE_POINT, "top = [pair * eq.psi_p * mom.bilinear(x.k, y.k)]", "top = [pair * mom.bilinear(x.k, y.k)]"),
    Mutant(ONE_POINT, "weight = eq.share * x.g * y.g", "weight = eq.share * x.g"),
    # contour
    Mutant(CONTOUR, "theta = (np.arange(count) + 0.5) * step", "theta = np.arange(count) * step"),
    Mutant(CONTOUR, "scale = np.pi * count / (4.0 * root)", "scale = np.pi * count / (2.0 * root)"),
    Mutant(CONTOUR, "(step / (2.0 * np.pi)) * 2.0 * scale", "(step / (2.0 * np.pi)) * scale"),
    Mutant(CONTOUR, "return z, z * du / (2.0j * count)", "return z, du / (2.0j * count)"),
    # curves
    Mutant(CURVES, "calculus.single(k, pull, 2.0)", "calculus.single(k, pull, 1.0)"),
    Mutant(CURVES, "return train, 1.0 + fit - 2.0 * overlap,", "return train, 1.0 + fit - overlap,"),
    Mutant(CURVES, "train = train - ridge * weight_decay", "train = train + ridge * weight_decay"),
    Mutant(CALCULUS, "c = jnp.clip(2.0 * delta * jnp.where(inside, tau, 1.0)", "c = jnp.clip(delta * jnp.where(inside, tau, 1.0)"),
    Mutant(CALCULUS, "return gain @ two[0] + gain.conj() @ jnp.swapaxes(two[1], -1, -2)", "return gain @ two[0] + gain @ jnp.swapaxes(two[1], -1, -2)"),
    Mutant(CALCULUS, "jnp.where(k.last, values[1], values[0])", "values[0]"),
    Mutant(TARGETS, "return 1.0 - weight + weight**2 * trace, weight * trace", "return 1.0 - weight + weight * trace, weight * trace"),
    Mutant(CURVES, "return 1.0 - problem.delta * (eq.weights / noised).sum()", "return 1.0 - (eq.weights / noised).sum()"),
    Mutant(BULKS, "2.0 * per_bulk(left * calculus.partly(left, two))", "per_bulk(left * calculus.partly(left, two))"),
    # spectrum and edges
    Mutant(CURVE, "return level + (1.0 - self.c.psi_p[self.k] - self", "return level - (1.0 - self.c.psi_p[self.k] - self"),
    Mutant(CURVE, "row = size[:, i] * (k0 + k1 * zero + k2 * one)", "row = size[:, i] * k0"),
    Mutant(CURVE, "else np.where(self.phi < 0, -1, 1)", "else np.ones_like(self.phi)"),
    Mutant(CURVE, "own = _Quadratic(v2, v2 * (v2 - n * fixed + pull)", "own = _Quadratic(v2, v2 * (v2 + n * fixed + pull)"),
    Mutant(GAPS, "for f in (lanes.curves.phi, lanes.curves.leading):", "for f in (lanes.curves.phi,):"),
    Mutant(GAPS, "after = (at > path.u[i]) == (path.u[i + 1] > path.u[i])", "after = (at > path.u[i]) != (path.u[i + 1] > path.u[i])"),
    Mutant(SPECTRUM, "rank = 1.0 + problem.psi_n if averaged", "rank = problem.psi_n if averaged"),
    Mutant(SPECTRUM, "smooth = x.q * (x.k[..., 0] - z) + (columns * x.g).sum(-1)", "smooth = x.q * (x.k[..., 0] - z)"),
    Mutant(TIMES, "turned = [[matrix[1 + j][1 + i] for j in parts] for i in parts]", "turned = [[1.0 - matrix[1 + j][1 + i] for j in parts] for i in parts]"),
    Mutant(TIMES, "law = floor + v2 * (1.0 - jnp.sqrt(eq.ratio[0])) ** 2", "law = floor + v2 * (1.0 - eq.ratio[0]) ** 2"),
    # finite size
    Mutant(FEATURES, "np.fill_diagonal(u, diagonal)", "pass"),
    Mutant(FEATURES, "u = blas.dsyrk(1.0 / n, coefficients[k].T", "u = blas.dsyrk(1.0 / n, abs(coefficients[k]).T"),
    Mutant(FEATURES, "for k in range(coefficients.shape[0] - 1, -1, -1):", "for k in range(coefficients.shape[0] - 1, 0, -1):"),
    Mutant(FLOW, "train[block] -= np.einsum(\"r,rm,rm->m\", self._weight, gains, fitted) / d",
           "train[block] -= np.einsum(\"r,rm,rm->m\", self._weight, gains, gains) / d"),
    Mutant(FLOW, "test[block] += (self.modes.quadratic(gains) - 2.0 * (self._cross @ gains)) / d",
           "test[block] += (self.modes.quadratic(gains) - (self._cross @ gains)) / d"),
    Mutant(FLOW, "return 2.0 * self.instance.delta / self.instance.psi_p",
           "return self.instance.delta / self.instance.psi_p"),
    Mutant(MODES, "square[:] = np.tril(square) - 0.5 * np.diag(np.diagonal(square))", "square[:] = np.tril(square)"),
    Mutant(DRAW, "total = (np.exp(-2.0 * self.t) * spread + self.delta * w) @ w.T / d", "total = (np.exp(-2.0 * self.t) * spread) @ w.T / d"),
    Mutant(TWIN, "spread = np.sqrt(float(coefficients.v2) / n)", "spread = np.sqrt(float(coefficients.s2) / n)"),
    Mutant(TWIN, "float(co.v2 + co.s2)\n        # E^T", "float(co.v2)\n        # E^T"),
]  # fmt: skip
