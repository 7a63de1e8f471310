"""Lemmas C.2 to C.5, and what the eigenvectors of the delta peak do."""

from __future__ import annotations

import numpy as np

import rfscore as rf
import rfscore.finite
from rfscore.validation.evidence import Comparison, below, more, near
from rfscore.validation.lab import Lab, falls, slope, vanishing

WIDE = rf.ScoreProblem(3.0, 4.0, 0.1, rf.Isotropic(2.5))


def _instances(lab: Lab, problem: rf.ScoreProblem, sizes: dict[int, int]) -> dict[int, list]:
    return {d: [rfscore.finite.draw(problem, d, lab.rng(d, 31, i)) for i in range(count)]
            for d, count in sizes.items()}  # fmt: skip


def population_matrix(lab: Lab) -> list[Comparison]:
    """Lemma C.2, with the statement's mu_1^2 and with Eq 85's mu_1^2/Gamma_t^2: slope of U-tilde on W Sigma_t W^T/d."""
    co = rf.coefficients(WIDE)
    gamma2, mu2 = float(co.gamma2), float(co.mu1) ** 2
    rows: dict[str, dict[int, np.ndarray]] = {"printed": {}, "corrected": {}}
    for d, drawn in _instances(lab, WIDE, {30: 8, 60: 4, 120: 2}).items():
        slopes = []
        for x in drawn:
            linear = gamma2 * x.weights @ x.weights.T / d
            off = ~np.eye(x.p, dtype=bool)
            slopes.append(np.sum(x.U_test[off] * linear[off]) / np.sum(linear[off] ** 2))
        for form, weight in (("printed", mu2), ("corrected", mu2 / gamma2)):
            rows[form][d] = np.array(slopes)[:, None] / weight - 1.0
    what = "weight of W Σ_t W^T/d in Ũ (off the diagonal) over {}, minus 1"
    return [
        vanishing(what.format("μ_1^2"), rows["printed"], 0.02),
        vanishing(what.format("μ_1^2/Γ_t^2"), rows["corrected"], 0.02, "corrected"),
    ]


def population_spectrum(lab: Lab) -> list[Comparison]:
    """Lemma C.3: weight 1 - 1/psi_p at ||sigma||^2 - mu_1^2, the rest on the scale psi_p."""
    psi_p = np.array([4.0, 16.0])
    co = rf.coefficients(rf.ScoreProblem(1.0, 4.0, 0.1))
    level = float(co.v2 + co.s2)
    means, above_gap, low = [], [], {}
    for d, count in {30: 6, 60: 3, 120: 2}.items():
        drawn = _instances(lab, rf.ScoreProblem(1.0, 4.0, 0.1), {d: count})[d]
        lam = [np.linalg.eigvalsh(x.U_test) for x in drawn]
        low[d] = np.array([[x[:-d].mean() / level - 1.0] for x in lam])
    d = 48
    for psi in psi_p:
        one = np.linalg.eigvalsh(_instances(lab, rf.ScoreProblem(1.0, psi, 0.1), {d: 1})[d][0].U_test)
        means.append(one[-d:].mean())
        above_gap.append(float(one.size - 1 - np.argmax(np.diff(np.log(one)))) / d)
    return [
        near("eigenvalues above the widest gap over d, ψ_p = 4", above_gap[0], 1.0, 1e-9),
        near("the same, ψ_p = 16", above_gap[1], 1.0, 1e-9),
        vanishing("mean of the others over ||σ||^2 − μ_1^2, minus 1, d → ∞", low, 0.02),
        near("exponent in ψ_p of the mean of the upper d eigenvalues", slope(psi_p, np.array(means)), 1.0, 0.05),
    ]


def cross_matrix(lab: Lab) -> list[Comparison]:
    """Lemma C.4: V and V-tilde are mu_1 sqrt(Delta_t)/Gamma_t W/sqrt d."""
    co = rf.coefficients(WIDE)
    weight = float(co.mu1) * np.sqrt(WIDE.delta / float(co.gamma2))
    found, distance = {}, {}
    for d, drawn in _instances(lab, WIDE, {30: 8, 60: 4, 120: 2}).items():
        found[d] = np.array([
            [np.sum(m * x.weights) / np.sum(x.weights**2) * np.sqrt(d) / weight - 1.0 for m in (x.V, x.V_test)]
            for x in drawn
        ])  # fmt: skip
        distance[d] = np.array([np.linalg.norm(x.V - weight * x.weights / np.sqrt(d)) / np.linalg.norm(x.V)
                                for x in drawn])  # fmt: skip
    fall, error, source = falls(distance)
    return [
        vanishing("weight of W/√d in V and Ṽ over μ_1 √Δ_t/Γ_t, minus 1", found, 0.02),
        below("exponent in d of |V − μ_1 √Δ_t/Γ_t W/√d|/|V|", fall, 0.0, error, source),
    ]


def operator_norm(lab: Lab) -> list[Comparison]:
    """Lemma C.5: ||U - U-tilde|| grows like psi_p and falls like psi_n^(-1/2), for p >> n >> d."""
    d = 16

    def norm(psi_n: float, psi_p: float, i: int) -> float:
        x = rfscore.finite.draw(rf.ScoreProblem(psi_n, psi_p, 0.1), d, lab.rng(d, 77, i))
        return float(np.abs(np.linalg.eigvalsh(x.U - x.U_test)).max())

    psi_n, psi_p = np.array([8.0, 16.0, 32.0]), np.array([8.0, 16.0, 32.0])
    by_n = np.array([[norm(n, 32.0, i) for n in psi_n] for i in range(8)])
    by_p = np.array([[norm(8.0, p, 10 + i) for p in psi_p] for i in range(8)])
    slopes = [np.array([slope(x, row) for row in rows]) for x, rows in ((psi_n, by_n), (psi_p, by_p))]
    errors = [2 * s.std(ddof=1) / np.sqrt(len(s)) for s in slopes]
    source = "2 standard errors over 8 seeds"
    # The three terms of the bound go like psi_p/psi_n^(1/2), psi_p/psi_n and (psi_p/psi_n)^(1/2).
    return [
        Comparison("exponent in ψ_n", slopes[0].mean(), -1.0 - errors[0], -0.5 + errors[0], errors[0], source),
        Comparison("exponent in ψ_p", slopes[1].mean(), 0.5 - errors[1], 1.0 + errors[1], errors[1], source),
        more("largest |U − Ũ| √ψ_n/ψ_p", (by_n * np.sqrt(psi_n) / 32.0).max()),
    ]


def delta_vectors(lab: Lab) -> list[Comparison]:
    """Eigenvectors of the peak are orthogonal to the rows of W^T and to the samples: they leave both losses alone."""
    problem = rf.ScoreProblem(2.0, 8.0, 0.1)
    d = 24
    x = rfscore.finite.draw(problem, d, lab.rng(d, 3), "gaussian-equivalent")
    _, vectors = np.linalg.eigh(x.U)
    peak = vectors[:, : round(8 * d - 3 * d)]
    overlap = np.abs(peak.T @ x.V).max() / np.abs(vectors.T @ x.V).max()
    shares = {}
    for size, count in {16: 8, 32: 4, 64: 2, 128: 1}.items():
        rows = []
        for i in range(count):
            flow = rfscore.finite.draw(problem, size, lab.rng(size, 41, i)).gradient_flow()
            parts = flow.mode_contributions([np.inf], np.repeat([0, 1], [5 * size, 3 * size]))
            rows.append([parts.train[0, 0] / parts.train.sum(), abs(parts.test[0, 0]) / abs(parts.test).sum()])
        shares[size] = np.array(rows)
    fall = [falls({size: rows[:, k] for size, rows in shares.items()}) for k in (0, 1)]
    return [
        below("largest overlap of the peak's eigenvectors with V, over that of all", overlap, 1e-6, 1e-9, "roundoff"),
        below("exponent in d of the share of the lowest 5/8 of the modes in the final training loss, exact features",
              fall[0][0], 0.0, *fall[0][1:]),
        below("the same for the test loss", fall[1][0], 0.0, *fall[1][1:]),
        more("that share of the training loss at d = 128: at finite d the peak is not decoupled", shares[128][0, 0]),
    ]  # fmt: skip
