"""A finite number of frozen noises per sample, and ridge: spectrum, targets and curves at every training time."""

from __future__ import annotations

import sympy
from mpmath import mp

from derivations.corner import SIDE, corners, drawn, everything, model_of
from derivations.record import Derivation
from derivations.symbols import alpha2, b2, mean, psi_n, s2, v2
from rfscore.oracle import frozen

EQUIVALENT, POINT, TARGETS = (f"rfscore/theory/{x}.py" for x in ("equivalent", "one_point", "targets"))
CALCULUS, CURVE = "rfscore/theory/assemble.py", "rfscore/theory/real_curve.py"
m = sympy.Symbol("m", positive=True)


def derive() -> Derivation:
    """Run the derivation."""
    d = Derivation(
        10,
        "Frozen noises and ridge",
        (
            r"Gaussian equivalence of the features of all noised copies jointly: the non-linear parts of two copies "
            r"of one sample share the variance $v_t^2$ out of $v_t^2+s_t^2$.",
            r"The one-point rule of (D4.2) for several sampled parts, one $\delta_j$ a part, and its lift (D6.1).",
        ),
    )
    _columns(d)
    _one_point(d)
    _targets(d)
    _kernel(d)
    _kernel_numbers(d)
    _ridge(d)
    _curve(d)
    return d


def _columns(d: Derivation) -> None:
    d.equation(
        1,
        r"\phi_{\nu j}=c_\nu+e_{\nu j},\quad c_\nu\sim N(0,C),\ e_{\nu j}\sim N(0,B),\qquad "
        r"C=\alpha^2\frac{W\Sigma W^T}d+v_t^2,\quad B=b_t^2\frac{WW^T}d+s_t^2",
        paper="none",
        code=EQUIVALENT,
    )
    d.text(r"""The $m$ columns of one sample have covariance $C\otimes11^T+B\otimes1$. An orthogonal matrix
    whose first
    row is $1/\sqrt m$ turns them into one column of covariance $mC+B$ and $m-1$ of covariance $B$, all
    independent, and
    leaves $\sum_j\phi_{\nu j}\phi_{\nu j}^T$ as it is.""")
    c, b = sympy.symbols("c b")
    helmert = sympy.Matrix([[1, 1, 1], [1, -1, 0], [1, 1, -2]])
    helmert = sympy.diag(*(1 / row.norm() for row in (helmert.row(i) for i in range(3)))) * helmert
    turned = helmert * (c * sympy.ones(3, 3) + b * sympy.eye(3)) * helmert.T
    d.check("$m=3$", sympy.simplify(turned - sympy.diag(3 * c + b, b, b)) == sympy.zeros(3, 3))
    d.equation(
        2,
        r"U_m=\frac1{nm}\sum_{\nu j}\phi_{\nu j}\phi_{\nu j}^T\simeq\frac1n\sum_{\nu=1}^nh_\nu h_\nu^T+\frac1{nm}"
        r"\sum_{i=1}^{(m-1)n}k_ik_i^T,\qquad h_\nu\sim N(0,C+B/m),\quad k_i\sim N(0,B)",
        code=EQUIVALENT,
    )
    d.equation(
        3,
        r"\mathcal L_{\rm train}+\frac{\Delta_t\ell}{pd}\,|A|^2:\qquad\frac{A}{\sqrt p}=-\frac1{\sqrt{\Delta_t}}"
        r"V_m^T\,\frac{1-e^{-c(U_m+\ell)}}{U_m+\ell}",
        paper="Eqs 9-10 with weight decay",
        code=EQUIVALENT,
    )


def _one_point(d: Derivation) -> None:
    d.equation(
        4,
        r"\begin{aligned}&\frac1q=\ell-z+\frac{v_t^2+s_t^2/m}{1+\delta_1}+\frac{m-1}m\frac{s_t^2}{1+\delta_2}+\int"
        r"\rho_\Sigma\frac{M(\lambda)}{1+\psi_pqM(\lambda)},\\&M(\lambda)=\frac{\alpha^2\lambda+b_t^2/m}{1+\delta_1}"
        r"+\frac{m-1}m\frac{b_t^2}{1+\delta_2}\end{aligned}",
        paper="Urfin et al. 2026, Prop C.2",
        code=POINT,
    )
    d.equation(
        5,
        r"\delta_1=\frac{\psi_p}{\psi_n}\Big[\Big(v_t^2+\frac{s_t^2}m\Big)q+\alpha^2r+\frac{b_t^2}m\,s\Big]",
        code=POINT,
    )
    d.equation(6, r"\delta_2=\frac{\psi_p}{m\psi_n}\big[s_t^2\,q+b_t^2\,s\big]", code=POINT)
    draw = drawn()
    with mp.workdps(30):
        state = frozen.solve(model_of(), mp.mpf(-1) / 10)
        values = frozen.values(model_of(), mp.mpf(-1) / 10, state)
        errors = [abs(draw[name] / float(values[name]) - 1) for name in ("q", "s")]
        d.check(
            f"One draw, {SIDE} dimensions: q and s within 4/d, relative errors "
            + ", ".join(f"{e:.1e}" for e in errors),
            max(errors) < 4 / SIDE,
            "numpy",
        )


def _targets(d: Derivation) -> None:
    d.text(r"""The features of a column are correlated with its noise: with $\xi$ appended to $\phi$, part $j$ has the
    covariance $\begin{pmatrix}C_j&t_jb_tW/\sqrt d\\\cdot&t_j\end{pmatrix}$, $t_1=1/m$, $t_2=1$. The rule
    (D4.2) for the
    appended columns replaces $U_m$, $V_m$ and $\frac1{nm}\Xi\Xi^T$ by their $\frac1{1+\delta_j}$-weighted means.""")
    d.equation(7, r"\beta=\frac1m\frac1{1+\delta_1}+\frac{m-1}m\frac1{1+\delta_2}", code=TARGETS)
    d.equation(
        8,
        r"H(z)=\frac1d\mathrm{Tr}\,V_m^T(U_m-z)^{-1}V_m=1-\beta+\beta^2b_t^2S",
        paper=r"Urfin et al. 2026, $T_1$",
        code=TARGETS,
    )
    d.equation(
        9,
        r"X(z)=\frac1d\mathrm{Tr}\,\tilde V^T(U_m-z)^{-1}V_m=\beta b_t^2S",
        paper=r"Urfin et al. 2026, $T_2$",
        code=TARGETS,
    )


def _kernel(d: Derivation) -> None:
    d.equation(
        10,
        r"\begin{aligned}&K=v_t^2+s_t^2-\Big(v_t^2+\frac{s_t^2}m\Big)g_1E_1-\frac{m-1}ms_t^2g_2E_2,"
        r"\qquad g_i=\frac1{(1+"
        r"\delta_i(z_1))(1+\delta_i(z_2))},\\&\mathcal M=b_t^2+\alpha^2\lambda-\Big(\alpha^2\lambda+"
        r"\frac{b_t^2}m\Big)g_1"
        r"E_1-\frac{m-1}mb_t^2g_2E_2,\\&Q=-q_1q_2(K+\langle\mathcal M\rangle-\psi_pQ\langle M_1M_2\rangle),\quad "
        r"s_{12}=Q\langle1\rangle-\psi_pq_1q_2\langle\mathcal M\rangle,\quad r_{12}=Q\langle\lambda\rangle-"
        r"\psi_pq_1q_2"
        r"\langle\lambda\mathcal M\rangle,\\&E_1=\frac{\psi_p}{\psi_n}\Big[\Big(v_t^2+\frac{s_t^2}m\Big)Q+"
        r"\alpha^2r_{12}"
        r"+\frac{b_t^2}ms_{12}\Big],\qquad E_2=\frac{\psi_p}{m\psi_n}[s_t^2Q+b_t^2s_{12}]\end{aligned}",
        code=TARGETS,
    )
    d.equation(11, r"\beta_{12}=-\frac1mg_1E_1-\frac{m-1}mg_2E_2", code=TARGETS)
    d.equation(
        12,
        r"\frac1d\mathrm{Tr}\,V_m^TR(z_1)\tilde UR(z_2)V_m=\beta_{12}-b_t^2\big(\beta_{12}S_2\beta_2+"
        r"\beta_1S_{12}\beta_2+"
        r"\beta_1S_1\beta_{12}\big)",
        code=TARGETS,
    )


def _kernel_numbers(d: Derivation) -> None:
    with mp.workdps(30):
        model = model_of()
        one, two = (frozen.solve(model, mp.mpf(x)) for x in ("-0.1", "-0.7"))
        corner = corners(model, one, two, *everything(model))
        coupling = (model.v2 + model.s2, model.b2, model.alpha2)
        lifted = frozen.kernels(model, one, two, coupling)
        d.close("(D10.10)-(D10.12) against lifted matrices", corner.kernel, lifted[1], 25)
        d.close("and their trace $S_{12}$", -corner.trace, lifted[0], 25)
        base, draw = frozen.pull(model, one), drawn()
        same = corners(model, one, one, *everything(model)).kernel
        errors = [abs(draw[k] / float(x) - 1) for k, x in (("H", base[0]), ("X", base[1]), ("test", same))]
        d.check("The same draw: H, X and (D10.12), relative errors " + ", ".join(f"{e:.1e}" for e in errors),
                max(errors) < 6 / SIDE, "numpy")  # fmt: skip
        many = model_of(draws=mp.mpf(10) ** 12)
        h, x = frozen.pull(many, frozen.solve(many, mp.mpf("-0.1")))
        d.close("$m\\to\\infty$: $H=X=b^2S$", h, x, 10)


def _ridge(d: Derivation) -> None:
    d.equation(
        13,
        r"\mathcal L_{\rm train}=1-\Big[\frac{1-e^{-2c\lambda}}\lambda+\ell\,k_c(\lambda)^2\Big]H,\qquad k_c("
        r"\lambda)^2="
        r"\frac1{2\pi i}\int_{\rm Br}\frac{e^{2cs}-2e^{cs}}{s^2(s+\lambda)}\,ds,\qquad\lambda\in"
        r"\mathrm{spec}(U_m+\ell)",
        code=CALCULUS,
    )
    c, lam, ridge = sympy.symbols("c lambda ell", positive=True)
    k = (1 - sympy.exp(-c * lam)) / lam
    quadratic = (lam - ridge) * k**2 - 2 * k
    d.zero("Loss of one mode without its penalty", quadratic + (1 - sympy.exp(-2 * c * lam)) / lam + ridge * k**2)
    s = sympy.Symbol("s")
    integrand = (sympy.exp(2 * c * s) - 2 * sympy.exp(c * s)) / (s**2 * (s + lam))
    residues = sympy.residue(integrand, s, 0) + sympy.residue(integrand, s, -lam)
    d.zero("Sum of the residues at $0$ and $-\\lambda$", residues - k**2)


def _curve(d: Derivation) -> None:
    d.text(r"""For real $z$: with $w=\psi_pq$, $g_i=1/(1+\delta_i)$, $A=v_t^2+s_t^2/m$ and
    $\kappa=(1+wb_t^2\beta)/(\alpha^2
    wg_1)$ one has $1+wM(\lambda)=\alpha^2wg_1(\kappa+\lambda)$. Put $Y_0=\int\rho_\Sigma/(\kappa+\lambda)$ and
    $Y_1=\int\rho_\Sigma\lambda/(\kappa+\lambda)$.""")
    d.equation(14, r"\frac1{g_1}=\frac{\psi_n+Aw}{G},\qquad G=\psi_n-Y_1-\frac{b_t^2}{m\alpha^2}Y_0", code=CURVE)
    d.equation(
        15,
        r"\frac{G}{g_2}=G+\frac{b_t^2Y_0}{\alpha^2m}+\Big(\frac{s_t^2}{m\psi_n}G+\frac{b_t^2A}{\alpha^2m"
        r"\psi_n}Y_0\Big)w",
        code=CURVE,
    )
    d.equation(
        16,
        r"\frac1w+\Big(\frac{b_t^2}m-\alpha^2\kappa\Big)g_1+\frac{m-1}mb_t^2g_2=0,\quad\text{a quadratic for }w",
        code=CURVE,
    )
    w, g1, g2, y0, y1, kappa = sympy.symbols("w g1 g2 Y0 Y1 kappa")
    a = v2 + s2 / m
    d1 = (a * w + y1 / g1 + b2 / (m * alpha2) * y0 / g1) / psi_n
    big_g = psi_n - y1 - b2 / (m * alpha2) * y0
    solved = sympy.solve(sympy.Eq(1 / g1, 1 + d1), g1)
    d.check("(D10.14) is (D10.5)", len(solved) == 1 and sympy.simplify(solved[0] - big_g / (psi_n + a * w)) == 0)
    d2 = (s2 * w + b2 * y0 / (alpha2 * g1)) / (m * psi_n)
    right = big_g + b2 * y0 / (alpha2 * m) + (s2 / (m * psi_n) * big_g + b2 * a / (alpha2 * m * psi_n) * y0) * w
    d.zero("(D10.15) is (D10.6)", big_g * (1 + d2.subs(g1, big_g / (psi_n + a * w))) - right)
    closing = 1 / w + (b2 / m - alpha2 * kappa) * g1 + (m - 1) / m * b2 * g2
    definition = kappa - (1 + w * b2 * (g1 / m + (m - 1) / m * g2)) / (alpha2 * w * g1)
    d.zero("(D10.16) is the definition of $\\kappa$", closing + alpha2 * g1 * definition)
    d.equation(
        17,
        r"zw=nm/d-\psi_p-\psi_ng_1-(m-1)\psi_ng_2:\quad\text{(D5.13) with frozen noises}",
        code="rfscore/theory/floor_edge.py",
    )
    big = lambda lam: 1 + w * (b2 * (g1 / m + (m - 1) / m * g2) + alpha2 * g1 * lam)  # noqa: E731
    zero, one = mean(lambda lam: 1 / big(lam)), mean(lambda lam: lam / big(lam))
    one_1, one_2 = (a + b2 / m * zero + alpha2 * one) * w / psi_n, (s2 + b2 * zero) * w / (m * psi_n)
    level = a * g1 + (m - 1) / m * s2 * g2 + mean(lambda lam: (big(lam) - 1) / (w * big(lam)))  # (D10.4): z + psi_p/w
    own = psi_n * (g1 * (1 + one_1) - 1) + (m - 1) * psi_n * (g2 * (1 + one_2) - 1)  # (D10.5), (D10.6): vanishes
    d.zero("(D10.17)", w * level - own - (m * psi_n - psi_n * g1 - (m - 1) * psi_n * g2))
