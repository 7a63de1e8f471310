r"""The two-point kernel T(z1, z2) = (1/d^2) Tr W^T (U - z1)^{-1} P (U - z2)^{-1} W at any number of digits.

P = k0 I + kWW W W^T/d + kWSW W Sigma W^T/d is the coupling. The kernel is the corner entry of S = psi_p s when the
one-point equations are lifted to upper-triangular 2x2 matrices with z1, z2 on the diagonal and -P in the corner.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mpmath import mp

from rfscore.model.problem import ScoreProblem
from rfscore.oracle import frozen
from rfscore.oracle._types import Number, verified
from rfscore.oracle.equivalence import Model, model
from rfscore.oracle.onepoint import number, solve, traces


def population_coupling(m: Model) -> tuple[Any, Any, Any]:
    """(k0, kWW, kWSW) of the population matrix U~ = alpha2 W Sigma W^T/d + b^2 W W^T/d + (v2 + s2) I."""
    return m.v2 + m.s2, m.b2, m.alpha2


def prepare(m: Model, point: tuple[Any, Any]) -> tuple[Any, Any, list[Any]]:
    """(w, g, 1/D at every atom) of a one-point solution (w, delta): what the kernel needs from one side."""
    w, delta = point
    g = 1 / (1 + delta)
    base, slope = 1 + m.b2 * w, m.alpha2 * w * g
    return w, g, [1 / (base + slope * lam) for lam in m.nodes]


def corner(m: Model, one: tuple[Any, Any, list[Any]], two: tuple[Any, Any, list[Any]], coupling: tuple) -> Any:
    """T from two prepared one-point solutions."""
    (w1, g1, d1), (w2, g2, d2) = one, two
    k0, k_ww, k_wsw = coupling
    n0 = n1 = n2 = mp.mpf(0)
    for lam, weight, left, right in zip(m.nodes, m.weights, d1, d2, strict=True):
        value = weight * left * right
        n0, n1, n2 = n0 + value, n1 + lam * value, n2 + lam * lam * value
    g, ww = g1 * g2, w1 * w2
    # Unknowns: Qp = psi_p Q (corner of w) and E (corner of delta); q1 q2 = w1 w2/psi_p^2.
    mm = m.b2**2 * n0 + m.b2 * m.alpha2 * (g1 + g2) * n1 + m.alpha2**2 * g * n2
    m_fixed, m_e = k_ww * n0 + k_wsw * n1, -m.alpha2 * g * n1
    lm_fixed, lm_e = k_ww * n1 + k_wsw * n2, -m.alpha2 * g * n2
    a = [[m.psi_p - ww * mm, ww * (m_e - m.v2 * g)], [-(m.v2 + m.alpha2 * n1), m.psi_n + m.alpha2 * ww * lm_e]]
    b = [-ww * (k0 + m_fixed), -m.alpha2 * ww * lm_fixed]
    det = a[0][0] * a[1][1] - a[0][1] * a[1][0]
    qp = (b[0] * a[1][1] - b[1] * a[0][1]) / det
    e = (a[0][0] * b[1] - a[1][0] * b[0]) / det
    return -(qp * n0 - ww * (m_fixed + e * m_e))


def kernel(
    problem: ScoreProblem,
    z1: Any,
    z2: Any,
    dps: int = 30,
    *,
    coupling: tuple[Any, Any, Any] | None = None,
    activation: Callable | None = None,
) -> Number:
    r"""T(z1, z2) for the population matrix, or for the coupling (k0, kWW, kWSW) of I, W W^T/d, W Sigma W^T/d.

    Args:
        problem: the model.
        z1: complex spectral point; real points give the limit from above.
        z2: the other one; z1 = z2 is allowed.
        dps: digits asked for.
        coupling: three numbers; default the population matrix U~, as the test loss needs.
        activation: sigma on mpmath numbers, for a user's activation.

    Returns:
        Number with the absolute error from two working precisions.

    Example:
        >>> import rfscore as rf
        >>> from rfscore import oracle
        >>> problem = rf.ScoreProblem(2, 8, 0.1, activation="erf")
        >>> identity = oracle.kernel(problem, 1j, -2, dps=20, coupling=(1, 0, 0))
        >>> s1, s2 = (8 * oracle.resolvent(problem, z, dps=20).s for z in (1j, -2))
        >>> abs(complex(identity) - complex((s1 - s2) / (1j + 2))) < 1e-15
        True
    """

    def run(digits: int) -> Any:
        with mp.workdps(digits):
            m = model(problem, digits, activation)
            chosen = population_coupling(m) if coupling is None else tuple(mp.mpmathify(x) for x in coupling)
            if not mp.isinf(m.draws):
                first, second = (frozen.solve(m, number(z)) for z in (z1, z2))
                return frozen.kernels(m, first, second, chosen)[0]
            one, two = (prepare(m, solve(m, number(z) - m.ridge)[:2]) for z in (z1, z2))
            return corner(m, one, two, chosen)

    return verified(run, dps)


def feature_trace(m: Model, w: Any, delta: Any) -> Any:
    """S = (1/d^2) Tr W^T (U - z)^{-1} W = psi_p s."""
    return m.psi_p * traces(m, w, delta)["s"]
