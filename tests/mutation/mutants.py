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
CURVES = "rfscore/theory/curves.py"
EQUIVALENT = "rfscore/theory/equivalent.py"
CURVE = "rfscore/theory/real_curve.py"
SPECTRUM = "rfscore/theory/spectrum.py"
TIMES = "rfscore/theory/timescales.py"
COEFFICIENTS = "rfscore/coefficients.py"
FEATURES = "rfscore/finite/features.py"
FLOW = "rfscore/finite/flow.py"
MODES = "rfscore/finite/modes.py"
DRAW = "rfscore/finite/draw.py"
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
    Mutant(EQUIVALENT, "fixed=xp.stack([co.s2, co.b**2, zero])", "fixed=xp.stack([co.s2, zero, zero])"),
    Mutant(EQUIVALENT, "sampled=xp.stack([co.v2, zero, co.alpha2])", "sampled=xp.stack([co.v2 + co.s2, zero, co.alpha2])"),
    Mutant(EQUIVALENT, "ratio=xp.asarray(problem.psi_p / problem.psi_n", "ratio=xp.asarray(problem.psi_n / problem.psi_p"),
    Mutant(EQUIVALENT, "population=xp.stack([co.v2 + co.s2,", "population=xp.stack([co.v2,"),
    Mutant(EQUIVALENT, "co.b**2, co.alpha2]),\n        target", "zero, co.alpha2]),\n        target"),
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
    Mutant(TWO_POINT, "effective = mom.bilinear(one, coupling) - sum(", "effective = mom.bilinear(one, coupling) + sum("),
    Mutant(TWO_POINT, "s12 = corner_q * mom.zero - eq.psi_p * pair * effective", "s12 = corner_q * mom.zero - pair * effective"),
    Mutant(TWO_POINT, "return -eq.psi_p * s12", "return eq.psi_p * s12"),
    Mutant(ONE_POINT, "top = [pair * eq.psi_p * mom.bilinear(x.k, y.k)]", "top = [pair * mom.bilinear(x.k, y.k)]"),
    Mutant(ONE_POINT, "weight = eq.share * x.g * y.g", "weight = eq.share * x.g"),
    # contour
    Mutant(CONTOUR, "theta = (np.arange(count) + 0.5) * step", "theta = np.arange(count) * step"),
    Mutant(CONTOUR, "scale = np.pi * count / (4.0 * root)", "scale = np.pi * count / (2.0 * root)"),
    Mutant(CONTOUR, "(step / (2.0 * np.pi)) * 2.0 * scale", "(step / (2.0 * np.pi)) * scale"),
    Mutant(CONTOUR, "return z, z * du / (2.0j * count)", "return z, du / (2.0j * count)"),
    # curves
    Mutant(CURVES, "train = 1.0 - 2.0 * jnp.real((double * one[:-1, None]).sum(-1))",
           "train = 1.0 - 2.0 * jnp.real((single * one[:-1, None]).sum(-1))"),
    Mutant(CURVES, "- 4.0 * jnp.real((single * one[:-1, None])", "- 2.0 * jnp.real((single * one[:-1, None])"),
    Mutant(CURVES, "2.0 * delta * jnp.where(inside, tau, 1.0) / eq.psi_p", "delta * jnp.where(inside, tau, 1.0) / eq.psi_p"),
    Mutant(CURVES, "ends = (1.0 - end, 1.0 + jnp.real(two[0, -1, 0, 0]) - 2.0 * end)",
           "ends = (1.0 - end, 1.0 + jnp.real(two[0, -1, 0, 0]) - end)"),
    Mutant(CURVES, "single.conj() @ jnp.swapaxes(two[1, :-1], -1, -2)", "single @ jnp.swapaxes(two[1, :-1], -1, -2)"),
    Mutant(CURVES, "return 1.0 - problem.delta * (eq.weights / noised).sum()", "return 1.0 - (eq.weights / noised).sum()"),
    Mutant(CURVES, "pairs = left * (left @ two[0].T) + left * (left.conj() @ two[1].T)", "pairs = left * (left @ two[0].T)"),
    # spectrum and edges
    Mutant(CURVE, "return self.v2 * g + (1.0 - self.psi_p - (self.rho * inverse).sum(-1)) / w",
           "return self.v2 * g - (1.0 - self.psi_p - (self.rho * inverse).sum(-1)) / w"),
    Mutant(CURVE, "cross = (w * g * (self.v2 + self.alpha2 * one)) ** 2", "cross = (w * g * self.v2) ** 2"),
    Mutant(CURVE, "if interval == curve.poles.size:", "if interval == -1:"),
    Mutant(SPECTRUM, "atom = max(0.0, 1.0 - (1.0 + problem.psi_n) / problem.psi_p)",
           "atom = max(0.0, 1.0 - problem.psi_n / problem.psi_p)"),
    Mutant(SPECTRUM, "smooth = x.q * (x.k[..., 0] - z) + (columns * x.g).sum(-1)", "smooth = x.q * (x.k[..., 0] - z)"),
    Mutant(TIMES, "null = matrix[0][1] / (1.0 - matrix[1][1])", "null = matrix[1][0] / (1.0 - matrix[1][1])"),
    Mutant(TIMES, "law = floor + v2 * (1.0 - jnp.sqrt(eq.ratio[0])) ** 2", "law = floor + v2 * (1.0 - eq.ratio[0]) ** 2"),
    # finite size
    Mutant(FEATURES, "np.fill_diagonal(u, diagonal)", "pass"),
    Mutant(FEATURES, "u = blas.dsyrk(1.0 / n, coefficients[k].T", "u = blas.dsyrk(1.0 / n, abs(coefficients[k]).T"),
    Mutant(FEATURES, "for k in range(coefficients.shape[0] - 1, -1, -1):", "for k in range(coefficients.shape[0] - 1, 0, -1):"),
    Mutant(FLOW, "train[block] -= np.einsum(\"r,rm,rm->m\", self._weight, gains, 1.0 + residuals) / d",
           "train[block] -= np.einsum(\"r,rm,rm->m\", self._weight, gains, 1.0 - residuals) / d"),
    Mutant(FLOW, "test[block] += (self.modes.quadratic(gains) - 2.0 * (self._cross @ gains)) / d",
           "test[block] += (self.modes.quadratic(gains) - (self._cross @ gains)) / d"),
    Mutant(FLOW, "rate = 2.0 * self.instance.delta / self.instance.psi_p\n        return flow_filter",
           "rate = self.instance.delta / self.instance.psi_p\n        return flow_filter"),
    Mutant(MODES, "square[:] = np.tril(square) - 0.5 * np.diag(np.diagonal(square))", "square[:] = np.tril(square)"),
    Mutant(DRAW, "v_test = slope[:, None] * weights * np.sqrt(delta / d)", "v_test = slope[:, None] * weights * np.sqrt(1.0 / d)"),
    Mutant(DRAW, "total = (np.exp(-2.0 * t) * spread + delta * weights) @ weights.T / d",
           "total = (np.exp(-2.0 * t) * spread) @ weights.T / d"),
    Mutant(TWIN, "spread = np.sqrt(float(coefficients.v2) / n)", "spread = np.sqrt(float(coefficients.s2) / n)"),
    Mutant(TWIN, "float(co.v2 + co.s2)\n        # E^T", "float(co.v2)\n        # E^T"),
]  # fmt: skip
