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
CONTOUR = "rfscore/theory/contours.py"
CURVES = "rfscore/theory/losses.py"
EQUIVALENT = "rfscore/theory/equivalent.py"
ASSEMBLE = "rfscore/theory/assemble.py"
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
TWIN = "rfscore/finite/equivalent.py"
DESCENT = "rfscore/theory/descent.py"
STEPS = "rfscore/theory/step_contours.py"
EVERY = "rfscore/theory/every_step.py"
NOISE = "rfscore/theory/step_noise.py"
PARTS = "rfscore/theory/decomposition.py"
REPLICAS = "rfscore/theory/replicas.py"
LIMITS = "rfscore/theory/limits.py"
STOPPING = "rfscore/theory/stopping.py"
CLASSES = "rfscore/theory/classes.py"
CHECKED = "rfscore/theory/checked.py"
TRAINING = "rfscore/model/training.py"

MUTANTS = [
    # coefficients
    Mutant(COEFFICIENTS, "b=xp.sqrt(problem.delta) * a", "b=problem.delta * a"),
    Mutant(COEFFICIENTS, "a = mu1 / xp.sqrt(gamma2)", "a = mu1"),
    Mutant(COEFFICIENTS, "alpha2=a**2 * signal2", "alpha2=a**2 * problem.signal"),
    Mutant(COEFFICIENTS, "exponents = log_rho * np.arange(2, order)", "exponents = log_rho * np.arange(1, order - 1)"),
    Mutant(COEFFICIENTS, "-h2[2:] * xp.expm1(exponents)", "h2[2:] * xp.exp(exponents)"),
    Mutant(COEFFICIENTS, "norm2=mu1**2 + v2 + s2", "norm2=mu1**2 + v2"),
    Mutant(COEFFICIENTS, "difference = difference - 2.0 * mu1 * e * y[:, None]", "difference = difference + 0.0 * y[:, None]"),
    # the equivalent
    Mutant(EQUIVALENT, "rows(s2, b**2, none)", "rows(s2, none, none)"),
    Mutant(EQUIVALENT, "first = common + part * own, truth", "first = common + own, truth"),
    Mutant(EQUIVALENT, "ratio = xp.asarray(problem.psi_p / problem.psi_n", "ratio = xp.asarray(problem.psi_n / problem.psi_p"),
    Mutant(EQUIVALENT, "return self.common + self.own", "return self.common"),
    Mutant(EQUIVALENT, "energy - (1.0 - part) * noises", "energy"),
    Mutant(EQUIVALENT, "[(pi * ((m - 1.0) / m), ratio / m)]", "[(pi, ratio / m)]"),
    # one-point equations
    Mutant(ONE_POINT, "g = 1.0 / (unit[..., None] + deltas", "g = 1.0 / (unit[..., None] - deltas"),
    Mutant(ONE_POINT, "1.0 / (1.0 + eq.psi_p * q[..., None] * profile(eq, k)), unit)", "1.0 / (1.0 + q[..., None] * profile(eq, k)), unit)"),
    Mutant(ONE_POINT, "first = 1.0 / x.q - (x.k[..., 0] - z)", "first = 1.0 / x.q - (x.k[..., 0] + z)"),
    Mutant(ONE_POINT, "- of_m.sum(-1)", "- of_m[..., -1]"),
    Mutant(ONE_POINT, "found = found + (both if i == j else both +", "found = found + (both if i != j else both +"),
    Mutant(ONE_POINT, "eq.weights * eq.base[i] * eq.base[j] for", "eq.weights * eq.base[j] for"),
    Mutant(ONE_POINT, "return x[..., 0] + sum(x[..., 1 + j]", "return sum(x[..., 1 + j]"),
    Mutant(ONE_POINT, "both + x[..., 1 + j] * y[..., 1 + i]) * value", "both) * value"),
    # resolvent
    Mutant(RESOLVENT, "q = jnp.where(below, jnp.conj(q), q)", "q = jnp.where(below, q, q)"),
    Mutant(RESOLVENT, "good = upper & turned & (op.branch_margin(eq, x) > -tiny)", "good = upper | True"),
    Mutant(RESOLVENT, "(size < RESIDUAL_TOLERANCE) & certain", "(size < RESIDUAL_TOLERANCE) | certain"),
    Mutant(RESOLVENT, "_, (first, second) = jax.jvp(equations, primals, tangents)",
           "_, (second, first) = jax.jvp(equations, primals, tangents)\n    first, second = first[..., 0], second[..., None]"),
    # two-point kernel
    Mutant(TWO_POINT, "source = [-pair * mom.linear(coupling)]", "source = [pair * mom.linear(coupling)]"),
    Mutant(TWO_POINT, "source += [-eq.psi_p * pair", "source += [-pair"),
    Mutant(TWO_POINT, "changed = coupling + (eq.share * weight) @ eq.sampled", "changed = coupling - (eq.share * weight) @ eq.sampled"),
    Mutant(TWO_POINT, "mom.linear(outer) - psi_p * self.pair", "mom.linear(outer) - self.pair"),
    Mutant(TWO_POINT, "return -corner(eq, x, y, coupling).trace", "return corner(eq, x, y, coupling).trace"),
    Mutant(ONE_POINT, "matrix = [[pair * eq.psi_p * mom.bilinear(x.k, y.k)", "matrix = [[pair * mom.bilinear(x.k, y.k)"),
    Mutant(ONE_POINT, "rows = felt(eq, eq.share * x.g * y.g)", "rows = felt(eq, eq.share * x.g)"),
    # contour
    Mutant(CONTOUR, "theta = (np.arange(count) + 0.5) * step", "theta = np.arange(count) * step"),
    Mutant(CONTOUR, "scale = np.pi * count / (4.0 * root)", "scale = np.pi * count / (2.0 * root)"),
    Mutant(CONTOUR, "(step / (2.0 * np.pi)) * 2.0 * scale", "(step / (2.0 * np.pi)) * scale"),
    Mutant(CONTOUR, "return z, z * du / (2.0j * count)", "return z, du / (2.0j * count)"),
    # curves
    Mutant(ASSEMBLE, "jnp.exp(2.0 * self.share * self.nodes) / self.nodes", "jnp.exp(self.share * self.nodes) / self.nodes"),
    Mutant(ASSEMBLE, "- 2.0 * once(contour, jnp.asarray(contour.gain), of.cross)", "- once(contour, jnp.asarray(contour.gain), of.cross)"),
    Mutant(ASSEMBLE, "train = train - twice(contour, of.norm)", "train = train + twice(contour, of.norm)"),
    Mutant(ASSEMBLE, "asked, smallest = rate * jnp.where", "asked, smallest = 2.0 * rate * jnp.where"),
    Mutant(ASSEMBLE, "return gain @ kernel[0] + gain.conj() @ jnp.swapaxes(kernel[1], -1, -2)", "return gain @ kernel[0] + gain @ jnp.swapaxes(kernel[1], -1, -2)"),
    Mutant(ASSEMBLE, "finite if self.last is None else jnp.where(self.last, jnp.real(end), finite)", "finite"),
    Mutant(TARGETS, "return x.unit[..., None] * _by_node(eq, p) *", "return _by_node(eq, p) *"),
    Mutant(TARGETS, "return energy - sum(single)", "return -energy - sum(single)"),
    Mutant("rfscore/model/target.py", "self.on_data * process.noise(t) - self.on_noise * process.signal(t)", "self.on_data * process.noise(t) - self.on_noise"),
    Mutant(BULKS, "return 2.0 * jnp.real(products[0]", "return jnp.real(products[0]"),
    # spectrum and edges
    Mutant(CURVE, "return level + (1.0 - self.c.psi_p[self.k] - self", "return level - (1.0 - self.c.psi_p[self.k] - self"),
    Mutant(CURVE, "row = size[:, i] * (k0 + k1 * zero + k2 * one)", "row = size[:, i] * k0"),
    Mutant(CURVE, "else np.where(self.phi < 0, -1, 1)", "else np.ones_like(self.phi)"),
    Mutant(CURVE, "own = _Quadratic(v2, v2 * (v2 - n * fixed + pull)", "own = _Quadratic(v2, v2 * (v2 + n * fixed + pull)"),
    Mutant(GAPS, "for f in (lanes.curves.phi, lanes.curves.leading):", "for f in (lanes.curves.phi,):"),
    Mutant(GAPS, "after = (at > path.u[i]) == (path.u[i + 1] > path.u[i])", "after = (at > path.u[i]) != (path.u[i + 1] > path.u[i])"),
    Mutant(EQUIVALENT, "return float(p - n - 1 if np.isinf(m)", "return float(p - n if np.isinf(m)"),
    Mutant("rfscore/theory/counting.py", "smooth = x.q * (x.k[..., 0] - z) + (columns * x.g).sum(-1)", "smooth = x.q * (x.k[..., 0] - z)"),
    Mutant(TIMES, "turned = [[matrix[1 + j][1 + i] for j in parts] for i in parts]", "turned = [[1.0 - matrix[1 + j][1 + i] for j in parts] for i in parts]"),
    Mutant(TIMES, "law = floor + v2 * (1.0 - jnp.sqrt(eq.ratio[0])) ** 2", "law = floor + v2 * (1.0 - eq.ratio[0]) ** 2"),
    # descent and its steps
    Mutant(TRAINING, "return 2.0 * (1.0 + self.momentum) / (rate * top)", "return 2.0 / (rate * top)"),
    Mutant(STEPS, "(self.one - self.residual**2)", "(self.one - self.residual)"),
    Mutant(DESCENT, "fit=targets.pairs(eq, x, eq.fractions @ eq.own)", "fit=targets.pairs(eq, x, eq.fractions @ eq.common)"),
    Mutant(STEPS, "now, before = (1.0 + run.beta - run.x * z) * now - run.beta * before, now", "now, before = (1.0 - run.x * z) * now - run.beta * before, now"),
    Mutant(STEPS, "slope = (run.beta / r - r) / run.x", "slope = -r / run.x"),
    Mutant(STEPS, "signs = (1.0, -1.0) if", "signs = (1.0,) if"),
    Mutant(STEPS, "return -(self.weight * (self.z - ridge) ** degree)", "return -(self.weight * self.z**degree)"),
    Mutant(EVERY, "start + (start + parity) % 2", "start + (start + parity + 1) % 2 + 1"),
    Mutant(EVERY, "for parity in (0, 1):", "for parity in (0,):"),
    Mutant(EVERY, "return fft.irfft(fft.rfft(x, length) * fft.rfft(y, length), length)[:size]", "return fft.irfft(fft.rfft(x, size) * fft.rfft(y, size), size)[:size]"),
    Mutant(NOISE, "by_own = np.stack([ub - bb, bb, tb])", "by_own = np.stack([ub, bb, tb])"),
    Mutant(NOISE, "fresh, rest = float(noise.fresh), 1.0 - noise.batch", "fresh, rest = float(noise.fresh), 1.0"),
    Mutant(NOISE, "np.concatenate([np.zeros((3, 2, 1)), g[..., :-1]], axis=-1)", "g"),
    Mutant(NOISE, "return float(0.5 * (a + d) + np.sqrt(0.25 * (a - d) ** 2 + b * c))", "return float(0.5 * (a + d) + 0.5 * abs(a - d))"),
    # parts of the score error
    Mutant(PARTS, "both = first * second / eq.draws", "both = first * second"),
    Mutant(PARTS, "missed = truth.gain - truth.slope", "missed = truth.gain + truth.slope"),
    Mutant(PARTS, "return self.variance - self.from_weights - self.from_data - self.from_noise", "return self.variance - self.from_weights - self.from_data"),
    Mutant(REPLICAS, "both = np.r_[float(shared.data and shared.features)", "both = np.r_[float(shared.data)"),
    Mutant(REPLICAS, "np.r_[float(all(shared)), float(shared.noise), data]", "np.r_[float(shared.noise), float(shared.noise), data]"),
    Mutant(REPLICAS, "np.r_[float(shared.features), np.ones", "np.r_[1.0, np.ones"),
    # laws
    Mutant(LIMITS, "linear = co.s2 + co.v2 * (problem.psi_p / problem.psi_n - 1.0)", "linear = co.s2 + co.v2 * problem.psi_p / problem.psi_n"),
    Mutant(LIMITS, "jnp.where(over > 0, problem.psi_n / problem.psi_p,", "jnp.where(over > 0, 1.0 / problem.psi_p,"),
    Mutant(LIMITS, "signal = problem.signal**2 * nodes * rho", "signal = nodes * rho"),
    # best stopping, and the bounds of losses
    Mutant(ASSEMBLE, "(partly(contour.gain, of.fit) - of.cross[:, None])", "(partly(contour.gain, of.fit) - 2.0 * of.cross[:, None])"),
    Mutant(STOPPING, "level = 0.5 * (test_inf - train_inf)", "level = 0.5 * test_inf"),
    Mutant(STOPPING, "time = 1.0 / problem.rate", "time = 2.0 / problem.rate"),
    Mutant(CHECKED, "if not holds.all():", "if not holds.any():"),
    Mutant(CHECKED, "_require(step <= np.ravel(slack)[order][1:]", "_require(step <= 1.0"),
    Mutant(ASSEMBLE, "finite = self.early * 2.0 * jnp.real(products.sum(-1))", "finite = jnp.where(self.early > 0, 2.0, 0.0) * jnp.real(products.sum(-1))"),
    Mutant(ASSEMBLE, "jnp.where(over, ridge / height, 1.0)", "jnp.where(over, 0.0 * ridge, 1.0)"),
    # classes and directions
    Mutant(CLASSES, "single = g1 * cross1 + rest1 * energy", "single = cross1 + rest1 * energy"),
    Mutant(CLASSES, "part = eq.share[j] / eq.fractions[c]", "part = eq.share[j]"),
    # finite size
    Mutant(FEATURES, "np.fill_diagonal(u, diagonal)", "pass"),
    Mutant(FEATURES, "u = blas.dsyrk(1.0 / n, coefficients[k].T", "u = blas.dsyrk(1.0 / n, abs(coefficients[k]).T"),
    Mutant(FEATURES, "for k in range(coefficients.shape[0] - 1, -1, -1):", "for k in range(coefficients.shape[0] - 1, 0, -1):"),
    Mutant(FLOW, "train[block] -= np.einsum(\"r,rm,rm->m\", self._weight, gains, fitted) / d",
           "train[block] -= np.einsum(\"r,rm,rm->m\", self._weight, gains, gains) / d"),
    Mutant(FLOW, "test[block] += (self.modes.quadratic(gains) - 2.0 * (self._cross @ gains)) / d",
           "test[block] += (self.modes.quadratic(gains) - (self._cross @ gains)) / d"),
    Mutant("rfscore/finite/instance.py", "return 2.0 * self.setting.gain2 / self.psi_p", "return self.setting.gain2 / self.psi_p"),
    Mutant(MODES, "square[:] = np.tril(square) - 0.5 * np.diag(np.diagonal(square))", "square[:] = np.tril(square)"),
    Mutant("rfscore/finite/model.py", "total = (at.signal**2 * spread + at.delta * w) @", "total = (at.signal**2 * spread) @"),
    Mutant(TWIN, "block += np.sqrt(self.v2[labels])", "block += np.sqrt(self.s2[labels])"),
    Mutant(TWIN, "return float(pi @ (self.v2 + self.s2))", "return float(pi @ self.v2)"),
]  # fmt: skip
