"""The one-point equations from the deterministic equivalent; Theorem 3.1 and the linear pencil are the same system."""

from __future__ import annotations

import numpy as np
import sympy
from mpmath import mp

from derivations.numeric import reference
from derivations.record import Derivation
from derivations.symbols import POINT, alpha2, b2, mean, psi_n, psi_p, s2, v2

CODE = "rfscore/theory/one_point.py"
q, delta, z = sympy.symbols("q delta z")
g = 1 / (1 + delta)


def m_of(lam: sympy.Expr, at: sympy.Expr = delta) -> sympy.Expr:
    """m(lam) = b^2 + alpha2 lam/(1 + delta)."""
    return b2 + alpha2 * lam / (1 + at)


def fixed_point(q_: sympy.Expr, delta_: sympy.Expr, z_: sympy.Expr) -> tuple[sympy.Expr, sympy.Expr]:
    """Right sides of 1/q = ... and delta = ..., as functions of (q, delta)."""
    big = lambda x: 1 + psi_p * q_ * m_of(x, delta_)  # noqa: E731
    inverse = s2 - z_ + v2 / (1 + delta_) + mean(lambda x: m_of(x, delta_) / big(x))
    return inverse, psi_p / psi_n * (v2 * q_ + alpha2 * mean(lambda x: x * q_ / big(x)))


def derive() -> Derivation:
    """Run the derivation."""
    d = Derivation(
        4,
        "One-point equations",
        (
            r"$d\to\infty$ at fixed $\psi_n=n/d$, $\psi_p=p/d$; $\Sigma$ bounded with spectral measure $\rho_\Sigma$.",
            r"Gaussian equivalence (paper, Lemma C.1): the features may be replaced by their linear part "
            r"plus independent noise.",
        ),
    )
    _equivalent(d)
    _equations(d)
    _theorem(d)
    _branch(d)
    _pencil(d)
    _draw(d)
    return d


def _equivalent(d: Derivation) -> None:
    d.equation(
        1,
        r"U\simeq s_t^2I+b_t^2\frac{WW^T}{d}+\frac1n\sum_{\nu=1}^n g_\nu g_\nu^T,\qquad g_\nu\sim "
        r"N(0,C),\quad "
        r"C=\alpha^2\frac{W\Sigma W^T}{d}+v_t^2I,\quad\alpha^2=a_t^2e^{-2t}",
        paper=r"Lemma C.1, with $\Omega$ of size $p\times n$",
        code="rfscore/theory/equivalent.py",
    )
    d.text(r"""Remove one column: with $R_-$ the resolvent without $g$, the Sherman-Morrison formula and the
    concentration of
    $\frac1n g^TR_-g$ on $\delta=\frac1n\mathrm{Tr}\,CR$ replace each rank-one term by $C/(1+\delta)$.""")
    r11, r12, r22, g1, g2, n = sympy.symbols("r11 r12 r22 g1 g2 n")
    minus, column = sympy.Matrix([[r11, r12], [r12, r22]]), sympy.Matrix([g1, g2])
    full = (minus.inv() + column * column.T / n).inv()
    ratio = 1 / (1 + (column.T * minus * column)[0] / n)
    d.check(
        r"$Rg=R_-g/(1+\frac1ng^TR_-g)$", sympy.simplify(full * column - minus * column * ratio) == sympy.zeros(2, 1)
    )
    d.equation(
        2,
        r"(U-z)^{-1}\simeq\Big(s_t^2-z+b_t^2\frac{WW^T}{d}+\frac{C}{1+\delta}\Big)^{-1},\qquad\delta="
        r"\frac1n"
        r"\mathrm{Tr}\,C(U-z)^{-1}",
        code=CODE,
    )
    d.equation(
        3,
        r"\ldots=\Big(\kappa+\frac{W\,\mathcal M\,W^T}{d}\Big)^{-1},\quad\kappa=s_t^2-z+\frac{v_t^2}{1+"
        r"\delta},\quad"
        r"\mathcal M=b_t^2+\frac{\alpha^2\Sigma}{1+\delta}=m(\Sigma)",
        code=CODE,
    )
    d.text(r"""Given $\delta$, average over $W$: in the eigenbasis of $\Sigma$,
    $\kappa+\frac1d\sum_am(\lambda_a)w_aw_a^T$ is a sum
    of $d$ rank-one terms in $p$ dimensions. Taking one out as before, with
    $\frac1dw_a^TR_-w_a\to\frac1d\mathrm{Tr}R=\psi_pq$,""")
    d.equation(4, r"\frac1d\,w_a^T(U-z)^{-1}w_a=\frac{\psi_pq}{1+\psi_pq\,m(\lambda_a)}", code=CODE)
    ms, k = sympy.symbols("m1:4", positive=True), sympy.Symbol("kappa")
    trace = k * q + sum(m * psi_p * q / (1 + psi_p * q * m) for m in ms) / (len(ms) * psi_p)
    equation = q * (k + sum(m / (1 + psi_p * q * m) for m in ms) / len(ms))
    d.zero(
        "Inserted in $\\frac1p\\mathrm{Tr}[(\\kappa+W\\mathcal MW^T/d)(U-z)^{-1}]=1$ it gives (D4.5)", trace - equation
    )


def _equations(d: Derivation) -> None:
    d.equation(
        5,
        r"\frac1q=s_t^2-z+\frac{v_t^2}{1+\delta}+\int\rho_\Sigma(d\lambda)\,\frac{m(\lambda)}{1+\psi_pq"
        r"\,m(\lambda)},"
        r"\qquad m(\lambda)=b_t^2+\frac{\alpha^2\lambda}{1+\delta}",
        paper=r"Theorem 3.1, $\hat r$ eliminated",
        code=CODE,
    )
    d.equation(6, r"\delta=\frac{\psi_p}{\psi_n}\big(v_t^2\,q+\alpha^2\,r\big)", paper="Theorem 3.1", code=CODE)
    d.equation(
        7,
        r"s=\int\frac{\rho_\Sigma(d\lambda)\,q}{1+\psi_pq\,m},\quad r=\int\frac{\rho_\Sigma(d\lambda)\,"
        r"\lambda\,q}"
        r"{1+\psi_pq\,m}:\quad s=\frac1p\mathrm{Tr}\frac{W^T(U-z)^{-1}W}{d}",
        paper=r"Theorem 3.1 with $W/\sqrt d$ in $r$ and $s$",
        code=CODE,
    )


def _theorem(d: Derivation) -> None:
    r = mean(lambda x: x * q / (1 + psi_p * q * m_of(x)))
    s = mean(lambda x: q / (1 + psi_p * q * m_of(x)))
    s_hat, r_hat = b2 * psi_p + 1 / q, psi_p * alpha2 * g
    d.equation(
        8,
        r"\begin{aligned}&\hat s=b_t^2\psi_p+\frac1q,\quad\hat r=\frac{\psi_p\alpha^2}{1+\delta},\quad "
        r"s=\int\frac{\rho_\Sigma(d\lambda)}{\hat s+\lambda\hat r},\quad "
        r"r=\int\frac{\lambda\,\rho_\Sigma(d\lambda)}{\hat s+\lambda\hat r},\\"
        r" &\psi_p(s_t^2-z)+\frac{\psi_pv_t^2}{1+\delta}+\frac{1-\psi_p}{q}-\frac{s}{q^2}=0\end{aligned}",
        paper="Theorem 3.1",
        code=CODE,
    )
    d.zero("$r$ of the theorem is (D4.7)", mean(lambda x: x / (s_hat + x * r_hat)) - r)
    d.zero("$s$ of the theorem is (D4.7)", mean(lambda x: 1 / (s_hat + x * r_hat)) - s)
    printed = psi_p * (s2 - z) + psi_p * v2 * g + (1 - psi_p) / q - s / q**2
    ours = s2 - z + v2 * g + mean(lambda x: m_of(x) / (1 + psi_p * q * m_of(x))) - 1 / q
    d.zero(
        "Its last equation is $\\psi_p$ times (D4.5), for two atoms with all parameters free", printed - psi_p * ours
    )


def _branch(d: Derivation) -> None:
    (q1, d1, z1), (q2, d2, z2) = (sympy.symbols(f"q{i} delta{i} z{i}") for i in (1, 2))
    inv1, right1 = fixed_point(q1, d1, z1)
    inv2, right2 = fixed_point(q2, d2, z2)
    g12 = 1 / ((1 + d1) * (1 + d2))
    n = lambda f: mean(lambda x: f(x) / ((1 + psi_p * q1 * m_of(x, d1)) * (1 + psi_p * q2 * m_of(x, d2))))  # noqa: E731
    matrix = [
        [psi_p * q1 * q2 * n(lambda x: m_of(x, d1) * m_of(x, d2)), q1 * q2 * g12 * (v2 + alpha2 * n(lambda x: x))],
        [
            psi_p / psi_n * (v2 + alpha2 * n(lambda x: x)),
            psi_p**2 / psi_n * q1 * q2 * g12 * alpha2**2 * n(lambda x: x**2),
        ],
    ]
    dq, dd = q1 - q2, d1 - d2
    d.text(r"""Differences of two solutions obey one linear system. With $N(\lambda)=1/(D_1D_2)$,
    $D_i=1+\psi_pq_im_i$,
    $g_i=1/(1+\delta_i)$ and $\langle f\rangle=\int\rho_\Sigma fN$, the response matrix is""")
    d.equation(
        9,
        r"M(z_1,z_2)=\begin{pmatrix}\psi_pq_1q_2\langle m_1m_2\rangle & "
        r"q_1q_2g_1g_2(v_t^2+\alpha^2\langle\lambda\rangle)"
        r"\\ \frac{\psi_p}{\psi_n}(v_t^2+\alpha^2\langle\lambda\rangle) & "
        r"\frac{\psi_p^2}{\psi_n}q_1q_2g_1g_2\alpha^4\langle"
        r"\lambda^2\rangle\end{pmatrix},\quad(1-M)\begin{pmatrix}q_1-q_2\\ "
        r"\delta_1-\delta_2\end{pmatrix}=(z_1-z_2)\begin{pmatrix}q_1q_2\\ 0\end{pmatrix}",
        code=CODE,
    )
    first = q1 * q2 * (inv2 - inv1) - (matrix[0][0] * dq + matrix[0][1] * dd + (z1 - z2) * q1 * q2)
    second = right1 - right2 - (matrix[1][0] * dq + matrix[1][1] * dd)
    d.check(
        "Exact divided differences of both right sides, at rational parameters and free $(q_i,\\delta_i,z_i)$",
        all(sympy.cancel(sympy.together(x.subs(POINT))) == 0 for x in (first, second)),
    )
    d.text(r"""For $z_2=\bar z_1$ the entries of $M$ are non-negative and the vector of imaginary parts satisfies
    $(1-M)(\mathrm{Im}\,q,\mathrm{Im}\,\delta)=\mathrm{Im}\,z\,(|q|^2,0)$. With positive imaginary parts the
    Collatz-Wielandt
    bound gives spectral radius below one off the support, and one on it, where $\mathrm{Im}\,z=0$ with
    $\mathrm{Im}\,q>0$. The right sides map the product of two upper half-planes into itself, so the solution with
    both
    imaginary parts positive is unique.""")
    with mp.workdps(40):
        radii = []
        for point in (mp.mpc(1, 2), mp.mpc("0.5", "1e-3"), mp.mpf(-1)):
            radii.append(_radius(point))
        d.check(
            "Spectral radius of $M(z,\\bar z)$ below one at three points off the support, "
            + ", ".join(mp.nstr(x, 4) for x in radii),
            all(x < 1 for x in radii),
            "mpmath, 40 digits",
        )


def _radius(point: mp.mpc) -> mp.mpf:
    system = reference()
    start = None
    if mp.im(point):
        height = mp.mpf(10)
        while height > mp.im(point):
            start = system.solve(mp.mpc(point.real, height), start)
            height = max(height / 2, mp.im(point))
    q_, d_ = system.solve(point, start)
    big = lambda x: abs(1 + system.psi_p * q_ * system.m(x, d_)) ** 2  # noqa: E731
    a2, noise = system.sampled[2], system.sampled[0]
    qq, gg = abs(q_) ** 2, 1 / abs(1 + d_) ** 2
    one = system.mean(lambda x: x / big(x))
    m11 = system.psi_p * qq * system.mean(lambda x: abs(system.m(x, d_)) ** 2 / big(x))
    m22 = system.psi_p**2 / system.psi_n * qq * gg * a2**2 * system.mean(lambda x: x * x / big(x))
    cross = qq * gg * (noise + a2 * one) ** 2 * system.psi_p / system.psi_n
    return (m11 + m22) / 2 + mp.sqrt(((m11 - m22) / 2) ** 2 + cross)


def _pencil(d: Derivation) -> None:
    mu1, decay, noise = sympy.symbols(
        "mu_1 e Delta", positive=True
    )  # e = exp(-t); sigma_x = 1: a = mu_1, b2 = Delta mu_1^2
    r = sympy.Symbol("r")
    bracket = 1 + psi_p / psi_n * (mu1**2 * decay**2 * r + v2 * q)
    zeta1, zeta2, zeta3 = q, 1 / bracket, -decay * mu1 * psi_p * r
    zeta4 = 1 / (1 + noise * mu1**2 * psi_p * zeta1 + decay**2 * mu1**2 * psi_p * zeta1 * zeta2)
    d.equation(
        10,
        r"\zeta_1=q,\quad\zeta_2=\frac1{1+\delta},\quad\zeta_3=-e^{-t}\mu_1\psi_pr,\quad\zeta_4=\frac1{1+"
        r"\psi_pq\,m(1)}",
        paper="SM Eqs 101-104 (George, Veiga, Macris 2025)",
        code=CODE,
    )
    m = noise * mu1**2 + mu1**2 * decay**2 * zeta2
    second = zeta2 * (psi_n + v2 * psi_p * zeta1 - decay * mu1 * zeta3) - psi_n
    d.zero("Second pencil equation, with $v_t^2\\psi_p$ (the copy prints $v_t^2\\psi_n$), is (D4.6)", second)
    wrong = zeta2 * (psi_n + v2 * psi_n * zeta1 - decay * mu1 * zeta3) - psi_n
    d.check("With $v_t^2\\psi_n$ it is not", sympy.simplify(wrong) != 0)
    on_shell = {r: q / (1 + psi_p * q * sympy.Symbol("m"))}
    third = (
        decay * mu1 * psi_p * zeta1 * (1 + decay * mu1 * zeta2 * zeta3) + (1 + noise * mu1**2 * psi_p * zeta1) * zeta3
    )
    # zeta2 is kept as a free symbol G so that r = q/(1 + psi_p q m) closes the algebra.
    free = sympy.Symbol("G", positive=True)
    replaced = third.subs(zeta2, free).subs(on_shell).subs(sympy.Symbol("m"), m.subs(zeta2, free))
    d.zero("Third pencil equation is $r=q/(1+\\psi_pq\\,m)$", replaced)
    ours = s2 - z + v2 * zeta2 + m / (1 + psi_p * q * m) - 1 / q
    common = zeta1 * (s2 - z + v2 * zeta2 + noise * mu1**2 * zeta4) - 1
    first = common + zeta1 * decay**2 * mu1**2 * zeta2 * zeta4
    d.zero(
        "First pencil equation, with $e^{-2t}\\mu_1^2\\zeta_2\\zeta_4$, is (D4.5)", (first / q - ours).subs(zeta2, free)
    )
    wrong = common + zeta1 * decay**2 * mu1**2 * zeta2 * zeta3
    d.check(
        "With $\\zeta_2\\zeta_3$ in that term, as the copy has it, it is not",
        sympy.simplify((wrong / q - ours).subs(zeta2, free)) != 0,
    )


def _draw(d: Derivation) -> None:
    rng, dim = np.random.default_rng(3), 240
    n, p, lam = 2 * dim, 3 * dim, np.repeat([0.5, 1.5], dim // 2)
    w = rng.standard_normal((p, dim)) / np.sqrt(dim)
    columns = np.sqrt(0.3) * (w * np.sqrt(lam)) @ rng.standard_normal((dim, n)) + np.sqrt(0.04) * rng.standard_normal(
        (p, n)
    )
    u = columns @ columns.T / n + 0.1 * w @ w.T + 0.02 * np.eye(p)
    inverse = np.linalg.inv(u + 0.1 * np.eye(p))
    with mp.workdps(30):
        one = mp.mpf(1)
        system = reference(
            psi_p=3 * one,
            fixed=(one / 50, one / 10, 0 * one),
            sampled=(one / 25, 0 * one, 3 * one / 10),
            nodes=(one / 2, 3 * one / 2),
            weights=(one / 2, one / 2),
        )
        q_, _ = system.solve(-one / 10)
        trace = system.trace(-one / 10) / system.psi_p
        pairs = (np.trace(inverse) / p, q_), (np.trace(w.T @ inverse @ w) / p, trace)
        errors = [abs(float(x) / float(y) - 1) for x, y in pairs]
        d.check(
            f"One draw at d = {dim}: q and s (with $W/\\sqrt d$) within 4/d, relative errors "
            + ", ".join(f"{e:.1e}" for e in errors),
            max(errors) < 4 / dim,
            "numpy",
        )
