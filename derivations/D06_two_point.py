"""The two-point kernel by the 2x2 lift, for a general coupling; resolvent identities; the diagonal limit."""

from __future__ import annotations

from collections.abc import Callable

import sympy
from mpmath import mp

from derivations.D04_one_point import fixed_point, m_of
from derivations.numeric import System, reference
from derivations.record import Derivation
from derivations.symbols import POINT, alpha2, b2, mean, psi_n, psi_p, s2, v2

CODE = "rfscore/theory/two_point.py"
q1, q2, d1, d2, z1, z2 = sympy.symbols("q1 q2 delta1 delta2 z1 z2")
k0, k_ww, k_wsw = sympy.symbols("k0 kWW kWSW")
corner_q, corner_d = sympy.symbols("Q E")


def derive() -> Derivation:
    """Run the derivation."""
    d = Derivation(
        6,
        "Two-point kernel",
        (
            "The one-point equations (D4.5)-(D4.7), which are identities between power series and hold for "
            "matrix arguments.",
            r"The coupling is $\mathcal C=k_0I+k_{WW}WW^T/d+k_{WSW}W\Sigma W^T/d$; the population matrix $\tilde U$ is "
            r"$(v_t^2+s_t^2,\,b_t^2,\,\alpha^2)$.",
        ),
    )
    _lift(d)
    _corners(d)
    _linear(d)
    _identity(d)
    _numbers(d)
    return d


def _vanishes(expression: sympy.Expr) -> bool:
    """Exactly zero at three rational choices of parameters, q_i, delta_i, z_i, for all Q, E and couplings."""
    names, half = (q1, q2, d1, d2, z1, z2), sympy.Rational(1, 2)
    choices = ([1, 2, 3, 5, 7, 11], [-half, 3, half, -3, 2, half], [4, -half / 3, 2, half / 5, -1, 3])
    at_point = expression.subs(POINT)
    return all(sympy.expand(at_point.subs(dict(zip(names, x, strict=True)))) == 0 for x in choices)


identity, upper = sympy.eye(2), sympy.Matrix([[0, 1], [0, 0]])
up_q, up_d = sympy.Matrix([[q1, corner_q], [0, q2]]), sympy.Matrix([[d1, corner_d], [0, d2]])
gain = (identity + up_d).inv()


def _lifted_m(y: sympy.Expr) -> sympy.Matrix:
    return b2 * identity + alpha2 * y * gain + (k_ww + k_wsw * y) * upper


def _sandwiched(y: sympy.Expr) -> sympy.Matrix:
    return (up_q.inv() + psi_p * _lifted_m(y)).inv()


def _big_m(y: sympy.Expr) -> sympy.Expr:
    """Corner of m, (D6.2)."""
    return k_ww + k_wsw * y - alpha2 * y * corner_d / ((1 + d1) * (1 + d2))


def _n(function: Callable[[sympy.Expr], sympy.Expr]) -> sympy.Expr:
    """<f>, the average with the factors of both points."""
    return mean(lambda y: function(y) / ((1 + psi_p * q1 * m_of(y, d1)) * (1 + psi_p * q2 * m_of(y, d2))))


def _first() -> sympy.Expr:
    """(D6.3), left minus right."""
    big_k = k0 - v2 * corner_d / ((1 + d1) * (1 + d2))
    two_m = _n(lambda y: m_of(y, d1) * m_of(y, d2))
    return corner_q + q1 * q2 * (big_k + _n(_big_m) - psi_p * corner_q * two_m)


def _second() -> sympy.Expr:
    """(D6.4), right minus left."""
    r12 = corner_q * _n(lambda y: y) - psi_p * q1 * q2 * _n(lambda y: y * _big_m(y))
    return psi_p / psi_n * (v2 * corner_q + alpha2 * r12) - corner_d


def _lift(d: Derivation) -> None:
    d.text(r"""Take $2p\times2p$ blocks: with $Z=\mathrm{diag}(z_1,z_2)$ and $\varepsilon\mathcal C$ in the upper
    corner, the inverse of
    $U\otimes I-Z+\varepsilon\mathcal C\otimes e_{12}$ has corner $-\varepsilon(U-z_1)^{-1}\mathcal C(U-z_2)^{-1}$.
    Replacing every scalar of the
    one-point equations by an upper triangular $2\times2$ matrix and keeping the corner gives the kernel. Such
    matrices do
    not commute; the order that survives is $m(1+\psi_pqm)^{-1}=(m^{-1}+\psi_pq)^{-1}$ and
    $q(1+\psi_pmq)^{-1}=(q^{-1}+\psi_pm)^{-1}$.""")
    d.equation(
        1,
        r"T(z_1,z_2)=\frac1{d^2}\mathrm{Tr}\,W^T(U-z_1)^{-1}\,\mathcal "
        r"C\,(U-z_2)^{-1}W=-\big[S\big]_{12},\qquad S=\psi_ps",
        code=CODE,
    )
    d.equation(
        2, r"K=k_0-v_t^2g_1g_2E,\qquad\mathcal M(\lambda)=k_{WW}+k_{WSW}\lambda-\alpha^2\lambda\,g_1g_2E", code=CODE
    )
    x = sympy.Symbol("x")
    d.zero("Corner of $m(\\lambda)$", _lifted_m(x)[0, 1] - _big_m(x))


def _corners(d: Derivation) -> None:
    d.equation(3, r"Q=-q_1q_2\big(K+\langle\mathcal M\rangle-\psi_pQ\,\langle m_1m_2\rangle\big)", code=CODE)
    kappa = (s2 * identity - sympy.diag(z1, z2) + v2 * gain + k0 * upper)[0, 1]
    inverse = lambda y: (identity + psi_p * up_q * _lifted_m(y)).inv()  # noqa: E731
    first = kappa + mean(lambda y: (_lifted_m(y) * inverse(y))[0, 1]) - (up_q.inv())[0, 1]
    d.check("Corner of (D4.5)", _vanishes(first * q1 * q2 - _first()), "exact rationals; Q, E and the coupling free")
    d.equation(
        4,
        r"E=\frac{\psi_p}{\psi_n}\Big(v_t^2Q+\alpha^2\big[Q\langle\lambda\rangle-\psi_pq_1q_2\langle"
        r"\lambda\mathcal M\rangle"
        r"\big]\Big)",
        code=CODE,
    )
    r12 = mean(lambda y: y * _sandwiched(y)[0, 1])
    second = psi_p / psi_n * (v2 * corner_q + alpha2 * r12) - corner_d
    d.check("Corner of (D4.6)", _vanishes(second - _second()), "exact, as above")
    d.equation(5, r"T(z_1,z_2)=-\psi_p\big(Q\langle1\rangle-\psi_pq_1q_2\langle\mathcal M\rangle\big)", code=CODE)
    s12 = mean(lambda y: _sandwiched(y)[0, 1])
    ours = corner_q * _n(lambda y: 1) - psi_p * q1 * q2 * _n(_big_m)
    d.check("Corner of $s$", _vanishes(s12 - ours), "exact, as above")


def _linear(d: Derivation) -> None:
    d.equation(
        6,
        r"\big(1-M(z_1,z_2)\big)\begin{pmatrix}Q\\E\end{pmatrix}=-\begin{pmatrix}q_1q_2\,(k_0+\langle "
        r"k_{WW}+k_{WSW}"
        r"\lambda\rangle)\\ \frac{\psi_p^2}{\psi_n}q_1q_2\,\alpha^2\langle"
        r"\lambda(k_{WW}+k_{WSW}\lambda)\rangle\end{pmatrix}",
        code=CODE,
    )
    rows, free = _response(), lambda y: k_ww + k_wsw * y
    left = (
        corner_q - rows[0][0] * corner_q - rows[0][1] * corner_d + q1 * q2 * (k0 + _n(free)),
        corner_d - rows[1][0] * corner_q - rows[1][1] * corner_d
        + psi_p**2 / psi_n * q1 * q2 * alpha2 * _n(lambda y: y * free(y)),
    )  # fmt: skip
    d.check(
        "(D6.3) and (D6.4) are the response system of (D4.9) with a source",
        _vanishes(left[0] - _first()) and _vanishes(left[1] + _second()),
        "exact, as above",
    )


def _response() -> list[list[sympy.Expr]]:
    g = 1 / ((1 + d1) * (1 + d2))
    mixed = v2 + alpha2 * _n(lambda y: y)
    return [
        [psi_p * q1 * q2 * _n(lambda y: m_of(y, d1) * m_of(y, d2)), q1 * q2 * g * mixed],
        [psi_p / psi_n * mixed, psi_p**2 / psi_n * q1 * q2 * g * alpha2**2 * _n(lambda y: y**2)],
    ]


def _identity(d: Derivation) -> None:
    d.text(r"""Coupling $I$ shifts $Z$ to $\mathrm{diag}(z_1,z_2)-\varepsilon e_{12}$, and every analytic $f$ then
    has corner
    $-\varepsilon(f(z_1)-f(z_2))/(z_1-z_2)$: by (D4.9) this solves (D6.6).""")
    d.equation(7, r"\mathcal C=I:\qquad T(z_1,z_2)=\frac{S(z_1)-S(z_2)}{z_1-z_2}", code=CODE)
    inv1, right1 = fixed_point(q1, d1, z1)
    inv2, right2 = fixed_point(q2, d2, z2)
    rows, dz = _response(), z1 - z2
    trial = [-(q1 - q2) / dz, -(d1 - d2) / dz]
    residual = [
        trial[0] - rows[0][0] * trial[0] - rows[0][1] * trial[1] + q1 * q2,
        trial[1] - rows[1][0] * trial[0] - rows[1][1] * trial[1],
    ]
    # On shell 1/q_i = inv_i and delta_i = right_i; the residuals must be combinations of these.
    on_shell = [q1 * q2 * (1 / q2 - inv2 - (1 / q1 - inv1)) / -dz, ((d1 - right1) - (d2 - right2)) / -dz]
    d.check(
        "The divided differences solve (D6.6) on the one-point solutions",
        all(_vanishes(a - b) for a, b in zip(residual, on_shell, strict=True)),
        "exact rationals",
    )
    d.equation(
        8, r"\mathcal C=U:\qquad T(z_1,z_2)=\frac{z_1S(z_1)-z_2S(z_2)}{z_1-z_2}=S(z_2)+z_1\,T_I(z_1,z_2)", code=CODE
    )
    a, b, c = sympy.symbols("U z_1 z_2")
    d.zero("$U=(U-z_1)+z_1$ between the resolvents", a / ((a - b) * (a - c)) - (1 / (a - c) + b / ((a - b) * (a - c))))
    d.equation(9, r"T(z,z)=-\frac{d}{d\varepsilon}S_{U+\varepsilon\mathcal C}(z)\Big|_{0}", code=CODE)


def kernel(system: System, one: tuple, two: tuple, coupling: tuple, outer: tuple = (0, 1, 0)) -> mp.mpc:
    """(D6.5) from two solutions (q, delta); with another triple than W W^T/d outside, (D12.6)."""
    (qa, da), (qb, db) = one, two
    p, n, (noise, _, a2) = system.psi_p, system.psi_n, system.sampled
    both = lambda x: (1 + p * qa * system.m(x, da)) * (1 + p * qb * system.m(x, db))  # noqa: E731
    power = [system.mean(lambda x, i=i: x**i / both(x)) for i in range(3)]
    linear = lambda s: s[0] + s[1] * power[0] + s[2] * power[1]  # noqa: E731
    cross = lambda s, t: s[1] * t[1] * power[0] + (s[1] * t[2] + s[2] * t[1]) * power[1] + s[2] * t[2] * power[2]  # noqa: E731
    qq, g, sampled = qa * qb, 1 / ((1 + da) * (1 + db)), (noise, 0, a2)
    two_m = system.mean(lambda x: system.m(x, da) * system.m(x, db) / both(x))
    matrix = mp.matrix(
        [
            [1 - p * qq * two_m, -qq * g * linear(sampled)],
            [-p / n * linear(sampled), 1 - p * p / n * qq * g * cross(sampled, sampled)],
        ]
    )
    source = mp.matrix([-qq * linear(coupling), -p * p / n * qq * cross(sampled, coupling)])
    big_q, big_e = mp.lu_solve(matrix, source)
    return -p * (big_q * linear(outer) - p * qq * (cross(outer, coupling) - g * big_e * cross(outer, sampled)))


def _numbers(d: Derivation) -> None:
    with mp.workdps(50):
        system, at = reference(), mp.mpf(-1) / 5
        eps = mp.mpf(10) ** -14
        base = system.solve(at)
        for j, name in enumerate(("I", "WW^T/d", r"W\Sigma W^T/d")):
            coupling = tuple(mp.mpf(int(i == j)) for i in range(3))
            moved = [
                reference(fixed=tuple(f + sign * eps * c for f, c in zip(system.fixed, coupling, strict=True))).trace(
                    at, base
                )
                for sign in (1, -1)
            ]
            d.close(
                f"Diagonal limit for the coupling ${name}$",
                kernel(system, base, base, coupling),
                -(moved[0] - moved[1]) / (2 * eps),
                20,
            )
        others = mp.mpf(-1) / 3, mp.mpf(-2)
        one, two = (system.solve(x) for x in others)
        coupling = (mp.mpf(1) / 7, mp.mpf(2), mp.mpf(3) / 5)
        d.close("Symmetry", kernel(system, one, two, coupling), kernel(system, two, one, coupling), 40)
        difference = (system.trace(others[0]) - system.trace(others[1])) / (others[0] - others[1])
        d.close("(D6.7) on numbers", kernel(system, one, two, (1, 0, 0)), difference, 40)
